#include "kernel/gemm/gemm_int_fill.h"
#include "simd/bytes_vnni256.h"

#define GEMM_INT_MR    6
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 196608
#define GEMM_INT_FILL  gemm_int_fill_vnni256

#include "kernel/gemm/gemm_int.inc.h"
