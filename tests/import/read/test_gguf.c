/* GGUF: every type of value, and every rule broken. */
#include "files.h"

TEST(test_values)
{
    for (uint32_t version = 2; version <= 3; version++) {
        sib_error err = SIB_ERROR_INIT;
        checkpoint *c = NULL;
        bytes b = file_gguf(version, 0, 19);
        const float f32 = 0.1f;
        const double f64 = 0.1;
        file_gguf_key(&b, "u8", 0);
        f_u8(&b, 200);
        file_gguf_key(&b, "i8", 1);
        f_u8(&b, 200);
        file_gguf_key(&b, "u16", 2);
        f_u16(&b, 65535);
        file_gguf_key(&b, "i16", 3);
        f_u16(&b, 65535);
        file_gguf_key(&b, "u32", 4);
        f_u32(&b, UINT32_MAX);
        file_gguf_key(&b, "i32", 5);
        f_u32(&b, UINT32_MAX);
        file_gguf_key(&b, "f32", 6);
        b_append(&b, &f32, 4);
        file_gguf_key(&b, "bool", 7);
        f_u8(&b, 1);
        file_gguf_key(&b, "text", 8);
        file_gguf_text(&b, "words");
        file_gguf_key(&b, "u64", 10);
        f_u64(&b, INT64_MAX);
        file_gguf_key(&b, "i64", 11);
        f_u64(&b, (uint64_t)INT64_MIN);
        file_gguf_key(&b, "f64", 12);
        b_append(&b, &f64, 8);
        file_gguf_array(&b, "texts", 8, 2);
        file_gguf_text(&b, "");
        file_gguf_text(&b, "\xE2\x96\x81the");
        file_gguf_array(&b, "floats", 6, 2);
        b_append(&b, &f32, 4);
        b_append(&b, &f32, 4);
        file_gguf_array(&b, "ints", 5, 3);
        f_u32(&b, 1);
        f_u32(&b, UINT32_MAX);
        f_u32(&b, 3);
        file_gguf_array(&b, "bools", 7, 2);
        f_u8(&b, 0);
        f_u8(&b, 1);
        file_gguf_array(&b, "bytes", 0, 2);
        f_u8(&b, 255);
        f_u8(&b, 1);
        file_gguf_array(&b, "none", 8, 0);
        file_gguf_array(&b, "wide", 12, 1);
        b_append(&b, &f64, 8);
        CHECK_OK(file_open(b, &c, &err), err);
        assert_int_equal(checkpoint_int(c, "u8", 0), 200);
        assert_int_equal(checkpoint_int(c, "i8", 0), -56);
        assert_int_equal(checkpoint_int(c, "u16", 0), 65535);
        assert_int_equal(checkpoint_int(c, "i16", 0), -1);
        assert_int_equal(checkpoint_int(c, "u32", 0), UINT32_MAX);
        assert_int_equal(checkpoint_int(c, "i32", 0), -1);
        assert_true(checkpoint_float(c, "f32", 0) == (double)f32);
        assert_true(checkpoint_fact(c, "bool")->kind == FACT_BOOL && checkpoint_fact(c, "bool")->bools[0]);
        assert_memory_equal(checkpoint_fact(c, "text")->strings[0].data, "words", 5);
        assert_int_equal(checkpoint_int(c, "u64", 0), INT64_MAX);
        assert_int_equal(checkpoint_int(c, "i64", 0), INT64_MIN);
        assert_true(checkpoint_float(c, "f64", 0) == 0.1);
        const fact *f = checkpoint_fact(c, "texts");
        assert_true(f->list && f->n == 2 && f->strings[0].length == 0 && f->strings[1].length == 6);
        assert_memory_equal(f->strings[1].data, "\xE2\x96\x81the", 6);
        assert_true(checkpoint_fact(c, "floats")->floats[1] == (double)f32);
        f = checkpoint_fact(c, "ints");
        assert_true(f->n == 3 && f->ints[0] == 1 && f->ints[1] == -1 && f->ints[2] == 3);
        f = checkpoint_fact(c, "bools");
        assert_true(f->list && f->n == 2 && !f->bools[0] && f->bools[1]);
        assert_int_equal(checkpoint_fact(c, "bytes")->ints[0], 255);
        assert_true(checkpoint_fact(c, "none")->list && checkpoint_fact(c, "none")->n == 0);
        assert_true(checkpoint_fact(c, "wide")->floats[0] == 0.1);
        assert_int_equal(checkpoint_weights(c), 0);
        assert_string_equal(checkpoint_format_name(c), "gguf");
        checkpoint_free(&c);
    }
}

TEST(test_weights)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    const char *name;
    CHECK_OK(file_open(file_sample(5, &name), &c, &err), err);
    file_check_weight(c, "token_embd.weight", 2, (const int64_t[]){2, 3},
                      (const double[]){1, -2, 3.5, 4, 5, 6});
    file_check_weight(c, "s", 0, NULL, (const double[]){1});
    assert_string_equal(checkpoint_find(c, "q")->format->name, "q6_k");
    assert_int_equal(checkpoint_find(c, "q")->offset % 64, 0);
    checkpoint_free(&c);
}

