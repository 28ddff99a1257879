#include "simd/f32_avx512.h"

#define RECURRENT_ROWS 6 /* 24 sums, 4 vectors of weights, 1 of states */
#define RECURRENT_INIT recurrent_init_avx512

#include "kernel/recurrent/recurrent.inc.h"
