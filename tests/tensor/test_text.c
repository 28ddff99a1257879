/* Conversion between numbers and strings. */
#include "../comma_locale.h"
#include "reference.h"

static sib_tensor *strings_of(const char *const *texts, int64_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(SIB_STRING, 1, &n, &t, &err), err);
    for (int64_t i = 0; i < n; i++)
        CHECK_OK(sib_tensor_set_string(t, &i, (sib_str){texts[i], strlen(texts[i])}, &err), err);
    return t;
}

/* Converts n elements to strings and compares them. */
static void check_written(sib_dtype dtype, const void *data, const char *const *want, int64_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *s, *back;
    CHECK_OK(sib_tensor_wrap(dtype, 1, &n, NULL, (void *)data, NULL, NULL, &t, &err), err);
    CHECK_OK(sib_tensor_convert(t, SIB_STRING, SIB_OVERFLOW_IEEE, &s, &err), err);
    for (int64_t i = 0; i < n; i++) {
        sib_str text;
        CHECK_OK(sib_tensor_get_string(s, &i, &text, &err), err);
        if (text.length != strlen(want[i]) || memcmp(text.data, want[i], text.length) != 0)
            fail_msg("%s: '%.*s', expected '%s'", sib_dtype_name(dtype), (int)text.length, text.data,
                     want[i]);
    }
    CHECK_OK(sib_tensor_convert(s, dtype, SIB_OVERFLOW_IEEE, &back, &err), err);
    assert_true(same_bits(t, back));
    sib_tensor_free(&t), sib_tensor_free(&s), sib_tensor_free(&back);
}

TEST(shortest_decimals)
{
    const double doubles[] = {0.1,     1.0 / 3,
                              5e-324,  1.7976931348623157e308,
                              1e22,    9007199254740993.0,
                              0.0001,  0.00001,
                              1e15,    123456.75,
                              1e16,    -0.0,
                              0x1p-44, 100};
    const char *const double_texts[] = {"0.1",
                                        "0.3333333333333333",
                                        "5e-324",
                                        "1.7976931348623157e+308",
                                        "1e+22",
                                        "9007199254740992",
                                        "0.0001",
                                        "1e-05",
                                        "1000000000000000",
                                        "123456.75",
                                        "1e+16",
                                        "-0",
                                        "5.684341886080802e-14",
                                        "100"};
    const float floats[] = {0.1f,     16777216,  3.4028235e38f,  1e-45f,
                            INFINITY, -INFINITY, 1.1754944e-38f, -2.5f};
    const char *const float_texts[] = {"0.1", "16777216", "3.4028235e+38", "1e-45",
                                       "inf", "-inf",     "1.1754944e-38", "-2.5"};
    const uint16_t halves[] = {0x2E66, 0x7BFF, 0x3C00, 0x0001, 0xC000};
    const char *const half_texts[] = {"0.1", "65500", "1", "6e-08", "-2"};
    const int64_t longs[] = {INT64_MIN, -1, 0, INT64_MAX};
    const char *const long_texts[] = {"-9223372036854775808", "-1", "0", "9223372036854775807"};
    const uint64_t words[] = {UINT64_MAX, 7};
    const char *const word_texts[] = {"18446744073709551615", "7"};
    const uint8_t nibbles[] = {0x8F, 0x07}, bits[] = {0x1B};
    const char *const nibble_texts[] = {"-1", "-8", "7"}, *const bit_texts[] = {"3", "2", "1", "0"};
    const uint8_t powers[] = {0, 137, 126};
    const char *const power_texts[] = {"5.877471754111438e-39", "1024", "0.5"};
    const bool truth[] = {true, false};
    const char *const truth_texts[] = {"1", "0"};
    const float complex[] = {1, 2, -0.5f, -1e10f, INFINITY, 0.1f};
    const char *const complex_texts[] = {"1+2j", "-0.5-10000000000j", "inf+0.1j"};
    check_written(SIB_F64, doubles, double_texts, 14);
    check_written(SIB_F32, floats, float_texts, 8);
    check_written(SIB_F16, halves, half_texts, 5);
    check_written(SIB_I64, longs, long_texts, 4);
    check_written(SIB_U64, words, word_texts, 2);
    check_written(SIB_I4, nibbles, nibble_texts, 3);
    check_written(SIB_U2, bits, bit_texts, 4);
    check_written(SIB_F8E8M0, powers, power_texts, 3);
    check_written(SIB_BOOL, truth, truth_texts, 2);
    check_written(SIB_C64, complex, complex_texts, 3);
}

