/* Files of whisper.cpp and rwkv.cpp. */
#include "files.h"

#include <math.h>

static const float six[] = {1, 2, 3, 4, 5, 6};
static const int64_t two_three[] = {2, 3};

TEST(test_whisper)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    bytes b = file_whisper(1);
    file_ggml_tensor(&b, "encoder.a", 0, 2, two_three, six, sizeof six);
    const uint16_t halves[] = {0x3C00, 0xC000};
    file_ggml_tensor(&b, "decoder.b", 1, 3, (const int64_t[]){2, 1, 1}, halves, sizeof halves);
    CHECK_OK(file_open(b, &c, &err), err);
    assert_string_equal(checkpoint_format_name(c), "whisper.cpp");
    assert_int_equal(checkpoint_int(c, "n_vocab", 0), 51865);
    assert_int_equal(checkpoint_int(c, "n_audio_state", 0), 384);
    assert_int_equal(checkpoint_int(c, "n_text_ctx", 0), 448);
    assert_int_equal(checkpoint_int(c, "n_mels", 0), 80);
    assert_int_equal(checkpoint_int(c, "ftype", 0), 1);
    const fact *f = checkpoint_fact(c, "mel_filters");
    assert_true(f->list && f->kind == FACT_FLOAT && f->n == 6 && f->floats[1] == 0.5 && f->floats[5] == 3);
    assert_int_equal(checkpoint_int(c, "mel_filters.n_mel", 0), 2);
    assert_int_equal(checkpoint_int(c, "mel_filters.n_fft", 0), 3);
    f = checkpoint_fact(c, "vocab");
    assert_true(f->list && f->kind == FACT_STRING && f->n == 3 && f->strings[1].length == 0);
    assert_int_equal(f->strings[2].length, 4);
    assert_memory_equal(f->strings[2].data, "\xff\x01 b", 4);
    file_check_weight(c, "encoder.a", 2, two_three, (const double[]){1, 2, 3, 4, 5, 6});
    file_check_weight(c, "decoder.b", 3, (const int64_t[]){2, 1, 1}, (const double[]){1, -2});
    checkpoint_free(&c);
}

TEST(test_rwkv)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    bytes b = file_rwkv(101);
    uint8_t block[34] = {0x00, 0x3C, 5, 0xFF}; /* scale 1 */
    double q[32] = {5, -1};
    file_ggml_tensor(&b, "emb.weight", 0, 2, two_three, six, sizeof six);
    file_ggml_tensor(&b, "q", 9, 1, (const int64_t[]){32}, block, 34);
    CHECK_OK(file_open(b, &c, &err), err);
    assert_string_equal(checkpoint_format_name(c), "rwkv.cpp");
    assert_int_equal(checkpoint_int(c, "version", 0), 101);
    assert_int_equal(checkpoint_int(c, "n_embed", 0), 64);
    assert_int_equal(checkpoint_int(c, "n_layer", 0), 12);
    file_check_weight(c, "emb.weight", 2, two_three, (const double[]){1, 2, 3, 4, 5, 6});
    file_check_weight(c, "q", 1, (const int64_t[]){32}, q);
    checkpoint_free(&c);
}

/* Each type, by its number in both kinds of file. */
TEST(test_types)
{
    static const struct {
        const char *name;
        uint32_t whisper, rwkv;
        unsigned bytes; /* of 256 elements */
    } types[] = {{"float32", 0, 0, 1024}, {"float16", 1, 1, 512}, {"q4_0", 2, 2, 144},
                 {"q4_1", 3, 3, 160},     {"q5_0", 6, 7, 176},    {"q5_1", 7, 8, 192},
                 {"q8_0", 8, 9, 272},     {"q4_k", 12, 99, 144},  {"q6_k", 14, 99, 210}};
    uint8_t zeros[1024] = {0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int k = 0; k < 2; k++) {
            sib_error err = SIB_ERROR_INIT;
            checkpoint *c = NULL;
            uint32_t number = k ? types[i].rwkv : types[i].whisper;
            bytes b = k ? file_rwkv(101) : file_whisper(2002);
            file_ggml_tensor(&b, "w", number, 2, (const int64_t[]){1, 256}, zeros, types[i].bytes);
            if (number == 99) {
                CHECK_FAILS(file_open(b, &c, &err), SIB_ERR_UNSUPPORTED, err, "type 99");
                continue;
            }
            CHECK_OK(file_open(b, &c, &err), err);
            assert_string_equal(checkpoint_find(c, "w")->format->name, types[i].name);
            checkpoint_free(&c);
        }
}

static bytes with_tensor(bytes b, const char *name, uint32_t type, size_t rank, const int64_t *dims, size_t n)
{
    static const uint8_t zeros[4096];
    file_ggml_tensor(&b, name, type, rank, dims, zeros, n);
    return b;
}

