#define WIDE_BYTES 32
#define WIDE_INIT  gemm_wide_init_avx2

#include "kernel/gemm/gemm_wide.inc.h"
