#include "reference.h"

/* ---- Types of at most 16 bits --------------------------------------------------------------------- */

TEST(every_code_of_every_pair)
{
    sib_error err = SIB_ERROR_INIT;
    static ref_float r;
    unsigned char *src = malloc(2 << 16), *dst = malloc((2 << 16) + 1);
    double *x = malloc(sizeof *x << 16);
    for (size_t t = 0; t < N_SMALL_DTYPES; t++) {
        sib_dtype to = small_dtypes[t];
        if (sib_dtype_get_kind(to) == SIB_KIND_FLOAT)
            ref_float_init(&r, to);
        for (size_t f = 0; f < N_SMALL_DTYPES; f++) {
            sib_dtype from = small_dtypes[f];
            size_t n = ref_codes(from);
            for (size_t i = 0; i < n; i++) {
                put_code(from, src, i, i);
                x[i] = ref_value(from, (unsigned)i);
            }
            for (int overflow = 0; overflow < 2; overflow++) {
                memset(dst, 0xA5, n * sib_dtype_bits(to) / 8 + 1);
                CHECK_OK(sib_convert(from, src, to, dst, n, (sib_overflow)overflow, &err), err);
                for (size_t i = 0; i < n; i++) {
                    unsigned code = (unsigned)get_code(to, dst, i);
                    bool good =
                        from == to ? code == i : ref_matches(&r, to, x[i], (sib_overflow)overflow, code);
                    if (!good)
                        fail_msg("%s %#zx (%g) to %s, overflow %d: %#x", sib_dtype_name(from), i, x[i],
                                 sib_dtype_name(to), overflow, code);
                }
            }
        }
    }
    free(src), free(dst), free(x);
}

/* ---- Wide integers -------------------------------------------------------------------------------- */

static const sib_dtype int_dtypes[] = {SIB_I8,  SIB_I16, SIB_I32, SIB_I64, SIB_U8, SIB_U16,
                                       SIB_U32, SIB_U64, SIB_I4,  SIB_U4,  SIB_I2, SIB_U2};
#define N_INTS (sizeof int_dtypes / sizeof *int_dtypes)

static bool is_signed(sib_dtype d)
{
    return sib_dtype_get_kind(d) == SIB_KIND_INT;
}

static __int128 int_low(sib_dtype d)
{
    return is_signed(d) ? -((__int128)1 << (sib_dtype_bits(d) - 1)) : 0;
}

static __int128 int_high(sib_dtype d)
{
    return ((__int128)1 << (sib_dtype_bits(d) - is_signed(d))) - 1;
}

static __int128 int_of_code(sib_dtype d, uint64_t code)
{
    __int128 v = code;
    return is_signed(d) && v > int_high(d) ? v - ((__int128)1 << sib_dtype_bits(d)) : v;
}

/* The expected code of v. */
static uint64_t int_code(sib_dtype d, __int128 v, sib_overflow overflow)
{
    if (overflow == SIB_OVERFLOW_SATURATE)
        v = v < int_low(d) ? int_low(d) : v > int_high(d) ? int_high(d) : v;
    return (uint64_t)v & (sib_dtype_bits(d) == 64 ? UINT64_MAX : (UINT64_C(1) << sib_dtype_bits(d)) - 1);
}

/* Codes of d around every power of two, and random ones of every length. */
static size_t int_samples(sib_dtype d, uint64_t *codes)
{
    check_random random = {7};
    uint64_t mask = int_code(d, -1, SIB_OVERFLOW_IEEE);
    size_t n = 0;
    for (unsigned b = 0; b < sib_dtype_bits(d); b++) {
        for (int delta = -2; delta <= 2; delta++) {
            codes[n++] = ((UINT64_C(1) << b) + (uint64_t)(int64_t)delta) & mask;
            codes[n++] = (0 - (UINT64_C(1) << b) + (uint64_t)(int64_t)delta) & mask;
        }
        for (int k = 0; k < 40; k++)
            codes[n++] = check_u64(&random) >> b & mask;
    }
    return n;
}

