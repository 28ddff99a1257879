#include "simd/f32_neon.h"

#define ROWS_INIT  rows_init_neon
#define ROWS_TYPES rows_types_c
#include "kernel/rows/rows.inc.h"
