#include "base/alloc.h"
#include "base/array.h"
#include "base/buffer.h"
#include "base/str.h"
#include "check.h"

typedef struct pair {
    int a, b;
} pair;

TEST(test_push)
{
    pair *items = NULL;
    size_t n = 0, capacity = 0;
    sib_alloc_counters before, after;
    sib_alloc_counters_get(&before);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(ARRAY_PUSH(items, n, capacity, "pairs", NULL, (pair){i, -i}), SIB_OK);
    sib_alloc_counters_get(&after);
    assert_true(n == 10000 && capacity >= n);
    assert_true(after.allocations - before.allocations < 25); /* 8 * 1.5^k reaches 10000 at k = 18 */
    for (int i = 0; i < 10000; i++)
        assert_true(items[i].a == i && items[i].b == -i);
    mem_free(items);
}

TEST(test_array_errors)
{
    int *items = NULL;
    uint32_t n = 0;
    size_t capacity = 0;
    sib_error err = SIB_ERROR_INIT;
    assert_int_equal(ARRAY_PUSH(items, n, capacity, "numbers", NULL, 7), SIB_OK);
    int *was = items;
    assert_int_equal(ARRAY_RESERVE(items, capacity, SIZE_MAX, "numbers", &err), SIB_ERR_MEMORY);
    assert_non_null(strstr(err.message, "numbers"));
    mem_fail_after(0);
    sib_code code = ARRAY_RESERVE(items, capacity, capacity + 1, "numbers", NULL);
    mem_fail_never();
    assert_int_equal(code, SIB_ERR_MEMORY);
    assert_true(items == was && capacity == 8 && n == 1 && items[0] == 7);
    mem_free(items);
}

TEST(test_buffer)
{
    byte_buffer b = {0};
    size_t n;
    assert_true(str_is(buf_str(&b), ""));
    buf_add(&b, NULL, 0, NULL);
    assert_string_equal(b.data, "");
    buf_add_text(&b, "one", NULL);
    buf_printf(&b, NULL, " %d %s", 2, "three");
    assert_string_equal(b.data, "one 2 three");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, NULL, "%04d", i);
    assert_true(b.n == 11 + 4000 && str_is(str_from(buf_str(&b), 4007), "0999"));
    char *taken = buf_take(&b, &n);
    assert_true(n == 4011 && strlen(taken) == n && !b.data && b.n == 0);
    mem_free(taken);
}

TEST(test_buffer_errors)
{
    byte_buffer b = {.max = 5};
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    buf_add_text(&b, "12345", &err);
    assert_true(b.code == SIB_OK && b.n == 5);
    buf_add_text(&b, "6", &err);
    assert_true(b.code == SIB_ERR_SIZE && err.code == SIB_ERR_SIZE);
    assert_string_equal(err.message, "more than 5 bytes of text or data, which is the limit here");
    b.max = 0;
    buf_add_text(&b, "6", NULL); /* after a failure nothing is added */
    buf_printf(&b, NULL, "%d", 6);
    assert_true(b.n == 5 && !strcmp(b.data, "12345"));
    assert_null(buf_take(&b, &n));
    assert_true(n == 0 && b.code == SIB_OK);
    buf_add_text(&b, "a", NULL);
    buf_reserve(&b, SIZE_MAX - 1, NULL);
    assert_int_equal(b.code, SIB_ERR_SIZE);
    buf_free(&b);
    mem_fail_after(0);
    buf_printf(&b, NULL, "%d", 1);
    mem_fail_never();
    assert_int_equal(b.code, SIB_ERR_MEMORY);
    buf_free(&b);
}

/* Every length up to a limit, in every first part: what fits is kept, one byte more is refused. */
TEST(test_buffer_limits)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t max = 1; max < 26; max++)
        for (size_t first = 0; first <= max; first++) {
            byte_buffer b = {.max = max};
            sib_error err = SIB_ERROR_INIT;
            CHECK_OK(buf_add(&b, text, first, &err), err);
            CHECK_OK(buf_add(&b, text + first, max - first, &err), err);
            assert_true(b.n == max && !memcmp(b.data, text, max) && !b.data[max]);
            assert_true(b.capacity <= max + 1);
            assert_int_equal(buf_printf(&b, NULL, "%s", ""), SIB_OK);
            CHECK_FAILS(buf_add(&b, text, 1, &err), SIB_ERR_SIZE, err, "which is the limit here");
            buf_free(&b);
        }
}

TEST(test_array_growth)
{
    static const struct {
        size_t capacity, wanted, grown;
    } cases[] = {{0, 1, 8},      {0, 8, 8},    {0, 9, 9},    {8, 9, 12}, {12, 13, 18},
                 {12, 100, 100}, {13, 14, 19}, {20, 20, 20}, {20, 3, 20}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t capacity = 0;
        int *items = NULL;
        if (cases[i].capacity) {
            items = mem_alloc(cases[i].capacity, sizeof *items);
            capacity = cases[i].capacity;
        }
        assert_int_equal(ARRAY_RESERVE(items, capacity, cases[i].wanted, "numbers", NULL), SIB_OK);
        assert_int_equal(capacity, cases[i].grown);
        mem_free(items);
    }
    int *items = NULL;
    size_t capacity = 0;
    sib_error err = SIB_ERROR_INIT;
    mem_fail_after(0);
    sib_code code = ARRAY_RESERVE(items, capacity, 100, "numbers", &err);
    mem_fail_never();
    CHECK_FAILS(code, SIB_ERR_MEMORY, err, "out of memory: 400 bytes for numbers");
}

TEST(test_str)
{
    sib_str none = {NULL, 0}, ab = str_of("ab");
    assert_true(str_is(none, "") && str_same(none, str_of("")) && str_is(ab, "ab"));
    assert_false(str_is(ab, "a") || str_is(ab, "abc") || str_is(none, "a"));
    assert_true(str_starts(ab, "") && str_starts(ab, "a") && str_starts(ab, "ab") && !str_starts(ab, "abc"));
    assert_false(str_starts(ab, "b"));
    assert_true(str_compare(ab, ab) == 0 && str_compare(none, ab) < 0 && str_compare(ab, none) > 0);
    assert_true(str_compare(ab, str_of("abc")) < 0 && str_compare(ab, str_of("aa")) > 0);
    assert_true(str_compare(str_of("\x7f"), str_of("\x80")) < 0); /* bytes are unsigned */
    assert_true(str_is(str_from(ab, 1), "b") && str_is(str_from(none, 0), ""));
}
