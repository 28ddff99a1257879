#define WIDE_BYTES 64
#define WIDE_INIT  gemm_wide_init_avx512

#include "kernel/gemm/gemm_wide.inc.h"
