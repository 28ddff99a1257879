#include "simd/f32_neon.h"

#define GEMM_MR    8 /* 24 sums, 3 vectors of B, 1 of A */
#define GEMM_NV    3
#define GEMM_KC    256
#define GEMM_BLOCK 32768
#define GEMM_INIT  gemm_init_neon

#include "kernel/gemm/gemm.inc.h"
