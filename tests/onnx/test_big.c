/* A model with 1 GiB of weights opens without reading them. */
#include "big.h"
#include "check.h"
#include "onnx/onnx.h"

#include <sibyl/timing.h>
#include <unistd.h>

#define MAX_RESIDENT (UINT64_C(50) << 20)

/* Opens a model whose weights begin `shift` bytes after where they could be read in place. */
static void check_big(unsigned shift)
{
    char path[] = "/tmp/sibyl-big-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(big_model_write(path, UINT64_C(1) << 30, 400, shift), 0);
    sib_error err = SIB_ERROR_INIT;
    sib_memory before, after;
    onnx_model *m;
    sib_memory_usage(&before);
    sib_timer timer = sib_timer_start();
    sib_code code = onnx_read_file(path, NULL, &m, &err);
    double seconds = sib_timer_seconds(&timer);
    sib_memory_usage(&after);
    remove(path);
    CHECK_OK(code, err);
    print_message("1 GiB, shifted by %u, opened in %.4f s, %.1f MB resident, %.1f MB more than before\n",
                  shift, seconds, (double)after.resident / 1e6,
                  (double)(after.resident - before.resident) / 1e6);
    assert_true(after.resident - before.resident < MAX_RESIDENT);
    assert_int_equal(m->graph->n_nodes, 400);
    assert_true(m->parameters > (UINT64_C(1) << 28) - 400 && m->file_bytes > (UINT64_C(1) << 30) - 2000);
    for (value_id v = 0; v < m->graph->n_values; v++)
        if (m->graph->values[v].constant && v % 16 == 0) {
            const float *x = sib_tensor_data(m->graph->values[v].constant);
            assert_true(x[0] == (float)atoi(m->graph->values[v].name.data + 1) && x[1] == 0);
        }
    onnx_free(&m);
}

TEST(test_in_place)
{
    check_big(0);
}

TEST(test_shifted)
{
    check_big(1);
}