TEST(every_small_value_reads_back)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t k = 0; k < N_SMALL_DTYPES; k++) {
        sib_dtype d = small_dtypes[k];
        size_t codes = ref_codes(d), step = codes > 256 ? 7 : 1;
        int64_t n = (int64_t)((codes + step - 1) / step);
        sib_tensor *t, *s, *back;
        CHECK_OK(sib_tensor_create(d, 1, &n, &t, &err), err);
        for (int64_t i = 0; i < n; i++)
            put_code(d, sib_tensor_data(t), (size_t)i, (uint64_t)i * step);
        CHECK_OK(sib_tensor_convert(t, SIB_STRING, SIB_OVERFLOW_IEEE, &s, &err), err);
        CHECK_OK(sib_tensor_convert(s, d, SIB_OVERFLOW_IEEE, &back, &err), err);
        for (int64_t i = 0; i < n; i++) {
            double a, b;
            CHECK_OK(sib_tensor_get(t, &i, &a, &err), err);
            CHECK_OK(sib_tensor_get(back, &i, &b, &err), err);
            if (!(a == b && !signbit(a) == !signbit(b)) && !(isnan(a) && isnan(b)))
                fail_msg("%s %g came back as %g", sib_dtype_name(d), a, b);
        }
        sib_tensor_free(&t), sib_tensor_free(&s), sib_tensor_free(&back);
    }
}

static void check_read(const char *text, sib_dtype dtype, sib_overflow overflow, uint64_t code)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *s = strings_of(&text, 1), *t;
    CHECK_OK(sib_tensor_convert(s, dtype, overflow, &t, &err), err);
    if (get_code(dtype, sib_tensor_data(t), 0) != code)
        fail_msg("'%s' as %s: %#" PRIx64 ", expected %#" PRIx64, text, sib_dtype_name(dtype),
                 get_code(dtype, sib_tensor_data(t), 0), code);
    sib_tensor_free(&s), sib_tensor_free(&t);
}

TEST(texts_round_once)
{
    const sib_overflow clamp = SIB_OVERFLOW_SATURATE, ieee = SIB_OVERFLOW_IEEE;
    check_read("1.00048828125", SIB_F16, ieee, 0x3C00);
    check_read("1.00048828125000000000000000000001", SIB_F16, ieee, 0x3C01);
    check_read("1.0000000596046447753906250000000001", SIB_F32, ieee, 0x3F800001);
    check_read("-1.0000000596046447753906250000000001", SIB_F32, ieee, 0xBF800001);
    check_read("1.000000059604644775390625", SIB_F32, ieee, 0x3F800000);
    check_read("1e-400", SIB_F8E8M0, clamp, 0);
    check_read("5.877471754111438e-39", SIB_F8E8M0, clamp, 0);
    check_read("4.0001", SIB_F8E8M0, clamp, 130);
    check_read(" 0x1p-1 ", SIB_F32, ieee, 0x3F000000);
    check_read("-INF", SIB_F32, ieee, 0xFF800000);
    check_read("1e400", SIB_F8E4M3FN, clamp, 0x7E);
    check_read("1e400", SIB_F8E4M3FN, ieee, 0x7F);
    check_read("1e400", SIB_F64, clamp, 0x7FF0000000000000);
    check_read("18446744073709551615", SIB_U64, clamp, UINT64_MAX);
    check_read("18446744073709551616", SIB_U64, clamp, UINT64_MAX);
    check_read("18446744073709551616", SIB_U64, ieee, 0);
    check_read("-9223372036854775809", SIB_I64, clamp, UINT64_C(1) << 63);
    check_read("-9223372036854775809", SIB_I64, ieee, INT64_MAX);
    check_read("-9223372036854775807", SIB_I64, clamp, (UINT64_C(1) << 63) + 1);
    check_read("9007199254740993", SIB_I64, clamp, 9007199254740993);
    check_read("0x1F", SIB_U8, clamp, 31);
    check_read("010", SIB_U8, clamp, 10);
    check_read("-5", SIB_U8, clamp, 0);
    check_read("-5", SIB_U8, ieee, 251);
    check_read("100.5", SIB_I32, clamp, 100);
    check_read("1e3", SIB_I32, clamp, 1000);
    check_read("0.99999999999999999999999", SIB_I32, clamp, 0);
    check_read("nan", SIB_I32, clamp, 0);
    check_read("0.0", SIB_BOOL, clamp, 0);
    check_read("1e-400", SIB_BOOL, clamp, 1);
    check_read("nan", SIB_BOOL, clamp, 1);
    check_read("7", SIB_I4, clamp, 7);
}

