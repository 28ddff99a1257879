/* Decoded blocks against their definitions, computed element by element in double. */
#include "files.h"

#include <math.h>

/* The float16 in two bytes, by its definition. */
static double half(const uint8_t *p)
{
    unsigned h = p[0] | (unsigned)p[1] << 8, e = h >> 10 & 31, m = h & 1023;
    double sign = h >> 15 ? -1 : 1;
    if (e == 31)
        return m ? NAN : sign * INFINITY;
    return e ? sign * ldexp(1024 + m, (int)e - 25) : sign * ldexp(m, -24);
}

/* `width` bits from bit `at` on, least significant first. */
static unsigned bits(const uint8_t *p, size_t at, unsigned width)
{
    unsigned v = 0;
    for (unsigned i = 0; i < width; i++)
        v |= (unsigned)(p[(at + i) / 8] >> ((at + i) % 8) & 1) << i;
    return v;
}

/* The low four bits of element i of 32, or the fifth. */
static unsigned four(const uint8_t *quants, size_t i)
{
    return bits(quants, i < 16 ? 8 * i : 8 * (i - 16) + 4, 4);
}

static double q4_0(const uint8_t *p, size_t i)
{
    return half(p) * ((int)four(p + 2, i) - 8);
}

static double q4_1(const uint8_t *p, size_t i)
{
    return half(p) * four(p + 4, i) + half(p + 2);
}

static double q5_0(const uint8_t *p, size_t i)
{
    return half(p) * ((int)(four(p + 6, i) + 16 * bits(p + 2, i, 1)) - 16);
}

static double q5_1(const uint8_t *p, size_t i)
{
    return half(p) * (four(p + 8, i) + 16 * bits(p + 4, i, 1)) + half(p + 2);
}

static double q8_0(const uint8_t *p, size_t i)
{
    return half(p) * (p[2 + i] < 128 ? p[2 + i] : p[2 + i] - 256);
}

/* Scale (which 0) or minimum (1) of 32 elements, of 6 bits: of the first four, the low 6 bits of bytes 0 to 3
   (4 to 7); of the others, the low 4 bits from bytes 8 to 11 and the high 2 from the top of the bytes of the
   first four. */
static unsigned six_bits(const uint8_t *p, size_t j, int which)
{
    if (j < 4)
        return bits(p, 8 * (j + 4 * (size_t)which), 6);
    return bits(p, 8 * (j + 4) + 4 * (size_t)which, 4) + 16 * bits(p, 8 * (j - 4 + 4 * (size_t)which) + 6, 2);
}

static double k(const uint8_t *p, size_t i, bool fifth)
{
    size_t j = i / 32, in = i % 32;
    unsigned q = bits(p + (fifth ? 48 : 16), 8 * (j / 2 * 32 + in) + j % 2 * 4, 4);
    if (fifth)
        q += 16 * bits(p + 16, 8 * in + j, 1);
    return half(p) * six_bits(p + 4, j, 0) * q - half(p + 2) * six_bits(p + 4, j, 1);
}

static double q4_k(const uint8_t *p, size_t i)
{
    return k(p, i, false);
}

static double q5_k(const uint8_t *p, size_t i)
{
    return k(p, i, true);
}

static double q6_k(const uint8_t *p, size_t i)
{
    size_t in = i % 128, column = in % 32;
    const uint8_t *low = p + i / 128 * 64, *high = p + 128 + i / 128 * 32;
    /* Rows 0 and 1: low halves of 64 bytes; rows 2 and 3: the high halves of the same bytes. */
    unsigned q = bits(low, 8 * (in % 64) + in / 64 * 4, 4) + 16 * bits(high, 8 * column + in / 32 * 2, 2);
    int scale = p[192 + i / 16] < 128 ? p[192 + i / 16] : p[192 + i / 16] - 256;
    return half(p + 208) * scale * ((int)q - 32);
}

