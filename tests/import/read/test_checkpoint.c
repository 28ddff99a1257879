/* Checkpoints in general: files, folders, facts, and elements of weights, copied or viewed. */
#include "check_memory.h"
#include "files.h"
#include "folder.h"
#include "import/read/beside.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static const float six[] = {1, 2, 3, 4, 5, 6};

static bytes one_weight(const char *name)
{
    char header[200];
    snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}",
             name);
    return file_safetensors(header, six, sizeof six);
}

static bytes text(const char *words)
{
    bytes b = {0};
    f_text(&b, words);
    return b;
}

static const char config[] =
    "{\"model_type\": \"whisper\", \"n\": 80, \"eps\": 1e-5, \"tied\": true, \"none\": null,"
    " \"rope\": {\"factor\": 8, \"inner\": {\"x\": 1.5}}, \"ids\": [1, 2, 3], \"mixed\": [1, 2.5], "
    "\"empty\": [],"
    " \"words\": [\"a\", \"b\\u0000c\"], \"heads\": [[2, 3], [4, null]], \"odd\": [1, \"x\"]}";

static void check_facts(const checkpoint *c)
{
    const fact *f = checkpoint_fact(c, "model_type");
    assert_non_null(f);
    assert_int_equal(f->kind, FACT_STRING);
    assert_string_equal(f->strings[0].data, "whisper");
    assert_int_equal(checkpoint_int(c, "n", 7), 80);
    assert_int_equal(checkpoint_int(c, "nothing", 7), 7);
    assert_int_equal(checkpoint_int(c, "eps", 7), 7);
    assert_true(checkpoint_float(c, "eps", 0) == 1e-5);
    assert_true(checkpoint_float(c, "n", 0) == 80);
    assert_true(checkpoint_float(c, "model_type", 3) == 3);
    assert_int_equal(checkpoint_fact(c, "tied")->kind, FACT_BOOL);
    assert_true(checkpoint_fact(c, "tied")->bools[0]);
    assert_null(checkpoint_fact(c, "none"));
    assert_int_equal(checkpoint_int(c, "rope.factor", 0), 8);
    assert_true(checkpoint_float(c, "rope.inner.x", 0) == 1.5);
    f = checkpoint_fact(c, "ids");
    assert_true(f->list && f->kind == FACT_INT && f->n == 3 && f->ints[2] == 3);
    assert_int_equal(checkpoint_int(c, "ids", 7), 7);
    f = checkpoint_fact(c, "mixed");
    assert_true(f->list && f->kind == FACT_FLOAT && f->n == 2 && f->floats[0] == 1 && f->floats[1] == 2.5);
    f = checkpoint_fact(c, "empty");
    assert_true(f->list && f->n == 0);
    f = checkpoint_fact(c, "words");
    assert_true(f->list && f->kind == FACT_STRING && f->strings[1].length == 3);
    assert_memory_equal(f->strings[1].data, "b\0c", 3);
    f = checkpoint_fact(c, "heads.0");
    assert_true(f->list && f->n == 2 && f->ints[1] == 3);
    assert_int_equal(checkpoint_int(c, "heads.1.0", 0), 4);
    assert_null(checkpoint_fact(c, "heads.1.1"));
    assert_int_equal(checkpoint_int(c, "odd.0", 0), 1);
    assert_string_equal(checkpoint_fact(c, "odd.1")->strings[0].data, "x");
    assert_null(checkpoint_fact_at(c, 1000));
}

TEST(test_files)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    const char *paths[] = {file_save(folder, "c.json", text(config)),
                           file_save(folder, "a.st", one_weight("a")),
                           file_save(folder, "b.st", one_weight("b"))};
    CHECK_OK(checkpoint_open(paths, 3, &c, &err), err);
    assert_string_equal(checkpoint_format_name(c), "safetensors");
    check_facts(c);
    assert_int_equal(checkpoint_weights(c), 2);
    assert_null(checkpoint_weight(c, 2));
    assert_null(checkpoint_find(c, "c"));
    assert_ptr_equal(checkpoint_find(c, "b"), checkpoint_weight(c, 1));
    assert_string_equal(checkpoint_file(c, checkpoint_find(c, "b")->file), paths[2]);
    assert_null(checkpoint_file(c, 3));
    const double expected[] = {1, 2, 3, 4, 5, 6};
    file_check_weight(c, "a", 2, (const int64_t[]){2, 3}, expected);
    checkpoint_free(&c);
    assert_null(c);
    checkpoint_free(&c);
    checkpoint_free(NULL);

    const char *twice[] = {paths[1], file_save(folder, "again.st", one_weight("a"))};
    CHECK_FAILS(checkpoint_open(twice, 2, &c, &err), SIB_ERR_FORMAT, err, "'a' occurs twice, first in");
    assert_null(c);
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err, "no file with weights");
    CHECK_FAILS(checkpoint_open(paths, 0, &c, &err), SIB_ERR_ARGUMENT, err, "no path");
    const char *absent[] = {"/nowhere/x"};
    CHECK_FAILS(checkpoint_open(absent, 1, &c, &err), SIB_ERR_IO, err, "/nowhere/x");
    const char *folders[] = {folder, paths[1]};
    CHECK_FAILS(checkpoint_open(folders, 2, &c, &err), SIB_ERR_IO, err, "a folder");
    CHECK_FAILS(file_open(text("hello, world"), &c, &err), SIB_ERR_UNSUPPORTED, err,
                "68 65 6c 6c 6f 2c 20 77");
    CHECK_FAILS(file_open(text(""), &c, &err), SIB_ERR_FORMAT, err, "is empty");
}

