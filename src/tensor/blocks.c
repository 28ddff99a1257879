/* Decoding of blocks of quantised elements. Layouts as ggml defines them: scales are float16 and come first, except in
   q6_k. Products and sums are floats, in the order of the formulas, so that every decoder gives the same bits. */
#include "tensor/blocks.h"

#include "base/size.h"

#include <string.h>

/* float16 at p, which may be unaligned. Exact: float holds every value. */
static float half_at(const uint8_t *p)
{
    uint32_t h = (uint32_t)p[0] | (uint32_t)p[1] << 8, bits = (h & 0x7FFF) << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f; /* the exponent's bias: 127 - 15 */
    memcpy(&bits, &value, sizeof bits);
    if ((h & 0x7C00) == 0x7C00) /* infinity, NaN */
        bits = 0x7F800000 | (h & 0x3FF) << 13;
    bits |= (h & 0x8000) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* x = d * (q - 8); d, then 16 bytes: elements 0 to 15 in the low nibbles, 16 to 31 in the high ones. */
static void decode_q4_0(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 18, out += 32) {
        float d = half_at(p);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((p[2 + i] & 15) - 8);
            out[i + 16] = d * (float)((p[2 + i] >> 4) - 8);
        }
    }
}

/* x = d * q + m; d, m, then as q4_0. */
static void decode_q4_1(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 20, out += 32) {
        float d = half_at(p), m = half_at(p + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)(p[4 + i] & 15) + m;
            out[i + 16] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

/* x = d * (q - 16); d, 32 bits with the fifth bits, then as q4_0. */
static void decode_q5_0(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 22, out += 32) {
        float d = half_at(p);
        uint32_t high = u32_at(p + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((int)((p[6 + i] & 15) | (high >> i & 1) << 4) - 16);
            out[i + 16] = d * (float)((int)((p[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16);
        }
    }
}

/* x = d * q + m; d, m, then as q5_0. */
static void decode_q5_1(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 24, out += 32) {
        float d = half_at(p), m = half_at(p + 2);
        uint32_t high = u32_at(p + 4);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((p[8 + i] & 15) | (high >> i & 1) << 4) + m;
            out[i + 16] = d * (float)((p[8 + i] >> 4) | (high >> (i + 16) & 1) << 4) + m;
        }
    }
}

/* x = d * q; d, then 32 signed bytes. */
static void decode_q8_0(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 34, out += 32) {
        float d = half_at(p);
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)(int8_t)p[2 + i];
    }
}

/* x = d * values[q]; 16 bytes: as q4_0. */
static void decode_codes(const uint8_t *q, float d, const int8_t values[16], float *out)
{
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)values[q[i] & 15];
        out[i + 16] = d * (float)values[q[i] >> 4];
    }
}

static void decode_iq4_nl(const uint8_t *p, size_t n, float *out)
{
    static const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
    for (; n--; p += 18, out += 32)
        decode_codes(p + 2, half_at(p), values, out);
}

/* 2^(e - 128), of which the first two are denormal. */
static float half_power(uint8_t e)
{
    uint32_t bits = e < 2 ? (uint32_t)0x200000 << e : (uint32_t)(e - 1) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* An exponent of two, then the codes of 4-bit floats (sign, two bits of exponent, one of fraction), here doubled. */
static void decode_mxfp4(const uint8_t *p, size_t n, float *out)
{
    static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    for (; n--; p += 17, out += 32)
        decode_codes(p + 1, half_power(p[0]), doubled, out);
}

/* x = d * scale * q - dmin * minimum, 16 parts of 16 elements; a byte with scale and minimum for each part, quants (64),
   d, dmin. Each half of the block has 32 of the 64 bytes, the lowest two bits of which are its first 32 elements. */
static void decode_q2_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 84, out += 256) {
        float d = half_at(p + 80), dmin = half_at(p + 82);
        for (int i = 0; i < 256; i++) {
            uint8_t part = p[i / 16], q = p[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
            out[i] = d * (float)(part & 15) * (float)q - dmin * (float)(part >> 4);
        }
    }
}

/* x = d * (scale - 32) * (q - 4), 16 parts of 16 elements; the third bits of q (32: bit j of byte i for element i of 32
   elements j), the lower two as in q2_k (64), scales of 6 bits (12: the low four of 16, then the high two), d. */
