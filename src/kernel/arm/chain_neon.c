#include "kernel/arm/vf_neon.h"

#define CHAIN_INIT chain_init_neon

#include "kernel/chain.inc.h"
