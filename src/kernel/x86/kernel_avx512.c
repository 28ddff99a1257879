#include "simd/f32_avx512.h"

#define GEMM_MR     12 /* 24 sums, 2 vectors of B; A is broadcast from memory */
#define GEMM_NV     2
#define GEMM_KC     256
#define PEAK_CHAINS 24
#define VECTOR_INIT kernel_init_avx512

#include "kernel/vector.inc.h"
