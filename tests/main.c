/* Runs the tests of a program (TEST in check.h): all, or those whose names match its argument (* and ? stand
   for any characters). */
#include "check.h"
#include "keeps.h"
#include "threads.h"

#define MAX_TESTS 128

static struct CMUnitTest tests[MAX_TESTS];
static size_t n_tests;
static int (*begin)(void), (*end)(void);

static unsigned n_threads; /* started before the test that runs */

static int count_threads(__attribute__((unused)) void **state)
{
    n_threads = threads_started();
    return 0;
}

static int no_more_threads(__attribute__((unused)) void **state)
{
    if (threads_started() == n_threads)
        return 0;
    print_error("it starts a thread: TEST, not TEST_ALONE\n");
    return 1;
}

void check_add_test(const char *name, CMUnitTestFunction run, bool alone)
{
    if (n_tests == MAX_TESTS)
        abort();
    tests[n_tests++] = (struct CMUnitTest){.name = name,
                                           .test_func = run,
                                           .setup_func = alone ? count_threads : NULL,
                                           .teardown_func = alone ? no_more_threads : NULL};
}

void check_set_fixture(int (*set_up)(void), int (*tear_down)(void))
{
    begin = set_up;
    end = tear_down;
}

static uint64_t held;  /* before the first test */
static int end_failed; /* which cmocka prints, and counts as nothing */

static bool keeps;

void check_keep_memory(void)
{
    keeps = true;
}

static int set_up(__attribute__((unused)) void **state)
{
    held = check_held();
    return begin ? begin() : 0;
}

/* What the tests leave allocated was not freed by them, or by the library. */
static int tear_down(__attribute__((unused)) void **state)
{
    end_failed = end && end() != 0;
    if (check_held() != held && !keeps) {
        print_error("%lld bytes are held that were not before the tests\n", (long long)(check_held() - held));
        end_failed = 1;
    }
    return end_failed;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("tests", tests, n_tests, set_up, tear_down) + end_failed;
}
