/* Milli-ops of text: bytes that are not UTF-8, random patterns, and what is defined elsewhere: hashes. */
#include "check.h"

#include "backend/milli.h"

TEST(test_bytes_that_are_no_text)
{
    const char *const given[] = {"\xff"
                                 "A\xc3",
                                 "\xe2\x80"
                                 "B"},
                      *const lower[] = {"\xff"
                                        "a\xc3",
                                        "\xe2\x80"
                                        "b"};
    sib_tensor *x = strings(1, (int64_t[]){2}, given), *want = strings(1, (int64_t[]){2}, lower);
    attribute a = attribute_int("upper", 0);
    sib_tensor *out =
        run_milli(MILLI_string_case, 1, (const sib_tensor *[]){x}, 1, &a, (out_spec){SIB_STRING, 1, {2}});
    for (uint64_t i = 0; i < 2; i++)
        assert_true(same_element(out, i, want, i));
    sib_tensor_free(&out);
    attribute pattern = attribute_str("pattern", str_of("(?s).*"));
    out =
        run_milli(MILLI_regex_match, 1, (const sib_tensor *[]){x}, 1, &pattern, (out_spec){SIB_BOOL, 1, {2}});
    assert_int_equal(((const uint8_t *)sib_tensor_data(out))[0], 0);
    sib_tensor_free(&out);
    sib_tensor_free(&want);
    sib_tensor_free(&x);
}

TEST(test_split_without_the_counts)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    sib_tensor *x = strings(1, (int64_t[]){1}, (const char *const[]){"\xff \xc3 a"});
    attribute a[] = {attribute_str("delimiter", str_of("")), attribute_int("maxsplit", -1),
                     attribute_int("spaces", 1)};
    case_make(&c, MILLI_string_split, 1, (const sib_tensor *[]){x}, 3, a, 2,
              (out_spec[]){{SIB_STRING, -1, {0}}, {SIB_I64, 1, {1}}});
    c.unwanted[1] = true;
    CHECK_OK(case_run(&c, &err), err);
    assert_int_equal(sib_tensor_dims(case_out(&c, 0))[1], 3);
    case_free(&c);
    sib_tensor_free(&x);
}

/* Random patterns of characters with a meaning: each is matched or rejected with a message, quickly. */
TEST(test_random_patterns)
{
    static const char signs[] = "aab()[]{}*+?|\\^$.,-:=!<>P01 9,xpQEsSvdDwWbBzAimU\n\xc3\xa9\xff#";
    check_random r = {77};
    sib_tensor *x =
        strings(1, (int64_t[]){3}, (const char *const[]){"", "aabaab a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab"});
    unsigned matched = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t n = check_u64(&r) % sizeof text;
        sib_error err = SIB_ERROR_INIT;
        milli_case c;
        for (size_t i = 0; i < n; i++)
            text[i] = signs[check_u64(&r) % (sizeof signs - 1)];
        attribute pattern = attribute_str("pattern", (sib_str){text, n});
        case_make(&c, MILLI_regex_match, 1, (const sib_tensor *[]){x}, 1, &pattern, 1,
                  &(out_spec){SIB_BOOL, 1, {3}});
        sib_code code = case_run(&c, &err);
        if (code == SIB_OK)
            matched++;
        else {
            refused++;
            assert_int_equal(code, SIB_ERR_VALUE);
            assert_non_null(strstr(err.message, "regex_match: "));
        }
        case_free(&c);
    }
    assert_true(matched > 1000 && refused > 1000);
    sib_tensor_free(&x);
}

