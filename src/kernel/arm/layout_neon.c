#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8x16_t lv;
#define LV_PIECES 1

static inline lv lv_rows(const char *p, ptrdiff_t apart)
{
    (void)apart;
    return vld1q_u8((const uint8_t *)p);
}

static inline lv lv_halves(const char *p)
{
    uint8x8_t v = vld1_u8((const uint8_t *)p);
    return vcombine_u8(v, v);
}

static inline void lv_store(char *p, lv v)
{
    vst1q_u8((uint8_t *)p, v);
}

static inline lv lv_lo_1(lv a, lv b)
{
    return vzip1q_u8(a, b);
}

static inline lv lv_hi_1(lv a, lv b)
{
    return vzip2q_u8(a, b);
}

static inline lv lv_lo_2(lv a, lv b)
{
    return vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

static inline lv lv_hi_2(lv a, lv b)
{
    return vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

static inline lv lv_lo_4(lv a, lv b)
{
    return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}

static inline lv lv_hi_4(lv a, lv b)
{
    return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}

static inline lv lv_lo_8(lv a, lv b)
{
    return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

static inline lv lv_hi_8(lv a, lv b)
{
    return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

#define LAYOUT_SMALLER layout_turn_c
#define LAYOUT_TABLE   layout_turn_neon
#define LAYOUT_INIT    layout_init_neon

#include "kernel/layout/layout.inc.h"
