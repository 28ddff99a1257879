/* Buffers and launches of one driver, and what goes wrong. */
#include "base/alloc.h"
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

/* ---- Memory -------------------------------------------------------------------------------------------- */

/* Buffers of many sizes that come and go: none lies in another, and each keeps what was copied into it. */
TEST(test_buffers)
{
    enum { N = 64, STEPS = 1500 };
    static const size_t largest = (size_t)3 << 18;
    static gpu_range held[N];
    uint32_t seed = 7, *words = mem_alloc(largest, sizeof *words);
    for (size_t step = 0; step < STEPS; step++) {
        const size_t i = (seed = seed * 1664525u + 1013904223u) >> 8 & (N - 1);
        gpu_range *r = &held[i];
        if (r->buffer) {
            rig_read(*r, words);
            for (size_t w = 0; w < r->bytes / 4; w++)
                assert_true(words[w] == i * 1000003 + w);
            rig_free(1, r);
            continue;
        }
        const size_t n = step % 40 ? seed % 5000 + 1 : largest - seed % 1000;
        for (size_t w = 0; w < n; w++)
            words[w] = (uint32_t)(i * 1000003 + w);
        *r = rig_buffer(n, words);
    }
    for (size_t i = 0; i < N; i++)
        rig_free(1, &held[i]);
    mem_free(words);
}

/* A process has a device once; its clock counts what it did. */
TEST(test_shared)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *again;
    uint64_t ns = 0;
    CHECK_OK(gpu_open(rig->driver->name, &again, &err), err);
    assert_ptr_equal(again, rig);
    gpu_close(&again);
    gpu_range all[] = {rig_buffer(1 << 16, NULL), rig_buffer(1, NULL)};
    CHECK_OK(gpu_finish(rig, &ns, &err), err);
    rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, 1 << 16, 1, 1}, 1, 1, 1);
    CHECK_OK(gpu_finish(rig, &ns, &err), err);
    assert_true(ns > 0 && ns < 60000000000u);
    rig_free(2, all);
}

/* ---- What goes wrong ----------------------------------------------------------------------------------- */

TEST(test_refused)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *none;
    CHECK_FAILS(gpu_open("abacus", &none, &err), SIB_ERR_UNSUPPORTED, err, "no driver 'abacus'");
    assert_null(none);
    gpu_reduce_args args = {PAIR_SUM, 1, 1, 1, 1};
    CHECK_FAILS(gpu_launch(rig, GPU_reduce, 0, NULL, &args, (const uint32_t[]){70000, 1, 1}, &err),
                SIB_ERR_SIZE, err, "70000 groups");
}

/* No device of Vulkan, or no driver in this build. */
TEST(test_no_vulkan)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *none;
    setenv("VK_ICD_FILENAMES", "/nonexistent", 1);
    setenv("VK_DRIVER_FILES", "/nonexistent", 1);
    /* not the first, which may be open */
    assert_int_equal(gpu_open("vulkan:200", &none, &err), SIB_ERR_UNSUPPORTED);
    assert_true(strstr(err.message, "Vulkan") || strstr(err.message, "driver 'vulkan'"));
    assert_null(none);
    unsetenv("VK_ICD_FILENAMES");
    unsetenv("VK_DRIVER_FILES");
}

/* A device that works for too long is lost, and closing it does not pull away what it works on. Checks within kernels
   wait for each submission themselves. */
TEST(test_slow)
{
    enum { N = 1 << 22 };
    sib_error err = SIB_ERROR_INIT;
    const char *checks = getenv("VK_LAYER_ENABLES");
    float sum;
    if (strcmp(rig->driver->name, "vulkan") || (checks && strstr(checks, "GPU_ASSISTED")))
        skip();
    gpu_range all[] = {rig_buffer(N, NULL), rig_buffer(1, NULL)};
    for (int i = 0; i < 20; i++)
        rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, N, 1, 1}, 1, 1, 1);
    gpu_wait_ns = 1;
    CHECK_FAILS(gpu_download(rig, all[1], &sum, &err), SIB_ERR_UNSUPPORTED, err, "does not answer");
    gpu_wait_ns = UINT64_C(60000000000);
    rig_free(2, all);
    rig_close();
    rig_open();
    all[0] = rig_buffer(4, (const float[]){1, 2, 3, 4});
    all[1] = rig_buffer(1, NULL);
    rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, 4, 1, 1}, 1, 1, 1);
    rig_read(all[1], &sum);
    assert_true(sum == 10);
    rig_free(2, all);
}

/* The host stops a kernel that leaves its buffers. */
TEST(test_bounds)
{
    sib_error err = SIB_ERROR_INIT;
    if (strcmp(rig->driver->name, "host"))
        skip();
    float x[4] = {1, 2, 3, 4};
    gpu_range all[] = {rig_buffer(4, x), rig_buffer(1, NULL)};
    gpu_reduce_args args = {PAIR_SUM, 1, 5, 1, 1};
    const uint32_t one[3] = {1, 1, 1};
    CHECK_FAILS(gpu_launch(rig, GPU_reduce, 2, all, &args, one, &err), SIB_ERR_SIZE, err,
                "kernel reduce reads after the end of a buffer: at 4");
    args = (gpu_reduce_args){PAIR_SUM, 2, 2, 1, 1};
    CHECK_FAILS(gpu_launch(rig, GPU_reduce, 2, all, &args, one, &err), SIB_ERR_SIZE, err,
                "kernel reduce writes after the end of a buffer: at 1");
    rig_free(2, all);
}
