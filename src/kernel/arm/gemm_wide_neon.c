#define WIDE_BYTES 16
#define WIDE_INIT  gemm_wide_init_neon

#include "kernel/gemm/gemm_wide.inc.h"
