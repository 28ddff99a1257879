/* Names to numbers, and the keyed hash of their table. */
#include "base/hash.h"
#include "base/names.h"
#include "check.h"

TEST(test_put_find_replace)
{
    enum { N = 5000 };
    static char text[N][16];
    name_map m = {0};
    uint32_t number = 7;
    assert_false(name_map_find(&m, (sib_str){"a", 1}, &number));
    for (uint32_t i = 0; i < N; i++) {
        sib_str name = {text[i], (size_t)snprintf(text[i], sizeof text[i], "n%u", i)};
        assert_true(name_map_put(&m, name, i));
    }
    assert_true(name_map_put(&m, (sib_str){"n7", 2}, 99));
    assert_true(name_map_put(&m, (sib_str){"", 0}, 5)); /* the empty name is one */
    assert_int_equal(m.n, N + 1);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(name_map_find(&m, (sib_str){text[i], strlen(text[i])}, &number));
        assert_int_equal(number, i == 7 ? 99 : i);
    }
    assert_true(name_map_find(&m, (sib_str){NULL, 0}, &number));
    assert_int_equal(number, 5);
    name_map_clear(&m);
    assert_int_equal(m.n, 0);
}

/* Every byte and the length count; equal bytes hash alike wherever they stand. */
TEST(test_hash)
{
    char a[64] = {0}, b[65] = {0};
    for (size_t n = 0; n < sizeof a; n++) {
        assert_true(hash_bytes(a, n) == hash_bytes(b + 1, n));
        assert_true(hash_bytes(a, n) != hash_bytes(a, n + 1 <= sizeof a ? n + 1 : 0));
        for (size_t i = 0; i < n; i++) {
            b[i] = 1;
            assert_true(hash_bytes(a, n) != hash_bytes(b, n));
            b[i] = 0;
        }
    }
    assert_true(hash_bytes(NULL, 0) == hash_bytes(a, 0));
}
