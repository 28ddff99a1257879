/* Runs the tests of a program (TEST in check.h): all, or those whose names match its argument (* and ? stand
   for any characters). */
#include "check.h"

#define MAX_TESTS 128

static struct CMUnitTest tests[MAX_TESTS];
static size_t n_tests;
static int (*begin)(void), (*end)(void);

void check_add_test(const char *name, CMUnitTestFunction run)
{
    if (n_tests == MAX_TESTS)
        abort();
    tests[n_tests++] = (struct CMUnitTest){.name = name, .test_func = run};
}

void check_set_fixture(int (*set_up)(void), int (*tear_down)(void))
{
    begin = set_up;
    end = tear_down;
}

static int set_up(__attribute__((unused)) void **state)
{
    return begin ? begin() : 0;
}

static int tear_down(__attribute__((unused)) void **state)
{
    return end ? end() : 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("tests", tests, n_tests, set_up, tear_down);
}
