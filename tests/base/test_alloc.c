#include "base/alloc.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/size.h"
#include "check.h"

#include <math.h>
#include <sibyl/timing.h>

TEST(blocks_are_aligned_and_counted)
{
    sib_alloc_counters before, during, after;
    sib_alloc_counters_get(&before);
    void *a = mem_alloc(3, 100), *b = mem_calloc(7, 1), *none = mem_alloc(0, 8);
    assert_int_equal((uintptr_t)a % MEM_ALIGN, 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(((char *)b)[i], 0);
    sib_alloc_counters_get(&during);
    assert_int_equal(during.bytes_current - before.bytes_current, 307);
    assert_int_equal(during.allocations - before.allocations, 3);
    assert_true(during.bytes_peak >= during.bytes_current);
    memset(a, 5, 300);
    a = mem_realloc(a, 1000, 1);
    assert_int_equal(((char *)a)[299], 5);
    mem_free(a), mem_free(b), sib_free(none), mem_free(NULL);
    sib_alloc_counters_get(&after);
    assert_int_equal(after.bytes_current, before.bytes_current);
    assert_int_equal(after.allocations - before.allocations, after.frees - before.frees);
}

/* What does not fit is not copied: beyond the smaller block it would overwrite others. */
TEST(blocks_shrink)
{
    unsigned char *a = mem_alloc(1 << 20, 1), *others[64];
    memset(a, 7, 1 << 20);
    for (int i = 0; i < 64; i++)
        memset(others[i] = mem_alloc(24, 1), i, 24);
    for (int i = 0; i < 64; i += 2) /* room for the smaller one, between blocks that are in use */
        mem_free(others[i]);
    a = mem_realloc(a, 24, 1);
    for (int k = 0; k < 24; k++)
        assert_int_equal(a[k], 7);
    for (int i = 1; i < 64; i += 2) {
        for (int k = 0; k < 24; k++)
            assert_int_equal(others[i][k], i);
        mem_free(others[i]);
    }
    mem_free(a);
}

TEST(overflow_and_injected_failure)
{
    assert_null(mem_alloc(SIZE_MAX / 2, 3));
    assert_null(mem_alloc(SIZE_MAX, 1));
    mem_fail_after(1);
    void *a = mem_alloc(1, 1), *b = mem_alloc(1, 1), *c = mem_realloc(a, 2, 1);
    mem_fail_never();
    assert_non_null(a);
    assert_null(b);
    assert_null(c);
    mem_free(a);
}

TEST(the_limit_refuses)
{
    sib_alloc_counters now;
    sib_error err = SIB_ERROR_INIT;
    sib_alloc_counters_get(&now);
    const uint64_t limit = now.bytes_current + (now.allocations - now.frees + 2) * MEM_BLOCK_BYTES + 1000;
    sib_memory_limit_set(limit);
    void *a = mem_alloc(900, 1), *b = mem_alloc(200, 1);
    assert_non_null(a);
    assert_null(b);
    assert_int_equal(err_memory(&err, 200, "a test"), SIB_ERR_MEMORY);
    char words[200];
    snprintf(words, sizeof words,
             "out of memory: 200 bytes for a test; this process may hold %llu bytes, SIBYL_MEMORY sets "
             "another limit",
             (unsigned long long)limit);
    assert_string_equal(err.message, words);
    mem_free(a);
    b = mem_alloc(200, 1); /* refused memory is not counted */
    assert_non_null(b);
    mem_free(b);
    err = (sib_error)SIB_ERROR_INIT;
    err_memory(&err, 200, "a test"); /* for another reason */
    assert_string_equal(err.message, "out of memory: 200 bytes for a test");
    setenv("SIBYL_MEMORY", "2", 1);
    sib_memory_limit_set(0);
    assert_null(mem_alloc(2000001, 1));
    assert_int_equal(mem_refused(), 2000000);
    void *small[30000] = {NULL}; /* blocks of a byte take much more */
    size_t n = 0;
    while (n < 30000 && (small[n] = mem_alloc(1, 1)))
        n++;
    assert_true(n > 2000000 / MEM_BLOCK_BYTES / 2 && n < 2000000 / MEM_BLOCK_BYTES);
    while (n > 0)
        mem_free(small[--n]);
    unsetenv("SIBYL_MEMORY");
    sib_memory_limit_set(0);
    mem_free(a = mem_alloc(2000001, 1));
    assert_non_null(a);
    /* more than any machine has: the limit is seven eighths of what is left, which other processes change meanwhile */
    double off = 1;
    for (int i = 0; i < 20 && off > 0.02; i++) {
        assert_null(mem_alloc(UINT64_C(1) << 46, 1));
        off = fabs((double)mem_refused() / ((double)memory_room("") / 8 * 7) - 1);
    }
    assert_true(off <= 0.02);
    assert_int_equal(mem_refused(), 0);
}

TEST(checked_sizes)
{
    size_t s;
    int64_t i;
    assert_true(size_mul(3, 4, &s) && s == 12);
    assert_false(size_mul(SIZE_MAX, 2, &s));
    assert_false(size_add(SIZE_MAX, 1, &s));
    assert_false(i64_mul(INT64_MAX, 2, &i));
    assert_false(i64_add(INT64_MIN, -1, &i));
    assert_int_equal(size_ceil_div(7, 3), 3);
    assert_int_equal(size_ceil_div(SIZE_MAX, 2), SIZE_MAX / 2 + 1);
}
