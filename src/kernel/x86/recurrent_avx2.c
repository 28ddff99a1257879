#include "simd/f32_avx2.h"

#define RECURRENT_ROWS 2 /* 8 sums, 4 vectors of weights, 1 of states */
#define RECURRENT_INIT recurrent_init_avx2

#include "kernel/recurrent/recurrent.inc.h"