TEST(test_folder)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    char sub[300];
    snprintf(sub, sizeof sub, "%s/model", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    const char *paths[] = {sub};
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err, "no file with weights");
    file_save(sub, "config.json", text("{\"n\": 1, \"only\": 2}"));
    file_save(sub, "generation_config.json", text("{\"n\": 5, \"more\": 3}"));
    file_save(sub, "tokenizer.json", text("not supported"));
    file_save(sub, "training_args.bin", text("not supported"));
    file_save(sub, "model.bin", one_weight("alone")); /* its content tells its format */
    CHECK_OK(checkpoint_open(paths, 1, &c, &err), err);
    assert_non_null(checkpoint_find(c, "alone"));
    checkpoint_free(&c);
    file_save(sub, "model-00002-of-00002.safetensors", one_weight("second"));
    file_save(sub, "model-00001-of-00002.safetensors", one_weight("first"));
    file_save(sub, ".hidden.safetensors", text("not supported"));
    file_save(sub, "pytorch_model.bin", text("not supported"));
    CHECK_OK(checkpoint_open(paths, 1, &c, &err), err);
    assert_int_equal(checkpoint_int(c, "n", 0), 1);
    assert_int_equal(checkpoint_int(c, "only", 0), 2);
    assert_int_equal(checkpoint_int(c, "more", 0), 3);
    assert_int_equal(checkpoint_weights(c), 2);
    assert_string_equal(checkpoint_weight(c, 0)->name.data, "first");
    checkpoint_free(&c);

    static const char index[] = "model.safetensors.index.json";
    file_save(sub, index, text("{\"weight_map\": {\"second\": \"model-00002-of-00002.safetensors\"}}"));
    CHECK_OK(checkpoint_open(paths, 1, &c, &err), err);
    assert_int_equal(checkpoint_weights(c), 1);
    assert_non_null(checkpoint_find(c, "second"));
    checkpoint_free(&c);
    file_save(sub, index, text("{\"weight_map\": {\"x\": \"model-00003-of-00003.safetensors\"}}"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_IO, err, "model-00003-of-00003.safetensors");
    file_save(sub, index, text("{\"weight_map\": {\"x\": \"../model.safetensors\"}}"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err,
                "'../model.safetensors', which is not a file");
    file_save(sub, index, text("{\"weight_map\": {\"x\": 3}}"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err,
                "is not a file in the index's folder");
    file_save(sub, index, text("{}"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err, "no 'weight_map'");
    file_save(sub, "model.safetensors", one_weight("whole")); /* this file takes precedence over the index */
    CHECK_OK(checkpoint_open(paths, 1, &c, &err), err);
    assert_int_equal(checkpoint_weights(c), 1);
    assert_non_null(checkpoint_find(c, "whole"));
    checkpoint_free(&c);
    file_save(sub, "config.json", text("{\"n\": 1, \"n\": 2}"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err, "config.json");
}

/* Python writes Infinity, and transformers an object; both become large numbers, but not within strings. */
TEST(test_json_infinity)
{
    static const char infinite[] =
        "{\"a\": [0, Infinity], \"b\": [1, {\"__float__\": \"Infinity\"}], \"c\": -Infinity, "
        "\"d \\\"Infinity\": \"Infinity \\\\\", \"e\": [{\"__float__\": \"1\"}]}";
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    char sub[300];
    const char *paths[] = {sub};
    snprintf(sub, sizeof sub, "%s/infinite", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    file_save(sub, "model.safetensors", one_weight("w"));
    file_save(sub, "config.json", text(infinite));
    CHECK_OK(checkpoint_open(paths, 1, &c, &err), err);
    const fact *a = checkpoint_fact(c, "a"), *b = checkpoint_fact(c, "b"),
               *d = checkpoint_fact(c, "d \"Infinity");
    assert_true(a && a->list && a->kind == FACT_FLOAT && a->floats[0] == 0 && a->floats[1] > 1e308);
    assert_true(b && b->list && b->kind == FACT_FLOAT && b->floats[0] == 1 && b->floats[1] > 1e308);
    assert_true(checkpoint_float(c, "c", 0) < -1e308 && isfinite(checkpoint_float(c, "c", 0)));
    assert_true(d && d->kind == FACT_STRING && str_is(d->strings[0], "Infinity \\"));
    assert_non_null(checkpoint_fact(c, "e.0.__float__"));
    checkpoint_free(&c);
    file_save(sub, "config.json", text("{\"a\": Infinity Infinity}"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err, "JSON");
    file_save(sub, "config.json", text("{\"a\": Infinit"));
    CHECK_FAILS(checkpoint_open(paths, 1, &c, &err), SIB_ERR_FORMAT, err, "JSON");
}

TEST(test_json_refused)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    CHECK_FAILS(file_open(text("{\"a\": 1, \"a\": 2}"), &c, &err), SIB_ERR_FORMAT, err, "duplicate");
    CHECK_FAILS(file_open(text("{\"a\": [{}, 1, \"b\", [true, null]], \"c\": 1.5} 2"), &c, &err),
                SIB_ERR_FORMAT, err, "cannot be parsed as JSON");
    CHECK_FAILS(file_open(text("{\"a\": "), &c, &err), SIB_ERR_FORMAT, err, "cannot be parsed as JSON");
    CHECK_FAILS(file_open(text("{\"a\": {\"b\": 1}, \"a.b\": 2}"), &c, &err), SIB_ERR_FORMAT, err,
                "'a.b' occurs twice");
    CHECK_FAILS(file_open(text("{\"\": 1}"), &c, &err), SIB_ERR_FORMAT, err, "0 bytes");
    bytes b = text("{\"x\":");
    for (int i = 0; i < 40; i++)
        f_text(&b, "{\"x\":");
    CHECK_FAILS(file_open(b, &c, &err), SIB_ERR_FORMAT, err, "cannot be parsed as JSON");
    b = text("");
    for (int i = 0; i < 40; i++)
        f_text(&b, "{\"x\":");
    f_text(&b, "1");
    for (int i = 0; i < 40; i++)
        f_text(&b, "}");
    CHECK_FAILS(file_open(b, &c, &err), SIB_ERR_FORMAT, err, "nested more than 32 deep");
}

/* A weight over strided `data`. */
static weight apart(const void *data, size_t rank, const int64_t *dims, const int64_t *strides)
{
    weight w = {
        .name = {"w", 1}, .format = weight_format_of(SIB_F32), .rank = rank, .strided = true, .data = data};
    memcpy(w.dims, dims, rank * sizeof *dims);
    memcpy(w.strides, strides, rank * sizeof *strides);
    return w;
}

TEST(test_read_strided)
{
    enum { N = 40 * 50 * 3 };
    sib_error err = SIB_ERROR_INIT;
    float *data = malloc(N * sizeof *data), out[N];
    assert_non_null(data);
    for (int i = 0; i < N; i++)
        data[i] = (float)i;
    weight w = apart(data, 3, (const int64_t[]){3, 50, 40}, (const int64_t[]){1, 3, 150});
    CHECK_OK(weight_read(&w, 0, N, SIB_F32, out, &err), err);
    for (int i = 0; i < N; i++)
        assert_true(out[i] == (float)(i / 2000 + i / 40 % 50 * 3 + i % 40 * 150));
    for (int first = 0; first < N; first += 97) { /* every part of it is the same */
        float part[1500];
        size_t n = first + 1500 < N ? 1500 : (size_t)(N - first);
        CHECK_OK(weight_read(&w, (uint64_t)first, n, SIB_F32, part, &err), err);
        assert_memory_equal(part, out + first, n * sizeof *part);
    }
    sib_tensor *t = NULL;
    checkpoint none = {0};
    CHECK_FAILS(weight_view(&none, &w, &t, &err), SIB_ERR_UNSUPPORTED, err, "with gaps");
    CHECK_FAILS(weight_read(&w, N, 1, SIB_F32, out, &err), SIB_ERR_ARGUMENT, err, "are out of range");
    CHECK_FAILS(weight_read(&w, N + 1, 0, SIB_F32, out, &err), SIB_ERR_ARGUMENT, err, "are out of range");
    CHECK_FAILS(weight_read(&w, 0, SIZE_MAX, SIB_F32, out, &err), SIB_ERR_ARGUMENT, err, "are out of range");
    CHECK_FAILS(weight_read(&w, 0, 1, SIB_U4, out, &err), SIB_ERR_ARGUMENT, err, "uint4");
    CHECK_FAILS(weight_read(&w, 0, 1, SIB_STRING, out, &err), SIB_ERR_ARGUMENT, err, "string");
    CHECK_OK(weight_read(&w, N, 0, SIB_F32, out, &err), err);
    free(data);
}

/* Rounded to nearest even; infinity beyond the range. */
TEST(test_conversion)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    const float values[] = {1, 2049, 2051, 65519, 65520, -1e30f, NAN};
    static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]}}";
    CHECK_OK(file_open(file_safetensors(header, values, sizeof values), &c, &err), err);
    uint16_t half[7];
    CHECK_OK(weight_read(checkpoint_find(c, "w"), 0, 7, SIB_F16, half, &err), err);
    const uint16_t expected[] = {0x3C00, 0x6800, 0x6802, 0x7BFF, 0x7C00, 0xFC00};
    assert_memory_equal(half, expected, sizeof expected);
    assert_true((half[6] & 0x7C00) == 0x7C00 && (half[6] & 0x3FF));
    checkpoint_free(&c);
}

/* Viewed in place, whether the header leaves the elements aligned or not; the tensor outlives the
   checkpoint. */
TEST(test_view)
{
    for (int shift = 0; shift < 4; shift++) {
        sib_error err = SIB_ERROR_INIT;
        checkpoint *c = NULL;
        sib_tensor *t = NULL, *flags = NULL;
        char header[300];
        snprintf(header, sizeof header,
                 "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                 "\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[24,27]},"
                 "\"e\":{\"dtype\":\"F16\",\"shape\":[0,3],\"data_offsets\":[0,0]}}%*s",
                 shift, "");
        bytes b = file_safetensors(header, six, sizeof six);
        b_append(&b, "\0\1\7", 3);
        const char *path = file_save(folder, "v.st", b);
        CHECK_OK(checkpoint_open(&path, 1, &c, &err), err);
        CHECK_OK(weight_view(c, checkpoint_find(c, "w"), &t, &err), err);
        CHECK_OK(weight_view(c, checkpoint_find(c, "b"), &flags, &err), err);
        assert_memory_equal(sib_tensor_data(flags), "\0\1\1", 3);
        sib_tensor_free(&flags);
        uint8_t read[3];
        CHECK_OK(weight_read(checkpoint_find(c, "b"), 0, 3, SIB_BOOL, read, &err), err);
        assert_memory_equal(read, "\0\1\1", 3);
        CHECK_OK(weight_view(c, checkpoint_find(c, "e"), &flags, &err), err);
        assert_int_equal(sib_tensor_count(flags), 0);
        sib_tensor_free(&flags);
        checkpoint_free(&c);
        assert_int_equal(sib_tensor_rank(t), 2);
        assert_int_equal(sib_tensor_dims(t)[1], 3);
        assert_memory_equal(sib_tensor_data(t), six, sizeof six);
        sib_tensor_free(&t);
    }
}