TEST(what_is_no_number)
{
    sib_error err = SIB_ERROR_INIT;
    static const char *const bad[] = {"", " ", "abc", "1x", "1 2", "--1", "1+2j", "0x", "e5", "1,5", "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *pair[] = {"1", bad[i]};
        sib_tensor *s = strings_of(pair, 2), *out = NULL;
        if (strcmp(bad[i], "0x") != 0) /* strtod reads the zero before an x that follows */
            CHECK_FAILS(sib_tensor_convert(s, SIB_F32, SIB_OVERFLOW_IEEE, &out, &err), SIB_ERR_VALUE, err,
                        "element 1");
        CHECK_FAILS(sib_tensor_convert(s, SIB_I64, SIB_OVERFLOW_IEEE, &out, &err), SIB_ERR_VALUE, err,
                    "element 1");
        assert_null(out);
        sib_tensor_free(&s);
    }
    int64_t one = 1, zero = 0;
    sib_tensor *s, *out;
    CHECK_OK(sib_tensor_create(SIB_STRING, 1, &one, &s, &err), err);
    CHECK_OK(sib_tensor_set_string(s, &zero, (sib_str){"1\0002", 3}, &err), err);
    CHECK_FAILS(sib_tensor_convert(s, SIB_F32, SIB_OVERFLOW_IEEE, &out, &err), SIB_ERR_VALUE, err, "1?2");
    char *huge = malloc(100001);
    memset(huge, '0', 100000);
    memcpy(huge + 99990, "3.5", 3);
    CHECK_OK(sib_tensor_set_string(s, &zero, (sib_str){huge, 100000}, &err), err);
    CHECK_EVERY_ALLOCATION(sib_tensor_convert(s, SIB_F64, SIB_OVERFLOW_IEEE, &out, &err), {
        assert_true(*(double *)sib_tensor_data(out) == 3.5);
        sib_tensor_free(&out);
    });
    huge[50] = 'x';
    CHECK_OK(sib_tensor_set_string(s, &zero, (sib_str){huge, 100000}, &err), err);
    CHECK_FAILS(sib_tensor_convert(s, SIB_F64, SIB_OVERFLOW_IEEE, &out, &err), SIB_ERR_VALUE, err, "...");
    free(huge);
    sib_tensor_free(&s);
}

TEST(complex_texts)
{
    sib_error err = SIB_ERROR_INIT;
    const char *const texts[] = {"1.5-2j", "3", "-4j", "nan+infj"};
    sib_tensor *s = strings_of(texts, 4), *t;
    CHECK_OK(sib_tensor_convert(s, SIB_C128, SIB_OVERFLOW_IEEE, &t, &err), err);
    const double *x = sib_tensor_data(t);
    assert_true(x[0] == 1.5 && x[1] == -2 && x[2] == 3 && x[3] == 0 && x[4] == 0 && x[5] == -4);
    assert_true(isnan(x[6]) && isinf(x[7]));
    sib_tensor_free(&s), sib_tensor_free(&t);
    const char *const bad[] = {"1+2"};
    s = strings_of(bad, 1);
    CHECK_FAILS(sib_tensor_convert(s, SIB_C64, SIB_OVERFLOW_IEEE, &t, &err), SIB_ERR_VALUE, err, "1+2");
    sib_tensor_free(&s);
}

/* A process may run in a locale with a decimal comma. */
TEST(any_locale)
{
    comma_locale_enter();
    const double x[] = {1.5};
    const char *const want[] = {"1.5"};
    check_written(SIB_F64, x, want, 1);
    setlocale(LC_ALL, "C");
}

TEST(strings_to_strings)
{
    sib_error err = SIB_ERROR_INIT;
    const char *const texts[] = {"a", "", "bc"};
    sib_tensor *s = strings_of(texts, 3), *t;
    CHECK_EVERY_ALLOCATION(sib_tensor_convert(s, SIB_STRING, SIB_OVERFLOW_IEEE, &t, &err), {
        assert_true(same_bits(s, t));
        sib_tensor_free(&t);
    });
    int64_t index = 1;
    CHECK_OK(sib_tensor_set(s, &index, 0.25, &err), err);
    sib_str text;
    CHECK_OK(sib_tensor_get_string(s, &index, &text, &err), err);
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.data, "0.25", 4);
    sib_tensor_free(&s);
}
