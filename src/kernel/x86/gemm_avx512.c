#include "simd/f32_avx512.h"

#define GEMM_MR    12 /* 24 sums, 2 vectors of B, 1 of A */
#define GEMM_NV    2
#define GEMM_KC    384
#define GEMM_BLOCK 147456 /* 384 columns of 384 terms */
#define GEMM_INIT  gemm_init_avx512

#include "kernel/gemm/gemm.inc.h"
