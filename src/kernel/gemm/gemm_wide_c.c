#define WIDE_BYTES 16
#define WIDE_INIT  gemm_wide_init_c

#include "kernel/gemm/gemm_wide.inc.h"
