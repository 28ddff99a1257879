#include "kernel/x86/vf_avx512.h"

#define CHAIN_INIT chain_init_avx512

#include "kernel/chain.inc.h"