TEST(test_refused)
{
    const int64_t ones[] = {1, 1, 1, 1, 1}, blocks[] = {1, 32}, odd[] = {32, 33};
    const int64_t huge[] = {INT32_MAX, INT32_MAX, INT32_MAX}, negative[] = {-1, 4};
    file_refused(file_rwkv(99), SIB_ERR_UNSUPPORTED, "version 99");
    file_refused(file_rwkv(102), SIB_ERR_UNSUPPORTED, "version 102");
    file_refused(file_rwkv(-1), SIB_ERR_FORMAT, "version is -1");
    file_refused(with_tensor(file_rwkv(100), "w", 2, 2, blocks, 18), SIB_ERR_UNSUPPORTED, "old version");
    file_refused(with_tensor(file_rwkv(100), "w", 2, 2, blocks, 20), SIB_ERR_UNSUPPORTED,
                 "q4_0 in an old version");
    file_refused(with_tensor(file_rwkv(101), "w", 4, 2, blocks, 20), SIB_ERR_UNSUPPORTED, "Q4_1_O");
    file_refused(with_tensor(file_rwkv(101), "w", 5, 2, blocks, 20), SIB_ERR_UNSUPPORTED, "Q4_2");
    file_refused(with_tensor(file_rwkv(101), "w", 6, 2, blocks, 20), SIB_ERR_UNSUPPORTED, "Q4_3");
    file_refused(with_tensor(file_rwkv(101), "w", 10, 2, blocks, 20), SIB_ERR_UNSUPPORTED, "type 10");
    file_refused(with_tensor(file_whisper(2), "w", 2, 2, blocks, 18), SIB_ERR_UNSUPPORTED, "old version");
    file_refused(with_tensor(file_whisper(1002), "w", 2, 2, blocks, 18), SIB_ERR_UNSUPPORTED, "old version");
    file_refused(with_tensor(file_whisper(2010), "w", 9, 2, blocks, 36), SIB_ERR_UNSUPPORTED, "Q8_1");
    for (int k = 0; k < 2; k++) {
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 0, 5, ones, 4), SIB_ERR_FORMAT,
                     "5 dims");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 2, 2, odd, 18), SIB_ERR_FORMAT,
                     "blocks of 32");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 0, 3, huge, 4), SIB_ERR_FORMAT,
                     "too large");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 0, 2, negative, 4),
                     SIB_ERR_FORMAT, "negative");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 0, 2, blocks, 127),
                     SIB_ERR_FORMAT, "elements: expected 128 bytes, found 127");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 0, 2, blocks, 129),
                     SIB_ERR_FORMAT, "number of dims");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "", 0, 1, ones, 4), SIB_ERR_FORMAT,
                     "0 bytes");
        file_refused(with_tensor(k ? file_rwkv(101) : file_whisper(2000), "\xff\x1b[2J\u00e9", 0, 1, ones, 4),
                     SIB_ERR_FORMAT, "the name \'??[2J\u00e9\' of a weight is not UTF-8");
        bytes b = with_tensor(k ? file_rwkv(101) : file_whisper(2000), "w", 0, 1, ones, 4);
        file_refused(with_tensor(b, "w", 0, 1, ones, 4), SIB_ERR_FORMAT, "'w' occurs twice");
        b = k ? file_rwkv(101) : file_whisper(2000);
        f_u32(&b, 1);
        f_u32(&b, UINT32_MAX);
        f_u32(&b, 0);
        f_u32(&b, 1);
        file_refused(b, SIB_ERR_FORMAT, "name: expected 4294967295 bytes");
    }
}

/* Every truncation of the file is rejected, except at the end of a tensor. */
TEST(test_cut)
{
    for (size_t k = 2; k < 4; k++)
        file_check_cut(k, 4, true);
}

TEST(test_memory)
{
    const char *name;
    file_check_memory(file_sample(2, &name));
    file_check_memory(file_sample(3, &name));
}

/* Trained models: every byte belongs to a weight, and every number is finite. */
TEST(test_trained)
{
    static const struct {
        const char *file;
        int64_t layers, width;
        sib_dtype dtype;
    } rows[] = {{"tiny-rwkv-4v0-660K-FP32.bin", 4, 128, SIB_F32},
                {"tiny-rwkv-5v2-730K-FP32.bin", 12, 64, SIB_F32},
                {"tiny-rwkv-7v0-834K-FP32.bin", 12, 64, SIB_F32},
                {"tiny-rwkv-7v0-834K-FP16.bin", 12, 64, SIB_F16}};
    const char *data = check_data_folder();
    if (!data)
        CHECK_SKIP("shared data ($SIBYL_DATA)");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sib_error err = SIB_ERROR_INIT;
        checkpoint *c = NULL;
        char path[4300];
        snprintf(path, sizeof path, "%s/rwkv/%s", data, rows[i].file);
        const char *paths[] = {path};
        CHECK_OK(checkpoint_open(paths, 1, &c, &err), err);
        assert_int_equal(checkpoint_int(c, "n_layer", 0), rows[i].layers);
        const weight *emb = checkpoint_find(c, "emb.weight");
        assert_non_null(emb);
        assert_int_equal(emb->format->dtype, rows[i].dtype);
        assert_int_equal(emb->dims[0], 256);
        assert_int_equal(emb->dims[1], rows[i].width);
        for (size_t k = 0; k < checkpoint_weights(c); k++) {
            const weight *w = checkpoint_weight(c, k);
            uint64_t n;
            assert_true(weight_count(w, &n));
            float *values = malloc((size_t)n * sizeof *values);
            assert_non_null(values);
            CHECK_OK(weight_read(w, 0, (size_t)n, SIB_F32, values, &err), err);
            for (size_t j = 0; j < n; j++)
                assert_true(isfinite(values[j]));
            free(values);
        }
        print_message("%s: %zu weights\n", rows[i].file, checkpoint_weights(c));
        checkpoint_free(&c);
    }
}
