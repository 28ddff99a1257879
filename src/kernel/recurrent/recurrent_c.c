#include "simd/f32_c.h"

#define RECURRENT_ROWS 2 /* small enough for any machine */
#define RECURRENT_INIT recurrent_init_c

#include "kernel/recurrent/recurrent.inc.h"
