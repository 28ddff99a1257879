#include "simd/f32_avx2.h"

#define GEMM_MR     6 /* 12 sums, 2 vectors of B, 1 of A */
#define GEMM_NV     2
#define GEMM_KC     320
#define PEAK_CHAINS 12
#define VECTOR_INIT kernel_init_avx2

#include "kernel/vector.inc.h"
