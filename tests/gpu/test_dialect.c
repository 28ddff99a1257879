/* The host's dialect finds what a device would not show: kernels here do wrong on purpose. */
#include "gpu/dialect/host.h"

#include "check.h"

#define THREADS 4

SHARED(f32, cells, 4)

KERNEL_ARGS(wrong, u32 how;)

KERNEL(wrong)
{
    if (args.how != 0u) {
        EACH_THREAD
        {
            SHARED_SET(cells, args.how == 1u ? 0u : thread, 1.0f);
            if (args.how == 2u)
                SET_WORD(0, thread, f32_to_bits(SHARED_GET(cells, thread / 2u * 2u)));
        }
        BARRIER;
    }
    EACH_THREAD
    {
        SET_WORD(0, thread, f32_to_bits(SHARED_GET(cells, args.how == 3u ? thread + 1u : thread)));
    }
    BARRIER;
}

static void expect(u32 how, u32 phase, const char *fault)
{
#if defined(SIBYL_ASSERTIONS)
    uint32_t words[4];
    host_group g = {.words = {words}, .n_words = {4}, .phase = phase, .first_phase = phase};
    gpu_wrong_group(&g, (gpu_wrong_args){how});
    if (fault)
        assert_string_equal(g.fault, fault);
    else
        assert_null(g.fault);
#else
    (void)how, (void)phase, (void)fault, (void)gpu_wrong_group;
    skip();
#endif
}

TEST(test_unwritten)
{
    expect(0, 1, "reads shared memory that nobody wrote");
    expect(4, 10, NULL);
    expect(0, 20, "reads shared memory that nobody wrote"); /* but an earlier group */
}

TEST(test_races)
{
    expect(1, 30, "writes shared memory that another thread uses before the same barrier");
    expect(2, 40, "reads shared memory that another thread writes before the same barrier");
}

TEST(test_bounds)
{
    expect(3, 60, "reads after the end of shared memory");
}
