/* Weights in files next to the model: read in place, and rejected if they are elsewhere. */
#include "base/mapping.h"
#include "bytes.h"
#include "folder.h"
#include "onnx/onnx.h"

#include <sys/stat.h>
#include <unistd.h>

static const float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void write_bytes(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static int set_up(void)
{
    assert_int_equal(make_folder(), 0);
    assert_int_equal(mkdir(in_folder("model"), 0700), 0);
    assert_int_equal(mkdir(in_folder("model/sub"), 0700), 0);
    write_bytes("model/w.bin", numbers, sizeof numbers);
    write_bytes("model/sub/w.bin", numbers, sizeof numbers);
    write_bytes("model/empty.bin", "", 0);
    write_bytes("outside.bin", numbers, sizeof numbers);
    assert_int_equal(symlink("../outside.bin", in_folder("model/link.bin")), 0);
    assert_int_equal(symlink("w.bin", in_folder("model/alias.bin")), 0);
    assert_int_equal(symlink("..", in_folder("model/up")), 0);
    assert_int_equal(mkfifo(in_folder("model/pipe"), 0600), 0);
    return 0;
}

static bytes tensor(const char *name, const char *location, const char *offset, const char *length)
{
    bytes t = {0};
    b_int(&t, TENSOR_DIMS, 4);
    b_int(&t, TENSOR_DATA_TYPE, 1);
    b_str(&t, TENSOR_NAME, name);
    if (location)
        b_message(&t, TENSOR_EXTERNAL, b_pair("location", location));
    if (offset)
        b_message(&t, TENSOR_EXTERNAL, b_pair("offset", offset));
    if (length)
        b_message(&t, TENSOR_EXTERNAL, b_pair("length", length));
    b_message(&t, TENSOR_EXTERNAL, b_pair("checksum", "0000"));
    b_int(&t, TENSOR_LOCATION, 1);
    return t;
}

static void write_model(bytes first, bytes second)
{
    bytes g = {0};
    b_message(&g, GRAPH_INITIALIZER, first);
    if (second.n)
        b_message(&g, GRAPH_INITIALIZER, second);
    bytes m = b_model(8, g);
    write_bytes("model/m.onnx", m.data, m.n);
    b_free(&m);
}

static void check_reads(bytes first, const sib_open_options *options, float expected)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    write_model(first, (bytes){0});
    CHECK_OK(onnx_read_file(in_folder("model/m.onnx"), options, &m, &err), err);
    assert_true(*(const float *)sib_tensor_data(m->graph->values[0].constant) == expected);
    onnx_free(&m);
}

static void check_refused(bytes first, const sib_open_options *options, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    write_model(first, (bytes){0});
    CHECK_FAILS(onnx_read_file(in_folder("model/m.onnx"), options, &m, &err), code, err, words);
    assert_null(m);
}

TEST(test_reads)
{
    check_reads(tensor("w", "w.bin", NULL, "16"), NULL, 1);
    check_reads(tensor("w", "w.bin", "16", "16"), NULL, 5);
    check_reads(tensor("w", "w.bin", "4", NULL), NULL, 2);
    check_reads(tensor("w", "./sub/w.bin", "8", "16"), NULL, 3);
    check_reads(tensor("w", "alias.bin", "0", "16"), NULL, 1);
    check_reads(tensor("w", "w.bin", NULL, NULL), &(sib_open_options){.folder = in_folder("model/sub")}, 1);
}

/* Both tensors share one mapping, which lives as long as they do. */
TEST(test_one_mapping)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    sib_tensor *kept;
    write_model(tensor("a", "w.bin", "0", "16"), tensor("b", "alias.bin", "16", "16"));
    CHECK_OK(onnx_read_file(in_folder("model/m.onnx"), NULL, &m, &err), err);
    const float *a = sib_tensor_data(m->graph->values[0].constant),
                *b = sib_tensor_data(m->graph->values[1].constant);
    assert_ptr_equal(a + 4, b);
    CHECK_OK(sib_tensor_slice(m->graph->values[1].constant, 0, 0, 4, 1, &kept, &err), err);
    onnx_free(&m);
    assert_true(*(const float *)sib_tensor_data(kept) == 5);
    sib_tensor_free(&kept);
}