/* The same of what searches: outputs or a message, quickly. */
TEST(test_random_searches)
{
    static const char signs[] = "aab()[]{}*+?|\\^$.,-:1 bsSdDwW\n\xc3\xa9\xff";
    static const milli_kind kinds[] = {MILLI_regex_replace, MILLI_regex_split, MILLI_tokenize};
    check_random r = {78};
    sib_tensor *x = strings(1, (int64_t[]){4},
                            (const char *const[]){"", "aabaab \xc3\xa9", "aaaaaaaaaaaaaaaaab", "a\xff"});
    unsigned ran = 0, refused = 0;
    for (int round = 0; round < 6000; round++) {
        char text[16], rewrite[6];
        size_t n = check_u64(&r) % sizeof text, k = check_u64(&r) % 3, m = check_u64(&r) % sizeof rewrite;
        sib_error err = SIB_ERROR_INIT;
        milli_case c;
        for (size_t i = 0; i < n; i++)
            text[i] = signs[check_u64(&r) % (sizeof signs - 1)];
        for (size_t i = 0; i < m; i++)
            rewrite[i] = "a\\012$&`'"[check_u64(&r) % 9];
        sib_str pattern = {text, n};
        attribute a[5] = {attribute_str("pattern", pattern), attribute_str("rewrite", (sib_str){rewrite, m}),
                          attribute_str("keep", str_of("a+")), attribute_int("ecma", round & 1),
                          attribute_int("ignore_case", round >> 1 & 1)};
        if (kinds[k] == MILLI_tokenize) {
            a[0] = attribute_str("tokenexp", pattern);
            a[1] = attribute_str("pad_value", str_of("#"));
            a[2] = attribute_int("mincharnum", 1);
            a[3] = attribute_int("mark", 1);
        }
        out_spec outs[] = {
            {SIB_STRING, k ? -1 : 1, {4}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, 1, {5}}};
        case_make(&c, kinds[k], 1, (const sib_tensor *[]){x}, kinds[k] == MILLI_tokenize ? 4 : 5, a,
                  k == 1 ? 4 : 1, outs);
        sib_code code = case_run(&c, &err);
        ran += code == SIB_OK;
        refused += code != SIB_OK;
        assert_true(code == SIB_OK || code == SIB_ERR_VALUE);
        case_free(&c);
    }
    assert_true(ran > 500 && refused > 500);
    sib_tensor_free(&x);
}

/* Values of Appleby's code, of every length of a tail; and characters of what is no UTF-8. */
TEST(test_hashes_and_lengths)
{
    static const char *const given[] = {"", "a", "ab", "abc", "abcd", "abcde", "\xff\xc3\xa9"};
    static const uint32_t hashes[] = {0, 0x3c2569b2, 0x9bbfd75f, 0xb3dd93fa, 0x43ed676a, 0xe89b9af6};
    static const int64_t lengths[] = {0, 1, 2, 3, 4, 5, 2};
    sib_tensor *x = strings(1, (int64_t[]){7}, given);
    attribute seed = attribute_int("seed", 0);
    sib_tensor *out =
        run_milli(MILLI_murmur3, 1, (const sib_tensor *[]){x}, 1, &seed, (out_spec){SIB_U32, 1, {7}});
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        assert_int_equal(((const uint32_t *)sib_tensor_data(out))[i], hashes[i]);
    sib_tensor_free(&out);
    out = run_milli(MILLI_string_length, 1, (const sib_tensor *[]){x}, 0, NULL, (out_spec){SIB_I64, 1, {7}});
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(((const int64_t *)sib_tensor_data(out))[i], lengths[i]);
    sib_tensor_free(&out);
    sib_tensor_free(&x);
}

static void check_hashes(sib_tensor *x, int64_t seed, bool tail, const uint64_t *hashes)
{
    attribute a[] = {attribute_int("seed", seed), attribute_int("tail", tail)};
    sib_tensor *out =
        run_milli(MILLI_murmur64, 1, (const sib_tensor *[]){x}, 2, a, (out_spec){SIB_U64, 1, {7}});
    for (size_t i = 0; i < 7; i++)
        assert_true(((const uint64_t *)sib_tensor_data(out))[i] == hashes[i]);
    sib_tensor_free(&out);
}

/* Values of libstdc++'s hash of strings, which is this one with a seed, and of onnxruntime-extensions'. */
TEST(test_hashes_of_64_bits)
{
    static const char *const given[] = {"", "a", "abc", "abcd", "abcdefg", "abcdefgh", "0123456789abcdefg"};
    static const uint64_t plain[] = {0x553e93901e462a6e, 0x454ddee488c1ed6b, 0x32d82bf8ed3dba39,
                                     0xde775125acd50b28, 0xdeee6830a3af82af, 0x783db3e38db898bb,
                                     0x1e959b991607e7f0};
    static const uint64_t tails[] = {0xd0a4590658146a1f, 0x29962dc026eac9fc, 0x4e865c822fec8db6,
                                     0xc59c5dc5d2a07885, 0xa91542ec03c92e40, 0x36fb5249f46cebd8,
                                     0xd8c8442d72cb745e};
    sib_tensor *x = strings(1, (int64_t[]){7}, given);
    check_hashes(x, 0xc70f6907, false, plain);
    check_hashes(x, 0xdecafcaffe, true, tails);
    sib_tensor_free(&x);
}
