#include "simd/f32_avx512.h"

#define QUANTIZE_INIT quantize_init_avx512
#include "kernel/quantize/quantize.inc.h"
