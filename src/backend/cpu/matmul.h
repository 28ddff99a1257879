/* Products of matrices of floats: what is made ready once, and the run, for all operators that are such products. */
#ifndef CPU_MATMUL_H
#define CPU_MATMUL_H

#include "backend/cpu/matmul_shape.h"

/* What is added to the product. */
typedef enum matmul_addend {
    ADD_NOTHING,
    ADD_ROWS, /* as it stands: one row for all, or a row for each */
    ADD_FILL  /* broadcast in another way, or times beta: C is filled with it beforehand */
} matmul_addend;

typedef struct matmul_state {
    gemm g; /* but for the addresses, which are known at the run only */
    size_t count;
    gemm_place *places; /* (count), NULL for one */
    void *owned;        /* packed B, where it is this state's own */
    size_t scratch;     /* floats */
    matmul_addend addend;
    size_t addend_input;
    float beta;
    size_t add_row, add_column; /* ADD_FILL: strides of the addend */
    /* 16-bit floats: operands are widened before and C is narrowed after; NULL for float32. */
    kernel_widen widen;
    kernel_narrow narrow;
    size_t a_floats, b_floats, addend_floats, c_floats; /* 0 for float32 */
} matmul_state;

/* float32 or a 16-bit float; sets what s needs for the latter. Elements of the operands as floats. */
bool cpu_matmul_takes(sib_dtype dtype);
void cpu_matmul_set_dtype(const cpu_self *self, matmul_state *s, sib_dtype dtype, size_t a, size_t b,
                          size_t addend);
/* Floats of scratch, once all else of s is set. */
void cpu_matmul_size_scratch(const cpu_self *self, matmul_state *s);

sib_code cpu_matmul_run(const cpu_call *c);
bool cpu_matmul_reads(const void *state, size_t i);
void cpu_matmul_release(void *state);

#endif
