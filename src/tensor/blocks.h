/* Blocks of quantised elements, as ggml's files have them: a block holds a number of consecutive elements of a row as few
   bits each, with what scales them. */
#ifndef TENSOR_BLOCKS_H
#define TENSOR_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, elements of a block, its bytes) */
#define BLOCK_FORMATS(X)                                                                                     \
    X(q4_0, 32, 18)                                                                                          \
    X(q4_1, 32, 20)                                                                                          \
    X(q5_0, 32, 22)                                                                                          \
    X(q5_1, 32, 24)                                                                                          \
    X(q8_0, 32, 34)                                                                                          \
    X(iq4_nl, 32, 18)                                                                                        \
    X(mxfp4, 32, 17)                                                                                         \
    X(q2_k, 256, 84)                                                                                         \
    X(q3_k, 256, 110)                                                                                        \
    X(q4_k, 256, 144)                                                                                        \
    X(q5_k, 256, 176)                                                                                        \
    X(q6_k, 256, 210)

/* Max elements of a block. */
#define BLOCK_MAX 256

#define BLOCK_KIND(name, block, bytes) BLOCK_##name,
typedef enum block_kind { BLOCK_FORMATS(BLOCK_KIND) N_BLOCK_KINDS } block_kind;
#undef BLOCK_KIND

typedef struct block_format {
    const char *name;                                            /* "q4_0" */
    unsigned block, bytes;                                       /* elements of a block, and its bytes */
    void (*decode)(const uint8_t *blocks, size_t n, float *out); /* n blocks; out: (n * block) */
} block_format;

/* NULL where kind is out of range. */
const block_format *block_format_at(block_kind kind);
/* False, with *out untouched, where there is none of that name. */
bool block_kind_named(const char *name, size_t length, block_kind *out);
/* Elements [first, first + n) of the blocks at `blocks`; first and n need not be multiples of a block. out: (n). */
void blocks_decode(const block_format *f, const uint8_t *blocks, size_t first, size_t n, float *out);

#endif
