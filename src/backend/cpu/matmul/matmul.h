/* Products of float matrices: the state prepared once and the run, for all operators that compute one. */
#ifndef CPU_MATMUL_H
#define CPU_MATMUL_H

#include "backend/cpu/matmul/matmul_shape.h"

/* What is added to the product. */
typedef enum matmul_addend {
    ADD_NOTHING,
    ADD_ROWS, /* directly: one row for all, or one per row */
    ADD_FILL  /* broadcast otherwise or times beta: C is filled with it first */
} matmul_addend;

typedef struct matmul_state {
    gemm g; /* without addresses, which are known at run time */
    size_t count;
    gemm_place *places; /* (count), NULL for one */
    void *owned;        /* packed B, where this state owns it */
    size_t scratch;     /* in floats */
    matmul_addend addend;
    size_t addend_input;
    float beta;
    size_t add_row, add_column; /* ADD_FILL: strides of the addend */
    /* 16-bit floats: operands are widened before, C is narrowed after. NULL for float32. */
    kernel_widen widen;
    kernel_narrow narrow;
    size_t a_floats, b_floats, addend_floats, c_floats; /* sizes of the widened operands; 0 for float32 */
} matmul_state;

/* cpu_matmul_takes: true for float32 and 16-bit floats. cpu_matmul_set_dtype sets what s needs for the
   latter; a, b, addend: elements of the operands. */
bool cpu_matmul_takes(sib_dtype dtype);
void cpu_matmul_set_dtype(const cpu_self *self, matmul_state *s, sib_dtype dtype, size_t a, size_t b,
                          size_t addend);
/* Where kernels are chosen by measuring: sets s->g.choice to the fastest way to compute a product of floats that is not
   packed. a, b: elements of the operands. Errors: SIB_ERR_MEMORY, SIB_ERR_FORMAT and SIB_ERR_IO (of the file). */
sib_code cpu_matmul_tune(const cpu_self *self, matmul_state *s, size_t a, size_t b, sib_error *err);
/* A cpu_kernel's method: how B is read where that was measured. */
const char *cpu_matmul_method(const void *state);
/* Sets s->scratch once all else of s is set. */
void cpu_matmul_size_scratch(const cpu_self *self, matmul_state *s);

sib_code cpu_matmul_run(const cpu_call *c);
bool cpu_matmul_reads(const void *state, size_t i);
void cpu_matmul_release(void *state);

#endif
