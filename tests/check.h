/* Included by every test: cmocka and common helpers. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sibyl/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The thread sanitizer finds nothing in what runs on one thread, and numbers are compared in other builds. */
#if defined(__SANITIZE_THREAD__)
#define CHECK_RACES_ALONE true
#else
#define CHECK_RACES_ALONE false
#endif

/* TEST(name) { ... } defines a test of a program. main of tests/main.c runs those of all its sources, in the
   order of their definitions. */
#define TEST(name) CHECK_TEST(name, false)

/* A test that starts no thread, which it is held to; the build with the thread sanitizer leaves it out. */
#define TEST_ALONE(name) CHECK_TEST(name, true)

#define CHECK_TEST(name, alone)                                                                              \
    static void name(void **state);                                                                          \
    __attribute__((constructor)) static void check_add_##name(void)                                          \
    {                                                                                                        \
        if (!(alone) || !CHECK_RACES_ALONE)                                                                  \
            check_add_test(#name, name, alone);                                                              \
    }                                                                                                        \
    static void name(__attribute__((unused)) void **state)

/* Functions to call before the first test and after the last one, or NULL; not 0 is a failure. */
#define TEST_FIXTURE(set_up, tear_down)                                                                      \
    __attribute__((constructor)) static void check_add_fixture(void)                                         \
    {                                                                                                        \
        check_set_fixture(set_up, tear_down);                                                                \
    }

void check_add_test(const char *name, CMUnitTestFunction run, bool alone);
void check_set_fixture(int (*set_up)(void), int (*tear_down)(void));

/* A call that must succeed; prints its message if it fails. */
#define CHECK_OK(call, err)                                                                                  \
    do {                                                                                                     \
        if ((call) != SIB_OK)                                                                                \
            fail_msg("%s: %s", #call, (err).message);                                                        \
    } while (0)

/* A call that must fail with `expected` and a message that contains `words`. Clears err for the next call. */
#define CHECK_FAILS(call, expected, err, words)                                                              \
    do {                                                                                                     \
        sib_code check_code = (call);                                                                        \
        if (check_code != (expected) || (err).code != (expected) || !strstr((err).message, (words)))         \
            fail_msg("%s: code %s, message '%s'; expected %s and '%s'", #call, sib_code_name(check_code),    \
                     (err).message, sib_code_name(expected), (words));                                       \
        memset(&(err), 0, sizeof(err));                                                                      \
    } while (0)

/* Bytes that the library has allocated and not freed yet. */
static inline uint64_t check_held(void)
{
    sib_alloc_counters counters;
    sib_alloc_counters_get(&counters);
    return counters.bytes_current;
}

/* Folder of the shared data sets: $SIBYL_DATA, else ../shared/data next to the sources, else NULL. */
static inline const char *check_data_folder(void)
{
    static char path[4096];
    const char *named = getenv("SIBYL_DATA"), *source = getenv("SIBYL_SOURCE");
    if (named)
        snprintf(path, sizeof path, "%s", named);
    else if (source)
        snprintf(path, sizeof path, "%s/../shared/data", source);
    else
        return NULL;
    char probe[4200];
    snprintf(probe, sizeof probe, "%s/README.md", path);
    FILE *f = fopen(probe, "r");
    if (f)
        fclose(f);
    return f ? path : NULL;
}

/* Skips a test and prints what is missing. */
#define CHECK_SKIP(want)                                                                                     \
    do {                                                                                                     \
        print_message("skipped for want of %s\n", want);                                                     \
        skip();                                                                                              \
    } while (0)

/* For what a test computes alone, before or after the code that it tests: sanitizers, which make plain sums
   ten times slower, do not follow it. Not for reading results: those may come too early. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHECK_UNWATCHED __attribute__((no_sanitize("thread", "address", "undefined"), optimize("O2")))
#else
#define CHECK_UNWATCHED
#endif

/* xorshift64*: the same numbers on every machine. */
typedef struct check_random {
    uint64_t state;
} check_random;

CHECK_UNWATCHED static inline uint64_t check_u64(check_random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(0x2545F4914F6CDD1D);
}

/* Uniform in [-1, 1). */
CHECK_UNWATCHED static inline double check_uniform(check_random *r)
{
    return (double)(int64_t)check_u64(r) / 9223372036854775808.0;
}

/* Random bytes. */
CHECK_UNWATCHED static inline void check_fill(check_random *r, void *to, size_t n)
{
    char *p = to;
    for (size_t i = 0; i < n; i += 8) {
        const uint64_t bits = check_u64(r);
        memcpy(p + i, &bits, n - i < 8 ? n - i : 8);
    }
}

/* Quick runs (SIBYL_QUICK): for builds that make tests slow. */
static inline bool check_quick(void)
{
    return getenv("SIBYL_QUICK") != NULL;
}

/* The number of random cases to draw, of n: quick runs take a quarter. */
static inline int check_draws(int n)
{
    return check_quick() ? n / 4 : n;
}

/* True for two of three cases of a grid in quick runs, other ones in each of its rows: the i-th is left out. */
static inline bool check_left_out(size_t i)
{
    return check_quick() && (i + i / 4 + i / 16) % 3;
}

#endif
