#include "simd/f32_avx512.h"

#define CHAIN_INIT chain_init_avx512

#include "kernel/chain/chain.inc.h"
