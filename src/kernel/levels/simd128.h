/* Sizes of the kernels for WebAssembly's SIMD: vectors of 4 floats, of which engines keep 16 in registers on x86. Set by that
   number, not measured. The .inc.h that reads a size explains it. */
#ifndef KERNEL_LEVELS_SIMD128_H
#define KERNEL_LEVELS_SIMD128_H

#define PEAK_CHAINS 12

#define GEMM_MR    4 /* 8 sums, 2 vectors of B, 1 of A and a product */
#define GEMM_NV    2
#define GEMM_KC    256
#define GEMM_BLOCK 32768
#define WIDE_BYTES 16

#define GEMM_INT_MR    4
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 131072
#define BYTES_MR       4
#define BYTES_TILES(T) T(1, 4) T(2, 4) T(3, 2) T(4, 2)

#define CONV2D_MR       4
#define CONV2D_TILES(T) T(1, 6) T(2, 4) T(3, 3) T(4, 2)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4)
#define CONV2D_VECTORS  16
#define SPOT_VECTORS    3

#define ATTENTION_MR   4
#define ATTENTION_NV   2
#define RECURRENT_ROWS 4

#define LAYOUT_SMALLER layout_transpose_c
#define ROWS_TYPES     rows_types_c /* compilers use the vectors without being asked */

#endif
