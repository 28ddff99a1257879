/* Elementwise functions of every number type: what chains of elementwise operations (chain.h) are made of. */
#ifndef KERNEL_CHAIN_ENTRIES_H
#define KERNEL_CHAIN_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

typedef enum chain_op {
#define CHAIN_OP(name, inputs) CHAIN_##name,
#include "kernel/chain/chain_ops.def"
#undef CHAIN_OP
    CHAIN_OP_COUNT
} chain_op;

/* The types that elements are computed in: constant, C type. 16-bit floats are computed as CHAIN_F32; a bool
   is a byte of 0 or 1. */
#define CHAIN_TYPE_ROWS(X)                                                                                   \
    X(F32, float)                                                                                            \
    X(F64, double)                                                                                           \
    X(I8, int8_t)                                                                                            \
    X(I16, int16_t)                                                                                          \
    X(I32, int32_t)                                                                                          \
    X(I64, int64_t)                                                                                          \
    X(U8, uint8_t)                                                                                           \
    X(U16, uint16_t)                                                                                         \
    X(U32, uint32_t)                                                                                         \
    X(U64, uint64_t)                                                                                         \
    X(BOOL, uint8_t)

typedef enum chain_type {
#define CHAIN_ENUM(name, type) CHAIN_##name,
    CHAIN_TYPE_ROWS(CHAIN_ENUM)
#undef CHAIN_ENUM
        CHAIN_TYPE_COUNT
} chain_type;

/* out[i] = function(a[i], b[i], c[i]) for i < n; unused operands may be NULL. out may be an operand whose
   elements have the same size. The result for given elements does not depend on i or n. Integer divisors must
   not be 0. */
typedef void (*chain_function)(const void *a, const void *b, const void *c, void *out, size_t n);

typedef struct chain_kernels {
    chain_function op[CHAIN_OP_COUNT][CHAIN_TYPE_COUNT]; /* by type of the operands; NULL where unsupported */
    /* For floats: [0] with a single a, [1] with a single b; NULL where unsupported. */
    chain_function scalar[2][CHAIN_OP_COUNT];
    /* For float32, [0] as op, [1] and [2] as scalar: results are stored past the caches, where out is aligned to
       a vector. Other threads may see them only after layout.stream_end. NULL where unsupported. */
    chain_function streamed[3][CHAIN_OP_COUNT];
    chain_function where[4]; /* a ? b : c, bool a; b and c of 1, 2, 4 and 8 bytes */
    chain_function cast[CHAIN_TYPE_COUNT][CHAIN_TYPE_COUNT]; /* [from][to]; integers wrap */
} chain_kernels;

#endif
