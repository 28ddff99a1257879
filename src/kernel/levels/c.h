/* Sizes of the kernels in plain C, as measured, small enough for any machine. The .inc.h that reads a size
   explains it. */
#ifndef KERNEL_LEVELS_C_H
#define KERNEL_LEVELS_C_H

#define GEMM_MR    4
#define GEMM_NV    8 /* eight adjacent floats, which compilers vectorize */
#define GEMM_KC    256
#define GEMM_BLOCK 32768
#define WIDE_BYTES 16

#define GEMM_INT_MR    4
#define GEMM_INT_NV    8
#define GEMM_INT_BLOCK 131072
#define BYTES_MR       4
#define BYTES_TILES(T) T(1, 4) T(2, 4) T(3, 4) T(4, 4)

#define CONV2D_MR       4
#define CONV2D_TILES(T) T(1, 4) T(2, 4) T(3, 4) T(4, 4)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4)
#define CONV2D_VECTORS  9
#define SPOT_VECTORS    3

#define ATTENTION_MR   4
#define ATTENTION_NV   8
#define RECURRENT_ROWS 2

#endif
