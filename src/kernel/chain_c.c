#include "kernel/vf_c.h"

#define CHAIN_INIT chain_init_c

#include "kernel/chain.inc.h"
