/* Merges of byte-pair encoding against their definition: repeatedly the pair of lowest rank, the leftmost of
   equal ones. */
#include "check_memory.h"

#include "text/bpe/merge.h"

#define MAX 3000

/* Merges by the definition; returns the number of ids left. */
static size_t join_plainly(const merges *m, int32_t *ids, size_t n)
{
    for (;;) {
        const merge_slot *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const merge_slot *s = merges_find(m, ids[i], ids[i + 1]);
            if (s && (!best || s->rank < best->rank)) {
                best = s;
                at = i;
            }
        }
        if (!best)
            return n;
        ids[at] = best->id;
        n--;
        memmove(ids + at + 1, ids + at + 2, (n - at - 1) * sizeof *ids);
    }
}

static void check_as_defined(const merges *m, const int32_t *ids, size_t n, const char *what)
{
    static int32_t plain[MAX], ours[MAX];
    size_t left;
    sib_error err = SIB_ERROR_INIT;
    memcpy(plain, ids, n * sizeof *ids);
    memcpy(ours, ids, n * sizeof *ids);
    size_t expected = join_plainly(m, plain, n);
    CHECK_OK(merges_apply(m, ours, n, &left, &err), err);
    if (left != expected || memcmp(plain, ours, left * sizeof *ours) != 0)
        fail_msg("%s: %zu symbols become %zu tokens, expected %zu", what, n, left, expected);
}

/* Random pairs of few symbols and of their results, with random ranks, some of them equal. */
TEST(test_tables_by_chance)
{
    check_random r = {3};
    static int32_t ids[MAX];
    for (int table = 0; table < 300; table++) {
        merges m = {0};
        int32_t known = 2 + (int32_t)(check_u64(&r) % 8), symbols = known;
        size_t pairs = check_u64(&r) % 200;
        for (size_t i = 0; i < pairs; i++) {
            int32_t a = (int32_t)(check_u64(&r) % (uint64_t)known),
                    b = (int32_t)(check_u64(&r) % (uint64_t)known);
            bool old = check_u64(&r) % 4 == 0; /* several pairs may have the same result */
            int32_t id = old ? (int32_t)(check_u64(&r) % (uint64_t)known) : known;
            uint32_t rank = (uint32_t)(check_u64(&r) % (table % 2 ? 50 : 100000));
            sib_error err = SIB_ERROR_INIT;
            CHECK_OK(merges_add(&m, a, b, rank, id, NULL, &err), err);
            known += !old;
        }
        for (int k = 0; k < 4; k++) {
            size_t n = check_u64(&r) % (k ? 100 : 600);
            for (size_t i = 0; i < n; i++)
                ids[i] = (int32_t)(check_u64(&r) % (uint64_t)symbols);
            check_as_defined(&m, ids, n, "by chance");
        }
        merges_free(&m);
    }
}

/* A row of symbols in which each pair merges before the one to its left: the result for the first symbol
   depends on the length of the row. */
TEST(test_a_long_reach)
{
    merges m = {0};
    static int32_t ids[MAX];
    sib_error err = SIB_ERROR_INIT;
    for (int32_t i = 0; i < 1000; i++)
        CHECK_OK(merges_add(&m, i, i + 1, (uint32_t)(1000 - i), 2000 + i, NULL, &err), err);
    for (size_t n = 900; n < 1000; n++) {
        for (size_t i = 0; i < n; i++)
            ids[i] = (int32_t)i;
        check_as_defined(&m, ids, n, "a row");
        for (size_t i = 0; i < n; i++)
            ids[n + i] = (int32_t)i;
        check_as_defined(&m, ids, 2 * n, "two rows");
    }
    merges_free(&m);
}

/* A repeated symbol, merged to twice the length each time. */
TEST(test_doubling)
{
    merges m = {0};
    static int32_t ids[MAX];
    sib_error err = SIB_ERROR_INIT;
    for (int32_t i = 0; i < 12; i++)
        CHECK_OK(merges_add(&m, i, i, (uint32_t)(i % 3 ? i : 20 - i), i + 1, NULL, &err), err);
    for (size_t n = 0; n < MAX; n += 1 + n / 7) {
        memset(ids, 0, n * sizeof *ids);
        check_as_defined(&m, ids, n, "doubling");
    }
    merges_free(&m);
}

static sib_code apply_afresh(const merges *m, int32_t ids[1000], sib_error *err)
{
    size_t left;
    for (int32_t i = 0; i < 1000; i++)
        ids[i] = i;
    return merges_apply(m, ids, 1000, &left, err);
}

TEST(test_memory)
{
    merges m = {0};
    static int32_t ids[MAX];
    sib_error err = SIB_ERROR_INIT;
    for (int32_t i = 0; i < 1000; i++)
        CHECK_OK(merges_add(&m, i, i + 1, (uint32_t)(1000 - i), 2000 + i, NULL, &err), err);
    CHECK_EVERY_ALLOCATION(apply_afresh(&m, ids, &err), (void)0);
    merges_free(&m);
}
