#include "kernel/x86/vf_avx2.h"

#define CHAIN_INIT chain_init_avx2

#include "kernel/chain.inc.h"
