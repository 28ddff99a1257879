#include "simd/f32_c.h"

#define CHAIN_INIT chain_init_c

#include "kernel/chain/chain.inc.h"
