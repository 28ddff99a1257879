#include "simd/f32_neon.h"

#define QUANTIZE_INIT quantize_init_neon
#include "kernel/quantize/quantize.inc.h"
