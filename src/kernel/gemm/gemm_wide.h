/* Products of matrices of doubles and of integers of 32 and 64 bits, which wrap. These operands are rare, so
   B is always packed during the call. */
#ifndef KERNEL_GEMM_WIDE_H
#define KERNEL_GEMM_WIDE_H

#include <stddef.h>
#include <stdint.h>

/* C (m, n) = A (m, k) B (k, n), dense rows of C. Strides in elements. */
typedef struct gemm_wide {
    size_t m, n, k;
    const void *a;
    size_t a_row, a_column;
    const void *b;
    size_t b_row, b_column;
    void *c;
} gemm_wide;

/* Computes columns from panel * width on of C for all rows; scratch: (k, width) elements. */
typedef void (*gemm_wide_panel)(const gemm_wide *g, size_t panel, void *scratch);

typedef struct gemm_wide_kernels {
    size_t bytes; /* of a row of a panel: width elements */
    gemm_wide_panel f64, u64, u32;
} gemm_wide_kernels;

#endif
