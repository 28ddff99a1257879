#include "kernel/x86/vf_avx512.h"

#define CONV2D_WINOGRAD_INIT conv2d_winograd_init_avx512

#include "kernel/conv2d_winograd.inc.h"
