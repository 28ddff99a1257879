#include "simd/f32_avx512.h"

#define PEAK_CHAINS 24
#define VECTOR_INIT kernel_init_avx512

#include "kernel/vector.inc.h"