TEST(integers_wrap_and_clamp)
{
    sib_error err = SIB_ERROR_INIT;
    static uint64_t codes[64 * 50], src[64 * 50], dst[64 * 50];
    for (size_t f = 0; f < N_INTS; f++) {
        sib_dtype from = int_dtypes[f];
        size_t n = int_samples(from, codes);
        for (size_t i = 0; i < n; i++)
            put_code(from, src, i, codes[i]);
        for (size_t t = 0; t < N_INTS; t++) {
            sib_dtype to = int_dtypes[t];
            for (int overflow = 0; overflow < 2; overflow++) {
                CHECK_OK(sib_convert(from, src, to, dst, n, (sib_overflow)overflow, &err), err);
                for (size_t i = 0; i < n; i++) {
                    uint64_t want = int_code(to, int_of_code(from, codes[i]), (sib_overflow)overflow);
                    if (get_code(to, dst, i) != want)
                        fail_msg("%s %#" PRIx64 " to %s, overflow %d: %#" PRIx64 ", expected %#" PRIx64,
                                 sib_dtype_name(from), codes[i], sib_dtype_name(to), overflow,
                                 get_code(to, dst, i), want);
                }
            }
        }
    }
}

static __int128 magnitude_of(__int128 v)
{
    return v < 0 ? -v : v;
}

/* Returns true if `got`, an integer, is v rounded once: no neighbour is nearer, and ties go to the even
   one. */
static bool is_nearest(__int128 v, double got, double below, double above, bool even)
{
    __int128 distance = magnitude_of((__int128)got - v);
    __int128 to_below = magnitude_of((__int128)below - v), to_above = magnitude_of((__int128)above - v);
    if (distance > to_below || distance > to_above)
        return false;
    return (distance != to_below && distance != to_above) || even;
}

TEST(integers_round_once_to_wide_floats)
{
    sib_error err = SIB_ERROR_INIT;
    static uint64_t codes[64 * 50], src[64 * 50];
    static float narrow[64 * 50];
    static double wide[64 * 50];
    static const sib_dtype sources[] = {SIB_I32, SIB_U32, SIB_I64, SIB_U64};
    for (size_t f = 0; f < 4; f++) {
        size_t n = int_samples(sources[f], codes);
        for (size_t i = 0; i < n; i++)
            put_code(sources[f], src, i, codes[i]);
        CHECK_OK(sib_convert(sources[f], src, SIB_F32, narrow, n, SIB_OVERFLOW_SATURATE, &err), err);
        CHECK_OK(sib_convert(sources[f], src, SIB_F64, wide, n, SIB_OVERFLOW_SATURATE, &err), err);
        for (size_t i = 0; i < n; i++) {
            __int128 v = int_of_code(sources[f], codes[i]);
            uint32_t low32;
            uint64_t low64;
            memcpy(&low32, &narrow[i], sizeof low32);
            memcpy(&low64, &wide[i], sizeof low64);
            if (magnitude_of(v) <= 1 << 24
                    ? narrow[i] != (float)v
                    : !is_nearest(v, (double)narrow[i], (double)nextafterf(narrow[i], -INFINITY),
                                  (double)nextafterf(narrow[i], INFINITY), !(low32 & 1)))
                fail_msg("%s %#" PRIx64 " to float32: %a", sib_dtype_name(sources[f]), codes[i],
                         (double)narrow[i]);
            if (magnitude_of(v) <= (__int128)1 << 53
                    ? wide[i] != (double)v
                    : !is_nearest(v, wide[i], nextafter(wide[i], -INFINITY), nextafter(wide[i], INFINITY),
                                  !(low64 & 1)))
                fail_msg("%s %#" PRIx64 " to float64: %a", sib_dtype_name(sources[f]), codes[i], wide[i]);
        }
    }
}

