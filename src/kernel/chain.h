/* Elementwise functions: what chains of elementwise operations are made of. */
#ifndef KERNEL_CHAIN_H
#define KERNEL_CHAIN_H

#include <stddef.h>

/* Functions of floats that are vectors at every level. */
#define CHAIN_VECTOR_FUNCTIONS(X)                                                                            \
    X(exp)                                                                                                   \
    X(exp2)                                                                                                  \
    X(expm1)                                                                                                 \
    X(log)                                                                                                   \
    X(log1p)                                                                                                 \
    X(tanh)                                                                                                  \
    X(erf)                                                                                                   \
    X(sin)                                                                                                   \
    X(cos)                                                                                                   \
    X(sigmoid)                                                                                               \
    X(silu)                                                                                                  \
    X(softplus)                                                                                              \
    X(gelu)                                                                                                  \
    X(gelu_tanh)

typedef enum chain_vector_function {
#define CHAIN_ENUM(name) CHAIN_VECTOR_##name,
    CHAIN_VECTOR_FUNCTIONS(CHAIN_ENUM)
#undef CHAIN_ENUM
        CHAIN_VECTOR_COUNT
} chain_vector_function;

typedef struct chain_kernels {
    /* y[i] = function(x[i]) for i < n, as vf_math.h says; x and y may be the same. The value at i does not depend on i
       or n. */
    void (*vector[CHAIN_VECTOR_COUNT])(const float *x, float *y, size_t n);
} chain_kernels;

#endif
