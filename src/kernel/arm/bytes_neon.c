#include <arm_neon.h>
#include <string.h>

typedef int32x4_t vi;
#define VI_LANES       4
#define VI_GROUP       2
#define VI_ELEMENT     2
#define BYTES_MR       6
#define BYTES_TILES(T) T(1, 4) T(2, 4) T(3, 2) T(4, 2) T(5, 2) T(6, 2)
#define BYTES_FILL     bytes_init_neon

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

static inline vi vi_plain(const uint8_t *b)
{
    return vreinterpretq_s32_u16(vmovl_u8(vld1_u8(b)));
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    int16x8_t l = vreinterpretq_s16_s32(left), b = vreinterpretq_s16_s32(plain);
    int32x4_t low = vmull_s16(vget_low_s16(l), vget_low_s16(b)), high = vmull_high_s16(l, b);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

#define VI_JOIN 8
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    uint8x8_t by = vdup_n_u8((uint8_t)(flip & 0xff));
    uint8x8x2_t both = {{veor_u8(vld1_u8(rows[0] + l), by), veor_u8(vld1_u8(rows[1] + l), by)}};
    vst2_u8(dst, both);
}

static inline void vi_store(int32_t *p, vi v)
{
    vst1q_s32(p, v);
}

#include "kernel/conv/bytes.inc.h"
