#include "simd/f32_neon.h"

#define GEMM_MR     8 /* 24 sums, 3 vectors of B, the rest for A */
#define GEMM_NV     3
#define GEMM_KC     320
#define PEAK_CHAINS 24
#define VECTOR_INIT kernel_init_neon

#include "kernel/vector.inc.h"
