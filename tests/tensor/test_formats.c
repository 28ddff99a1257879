/* Every code of every float of at most 16 bits, and all distinct cases of rounding to one. */
#include "reference.h"

TEST(every_code_has_its_value)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t k = 0; k < N_SMALL_FLOATS; k++) {
        sib_dtype d = small_floats[k];
        size_t n = ref_codes(d);
        unsigned char *codes = calloc(n, 2);
        double *wide = malloc(n * sizeof *wide);
        float *narrow = malloc(n * sizeof *narrow);
        for (size_t i = 0; i < n; i++)
            put_code(d, codes, i, i);
        CHECK_OK(sib_convert(d, codes, SIB_F64, wide, n, SIB_OVERFLOW_IEEE, &err), err);
        CHECK_OK(sib_convert(d, codes, SIB_F32, narrow, n, SIB_OVERFLOW_IEEE, &err), err);
        for (size_t i = 0; i < n; i++) {
            double want = ref_value(d, (unsigned)i);
            bool same = isnan(want)
                            ? isnan(wide[i]) && isnan(narrow[i])
                            : wide[i] == want && narrow[i] == want && !signbit(wide[i]) == !signbit(want) &&
                                  !signbit(narrow[i]) == !signbit(want);
            if (!same)
                fail_msg("%s %#zx: %a and %a, expected %a", sib_dtype_name(d), i, wide[i], (double)narrow[i],
                         want);
        }
        free(codes), free(wide), free(narrow);
    }
}

typedef struct samples {
    double *x;
    size_t n;
} samples;

static void add_sample(samples *s, double x)
{
    s->x[s->n++] = x;
    s->x[s->n++] = -x;
}

/* Each value, each midpoint to the next one, the doubles and floats next to both, and values without
   neighbours. */
static samples gather_samples(const ref_float *r)
{
    samples s = {malloc((r->n + 600) * 20 * sizeof(double)), 0};
    static const double others[] = {0,
                                    INFINITY,
                                    5e-324,
                                    2.2250738585072014e-308,
                                    1e-45,
                                    1e-46,
                                    1e308,
                                    3.5e38,
                                    3.4028235e38,
                                    1e-300,
                                    0.3,
                                    1e5,
                                    65519.9,
                                    65520,
                                    65536};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        add_sample(&s, others[i]);
    s.x[s.n++] = NAN;
    s.x[s.n++] = -(double)NAN;
    for (size_t i = 0; i < r->n; i++) {
        double middle = (r->ladder[i] + r->ladder[i + 1]) / 2;
        add_sample(&s, r->ladder[i]);
        add_sample(&s, nextafter(r->ladder[i], INFINITY));
        add_sample(&s, nextafter(r->ladder[i], 0));
        add_sample(&s, middle);
        add_sample(&s, nextafter(middle, INFINITY));
        add_sample(&s, nextafter(middle, 0));
        add_sample(&s, (double)nextafterf((float)middle, INFINITY));
        add_sample(&s, (double)nextafterf((float)middle, 0));
    }
    for (int e = -130; r->dtype == SIB_F8E8M0 && e < 130; e++) {
        double power = ldexp(1, e);
        add_sample(&s, power);
        add_sample(&s, nextafter(power, INFINITY));
        add_sample(&s, nextafter(power, 0));
        add_sample(&s, 1.5 * power);
        add_sample(&s, (double)nextafterf((float)power, INFINITY));
    }
    return s;
}

static void check_codes(const ref_float *r, sib_dtype from, const void *src, const double *x, size_t n,
                        sib_overflow overflow)
{
    sib_error err = SIB_ERROR_INIT;
    unsigned char *codes = malloc(2 * n + 1);
    CHECK_OK(sib_convert(from, src, r->dtype, codes, n, overflow, &err), err);
    for (size_t i = 0; i < n; i++) {
        unsigned code = (unsigned)get_code(r->dtype, codes, i);
        if (!ref_matches(r, r->dtype, x[i], overflow, code))
            fail_msg("%s of %s %a, overflow %d: %#x, expected %#x", sib_dtype_name(r->dtype),
                     sib_dtype_name(from), x[i], (int)overflow, code, ref_encode_float(r, x[i], overflow));
    }
    free(codes);
}

TEST(every_rounding)
{
    static ref_float r;
    for (size_t k = 0; k < N_SMALL_FLOATS; k++) {
        ref_float_init(&r, small_floats[k]);
        samples s = gather_samples(&r);
        float *narrow = malloc(s.n * sizeof *narrow);
        double *widened = malloc(s.n * sizeof *widened);
        for (size_t i = 0; i < s.n; i++)
            widened[i] = narrow[i] = (float)s.x[i];
        for (int overflow = 0; overflow < 2; overflow++) {
            check_codes(&r, SIB_F64, s.x, s.x, s.n, (sib_overflow)overflow);
            check_codes(&r, SIB_F32, narrow, widened, s.n, (sib_overflow)overflow);
        }
        free(s.x), free(narrow), free(widened);
    }
}

