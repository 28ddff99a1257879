#include "base/alloc.h"
#include "check.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sibyl/timing.h>
#include <time.h>

static void rest(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&t, NULL);
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, expected %.17g within %g", got, want, tolerance);
}

TEST(the_clock_runs_forward)
{
    uint64_t before = sib_time_ns();
    sib_timer timer = sib_timer_start();
    assert_true(timer.start_ns >= before);
    rest(0.02);
    double first = sib_timer_seconds(&timer), second = sib_timer_seconds(&timer);
    assert_true(first >= 0.02 && second >= first && second < 10);
}

/* Expected values by hand from the definitions; the percentiles are numpy.percentile's. */
TEST(statistics_by_definition)
{
    const double values[] = {4, 1, 3, 2, 100};
    bool outliers[5];
    sib_series s;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_series_stats(values, 5, &s, outliers, &err), err);
    assert_int_equal(s.n, 5);
    assert_near(s.min, 1, 0);
    assert_near(s.median, 3, 0);
    assert_near(s.mean, 22, 0);
    assert_near(s.max, 100, 0);
    assert_near(s.p95, 4 + 96 * 0.8, 1e-12);
    assert_near(s.p99, 4 + 96 * 0.96, 1e-12);
    assert_near(s.std, sqrt((18. * 18 + 21 * 21 + 19 * 19 + 20 * 20 + 78 * 78) / 4), 1e-12);
    assert_int_equal(s.n_outliers, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(outliers[i], i == 4);
    CHECK_OK(sib_series_stats(values, 4, &s, NULL, &err), err);
    assert_near(s.median, 2.5, 0);
    assert_int_equal(s.n_outliers, 0);
    CHECK_OK(sib_series_stats(values, 1, &s, outliers, &err), err);
    assert_true(s.min == 4 && s.median == 4 && s.p99 == 4 && s.max == 4 && s.std == 0 && !outliers[0]);
}

/* The bounds of Tukey's fence belong to the inside. */
TEST(outliers_lie_beyond_the_fence)
{
    double values[] = {0, 1, 2, 3, 4, 7, -3};
    bool outliers[7];
    sib_series s;
    sib_error err = SIB_ERROR_INIT;
    /* sorted -3 0 1 2 3 4 7: quartiles 0.5 and 3.5, fence -4 .. 8 */
    CHECK_OK(sib_series_stats(values, 7, &s, outliers, &err), err);
    assert_int_equal(s.n_outliers, 0);
    values[5] = 8;
    CHECK_OK(sib_series_stats(values, 7, &s, outliers, &err), err);
    assert_int_equal(s.n_outliers, 0);
    values[5] = nextafter(8, 9);
    values[6] = nextafter(-4, -5);
    CHECK_OK(sib_series_stats(values, 7, &s, outliers, &err), err);
    assert_int_equal(s.n_outliers, 2);
    assert_true(outliers[5] && outliers[6] && !outliers[0]);
}

TEST(huge_values_do_not_overflow)
{
    const double values[] = {1.7e308, -1.7e308, 1.7e308, -1.7e308};
    sib_series s;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_series_stats(values, 4, &s, NULL, &err), err);
    assert_near(s.mean, 0, 0);
    assert_near(s.median, 0, 0);
    assert_int_equal(s.n_outliers, 0);
    assert_true(s.p95 == 1.7e308);
}

TEST(bad_series)
{
    double values[] = {1, 2, NAN};
    sib_series s;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_series_stats(values, 0, &s, NULL, &err), SIB_ERR_ARGUMENT, err, "0 values");
    CHECK_FAILS(sib_series_stats(values, 3, &s, NULL, &err), SIB_ERR_VALUE, err, "value 2");
    values[1] = -INFINITY;
    CHECK_FAILS(sib_series_stats(values, 3, &s, NULL, &err), SIB_ERR_VALUE, err, "value 1");
    mem_fail_after(0);
    sib_code code = sib_series_stats(values, 1, &s, NULL, &err);
    mem_fail_never();
    assert_int_equal(code, SIB_ERR_MEMORY);
    assert_int_equal(sib_series_stats(values, 0, &s, NULL, NULL), SIB_ERR_ARGUMENT);
}

TEST(memory_is_seen)
{
    const size_t bytes = (size_t)48 << 20;
    sib_memory before, during, after;
    sib_memory_usage(&before);
    char *block = mem_alloc(bytes, 1);
    memset(block, 1, bytes);
    sib_memory_usage(&during);
    mem_free(block);
    sib_memory_usage(&after);
    assert_true(before.resident > 0 && before.resident_peak >= before.resident);
    assert_true(during.resident >= before.resident + bytes / 2);
    assert_true(after.resident_peak >= during.resident / 100 * 98);
    assert_true(after.resident_peak >= after.resident);
}

/* Keeps this thread busy for that long. */
static void toil(double seconds)
{
    sib_timer timer = sib_timer_start();
    while (sib_timer_seconds(&timer) < seconds)
        ;
}

static double process_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

