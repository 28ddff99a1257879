#include "simd/f32_avx2.h"

#define PEAK_CHAINS 12
#define VECTOR_INIT kernel_init_avx2

#include "kernel/vector.inc.h"
