#include "simd/f32_avx512.h"

#define ATTENTION_MR   8 /* 24 sums, 3 vectors of queries, 1 of keys */
#define ATTENTION_NV   3
#define ATTENTION_INIT attention_init_avx512

#include "kernel/attention/attention.inc.h"
