#include "simd/f32_avx2.h"

#define QUANTIZE_INIT quantize_init_avx2
#include "kernel/quantize/quantize.inc.h"