TEST(test_refusals)
{
    sib_open_options anywhere = {.external_anywhere = true};
    check_refused(tensor("w", "w.bin", "20", "16"), NULL, SIB_ERR_FORMAT,
                  "bytes 20 to 36 of 'w.bin', which has 32");
    check_refused(tensor("w", "w.bin", "33", NULL), NULL, SIB_ERR_FORMAT, "which has 32");
    check_refused(tensor("w", "w.bin", "18446744073709551615", "16"), NULL, SIB_ERR_FORMAT, "which has 32");
    check_refused(tensor("w", "w.bin", "18446744073709551616", NULL), NULL, SIB_ERR_FORMAT, "not a number");
    check_refused(tensor("w", "w.bin", "-4", NULL), NULL, SIB_ERR_FORMAT, "not a number");
    check_refused(tensor("w", "w.bin", NULL, "16x"), NULL, SIB_ERR_FORMAT, "not a number");
    check_refused(tensor("w", "w.bin", NULL, "12"), NULL, SIB_ERR_FORMAT,
                  "external data has 12, expected 16");
    check_refused(tensor("w", "empty.bin", NULL, NULL), NULL, SIB_ERR_FORMAT, "which has 0");
    check_refused(tensor("w", NULL, NULL, NULL), NULL, SIB_ERR_FORMAT, "location");
    check_refused(tensor("w", "missing.bin", NULL, NULL), NULL, SIB_ERR_IO, "missing.bin");
    check_refused(tensor("w", "../outside.bin", NULL, NULL), NULL, SIB_ERR_FORMAT, "'..'");
    check_refused(tensor("w", "sub/../../outside.bin", NULL, NULL), NULL, SIB_ERR_FORMAT, "'..'");
    check_refused(tensor("w", in_folder("outside.bin"), NULL, NULL), NULL, SIB_ERR_FORMAT, "absolute");
    check_refused(tensor("w", "/etc/passwd", NULL, NULL), NULL, SIB_ERR_FORMAT, "absolute");
    check_refused(tensor("w", "link.bin", NULL, NULL), NULL, SIB_ERR_FORMAT, "by a link");
    check_refused(tensor("w", "up/outside.bin", NULL, NULL), NULL, SIB_ERR_FORMAT, "by a link");
    check_refused(tensor("w", "sub", NULL, NULL), NULL, SIB_ERR_IO, "folder");
    check_refused(tensor("w", "pipe", NULL, NULL), NULL, SIB_ERR_IO, "not a regular file");
    check_refused(tensor("w", "missing.bin", NULL, NULL), &anywhere, SIB_ERR_IO, "missing.bin");
}

/* A link that replaces a file after its path was checked is not followed. */
TEST(test_opened_file_stands_inside)
{
    sib_error err = SIB_ERROR_INIT;
    mapping *m = NULL;
    char *inside = realpath(in_folder("model"), NULL);
    assert_non_null(inside);
    CHECK_OK(mapping_open_inside(in_folder("model/w.bin"), inside, &m, &err), err);
    mapping_release(m);
    CHECK_FAILS(mapping_open_inside(in_folder("model/link.bin"), inside, &m, &err), SIB_ERR_FORMAT, err,
                "is no longer in the folder");
    CHECK_FAILS(mapping_open_inside(in_folder("model/up/outside.bin"), inside, &m, &err), SIB_ERR_FORMAT, err,
                "is no longer in the folder");
    free(inside);
}

TEST(test_anywhere)
{
    sib_open_options anywhere = {.external_anywhere = true};
    check_reads(tensor("w", "../outside.bin", "4", NULL), &anywhere, 2);
    check_reads(tensor("w", in_folder("outside.bin"), "8", NULL), &anywhere, 3);
    check_reads(tensor("w", "link.bin", "12", NULL), &anywhere, 4);
}

/* A model in memory has a folder only if one is given. */
TEST(test_from_memory)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    bytes g = {0};
    b_message(&g, GRAPH_INITIALIZER, tensor("w", "w.bin", NULL, NULL));
    bytes file = b_model(8, g);
    CHECK_FAILS(onnx_read_bytes(file.data, file.n, NULL, &m, &err), SIB_ERR_FORMAT, err, "no folder");
    sib_open_options options = {.folder = in_folder("model")};
    CHECK_OK(onnx_read_bytes(file.data, file.n, &options, &m, &err), err);
    onnx_free(&m);
    b_free(&file);
}

TEST(test_model_files)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    CHECK_FAILS(onnx_read_file(in_folder("none.onnx"), NULL, &m, &err), SIB_ERR_IO, err, "none.onnx");
    CHECK_FAILS(onnx_read_file(in_folder("model"), NULL, &m, &err), SIB_ERR_IO, err, "folder");
    CHECK_FAILS(onnx_read_file(in_folder("model/pipe"), NULL, &m, &err), SIB_ERR_IO, err,
                "not a regular file");
    CHECK_FAILS(onnx_read_file(in_folder("model/empty.bin"), NULL, &m, &err), SIB_ERR_FORMAT, err,
                "not an ONNX model");
}

TEST_FIXTURE(set_up, drop_folder)
