#include "simd/f32_avx2.h"

#define ATTENTION_MR   4 /* 12 sums, 3 vectors of queries, 1 of keys */
#define ATTENTION_NV   3
#define ATTENTION_INIT attention_init_avx2

#include "kernel/attention/attention.inc.h"
