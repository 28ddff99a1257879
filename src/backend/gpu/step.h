/* A step of a plan on the device: what prepare made and run uses. */
#ifndef GPU_STEP_H
#define GPU_STEP_H

#include "backend/gpu/alike.h"
#include "backend/gpu/indices.h"

#include <pthread.h>

typedef struct gpu_row {
    gpu_kernel kernel;
    size_t n;
    gpu_operand operands[GPU_BUFFERS]; /* (n) */
    uint32_t groups[3];
    unsigned char args[GPU_ARGS_BYTES];
} gpu_row;

struct gpu_step {
    size_t n_rows, capacity;
    gpu_row *rows;   /* (n_rows) */
    size_t n_copies; /* the first of them, which make output 0 a copy of input 0: none where it is there */
    uint32_t *words;
    size_t n_words, word_capacity;
    gpu_same *own;       /* words, on the device; NULL: none */
    gpu_buffer *scratch; /* NULL: none */
    size_t scratch_words;
    pthread_mutex_t turn; /* a run lists its launches in one go where the step has scratch */
    size_t n_in;
    gpu_range *constants; /* (n_in) buffer NULL: the input is no constant */
    gpu_same **held;      /* (n_in) those of plans, not of the model; else NULL */
    gpu_indices indices;  /* that are checked before each run; count 0: none */
};

#endif
