/* Sizes of the kernels for AVX-512 (32 registers of 16 floats), as measured. The .inc.h that reads a size
   explains it. */
#ifndef KERNEL_LEVELS_AVX512_H
#define KERNEL_LEVELS_AVX512_H

#define PEAK_CHAINS 24

#define GEMM_MR    12 /* 24 sums, 2 vectors of B, 1 of A */
#define GEMM_NV    2
#define GEMM_KC    384
#define GEMM_BLOCK 147456 /* 384 columns of 384 terms */
#define WIDE_BYTES 64

#define GEMM_INT_MR    12
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 524288
#define BYTES_MR       12
#define BYTES_TILES(T)                                                                                       \
    T(1, 8) T(2, 8) T(3, 4) T(4, 4) T(5, 4) T(6, 4) T(7, 2) T(8, 2) T(9, 2) T(10, 2) T(11, 2) T(12, 2)
#define BYTES_BY_CPU /* the instructions for bytes are chosen at run time: x86_bytes.c */

/* up to 24 sums besides the vectors of the image and one weight */
#define CONV2D_MR       8
#define CONV2D_TILES(T) T(1, 8) T(2, 8) T(3, 6) T(4, 6) T(5, 4) T(6, 4) T(7, 3) T(8, 3)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8)
#define CONV2D_VECTORS  32
#define SPOT_VECTORS    3

#define ATTENTION_MR   8 /* 24 sums, 3 vectors of queries, 1 of keys */
#define ATTENTION_NV   3
#define RECURRENT_ROWS 6 /* 24 sums, 4 vectors of weights, 1 of states */

#define LAYOUT_SMALLER layout_transpose_avx2

#endif
