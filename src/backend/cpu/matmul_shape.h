/* What a product of matrices is, worked out from the node once for all that compute products. */
#ifndef CPU_MATMUL_SHAPE_H
#define CPU_MATMUL_SHAPE_H

#include "backend/cpu/cpu.h"
#include "kernel/gemm/gemm.h"

/* C[b] (m, n) = A[b] (m, k) B[b] (k, n) for `count` b. Strides in elements. */
typedef struct cpu_matmul_shape {
    size_t m, n, k, count;
    size_t a_row, a_column, b_row, b_column;
    bool b_shared; /* one B for all */
    size_t rank;   /* of the leading dims */
    size_t dims[SIB_MAX_RANK], a_step[SIB_MAX_RANK],
        b_step[SIB_MAX_RANK]; /* (rank), steps 0 where broadcast */
    size_t b_matrices;        /* that B has */
} cpu_matmul_shape;

/* NumPy's matmul of two values whose dims are known, an operand of rank 1 being a row or a column, the last two axes
   exchanged where trans_ says. False where dims are not known or do not fit. */
bool cpu_matmul_shape_of(const node_view *n, const value *a, const value *b, bool trans_a, bool trans_b,
                         cpu_matmul_shape *out);
/* Where the matrices stand: (count), owned by the caller (mem_free); NULL without memory. b counts matrices where
   `packed`, else elements. */
gemm_place *cpu_matmul_places(const cpu_matmul_shape *s, bool packed);

#endif