TEST(the_monitor_reads)
{
    sib_monitor *monitor;
    sib_monitor_sample samples[64];
    sib_error err = SIB_ERROR_INIT;
    uint64_t before = check_held();
    void *held = mem_alloc(12345, 1);
    const double began = process_seconds();
    CHECK_OK(sib_monitor_start(0.01, 64, &monitor, &err), err);
    toil(0.1);
    sib_monitor_stop(monitor);
    const double spent = process_seconds() - began;
    size_t n = sib_monitor_samples(monitor, samples, 64);
    assert_true(n >= 1 && n < 40);
    double used = 0;
    for (size_t i = 0; i < n; i++) {
        double previous = i ? samples[i - 1].seconds : 0;
        assert_true(samples[i].seconds > previous && samples[i].cpu >= 0 && samples[i].resident > 0);
        assert_true(samples[i].allocated >= 12345);
        used += samples[i].cpu * (samples[i].seconds - previous);
    }
    assert_true(samples[n - 1].seconds >= 0.1);
    assert_true(used > 0.005 && used <= spent + 1e-9);
    sib_monitor_stop(monitor);
    assert_int_equal(sib_monitor_samples(monitor, NULL, 0), n);
    sib_monitor_free(&monitor);
    assert_null(monitor);
    sib_monitor_free(&monitor);
    sib_monitor_free(NULL);
    mem_free(held);
    assert_int_equal(check_held(), before);
}

/* The linker leads the calls of both functions here (--wrap). */
static int cond_failure, thread_failure;
int __real_pthread_cond_init(pthread_cond_t *restrict cond, const pthread_condattr_t *restrict attributes);
int __real_pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict context);
int __wrap_pthread_cond_init(pthread_cond_t *restrict cond, const pthread_condattr_t *restrict attributes);
int __wrap_pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict context);

int __wrap_pthread_cond_init(pthread_cond_t *restrict cond, const pthread_condattr_t *restrict attributes)
{
    return cond_failure ? cond_failure : __real_pthread_cond_init(cond, attributes);
}

int __wrap_pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict context)
{
    return thread_failure ? thread_failure : __real_pthread_create(thread, attributes, run, context);
}

TEST(a_monitor_that_cannot_be_started_says_why)
{
    int *const failures[] = {&cond_failure, &thread_failure};
    for (size_t i = 0; i < 2; i++) {
        sib_monitor *monitor;
        sib_error err = SIB_ERROR_INIT;
        uint64_t before = check_held();
        *failures[i] = EAGAIN;
        CHECK_FAILS(sib_monitor_start(0.01, 2, &monitor, &err), SIB_ERR_UNSUPPORTED, err, strerror(EAGAIN));
        *failures[i] = 0;
        assert_null(monitor);
        assert_int_equal(check_held(), before);
    }
}

/* However long it runs, the readings cover it all evenly. */
TEST(the_monitor_thins_its_readings)
{
    for (size_t capacity = 2; capacity <= 9; capacity += 7) {
        sib_monitor *monitor;
        sib_monitor_sample samples[9];
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(sib_monitor_start(0.001, capacity, &monitor, &err), err);
        for (int i = 0; i < 10; i++) {
            rest(0.015);
            assert_true(sib_monitor_samples(monitor, samples, capacity) <= capacity);
        }
        sib_monitor_stop(monitor);
        size_t n = sib_monitor_samples(monitor, samples, capacity);
        assert_true(n >= 1 && n <= capacity);
        assert_true(samples[n - 1].seconds >= 0.15);
        for (size_t i = 1; i < n; i++)
            assert_true(samples[i].seconds > samples[i - 1].seconds);
        /* 150 readings were due: those kept have large intervals. */
        if (n > 2)
            assert_true(samples[1].seconds - samples[0].seconds > 0.004);
        sib_monitor_free(&monitor);
    }
}

TEST(bad_monitors)
{
    sib_monitor *monitor;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_monitor_start(0, 8, &monitor, &err), SIB_ERR_ARGUMENT, err, "interval");
    CHECK_FAILS(sib_monitor_start(NAN, 8, &monitor, &err), SIB_ERR_ARGUMENT, err, "interval");
    CHECK_FAILS(sib_monitor_start(INFINITY, 8, &monitor, &err), SIB_ERR_ARGUMENT, err, "interval");
    CHECK_FAILS(sib_monitor_start(1, 1, &monitor, &err), SIB_ERR_ARGUMENT, err, "capacity");
    CHECK_FAILS(sib_monitor_start(1, SIZE_MAX / 2, &monitor, &err), SIB_ERR_MEMORY, err, "readings");
    for (uint64_t successes = 0; successes < 2; successes++) {
        mem_fail_after(successes);
        sib_code code = sib_monitor_start(1, 8, &monitor, &err);
        mem_fail_never();
        assert_int_equal(code, SIB_ERR_MEMORY);
        assert_null(monitor);
    }
    memset(&err, 0, sizeof err);
    CHECK_OK(sib_monitor_start(1e300, 2, &monitor, &err), err); /* never due, and stops at once */
    sib_monitor_free(&monitor);
}
