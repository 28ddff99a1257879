/* Log-mel features as launches of kernels: which, with what arguments, on which buffers. */
#ifndef GPU_FRONT_END_H
#define GPU_FRONT_END_H

#include "gpu/device.h"

#include <sibyl/features.h>

/* Recordings one behind another, and what their features are made of. */
typedef struct front_end_task {
    sib_mel_spec spec;
    size_t recordings, samples, total; /* total: samples of each, with zeros appended */
    size_t rows, columns;              /* of the features of a recording, as sib_mel_shape gives them */
    bool joint;                        /* they are clamped to the largest value of all recordings */
} front_end_task;

/* What a launch uses. Scratch is VALUES, which averages are made of, and the extremes of parts. */
typedef enum front_end_buffer {
    FRONT_TABLES,
    FRONT_SAMPLES,
    FRONT_FEATURES,
    FRONT_VALUES,
    FRONT_LARGEST,
    FRONT_SMALLEST,
    FRONT_BUFFERS
} front_end_buffer;

typedef struct front_end_launch {
    gpu_kernel kernel;
    size_t n, groups; /* along one line */
    front_end_buffer buffers[5];
    unsigned char args[GPU_ARGS_BYTES];
} front_end_launch;

typedef struct front_end {
    size_t words[FRONT_BUFFERS]; /* that each buffer has; 0: it is not used */
    size_t n_launches;
    front_end_launch launches[2];
} front_end;

/* Errors: SIB_ERR_UNSUPPORTED names what of a description the kernels do not take. */
sib_code gpu_front_end_check(const sib_mel_spec *spec, sib_error *err);
/* Whether the kernels take it. The description holds, as sib_mel_create checks it. */
bool gpu_front_end_takes(const front_end_task *task);
/* Plans a task that they take; the tables have no words yet. */
void gpu_front_end_plan(const front_end_task *task, front_end *out);
/* The tables of mel's description, *n words, owned by the caller, mem_free. Errors: SIB_ERR_MEMORY. */
sib_code gpu_front_end_tables(const sib_mel *mel, uint32_t **out, size_t *n, sib_error *err);
/* Groups along one line, as launches count them. */
void gpu_front_end_groups(const front_end_launch *l, uint32_t groups[3]);

#endif
