#include "check_memory.h"

#include <math.h>
#include <sibyl/timing.h>

TEST(plausible_figures)
{
    for (unsigned threads = 0; threads <= 2; threads += 2) {
        sib_pool *pool = NULL;
        sib_error err = SIB_ERROR_INIT;
        if (threads)
            CHECK_OK(sib_pool_create(threads, &pool, &err), err);
        sib_peak peak = {0};
        CHECK_OK(sib_measure_peak(pool, 0.05, &peak, &err), err);
        assert_int_equal(peak.threads, threads ? threads : 1);
        /* wide limits: they hold under sanitizers and emulators too */
        assert_true(peak.flops > 1e7 && peak.flops < 1e15);
        assert_true(peak.read_bytes > 1e6 && peak.read_bytes < 1e14);
        sib_pool_free(&pool);
    }
}

TEST(bad_requests)
{
    sib_error err = SIB_ERROR_INIT;
    sib_peak peak;
    static const double seconds[] = {0.0, -1.0, 0.009, 61.0, NAN, INFINITY};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        CHECK_FAILS(sib_measure_peak(NULL, seconds[i], &peak, &err), SIB_ERR_ARGUMENT, err, "seconds");
    CHECK_FAILS(sib_measure_peak(NULL, 0.1, NULL, &err), SIB_ERR_ARGUMENT, err, "out is NULL");
}

TEST(failing_allocations)
{
    sib_error err = SIB_ERROR_INIT;
    sib_peak peak;
    CHECK_EVERY_ALLOCATION(sib_measure_peak(NULL, 0.01, &peak, &err), (void)0);
}
