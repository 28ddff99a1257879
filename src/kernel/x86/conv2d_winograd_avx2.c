#include "simd/f32_avx2.h"

#define CONV2D_WINOGRAD_INIT conv2d_winograd_init_avx2

#include "kernel/conv/conv2d_winograd.inc.h"