static double iq4_nl(const uint8_t *p, size_t i)
{
    static const double values[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return half(p) * values[four(p + 2, i)];
}

/* OCP Microscaling: 2^(e - 127) times floats of a sign, two bits of exponent (bias 1) and one of fraction. */
static double mxfp4(const uint8_t *p, size_t i)
{
    unsigned code = four(p + 1, i), e = code >> 1 & 3, m = code & 1;
    double value = e ? ldexp(2 + m, (int)e - 2) : 0.5 * m;
    return (code & 8 ? -1 : 1) * ldexp(value, (int)p[0] - 127);
}

static double q2_k(const uint8_t *p, size_t i)
{
    unsigned q = bits(p + 16 + i / 128 * 32, 8 * (i % 32) + i % 128 / 32 * 2, 2);
    return half(p + 80) * bits(p, 8 * (i / 16), 4) * q - half(p + 82) * bits(p, 8 * (i / 16) + 4, 4);
}

static double q3_k(const uint8_t *p, size_t i)
{
    size_t part = i / 16;
    unsigned q = bits(p + 32 + i / 128 * 32, 8 * (i % 32) + i % 128 / 32 * 2, 2) +
                 4 * bits(p, 8 * (i % 32) + i / 32, 1);
    unsigned scale =
        bits(p + 96, 8 * (part % 8) + part / 8 * 4, 4) + 16 * bits(p + 104, 8 * (part % 4) + part / 4 * 2, 2);
    return half(p + 108) * ((int)scale - 32) * ((int)q - 4);
}

static const struct {
    const char *name;
    unsigned block, bytes;
    double (*element)(const uint8_t *p, size_t i);
} rows[] = {
    {"q4_0", 32, 18, q4_0},   {"q4_1", 32, 20, q4_1},     {"q5_0", 32, 22, q5_0},   {"q5_1", 32, 24, q5_1},
    {"q8_0", 32, 34, q8_0},   {"iq4_nl", 32, 18, iq4_nl}, {"mxfp4", 32, 17, mxfp4}, {"q2_k", 256, 84, q2_k},
    {"q3_k", 256, 110, q3_k}, {"q4_k", 256, 144, q4_k},   {"q5_k", 256, 176, q5_k}, {"q6_k", 256, 210, q6_k},
};

static bool same(float got, double expected)
{
    float e = (float)expected;
    return isnan(e) ? isnan(got) : got == e;
}

/* Random bytes: every element is the value of the definition, rounded once. */
TEST(test_definitions)
{
    enum { BLOCKS = 300 };
    check_random r = {7};
    for (size_t f = 0; f < sizeof rows / sizeof *rows; f++) {
        const weight_format *format = weight_format_named(rows[f].name);
        assert_non_null(format);
        assert_int_equal(format->block, rows[f].block);
        assert_int_equal(format->bytes, rows[f].bytes);
        size_t n = (size_t)BLOCKS * rows[f].bytes;
        uint8_t *data = malloc(n);
        float *out = malloc(BLOCKS * 256 * sizeof *out);
        assert_true(data && out);
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)(check_u64(&r) >> 40);
        block_format_at(format->blocks)->decode(data, BLOCKS, out);
        for (size_t b = 0; b < BLOCKS; b++)
            for (size_t i = 0; i < rows[f].block; i++) {
                double e = rows[f].element(data + b * rows[f].bytes, i);
                if (!same(out[b * rows[f].block + i], e))
                    fail_msg("%s block %zu element %zu is %.9g, expected %.17g", rows[f].name, b, i,
                             (double)out[b * rows[f].block + i], e);
            }
        free(data);
        free(out);
    }
}

/* A block whose values are known without arithmetic. */
TEST(test_known)
{
    uint8_t p[34] = {0x00, 0x40, 0x98, 0xF0}; /* d = 2 */
    float out[32];
    block_format_at(BLOCK_q4_0)->decode(p, 1, out);
    assert_true(out[0] == 0 && out[16] == 2);    /* 8, 9 */
    assert_true(out[1] == -16 && out[17] == 14); /* 0, 15 */
    assert_true(out[31] == -16);
    block_format_at(BLOCK_q8_0)->decode(p, 1, out);
    assert_true(out[0] == -208 && out[1] == -32 && out[2] == 0);
}

/* Parts of a weight equal those of the entire weight, in any type. */
TEST(test_parts)
{
    check_random r = {9};
    for (size_t f = 0; f < sizeof rows / sizeof *rows; f++) {
        enum { N = 256 * 9 };
        sib_error err = SIB_ERROR_INIT;
        uint8_t data[N * 2];
        float whole[N], part[N];
        double doubles[N];
        const weight_format *format = weight_format_named(rows[f].name);
        uint64_t size;
        assert_true(weight_format_bytes(format, 2, (const int64_t[]){9, 256}, &size));
        assert_int_equal(size, N / rows[f].block * rows[f].bytes);
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)(check_u64(&r) >> 40) & 0xBF; /* no infinite scales */
        weight w = {
            .name = {"w", 1}, .format = format, .rank = 2, .dims = {9, 256}, .data = data, .size = size};
        CHECK_OK(weight_read(&w, 0, N, SIB_F32, whole, &err), err);
        CHECK_OK(weight_read(&w, 0, N, SIB_F64, doubles, &err), err);
        for (size_t i = 0; i < N; i++)
            assert_true(doubles[i] == whole[i] || (isnan(doubles[i]) && isnan(whole[i])));
        for (int tries = 0; tries < 200; tries++) {
            size_t first = (size_t)(check_u64(&r) % N), n = (size_t)(check_u64(&r) % (N - first + 1));
            CHECK_OK(weight_read(&w, first, n, SIB_F32, part, &err), err);
            assert_memory_equal(part, whole + first, n * sizeof *part);
        }
        sib_tensor *t = NULL;
        checkpoint none = {0};
        CHECK_FAILS(weight_view(&none, &w, &t, &err), SIB_ERR_UNSUPPORTED, err, rows[f].name);
    }
}

TEST(test_sizes)
{
    uint64_t size;
    const weight_format *q = weight_format_named("q4_k"), *f = weight_format_of(SIB_F32);
    assert_false(weight_format_bytes(q, 2, (const int64_t[]){256, 255}, &size));
    assert_false(weight_format_bytes(q, 0, NULL, &size));
    assert_true(weight_format_bytes(f, 0, NULL, &size) && size == 4);
    assert_true(weight_format_bytes(f, 2, (const int64_t[]){0, 5}, &size) && size == 0);
    assert_false(weight_format_bytes(f, 2, (const int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40}, &size));
    assert_false(weight_format_bytes(f, 1, (const int64_t[]){INT64_MAX / 2}, &size));
    assert_false(weight_format_bytes(f, 1, (const int64_t[]){-1}, &size));
    assert_null(weight_format_of(SIB_STRING));
    assert_null(weight_format_of(SIB_DTYPE_UNKNOWN));
    assert_null(weight_format_named("q9"));
    const char *name;
    assert_null(weight_format_of_ggml(9, &name));
    assert_string_equal(name, "Q8_1");
    assert_null(weight_format_of_ggml(4711, &name));
    assert_ptr_equal(weight_format_of_ggml(30, &name), weight_format_of(SIB_BF16));
}
