#include "simd/f32_c.h"

#define QUANTIZE_INIT quantize_init_c
#include "kernel/quantize/quantize.inc.h"
