/* Checks that a call survives the failure of each of its allocations. */
#ifndef TESTS_CHECK_MEMORY_H
#define TESTS_CHECK_MEMORY_H

#include "base/alloc.h"
#include "check.h"

static inline void check_failed_allocation(const char *call, uint64_t k, sib_code code, const sib_error *err)
{
    if (code == SIB_OK ? k == 0 || err->code != SIB_OK
                       : k > 100000 || code != SIB_ERR_MEMORY || err->code != code || !err->message[0])
        fail_msg("%s with allocation %llu failing: %s, message '%s'", call, (unsigned long long)k,
                 sib_code_name(code), err->message);
}

static inline uint64_t check_next(uint64_t k)
{
    return CHECK_RACES_ALONE ? k + k / 2 : k;
}

/* Set by the CMakeLists.txt of rooms whose tests bear a call that succeeds although an allocation failed. */
#ifndef CHECK_ALONE
#define CHECK_ALONE false
#endif

/* Repeats `call` with allocation check_k failing, for check_k = 0, next, ..., until it succeeds: before, it
   must return SIB_ERR_MEMORY with a message in &err, a variable of the caller. With CHECK_ALONE each is made twice: first
   with this allocation failing alone, which the call may do without, then with all from there on. `after`
   follows each call; err.code tells whether it succeeded. The thread sanitizer sees a few dozen. */
#define CHECK_FAILED_ALLOCATIONS(next, call, after)                                                          \
    do {                                                                                                     \
        err.code = SIB_ERR_MEMORY;                                                                           \
        for (uint64_t check_k = 0; err.code != SIB_OK; check_k = check_next(next))                           \
            for (int check_alone = CHECK_ALONE && !check_quick(); check_alone >= 0; check_alone--) {         \
                memset(&(err), 0, sizeof(err));                                                              \
                (check_alone ? mem_fail_once : mem_fail_after)(check_k);                                     \
                sib_code check_code = (call);                                                                \
                mem_fail_never();                                                                            \
                if (!check_alone || check_code != SIB_OK)                                                    \
                    check_failed_allocation(#call, check_k, check_code, &(err));                             \
                after;                                                                                       \
            }                                                                                                \
    } while (0)

/* The same; once `cleanup` has freed what a call leaves, no more is held than before it. */
#define CHECK_SOME_ALLOCATIONS(next, call, cleanup)                                                          \
    do {                                                                                                     \
        uint64_t check_before = check_held();                                                                \
        CHECK_FAILED_ALLOCATIONS(next, call, {                                                               \
            cleanup;                                                                                         \
            assert_int_equal(check_held(), check_before);                                                    \
        });                                                                                                  \
    } while (0)

/* The same for every allocation; only the call that succeeds leaves anything. */
#define CHECK_EVERY_ALLOCATION(call, cleanup)                                                                \
    CHECK_SOME_ALLOCATIONS(check_k + 1, call, {                                                              \
        if (err.code == SIB_OK) {                                                                            \
            cleanup;                                                                                         \
        }                                                                                                    \
    })

#endif
