#include "simd/f32_c.h"

#define GEMM_MR    4
#define GEMM_NV    8 /* eight floats beside each other, which compilers make vectors of */
#define GEMM_KC    256
#define GEMM_BLOCK 32768
#define GEMM_INIT  gemm_init_c

#include "kernel/gemm/gemm.inc.h"