/* Opens a checkpoint and views its weight "a". */
static sib_code view_a(const char *const *paths, size_t n, sib_error *err)
{
    checkpoint *c = NULL;
    sib_tensor *t = NULL;
    sib_code code = checkpoint_open(paths, n, &c, err);
    if (code == SIB_OK)
        code = weight_view(c, checkpoint_find(c, "a"), &t, err);
    sib_tensor_free(&t);
    checkpoint_free(&c);
    return code;
}

TEST(test_memory)
{
    sib_error err = SIB_ERROR_INIT;
    const char *paths[] = {file_save(folder, "m.json", text(config)),
                           file_save(folder, "m.st", one_weight("a"))};
    char sub[300];
    snprintf(sub, sizeof sub, "%s/memory", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    file_save(sub, "config.json", text(config));
    file_save(sub, "model-1.safetensors", one_weight("a"));
    file_save(sub, "model.safetensors.index.json",
              text("{\"weight_map\": {\"a\": \"model-1.safetensors\"}}"));
    const char *folders[] = {sub};
    CHECK_EVERY_ALLOCATION(view_a(paths, 2, &err), (void)0);
    CHECK_EVERY_ALLOCATION(view_a(folders, 1, &err), (void)0);

    checkpoint *c;
    char *path;
    CHECK_OK(checkpoint_open(folders, 1, &c, &err), err);
    CHECK_OK(beside_path(c, "tokenizer.json", &path, &err), err);
    assert_null(path);
    CHECK_EVERY_ALLOCATION(beside_path(c, "config.json", &path, &err), mem_free(path));
    checkpoint_free(&c);
}

TEST_FIXTURE(make_folder, drop_folder)
