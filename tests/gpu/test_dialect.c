/* The host's dialect finds what a device would not show: kernels here do wrong on purpose. */
#include "gpu/dialect/host.h"

#include "gpu/dialect/types.h"

#include "gpu/dialect/math.h"

#include "check.h"

#define THREADS 4

SHARED(f32, cells, 4)
SHARED(u32, found, 1)

KERNEL_ARGS(wrong, u32 how;)

KERNEL(wrong)
{
    if (args.how >= 5u) {
        EACH_THREAD
        {
            if (thread == 0u)
                SHARED_SET(found, 0, 0u);
        }
        BARRIER;
        EACH_THREAD
        {
            SHARED_OR(found, 0, 1u << thread);
            if (args.how == 6u)
                SET_WORD(0, thread, SHARED_GET(found, 0));
        }
        BARRIER;
    }
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

/* Quotients by integers are this processor's: of any bits, of numbers whose quotient is near a tie, and of denormals. */
TEST(test_quotient)
{
    static const u32 edges[] = {0,          1,          2,          0x007fffff, 0x00800000,
                                0x00800001, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x7f7fffff,
                                0x7f800000, 0x7fc00000, 0x80000000, 0xff800000};
    const u32 n_edges = sizeof edges / sizeof *edges, drawn = 1000000;
    check_random r = {5};
    for (u32 k = 0; k < 4 * drawn + n_edges * n_edges; k++) {
        const uint64_t bits = check_u64(&r);
        u32 a = (u32)bits, b = (u32)(bits >> 32);
        if (k < n_edges * n_edges) {
            a = edges[k / n_edges];
            b = edges[k % n_edges];
        } else if (k % 4 == 1) /* halves of b, times what is around 1 */
            a = f32_to_bits((f32)(i32)(a % 1024) * 0.5f * bits_to_f32(b)) + (u32)(bits >> 62) - 1;
        else if (k % 4 == 2) /* quotients around the smallest denormals */
            a = (a & 0x807fffffu) | (((b >> 23 & 0xffu) % 104u) << 23);
        else if (k % 4 == 3) { /* numbers of few bits */
            a &= 0xfff00000u;
            b &= 0xffff0000u;
        }
        const f32 x = bits_to_f32(a), y = bits_to_f32(b), got = quotient(x, y), expected = x / y;
        if (f32_to_bits(got) != f32_to_bits(expected) && !(is_nan(got) && is_nan(expected)))
            fail_msg("%a / %a is %a, expected %a", (double)x, (double)y, (double)got, (double)expected);
    }
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

/* Several threads may add bits to an item, which nobody reads before the barrier. */
TEST(test_or)
{
    expect(5, 70, NULL);
    expect(6, 80, "reads shared memory that another thread writes before the same barrier");
}

TEST(test_bounds)
{
    expect(3, 60, "reads after the end of shared memory");
}
