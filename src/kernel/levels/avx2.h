/* Sizes of the kernels for AVX2 (16 registers of 8 floats), as measured. The .inc.h that reads a size
   explains it. */
#ifndef KERNEL_LEVELS_AVX2_H
#define KERNEL_LEVELS_AVX2_H

#define PEAK_CHAINS 12

#define GEMM_MR    6 /* 12 sums, 2 vectors of B, 1 of A */
#define GEMM_NV    2
#define GEMM_KC    320
#define GEMM_BLOCK 49152
#define WIDE_BYTES 32

#define GEMM_INT_MR    6
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 196608
#define BYTES_MR       6
#define BYTES_TILES(T) T(1, 4) T(2, 4) T(3, 2) T(4, 2) T(5, 2) T(6, 2)
#define BYTES_BY_CPU   /* the instructions for bytes are chosen at run time: x86_bytes.c */

/* up to 12 sums besides the vectors of the image and one weight */
#define CONV2D_MR       4
#define CONV2D_TILES(T) T(1, 8) T(2, 5) T(3, 3) T(4, 3)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4) T(5) T(6)
#define CONV2D_VECTORS  16
#define SPOT_VECTORS    2

#define ATTENTION_MR   4 /* 12 sums, 3 vectors of queries, 1 of keys */
#define ATTENTION_NV   3
#define RECURRENT_ROWS 2 /* 8 sums, 4 vectors of weights, 1 of states */

#define LAYOUT_SMALLER layout_transpose_c

#endif
