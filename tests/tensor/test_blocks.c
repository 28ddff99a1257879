/* Blocks of quantised elements against the formats' definitions, element by element. */
#include "check.h"
#include "tensor/blocks.h"

#include <math.h>
#include <string.h>

#define BLOCKS 5

/* Of bytes that are two of a half float, none infinite or NaN. */
static double half_of(const uint8_t *p)
{
    const unsigned bits = p[0] | (unsigned)p[1] << 8, exponent = bits >> 10 & 31, part = bits & 1023;
    const double x = exponent ? ldexp(1024 + part, (int)exponent - 25) : ldexp(part, -24);
    return bits >> 15 ? -x : x;
}

/* Nibble i of 32 elements: the low ones of 16 bytes are the first 16 elements. */
static int nibble(const uint8_t *p, int i)
{
    return i < 16 ? p[i] & 15 : p[i - 16] >> 4;
}

static int bit(const uint8_t *p, int i)
{
    return p[i / 8] >> i % 8 & 1;
}

static double q4_0(const uint8_t *p, int i)
{
    return half_of(p) * (nibble(p + 2, i) - 8);
}

static double q4_1(const uint8_t *p, int i)
{
    return half_of(p) * nibble(p + 4, i) + half_of(p + 2);
}

static double q5_0(const uint8_t *p, int i)
{
    return half_of(p) * (nibble(p + 6, i) + 16 * bit(p + 2, i) - 16);
}

static double q5_1(const uint8_t *p, int i)
{
    return half_of(p) * (nibble(p + 8, i) + 16 * bit(p + 4, i)) + half_of(p + 2);
}

static double q8_0(const uint8_t *p, int i)
{
    return half_of(p) * (int8_t)p[2 + i];
}

/* 64 bytes of nibbles for each 128 elements: low ones the first 64; 32 of pairs of bits. */
static double q6_k(const uint8_t *p, int i)
{
    const int at = i % 128, byte = i / 128 * 64 + at % 64, pair = i / 128 * 32 + at % 32;
    const int four = at < 64 ? p[byte] & 15 : p[byte] >> 4, two = p[128 + pair] >> at / 32 * 2 & 3;
    return half_of(p + 208) * (int8_t)p[192 + i / 16] * (four + 16 * two - 32);
}

static const struct {
    const char *name;
    double (*element)(const uint8_t *block, int i);
    unsigned halves[2]; /* where half floats lie, 0 twice: only there */
} defined[] = {{"q4_0", q4_0, {0, 0}}, {"q4_1", q4_1, {0, 2}}, {"q5_0", q5_0, {0, 0}},
               {"q5_1", q5_1, {0, 2}}, {"q8_0", q8_0, {0, 0}}, {"q6_k", q6_k, {208, 208}}};

TEST(elements_are_those_of_the_formats)
{
    uint32_t seed = 1;
    for (size_t k = 0; k < sizeof defined / sizeof *defined; k++) {
        block_kind kind;
        assert_true(block_kind_named(defined[k].name, strlen(defined[k].name), &kind));
        const block_format *f = block_format_at(kind);
        uint8_t blocks[BLOCKS * 210];
        float out[BLOCKS * BLOCK_MAX];
        for (size_t i = 0; i < sizeof blocks; i++)
            blocks[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        for (size_t b = 0; b < BLOCKS; b++)
            for (int h = 0; h < 2; h++)
                blocks[b * f->bytes + defined[k].halves[h] + 1] &= 0xBF; /* below 2 */
        const size_t all = BLOCKS * f->block, first = f->block / 2 + 3;
        blocks_decode(f, blocks, first, all - first - 1, out);
        for (size_t i = first; i < all - 1; i++) {
            const double x = defined[k].element(blocks + i / f->block * f->bytes, (int)(i % f->block));
            if (fabs(out[i - first] - x) > 1e-6 * (fabs(x) + 2))
                fail_msg("%s: element %zu is %g, expected %g", f->name, i, (double)out[i - first], x);
        }
    }
}

TEST(kinds_have_names)
{
    block_kind found = N_BLOCK_KINDS;
    for (unsigned k = 0; k < N_BLOCK_KINDS; k++) {
        const char *name = block_format_at((block_kind)k)->name;
        assert_true(block_kind_named(name, strlen(name), &found));
        assert_int_equal(found, k);
    }
    assert_false(block_kind_named("q4_0", 3, &found));
    assert_false(block_kind_named("", 0, &found));
    assert_int_equal(found, N_BLOCK_KINDS - 1);
    assert_null(block_format_at(N_BLOCK_KINDS));
}
