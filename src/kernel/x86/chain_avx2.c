#include "simd/f32_avx2.h"

#define CHAIN_INIT chain_init_avx2

#include "kernel/chain/chain.inc.h"
