#include "simd/f32_neon.h"

#define ATTENTION_MR   8 /* 24 sums, 3 vectors of queries, 2 of keys */
#define ATTENTION_NV   3
#define ATTENTION_INIT attention_init_neon

#include "kernel/attention/attention.inc.h"
