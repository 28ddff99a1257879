/* Sizes of the kernels for NEON (32 registers of 4 floats), as measured. The .inc.h that reads a size
   explains it. */
#ifndef KERNEL_LEVELS_NEON_H
#define KERNEL_LEVELS_NEON_H

#define PEAK_CHAINS 24

#define GEMM_MR    8 /* 24 sums, 3 vectors of B, 1 of A */
#define GEMM_NV    3
#define GEMM_KC    256
#define GEMM_BLOCK 32768
#define WIDE_BYTES 16

#define GEMM_INT_MR    6
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 131072
#define BYTES_MR       6
#define BYTES_TILES(T) T(1, 4) T(2, 4) T(3, 2) T(4, 2) T(5, 2) T(6, 2)

/* up to 24 sums besides the vectors of the image and two of weights */
#define CONV2D_MR       8
#define CONV2D_TILES(T) T(1, 8) T(2, 8) T(3, 6) T(4, 5) T(5, 4) T(6, 4) T(7, 3) T(8, 3)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8)
#define CONV2D_VECTORS  32
#define SPOT_VECTORS    3

#define ATTENTION_MR   8 /* 24 sums, 3 vectors of queries, 2 of keys */
#define ATTENTION_NV   3
#define RECURRENT_ROWS 6 /* 24 sums, 4 vectors of weights, 1 of states */

#define LAYOUT_SMALLER layout_transpose_c
#define ROWS_TYPES     rows_types_c /* compilers use NEON without being asked */

#endif
