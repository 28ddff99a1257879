/* safetensors: every element type, and every rule of the header broken. */
#include "files.h"

TEST(test_dtypes)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    bytes data = {0};
    const double f64 = 0.1;
    const float f32 = -2.5f;
    const int64_t i64 = -(INT64_C(1) << 40);
    b_append(&data, &f64, 8);
    b_append(&data, &i64, 8);
    b_append(&data, &f32, 4);
    f_u32(&data, 0xFFFFFFFEu); /* -2 */
    f_u16(&data, 0x3555);      /* 0.333251953125 */
    f_u16(&data, 0x3EAB);      /* 0.333984375 */
    f_u16(&data, 0xFFFD);      /* -3 */
    f_u8(&data, 0xFC);         /* -4 */
    f_u8(&data, 200);
    f_u8(&data, 1);
    f_u8(&data, 0x38); /* 1 */
    f_u8(&data, 0x3C); /* 1 */
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                 "\"f64\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                                 "\"i64\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
                                 "\"f32\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[16,20]},"
                                 "\"i32\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[20,24]},"
                                 "\"f16\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[24,26]},"
                                 "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[26,28]},"
                                 "\"i16\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[28,30]},"
                                 "\"i8\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[30,31]},"
                                 "\"u8\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[31,32]},"
                                 "\"bool\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[32,33]},"
                                 "\"e4\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[33,34]},"
                                 "\"e5\":{\"dtype\":\"F8_E5M2\",\"shape\":[1],\"data_offsets\":[34,35]},"
                                 "\"none\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[0,0]}}  ";
    CHECK_OK(file_open(file_safetensors(header, data.data, data.n), &c, &err), err);
    b_free(&data);
    static const struct {
        const char *name;
        size_t rank;
        double value;
    } rows[] = {{"f64", 1, 0.1},
                {"i64", 0, -1099511627776.0},
                {"f32", 2, -2.5},
                {"i32", 1, -2},
                {"f16", 1, 0.333251953125},
                {"bf16", 1, 0.333984375},
                {"i16", 1, -3},
                {"i8", 1, -4},
                {"u8", 1, 200},
                {"bool", 1, 1},
                {"e4", 1, 1},
                {"e5", 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        file_check_weight(c, rows[i].name, rows[i].rank, (const int64_t[]){1, 1}, &rows[i].value);
    file_check_weight(c, "none", 2, (const int64_t[]){3, 0}, NULL);
    assert_string_equal(checkpoint_fact(c, "__metadata__.format")->strings[0].data, "pt");
    assert_string_equal(checkpoint_weight(c, 1)->name.data, "i64");
    assert_int_equal(checkpoint_weight(c, 1)->offset, 8 + strlen(header) + 8);
    checkpoint_free(&c);
}

/* A file of 16 bytes of elements with this header. */
static void refused(const char *header, sib_code code, const char *words)
{
    file_refused(file_safetensors(header, "0123456789abcdef", 16), code, words);
}

#define ENTRY(name, dtype, shape, offsets)                                                                   \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

TEST(test_refused)
{
    refused("{" ENTRY("a", "F32", "[3]", "[0,12]") "," ENTRY("b", "F32", "[2]", "[8,16]") "}", SIB_ERR_FORMAT,
            "'b' overlap those of 'a'");
    refused("{" ENTRY("a", "F32", "[4]", "[0,16]") "," ENTRY("b", "F32", "[4]", "[0,16]") "}", SIB_ERR_FORMAT,
            "overlap");
    refused("{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[2]", "[8,16]") "}", SIB_ERR_FORMAT,
            "4 bytes before weight 'b' belong to no weight");
    refused("{" ENTRY("a", "F32", "[3]", "[0,12]") "}", SIB_ERR_FORMAT, "4 bytes after the last weight");
    refused("{" ENTRY("a", "F32", "[5]", "[0,20]") "}", SIB_ERR_FORMAT, "but the file has");
    refused("{" ENTRY("a", "F32", "[4]", "[16,32]") "}", SIB_ERR_FORMAT, "but the file has");
    refused("{" ENTRY("a", "F32", "[1]", "[9223372036854775804,9223372036854775807]") "}", SIB_ERR_FORMAT,
            "'a'");
    refused("{" ENTRY("a", "F32", "[5]", "[0,16]") "}", SIB_ERR_FORMAT,
            "16 bytes, expected 20 for float32 (5,)");
    refused("{" ENTRY("a", "U8", "[2]", "[0,2]") "," ENTRY("b", "F32", "[3]", "[2,14]") "," ENTRY(
                "c", "U8", "[2]", "[14,16]") "}",
            SIB_ERR_FORMAT, "'b' begins at 2, which is not aligned");
    refused("{" ENTRY("a", "F32", "[4]", "[16,0]") "}", SIB_ERR_FORMAT, "not [begin, end]");
    refused("{" ENTRY("a", "F32", "[4]", "[-16,0]") "}", SIB_ERR_FORMAT, "not [begin, end]");
    refused("{" ENTRY("a", "F32", "[4]", "[0]") "}", SIB_ERR_FORMAT, "not [begin, end]");
    refused("{" ENTRY("a", "F32", "[4]", "[0,16.5]") "}", SIB_ERR_FORMAT, "not [begin, end]");
    refused("{" ENTRY("a", "F32", "[-4]", "[0,16]") "}", SIB_ERR_FORMAT, "'shape'");
    refused("{" ENTRY("a", "F32", "4", "[0,16]") "}", SIB_ERR_FORMAT, "'shape'");
    refused("{" ENTRY("a", "F32", "[4294967296,4294967296,4294967296]", "[0,16]") "}", SIB_ERR_FORMAT,
            "too large");
    refused("{" ENTRY("a", "F32", "[4611686018427387904]", "[0,16]") "}", SIB_ERR_FORMAT, "'a'");
    refused("{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]", "[0,16]") "}", SIB_ERR_UNSUPPORTED,
            "17 dims");
    refused("{" ENTRY("a", "F4", "[32]", "[0,16]") "}", SIB_ERR_UNSUPPORTED, "'F4'");
    refused("{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", SIB_ERR_FORMAT, "no 'dtype'");
    refused("{\"a\":[1]}", SIB_ERR_FORMAT, "'a' is not an object");
    refused("{\"__metadata__\":\"x\"}", SIB_ERR_FORMAT, "'__metadata__' is not an object");
    refused("{" ENTRY("a", "F32", "[4]", "[0,16]") "," ENTRY("a", "F32", "[4]", "[0,16]") "}", SIB_ERR_FORMAT,
            "duplicate");
    refused("{" ENTRY("a\\u0000b", "F32", "[4]", "[0,16]") "}", SIB_ERR_FORMAT, "JSON");
    refused("{" ENTRY("", "F32", "[4]", "[0,16]") "}", SIB_ERR_FORMAT, "0 bytes");
    refused("{" ENTRY("a", "F32", "[4]", "[0,16]"), SIB_ERR_FORMAT, "cannot be parsed as JSON");
    refused("{}x", SIB_ERR_FORMAT, "cannot be parsed as JSON");
}

TEST(test_header_length)
{
    static const uint64_t lengths[] = {3, 100, 100000001, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        sib_error err = SIB_ERROR_INIT;
        checkpoint *c = NULL;
        bytes b = {0};
        f_u64(&b, lengths[i]);
        f_text(&b, "{}");
        CHECK_FAILS(file_open(b, &c, &err), SIB_ERR_FORMAT, err,
                    i < 2 ? "bytes, found 2" : "at most 100000000");
    }
}

TEST(test_memory)
{
    file_check_memory(
        file_safetensors("{\"__metadata__\":{\"a\":\"b\"}," ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY(
                             "b", "F16", "[2,2]", "[8,16]") "}",
                         "0123456789abcdef", 16));
}
