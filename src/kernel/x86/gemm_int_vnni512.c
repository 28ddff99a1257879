#include "kernel/gemm/gemm_int_fill.h"
#include "simd/bytes_vnni512.h"

#define GEMM_INT_MR    12
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 524288
#define GEMM_INT_FILL  gemm_int_fill_vnni512

#include "kernel/gemm/gemm_int.inc.h"
