#include "simd/f32_neon.h"

#define CONV2D_WINOGRAD_INIT conv2d_winograd_init_neon

#include "kernel/conv/conv2d_winograd.inc.h"
