/* Products of 8-bit integer matrices: the state prepared once, and the run. */
#ifndef CPU_MATMUL_INT_H
#define CPU_MATMUL_INT_H

#include "backend/cpu/matmul/matmul_shape.h"
#include "kernel/gemm/gemm.h"

#define NONE 255

/* The index of each input; NONE where the operator has no such input. */
typedef struct int_operator {
    const char *domain, *name;
    uint8_t a, b, a_zero, b_zero, a_scale, b_scale, bias, y_scale, y_zero;
} int_operator;

typedef struct int_state {
    const int_operator *op;
    gemm_int g; /* without addresses */
    size_t count;
    gemm_int_place *places; /* (count), NULL for one */
    void *owned;            /* packed B, where this state owns it */
    bool dynamic;           /* A is float32, to be quantized over its range of values */
    bool b_scale_each, bias_each;
    sib_dtype out;
    /* Scratch of a run: for the product, zero points as int32, column factors, C as int32, A as bytes. */
    size_t product_bytes, a_zero_bytes, b_zero_bytes, factor_bytes, c_bytes, q_bytes;
} int_state;

sib_code cpu_matmul_int_run(const cpu_call *c);

#endif
