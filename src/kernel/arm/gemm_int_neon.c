#include "kernel/gemm/gemm_int_fill.h"
#include "kernel/kernel.h"

#include <arm_neon.h>
#include <string.h>

typedef int32x4_t vi;
#define VI_LANES       4
#define VI_GROUP       2
#define VI_ELEMENT     2
#define GEMM_INT_MR    6
#define GEMM_INT_NV    2
#define GEMM_INT_BLOCK 131072
#define GEMM_INT_FILL  gemm_int_init_neon

static inline vi vi_zero(void)
{
    return vdupq_n_s32(0);
}

static inline vi vi_left(const char *a)
{
    int32_t two;
    memcpy(&two, a, sizeof two);
    return vdupq_n_s32(two);
}

static inline vi vi_right(const int8_t *b)
{
    return vreinterpretq_s32_s16(vmovl_s8(vld1_s8(b)));
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    int16x8_t l = vreinterpretq_s16_s32(left), r = vreinterpretq_s16_s32(right);
    int32x4_t low = vmull_s16(vget_low_s16(l), vget_low_s16(r)), high = vmull_high_s16(l, r);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

static inline void vi_store(int32_t *p, vi v)
{
    vst1q_s32(p, v);
}

#include "kernel/gemm/gemm_int.inc.h"