static void decode_q3_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 110, out += 256) {
        const uint8_t *low = p + 32, *scales = p + 96;
        float d = half_at(p + 108);
        for (int i = 0; i < 256; i++) {
            int part = i / 16, four = scales[part % 8] >> (part / 8 * 4) & 15,
                two = scales[8 + part % 4] >> (part / 4 * 2) & 3;
            int q = (low[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) | (p[i % 32] >> (i / 32) & 1) << 2;
            out[i] = d * (float)((four | two << 4) - 32) * (float)(q - 4);
        }
    }
}

/* Scale and minimum, 6 bits each, of part j of the 8 in a block of 256, from the 12 bytes that hold them. */
static void k_scale(const uint8_t *p, int j, float *scale, float *minimum)
{
    if (j < 4) {
        *scale = (float)(p[j] & 63);
        *minimum = (float)(p[j + 4] & 63);
    } else {
        *scale = (float)((p[j + 4] & 15) | (p[j - 4] >> 6) << 4);
        *minimum = (float)((p[j + 4] >> 4) | (p[j] >> 6) << 4);
    }
}

/* x = d * scale * q - dmin * minimum, 8 parts of 32 elements; d, dmin, scales (12), with `fifth` the fifth
   bits (32: bit j of byte i for element i of part j), quants (128): two parts share 32 bytes, the first in
   the low nibbles. */
static void decode_k(const uint8_t *p, bool fifth, float *out)
{
    float d = half_at(p), dmin = half_at(p + 2);
    const uint8_t *scales = p + 4, *high = p + 16, *quants = p + (fifth ? 48 : 16);
    for (int j = 0; j < 8; j++) {
        float scale, minimum;
        k_scale(scales, j, &scale, &minimum);
        scale *= d;
        minimum *= dmin;
        for (int i = 0; i < 32; i++) {
            unsigned q = quants[j / 2 * 32 + i] >> (j % 2 * 4) & 15;
            if (fifth)
                q |= (high[i] >> j & 1u) << 4;
            out[j * 32 + i] = scale * (float)q - minimum;
        }
    }
}

static void decode_q4_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 144, out += 256)
        decode_k(p, false, out);
}

static void decode_q5_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 176, out += 256)
        decode_k(p, true, out);
}

/* x = d * scale * (q - 32), 16 parts of 16 elements; low nibbles (128 bytes), high two bits (64), scales (16,
   signed), d. Each half of the block has 64 of those 128 bytes: the low nibbles of the first and last 32 are
   for elements 0 to 31 and 32 to 63, the high nibbles for 64 to 95 and 96 to 127. */
static void decode_q6_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 210, out += 256) {
        const uint8_t *low = p, *high = p + 128, *scales = p + 192;
        float d = half_at(p + 208);
        for (int j = 0; j < 8; j++) { /* 32 elements */
            int half = j / 4, quarter = j % 4;
            for (int i = 0; i < 32; i++) {
                unsigned four = low[half * 64 + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
                unsigned two = high[half * 32 + i] >> (quarter * 2) & 3;
                float scale = d * (float)(int8_t)scales[j * 2 + i / 16];
                out[j * 32 + i] = scale * (float)((int)(four | two << 4) - 32);
            }
        }
    }
}

/* ---- The table ------------------------------------------------------------------------------------ */

static const block_format formats[] = {
#define ROW(name, block, bytes) {#name, block, bytes, decode_##name},
    BLOCK_FORMATS(ROW)
#undef ROW
};

const block_format *block_format_at(block_kind kind)
{
    return kind < N_BLOCK_KINDS ? &formats[kind] : NULL;
}

bool block_kind_named(const char *name, size_t length, block_kind *out)
{
    for (size_t i = 0; i < N_BLOCK_KINDS; i++)
        if (strlen(formats[i].name) == length && !memcmp(formats[i].name, name, length)) {
            *out = (block_kind)i;
            return true;
        }
    return false;
}

void blocks_decode(const block_format *f, const uint8_t *blocks, size_t first, size_t n, float *out)
{
    float block[BLOCK_MAX];
    while (n) {
        size_t skip = first % f->block, m = size_min(n, f->block - skip);
        const uint8_t *at = blocks + first / f->block * f->bytes;
        if (m == f->block) { /* complete blocks are decoded in place */
            size_t count = n / f->block;
            m = count * f->block;
            f->decode(at, count, out);
        } else {
            f->decode(at, 1, block);
            memcpy(out, block + skip, m * sizeof *out);
        }
        first += m;
        out += m;
        n -= m;
    }
}