/* Halfway between two values of a narrow float, and one to either side: as doubles they are equal. */
TEST(integers_round_once_to_narrow_floats)
{
    sib_error err = SIB_ERROR_INIT;
    const uint64_t tie = (UINT64_C(1) << 62) + (UINT64_C(1) << 54); /* bfloat16 has 8 bits */
    const uint64_t src[] = {tie - 1, tie, tie + 1, tie + (UINT64_C(1) << 55)};
    const uint16_t want[] = {0x5E80, 0x5E80, 0x5E81, 0x5E82};
    uint16_t out[4];
    CHECK_OK(sib_convert(SIB_U64, src, SIB_BF16, out, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_memory_equal(out, want, sizeof want);
    CHECK_OK(sib_convert(SIB_I64, src, SIB_BF16, out, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_memory_equal(out, want, sizeof want);
    const int64_t power[] = {INT64_C(1) << 60, (INT64_C(1) << 60) + 1, INT64_MAX, INT64_MIN};
    const uint8_t up[] = {127 + 60, 127 + 61, 127 + 63, 0};
    uint8_t e8m0[4];
    CHECK_OK(sib_convert(SIB_I64, power, SIB_F8E8M0, e8m0, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_memory_equal(e8m0, up, sizeof up);
}

TEST(doubles_to_integers)
{
    sib_error err = SIB_ERROR_INIT;
    static const double x[] = {NAN,    INFINITY, -INFINITY,    1.9,     -1.9,          -0.5,
                               9.2e18, -9.3e18,  1.9e19,       1e300,   0x1p63,        0x1p64,
                               0x1p31, 0x1p32,   4294967297.5, -0x1p63, -4294967297.5, 0x1.8p65};
    enum { N = sizeof x / sizeof *x };
    for (size_t t = 0; t < N_INTS; t++) {
        for (int overflow = 0; overflow < 2; overflow++) {
            uint64_t dst[N] = {0};
            CHECK_OK(sib_convert(SIB_F64, x, int_dtypes[t], dst, N, (sib_overflow)overflow, &err), err);
            for (size_t i = 0; i < N; i++) {
                bool clamp = overflow == SIB_OVERFLOW_SATURATE;
                __int128 v = isnan(x[i]) || (isinf(x[i]) && !clamp) ? 0
                             : fabs(x[i]) < 0x1p100                 ? (__int128)x[i]
                             : !clamp                               ? 0
                             : x[i] > 0                             ? (__int128)1 << 100
                                                                    : -((__int128)1 << 100);
                if (get_code(int_dtypes[t], dst, i) != int_code(int_dtypes[t], v, (sib_overflow)overflow))
                    fail_msg("%g to %s, overflow %d: %#" PRIx64, x[i], sib_dtype_name(int_dtypes[t]),
                             overflow, get_code(int_dtypes[t], dst, i));
            }
        }
    }
}

/* ---- Other kinds ---------------------------------------------------------------------------------- */

TEST(wide_floats_complex_and_bool)
{
    sib_error err = SIB_ERROR_INIT;
    const double x[] = {1e300,        -1e300,   0x1.000001p0, 0x1.0000011p0,
                        0x1.000003p0, 0x1p-149, 0x1p-150,     0x1.8p-150};
    const float want[] = {INFINITY, -INFINITY, 1, 0x1.000002p0, 0x1.000004p0, 0x1p-149f, 0, 0x1p-149f};
    float narrow[8];
    CHECK_OK(sib_convert(SIB_F64, x, SIB_F32, narrow, 8, SIB_OVERFLOW_SATURATE, &err), err);
    assert_memory_equal(narrow, want, sizeof want);
    const double pairs[] = {0, 0, 0, 3, 1.5, -2, NAN, 0};
    bool truth[4];
    float complex[8];
    int8_t real[4];
    double back[8];
    CHECK_OK(sib_convert(SIB_C128, pairs, SIB_BOOL, truth, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_true(!truth[0] && truth[1] && truth[2] && truth[3]);
    CHECK_OK(sib_convert(SIB_C128, pairs, SIB_C64, complex, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_true(complex[3] == 3 && complex[4] == 1.5f && complex[5] == -2 && isnan(complex[6]));
    CHECK_OK(sib_convert(SIB_C64, complex, SIB_I8, real, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_true(real[0] == 0 && real[1] == 0 && real[2] == 1 && real[3] == 0);
    CHECK_OK(sib_convert(SIB_I8, real, SIB_C128, back, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_true(back[4] == 1 && back[5] == 0);
    const unsigned char any[] = {0, 1, 2, 255};
    int32_t one[4];
    CHECK_OK(sib_convert(SIB_BOOL, any, SIB_I32, one, 4, SIB_OVERFLOW_SATURATE, &err), err);
    assert_true(one[0] == 0 && one[1] == 1 && one[2] == 1 && one[3] == 1);
}

TEST(misaligned_and_odd_counts)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {3};
    for (size_t n = 0; n < 40; n++) {
        char src[170], dst[90], want[80];
        float x[40];
        for (size_t i = 0; i < 40; i++)
            x[i] = (float)(100 * check_uniform(&random));
        memcpy(src + 1, x, sizeof x);
        memset(dst, 0x77, sizeof dst);
        CHECK_OK(sib_convert(SIB_F32, x, SIB_F16, want, n, SIB_OVERFLOW_IEEE, &err), err);
        CHECK_OK(sib_convert(SIB_F32, src + 1, SIB_F16, dst + 1, n, SIB_OVERFLOW_IEEE, &err), err);
        assert_memory_equal(dst + 1, want, 2 * n);
        assert_int_equal(dst[0], 0x77);
        assert_int_equal(dst[1 + 2 * n], 0x77);
        unsigned char packed[12];
        memset(packed, 0xFF, sizeof packed);
        CHECK_OK(sib_convert(SIB_F32, x, SIB_U2, packed, n, SIB_OVERFLOW_SATURATE, &err), err);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(get_code(SIB_U2, packed, i), x[i] <= 0 ? 0 : x[i] >= 3 ? 3 : (int)x[i]);
        for (size_t i = n; i < (n + 3) / 4 * 4; i++)
            assert_int_equal(get_code(SIB_U2, packed, i), 0);
        assert_int_equal(packed[(n + 3) / 4], 0xFF);
    }
}

TEST(strided_tensors_convert_as_their_copies)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {11};
    const int64_t dims[] = {7, 13, 9}, permutation[] = {2, 0, 1};
    for (size_t f = 0; f < N_DTYPES; f++) {
        if (sib_dtype_bits(all_dtypes[f]) < 8 || all_dtypes[f] == SIB_STRING)
            continue;
        sib_tensor *t = random_tensor(all_dtypes[f], 3, dims, &random), *turned, *view, *copy;
        CHECK_OK(sib_tensor_transpose(t, permutation, &turned, &err), err);
        CHECK_OK(sib_tensor_slice(turned, 1, 6, 4, -2, &view, &err), err);
        CHECK_OK(sib_tensor_copy(view, &copy, &err), err);
        assert_false(sib_tensor_is_dense(view));
        for (size_t k = 0; k < N_DTYPES; k++) {
            sib_tensor *a, *b;
            CHECK_OK(sib_tensor_convert(view, all_dtypes[k], SIB_OVERFLOW_IEEE, &a, &err), err);
            CHECK_OK(sib_tensor_convert(copy, all_dtypes[k], SIB_OVERFLOW_IEEE, &b, &err), err);
            assert_true(sib_tensor_is_dense(a));
            assert_true(same_bits(a, b));
            sib_tensor_free(&a), sib_tensor_free(&b);
        }
        sib_tensor_free(&t), sib_tensor_free(&turned), sib_tensor_free(&view), sib_tensor_free(&copy);
    }
}

TEST(refusals_and_allocations)
{
    sib_error err = SIB_ERROR_INIT;
    char x[16] = {0}, y[16];
    CHECK_FAILS(sib_convert(SIB_STRING, x, SIB_F32, y, 1, SIB_OVERFLOW_IEEE, &err), SIB_ERR_ARGUMENT, err,
                "strings");
    CHECK_FAILS(sib_convert(SIB_F32, x, (sib_dtype)99, y, 1, SIB_OVERFLOW_IEEE, &err), SIB_ERR_ARGUMENT, err,
                "99");
    CHECK_FAILS(sib_convert(SIB_F32, NULL, SIB_F64, y, 1, SIB_OVERFLOW_IEEE, &err), SIB_ERR_ARGUMENT, err,
                "src");
    CHECK_FAILS(sib_convert(SIB_F32, x, SIB_F64, y, 1, (sib_overflow)5, &err), SIB_ERR_ARGUMENT, err, "5");
    CHECK_FAILS(sib_convert(SIB_F32, x, SIB_F64, y, SIZE_MAX / 2, SIB_OVERFLOW_IEEE, &err), SIB_ERR_ARGUMENT,
                err, "address space");
    CHECK_OK(sib_convert(SIB_F32, NULL, SIB_F64, NULL, 0, SIB_OVERFLOW_IEEE, &err), err);
    check_random random = {5};
    sib_tensor *t = random_tensor(SIB_I16, 1, (int64_t[]){5}, &random), *out = NULL;
    CHECK_FAILS(sib_tensor_convert(t, (sib_dtype)0, SIB_OVERFLOW_IEEE, &out, &err), SIB_ERR_ARGUMENT, err,
                "dtype");
    assert_null(out);
    CHECK_EVERY_ALLOCATION(sib_tensor_convert(t, SIB_F32, SIB_OVERFLOW_IEEE, &out, &err),
                           sib_tensor_free(&out));
    CHECK_EVERY_ALLOCATION(sib_tensor_convert(t, SIB_STRING, SIB_OVERFLOW_IEEE, &out, &err),
                           sib_tensor_free(&out));
    sib_tensor_free(&t);
}
