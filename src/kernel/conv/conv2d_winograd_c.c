#include "simd/f32_c.h"

#define CONV2D_WINOGRAD_INIT conv2d_winograd_init_c

#include "kernel/conv/conv2d_winograd.inc.h"
