#include "simd/f32_c.h"

#define ATTENTION_MR   4 /* small enough for any machine */
#define ATTENTION_NV   8
#define ATTENTION_INIT attention_init_c

#include "kernel/attention/attention.inc.h"
