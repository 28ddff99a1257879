/* The shapes of a matrix product, read from the node in one place for all operators that compute one. */
#ifndef CPU_MATMUL_SHAPE_H
#define CPU_MATMUL_SHAPE_H

#include "backend/cpu/cpu.h"
#include "kernel/gemm/gemm.h"

/* C[b] (m, n) = A[b] (m, k) B[b] (k, n) for b < count. Strides in elements. */
typedef struct cpu_matmul_shape {
    size_t m, n, k, count;
    size_t a_row, a_column, b_row, b_column;
    bool b_shared; /* one B for all b */
    size_t rank;   /* of the leading dims */
    size_t dims[SIB_MAX_RANK], a_step[SIB_MAX_RANK],
        b_step[SIB_MAX_RANK]; /* (rank), steps 0 where broadcast */
    size_t b_matrices;        /* matrices in B */
} cpu_matmul_shape;

/* The shape of NumPy's matmul of two values of known dims. An operand of rank 1 counts as a row or a column;
   trans_a and trans_b exchange the last two axes. Returns false where dims are not known or do not fit. */
bool cpu_matmul_shape_of(const node_view *n, const value *a, const value *b, bool trans_a, bool trans_b,
                         cpu_matmul_shape *out);
/* The offset of each matrix: (count), owned by the caller (mem_free); NULL where memory is short. b counts
   matrices if `packed`, else elements. */
gemm_place *cpu_matmul_places(const cpu_matmul_shape *s, bool packed);

#endif
