/* Checks words of simd/f32_simd128.h that compute with bits against the library's conversions and the C library: halves
   of every kind, bytes, exponents. Prints the first that differs, and exits 1. The others are covered by the operators. */
#include <sibyl/tensor.h>

#include "simd/f32_simd128.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Every pattern of 16 bits as a half float, and back. */
static bool check_halves(sib_dtype half, vf (*load)(const uint16_t *), void (*store)(uint16_t *, vf))
{
    for (uint32_t bits = 0; bits < 65536; bits += 4) {
        uint16_t in[4] = {(uint16_t)bits, (uint16_t)(bits + 1), (uint16_t)(bits + 2), (uint16_t)(bits + 3)};
        float got[4], expected[4];
        uint16_t back[4];
        vf_store(got, load(in));
        sib_convert(half, in, SIB_F32, expected, 4, SIB_OVERFLOW_IEEE, NULL);
        store(back, vf_load(expected));
        for (int i = 0; i < 4; i++)
            if (!same(got[i], expected[i]) || (back[i] != in[i] && !isnan(expected[i])))
                return printf("%s %04x: %a, expected %a; back %04x\n", sib_dtype_name(half), in[i], got[i],
                              expected[i], back[i]),
                       false;
    }
    return true;
}

/* Floats of every exponent, next to halves and between them, as half floats. */
static bool check_stores(sib_dtype half, void (*store)(uint16_t *, vf))
{
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4 * 0x1ff) {
        float in[4], got[4], expected[4];
        uint16_t a[4], b[4];
        for (uint32_t i = 0; i < 4; i++)
            in[i] = float_of((uint32_t)bits + i * 0x1ff);
        store(a, vf_load(in));
        sib_convert(SIB_F32, in, half, b, 4, SIB_OVERFLOW_IEEE, NULL);
        sib_convert(half, a, SIB_F32, got, 4, SIB_OVERFLOW_IEEE, NULL);
        sib_convert(half, b, SIB_F32, expected, 4, SIB_OVERFLOW_IEEE, NULL);
        for (int i = 0; i < 4; i++)
            if (!same(got[i], expected[i]))
                return printf("%a as %s: %a, expected %a\n", in[i], sib_dtype_name(half), got[i],
                              expected[i]),
                       false;
    }
    return true;
}

/* m 2^n = v, and the scale back, for floats of every exponent. */
static bool check_exponents(void)
{
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 0x7fff) {
        const float v = float_of((uint32_t)bits);
        vf n, m = vf_split(vf_set1(v), &n), scaled = vf_scale(m, n);
        const float count = vf_max_lane(n), part = vf_max_lane(m), back = vf_max_lane(scaled);
        const bool ordinary = v > 0 && isfinite(v);
        if (ordinary ? !same(ldexpf(part, (int)count), v) || !same(back, v) || part < 0.70710677f ||
                           part >= 1.4142137f
                     : !same(logf(part) + count, v == 0  ? -INFINITY
                                                 : v > 0 ? INFINITY
                                                         : NAN))
            return printf("%a: %a * 2^%g, scaled %a\n", v, part, count, back), false;
    }
    return true;
}

/* Numbers in halves of bytes, and integers as bytes. */
static bool check_bytes(void)
{
    for (int x = 0; x < 256; x++) {
        const uint8_t in[4] = {(uint8_t)x, (uint8_t)x, (uint8_t)x, (uint8_t)x};
        int8_t back[4];
        vf high_u, high_s;
        const float low_u = vf_max_lane(vf_load_u4(in, &high_u));
        const float low_s = vf_max_lane(vf_load_s4((const int8_t *)in, &high_s));
        vf_store_s8(back, vf_load_s8((const int8_t *)in));
        if (low_u != (x & 15) || vf_max_lane(high_u) != x >> 4 || low_s != ((x & 15) ^ 8) - 8 ||
            vf_max_lane(high_s) != ((x >> 4) ^ 8) - 8 || memcmp(back, in, 4) ||
            vf_max_lane(vf_load_u8(in)) != x)
            return printf("byte %d\n", x), false;
    }
    return true;
}

int main(void)
{
    return !(check_halves(SIB_F16, vf_load_f16, vf_store_f16) &&
             check_halves(SIB_BF16, vf_load_bf16, vf_store_bf16) && check_stores(SIB_F16, vf_store_f16) &&
             check_stores(SIB_BF16, vf_store_bf16) && check_exponents() && check_bytes());
}
