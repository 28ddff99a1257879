/* Programs of elementwise milli-ops: kernels/chain_program.h. */
#ifndef GPU_CHAIN_H
#define GPU_CHAIN_H

#include "backend/gpu/gpu.h"

/* Max nodes of a program, and max values that they read or make. */
#define GPU_CHAIN_NODES  64
#define GPU_CHAIN_VALUES 128

/* Where a program runs: alone, or behind a kernel's result. */
typedef struct gpu_chain_room {
    bool follows;       /* the first node of the body makes what is in register 0 */
    unsigned buffers;   /* a bit for each that operands and results may have */
    unsigned out;       /* the first result's buffer, none of these; 0: any of these */
    unsigned registers; /* how many there are */
    unsigned max;       /* instructions */
    unsigned per_word;  /* elements in a word of what it writes, at most */
} gpu_chain_room;

typedef struct gpu_chain {
    gpu_chain_args args;
    size_t n;
    struct {
        unsigned buffer;
        gpu_operand operand;
    } operands[GPU_BUFFERS]; /* (n) */
    uint32_t words[CHAIN_CODE + (GPU_CHAIN_NODES + GPU_BUFFERS + GPU_CHAIN_VALUES) * CHAIN_WORDS];
} gpu_chain;
_Static_assert(sizeof((gpu_chain *)0)->words <= 4 * CHAIN_PROGRAM_MAX,
               "the kernel's copy holds every program");

/* Writes the program of n, a milli-op or a group. Returns false where there is none. */
bool gpu_chain_build(const node_view *n, const gpu_chain_room *room, gpu_chain *out);
/* Words of it that are used. */
static inline size_t gpu_chain_words(const gpu_chain *c)
{
    return CHAIN_CODE + CHAIN_WORDS * c->args.instructions;
}

#endif
