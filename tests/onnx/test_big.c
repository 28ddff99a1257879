/* A model with 1 GiB of weights is open before anybody has read them. */
#include "big.h"
#include "check.h"
#include "onnx/onnx.h"

#include <sibyl/timing.h>
#include <unistd.h>

#define MOST_RESIDENT (UINT64_C(50) << 20)

static void test_big(void **state)
{
    (void)state;
    char path[] = "/tmp/sibyl-big-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(big_model_write(path, UINT64_C(1) << 30, 400), 0);
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
    assert_int_equal(m->graph->n_nodes, 400);
    assert_true(m->parameters > (UINT64_C(1) << 28) - 400 && m->file_bytes > (UINT64_C(1) << 30) - 2000);
    for (value_id v = 0; v < m->graph->n_values; v++)
        if (m->graph->values[v].constant)
            assert_true(*(const float *)sib_tensor_data(m->graph->values[v].constant) ==
                        (float)atoi(m->graph->values[v].name.data + 1));
    print_message("1 GiB opened in %.4f s, %.1f MB resident, %.1f MB more than before\n", seconds,
                  (double)after.resident / 1e6, (double)(after.resident - before.resident) / 1e6);
    assert_true(after.resident - before.resident < MOST_RESIDENT);
    onnx_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_big)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
