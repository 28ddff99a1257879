/* Casts from and to every dtype against sib_tensor_convert, which has its own tests, and Cast's options. */
#include "milli.h"

static sib_tensor *cast(const sib_tensor *a, sib_dtype to, bool saturate)
{
    out_spec s = {.dtype = to, .rank = (int)sib_tensor_rank(a)};
    memcpy(s.dims, sib_tensor_dims(a), sib_tensor_rank(a) * sizeof *s.dims);
    return run_milli(MILLI_cast, 1, IN(a), 2,
                     ATTRIBUTES(attribute_int("to", to), attribute_int("saturate", saturate)), s);
}

TEST(test_pairs)
{
    sib_error err = SIB_ERROR_INIT;
    check_random r = {1};
    for (size_t from = 0; from < N_DTYPES; from++)
        for (size_t to = 0; to < N_DTYPES; to++)
            for (int saturate = 0; saturate < 2; saturate++) {
                sib_tensor *a = random_tensor(all_dtypes[from], 2, DIMS(3, 401), &r), *want, *text;
                if (all_dtypes[from] == SIB_STRING) { /* strings that spell numbers */
                    sib_tensor_free(&a);
                    text = random_tensor(SIB_F32, 2, DIMS(3, 401), &r);
                    CHECK_OK(sib_tensor_convert(text, SIB_STRING, SIB_OVERFLOW_IEEE, &a, &err), err);
                    sib_tensor_free(&text);
                }
                sib_tensor *out = cast(a, all_dtypes[to], saturate);
                CHECK_OK(sib_tensor_convert(a, all_dtypes[to],
                                            saturate ? SIB_OVERFLOW_SATURATE : SIB_OVERFLOW_IEEE, &want,
                                            &err),
                         err);
                assert_true(same_bits(out, want));
                free_all(3, (sib_tensor *[]){a, out, want});
            }
}

TEST(test_choices)
{
    sib_tensor *ints = VECTOR(SIB_I32, 300, -1, 128), *floats = VECTOR(SIB_F32, 1000, -1000, 1.9, -1.9, NAN);
    sib_tensor *wraps = cast(ints, SIB_U8, false), *clamps = cast(ints, SIB_U8, true);
    sib_tensor *loose = cast(floats, SIB_F8E4M3FN, false), *tight = cast(floats, SIB_F8E4M3FN, true);
    sib_tensor *cut = cast(floats, SIB_I32, false), *packed = cast(floats, SIB_I4, true);
    EXPECT_VECTOR(wraps, SIB_U8, 44, 255, 128);
    EXPECT_VECTOR(clamps, SIB_U8, 255, 0, 128);
    EXPECT_VECTOR(loose, SIB_F8E4M3FN, NAN, NAN, 1.875, -1.875, NAN);
    EXPECT_VECTOR(tight, SIB_F8E4M3FN, 448, -448, 1.875, -1.875, NAN);
    EXPECT_VECTOR(cut, SIB_I32, 1000, -1000, 1, -1, 0);
    EXPECT_VECTOR(packed, SIB_I4, 7, -8, 1, -1, 0);
    free_all(8, (sib_tensor *[]){ints, floats, wraps, clamps, loose, tight, cut, packed});
    static const char *const words[] = {"1", "x"};
    sib_tensor *text = strings(1, DIMS(2), words);
    fail_milli(MILLI_cast, 1, IN(text), 1, ATTRIBUTES(attribute_int("to", SIB_F32)), SPEC(SIB_F32, 1, 2),
               SIB_ERR_VALUE, "x");
    sib_tensor_free(&text);
}

TEST(test_bitcast)
{
    check_random r = {2};
    for (size_t from = 0; from < N_DTYPES; from++)
        for (size_t to = 0; to < N_DTYPES; to++) {
            sib_dtype x = all_dtypes[from], y = all_dtypes[to];
            sib_tensor *a = random_tensor(x, 1, DIMS(13), &r);
            const attribute *how = ATTRIBUTES(attribute_int("to", y));
            if (x == SIB_STRING || y == SIB_STRING || sib_dtype_bits(x) != sib_dtype_bits(y)) {
                fail_milli(MILLI_bitcast, 1, IN(a), 1, how, SPEC(y, 1, 13), SIB_ERR_UNSUPPORTED,
                           "have different widths");
            } else {
                sib_tensor *out = run_milli(MILLI_bitcast, 1, IN(a), 1, how, SPEC(y, 1, 13));
                assert_memory_equal(sib_tensor_data(out), sib_tensor_data(a),
                                    (13 * sib_dtype_bits(x) + 7) / 8);
                sib_tensor_free(&out);
            }
            sib_tensor_free(&a);
        }
}
