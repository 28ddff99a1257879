#include "simd/f32_neon.h"

#define CHAIN_INIT chain_init_neon

#include "kernel/chain/chain.inc.h"
