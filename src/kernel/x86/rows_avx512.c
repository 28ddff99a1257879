#include "simd/f32_avx512.h"

#define ROWS_INIT  rows_init_avx512
#define ROWS_TYPES rows_types_avx512
#include "kernel/rows/rows.inc.h"
