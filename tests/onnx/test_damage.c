/* A small model truncated and changed at every byte, and with each allocation failing: an error or a model,
   never a crash, and all memory freed. */
#include "check_memory.h"
#include "onnx/onnx.h"
#include "sample.h"

/* Returns true if it could be read. */
static bool try_it(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_open_options options = {.max_bytes = 1 << 20, .max_nodes = 1000};
    onnx_model *m = NULL;
    uint64_t before = check_held();
    sib_code code = onnx_read_bytes(data, n, &options, &m, &err);
    if (code == SIB_OK) {
        sib_code verified = graph_verify(m->graph, &err);
        if (verified != SIB_OK)
            fail_msg("read, and not right: %s", err.message);
    } else {
        assert_null(m);
        assert_int_equal(err.code, code);
        assert_true(err.message[0]);
        assert_true(err.offset == SIB_NO_OFFSET || err.offset <= n);
    }
    onnx_free(&m);
    assert_int_equal(check_held(), before);
    return code == SIB_OK;
}

TEST(test_truncated)
{
    bytes m = sample_model();
    size_t read = 0;
    assert_true(try_it(m.data, m.n));
    for (size_t n = 0; n < m.n; n++) {
        /* A block of the exact size, so that a read past the end is detected. */
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, m.data, n);
        read += try_it(copy, n);
        free(copy);
    }
    assert_true(read < 20); /* only truncations between fields of the model itself */
    b_free(&m);
}

TEST(test_changed)
{
    bytes m = sample_model();
    for (size_t i = 0; i < m.n; i++) {
        uint8_t original = m.data[i];
        static const uint8_t others[] = {0x00, 0xFF, 0x80, 0x7F};
        for (int bit = 0; bit < 8; bit++) {
            m.data[i] = (uint8_t)(original ^ 1u << bit);
            try_it(m.data, m.n);
        }
        for (size_t k = 0; k < sizeof others; k++) {
            m.data[i] = others[k];
            try_it(m.data, m.n);
        }
        m.data[i] = original;
    }
    b_free(&m);
}

TEST(test_out_of_memory)
{
    bytes file = sample_model();
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m = NULL;
    CHECK_EVERY_ALLOCATION(onnx_read_bytes(file.data, file.n, NULL, &m, &err), onnx_free(&m));
    b_free(&file);
}

/* Writing with failing allocations, and to unwritable paths. */
TEST(test_writing_fails)
{
    bytes file = sample_model();
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    CHECK_OK(onnx_read_bytes(file.data, file.n, NULL, &m, &err), err);
    CHECK_EVERY_ALLOCATION(onnx_write_file(m, "/tmp/sibyl-damage.onnx", "sibyl-damage.data", &err), (void)0);
    remove("/tmp/sibyl-damage.onnx");
    remove("/tmp/sibyl-damage.data");
    memset(&err, 0, sizeof err);
    CHECK_FAILS(onnx_write_file(m, "/none/such/m.onnx", NULL, &err), SIB_ERR_IO, err, "/none/such/m.onnx");
    CHECK_FAILS(onnx_write_file(m, "/dev/full", NULL, &err), SIB_ERR_IO, err, "/dev/full");
    CHECK_FAILS(onnx_write_file(m, "/tmp/m.onnx", "a/b", &err), SIB_ERR_ARGUMENT, err, "a/b");
    CHECK_FAILS(onnx_write_file(m, "/tmp/m.onnx", "m.onnx", &err), SIB_ERR_ARGUMENT, err,
                "would replace the model");
    onnx_free(&m);
    b_free(&file);
}
