#include "simd/f32_neon.h"

#define PEAK_CHAINS 24
#define VECTOR_INIT kernel_init_neon

#include "kernel/vector.inc.h"