TEST(test_keys_refused)
{
    file_refused(file_gguf(1, 0, 0), SIB_ERR_UNSUPPORTED, "version 1");
    file_refused(file_gguf(4, 0, 0), SIB_ERR_UNSUPPORTED, "version 4");
    file_refused(file_gguf(0x03000000, 0, 0), SIB_ERR_UNSUPPORTED, "big-endian");
    file_refused(file_gguf(3, 0, UINT64_MAX), SIB_ERR_FORMAT, "a key: expected 8 bytes");
    file_refused(file_gguf(3, UINT64_MAX, 0), SIB_ERR_FORMAT, "name: expected 8 bytes");
    bytes b = file_gguf(3, 0, 1);
    f_u64(&b, UINT64_MAX);
    file_refused(b, SIB_ERR_FORMAT, "a key: expected 18446744073709551615 bytes");
    b = file_gguf(3, 0, 1);
    file_gguf_key(&b, "k", 13);
    f_u64(&b, 0);
    file_refused(b, SIB_ERR_UNSUPPORTED, "type 13");
    b = file_gguf(3, 0, 1);
    file_gguf_array(&b, "k", 9, 1);
    f_u64(&b, 0);
    file_refused(b, SIB_ERR_UNSUPPORTED, "arrays of arrays");
    static const uint64_t lengths[] = {2, UINT64_MAX, UINT64_C(1) << 61, UINT64_C(1) << 62};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        b = file_gguf(3, 0, 1);
        file_gguf_array(&b, "k", 4, lengths[i]);
        f_u32(&b, 0);
        file_refused(b, SIB_ERR_FORMAT, "larger than the file");
        b = file_gguf(3, 0, 1);
        file_gguf_array(&b, "k", 8, lengths[i]);
        f_u64(&b, 0);
        file_refused(b, SIB_ERR_FORMAT, "larger than the file");
    }
    b = file_gguf(3, 0, 1);
    file_gguf_key(&b, "k", 7);
    f_u8(&b, 2);
    file_refused(b, SIB_ERR_FORMAT, "is 2, expected a bool (0 or 1)");
    b = file_gguf(3, 0, 1);
    file_gguf_key(&b, "k", 10);
    f_u64(&b, UINT64_C(1) << 63);
    file_refused(b, SIB_ERR_UNSUPPORTED, "above 2^63");
    b = file_gguf(3, 0, 2);
    for (int i = 0; i < 2; i++) {
        file_gguf_key(&b, "k", 0);
        f_u8(&b, 1);
    }
    file_refused(b, SIB_ERR_FORMAT, "'k' occurs twice");
    static const uint32_t alignments[] = {0, 3, 48, 0x80000000u};
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
        b = file_gguf(3, 0, 1);
        file_gguf_key(&b, "general.alignment", 4);
        f_u32(&b, alignments[i]);
        file_refused(b, SIB_ERR_FORMAT, "a power of two");
    }
}

/* A file with one or two tensors and 64 bytes of elements. */
static bytes tensors(uint32_t type, size_t rank, const int64_t *dims, uint64_t offset, const char *second)
{
    bytes b = file_gguf(3, second ? 2 : 1, 0);
    file_gguf_tensor(&b, "w", type, rank, dims, offset);
    if (second)
        file_gguf_tensor(&b, second, 0, 1, (const int64_t[]){4}, 32);
    file_pad(&b, 32);
    f_zeros(&b, 64);
    return b;
}

TEST(test_tensors_refused)
{
    const int64_t four[] = {4}, nine[] = {9}, ones[] = {1, 1, 1, 1, 1}, huge[] = {INT64_MAX, 2},
                  block[] = {33}, minus[] = {-4};
    file_refused(tensors(0, 1, four, 16, NULL), SIB_ERR_FORMAT, "not aligned to 32");
    file_refused(tensors(0, 1, four, 64, NULL), SIB_ERR_FORMAT, "but the file has");
    file_refused(tensors(0, 1, four, UINT64_MAX - 31, NULL), SIB_ERR_FORMAT, "but the file has");
    file_refused(tensors(0, 1, nine, 32, NULL), SIB_ERR_FORMAT, "but the file has");
    file_refused(tensors(0, 1, nine, 0, "v"), SIB_ERR_FORMAT, "'v' overlap those of 'w'");
    file_refused(tensors(0, 1, four, 0, "w"), SIB_ERR_FORMAT, "twice");
    file_refused(tensors(0, 5, ones, 0, NULL), SIB_ERR_FORMAT, "5 dims");
    file_refused(tensors(0, 2, huge, 0, NULL), SIB_ERR_FORMAT, "too large");
    file_refused(tensors(0, 1, minus, 0, NULL), SIB_ERR_FORMAT, "too large");
    file_refused(tensors(2, 1, block, 0, NULL), SIB_ERR_FORMAT, "blocks of 32");
    file_refused(tensors(12, 1, four, 0, NULL), SIB_ERR_FORMAT, "blocks of 256");
    file_refused(tensors(16, 1, four, 0, NULL), SIB_ERR_UNSUPPORTED, "IQ2_XXS");
    file_refused(tensors(4, 1, four, 0, NULL), SIB_ERR_UNSUPPORTED, "a type without name");
}

TEST(test_cut)
{
    file_check_cut(5, 4, false);
}

TEST(test_memory)
{
    const char *name;
    file_check_memory(file_sample(5, &name));
}
