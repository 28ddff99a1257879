#include "simd/f32_avx2.h"

#define ROWS_INIT  rows_init_avx2
#define ROWS_TYPES rows_types_avx2
#include "kernel/rows/rows.inc.h"