/* Codes from the ONNX tables for Cast, and from its official cases. */
TEST(tables_of_onnx)
{
    static const double x[] = {0, -0.0, INFINITY, -INFINITY, 1e6, -1e6, 1e-7, -1e-7};
    enum { N = sizeof x / sizeof *x };
    static const struct {
        sib_dtype dtype;
        sib_overflow overflow;
        unsigned char codes[N];
    } rows[] = {
        {SIB_F8E4M3FN, SIB_OVERFLOW_SATURATE, {0, 0x80, 0x7E, 0xFE, 0x7E, 0xFE, 0, 0x80}},
        {SIB_F8E4M3FN, SIB_OVERFLOW_IEEE, {0, 0x80, 0x7F, 0xFF, 0x7F, 0xFF, 0, 0x80}},
        {SIB_F8E4M3FNUZ, SIB_OVERFLOW_SATURATE, {0, 0, 0x7F, 0xFF, 0x7F, 0xFF, 0, 0}},
        {SIB_F8E4M3FNUZ, SIB_OVERFLOW_IEEE, {0, 0, 0x80, 0x80, 0x80, 0x80, 0, 0}},
        {SIB_F8E5M2, SIB_OVERFLOW_SATURATE, {0, 0x80, 0x7B, 0xFB, 0x7B, 0xFB, 0, 0x80}},
        {SIB_F8E5M2, SIB_OVERFLOW_IEEE, {0, 0x80, 0x7C, 0xFC, 0x7C, 0xFC, 0, 0x80}},
        {SIB_F8E5M2FNUZ, SIB_OVERFLOW_SATURATE, {0, 0, 0x7F, 0xFF, 0x7F, 0xFF, 0, 0}},
        {SIB_F8E5M2FNUZ, SIB_OVERFLOW_IEEE, {0, 0, 0x80, 0x80, 0x80, 0x80, 0, 0}},
        {SIB_F8E8M0, SIB_OVERFLOW_SATURATE, {0, 0, 0xFE, 0, 0x93, 0, 0x68, 0}},
        {SIB_F8E8M0, SIB_OVERFLOW_IEEE, {0xFF, 0xFF, 0xFF, 0xFF, 0x93, 0xFF, 0x68, 0xFF}},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        unsigned char codes[N];
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(sib_convert(SIB_F64, x, rows[k].dtype, codes, N, rows[k].overflow, &err), err);
        for (size_t i = 0; i < N; i++)
            if (codes[i] != rows[k].codes[i])
                fail_msg("%s of %g, overflow %d: %#x, expected %#x", sib_dtype_name(rows[k].dtype), x[i],
                         (int)rows[k].overflow, codes[i], rows[k].codes[i]);
    }
    static const float four[] = {0.48f, 0.25f, 1.05f,    -3.5f,     -8, 9,    1e6f,
                                 1e-7f, NAN,   INFINITY, -INFINITY, -4, -0.0f};
    static const unsigned char want[] = {0x01, 0xE2, 0x7F, 0x07, 0x78, 0xEF, 0x08};
    unsigned char packed[7] = {0};
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_convert(SIB_F32, four, SIB_F4E2M1, packed, 13, SIB_OVERFLOW_IEEE, &err), err);
    assert_memory_equal(packed, want, 7);
}

TEST(nan_keeps_its_sign_and_payload)
{
    static const uint32_t nans[] = {0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FE00000, 0xFFFFFFFF};
    static const uint16_t half[] = {0x7E00, 0xFE00, 0x7E00, 0x7F00, 0xFFFF};
    static const uint16_t brain[] = {0x7FC0, 0xFFC0, 0x7FC0, 0x7FE0, 0xFFFF};
    static const uint8_t e4m3[] = {0x7F, 0xFF, 0x7F, 0x7F, 0xFF};
    uint16_t out[5];
    uint8_t small[5];
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_convert(SIB_F32, nans, SIB_F16, out, 5, SIB_OVERFLOW_IEEE, &err), err);
    assert_memory_equal(out, half, sizeof half);
    CHECK_OK(sib_convert(SIB_F32, nans, SIB_BF16, out, 5, SIB_OVERFLOW_IEEE, &err), err);
    assert_memory_equal(out, brain, sizeof brain);
    CHECK_OK(sib_convert(SIB_F32, nans, SIB_F8E4M3FN, small, 5, SIB_OVERFLOW_IEEE, &err), err);
    assert_memory_equal(small, e4m3, sizeof e4m3);
}
