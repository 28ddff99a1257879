/* Values drawn for inputs. */
#include "check_memory.h"

#include <sibyl/model.h>

static sib_value *drawn(const sib_value_info *like, uint64_t seed)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    const sib_dim n = {"N", 3};
    CHECK_OK(sib_value_random(like, 1, &n, &seed, &v, &err), err);
    return v;
}

TEST(every_kind_is_drawn)
{
    const sib_value_info rows = {.name = "x",
                                 .type = "seq(optional(string [N, 2]))",
                                 .kind = SIB_VALUE_SEQUENCE,
                                 .dtype = SIB_STRING,
                                 .ranked = true,
                                 .rank = 2,
                                 .dims = {-1, 2},
                                 .dim_names = {"N"}};
    const sib_value_info map = {.name = "m",
                                .type = "map(string, float32 [])",
                                .kind = SIB_VALUE_MAP,
                                .dtype = SIB_F32,
                                .ranked = true};
    bool longer = false;
    for (uint64_t seed = 0; seed < 20; seed++) {
        sib_value *v = drawn(&rows, seed), *m = drawn(&map, seed);
        assert_in_range(sib_value_count(v), 1, 3);
        longer |= sib_value_count(v) > 1;
        for (size_t i = 0; i < sib_value_count(v); i++) {
            const sib_value *held = sib_value_item(sib_value_item(v, i), 0);
            const int64_t last[] = {2, 1};
            sib_str s;
            assert_int_equal(sib_value_get_kind(sib_value_item(v, i)), SIB_VALUE_OPTIONAL);
            assert_int_equal(sib_tensor_get_string(sib_value_tensor(held), last, &s, NULL), SIB_OK);
            assert_in_range(s.length, 1, 8);
        }
        const sib_tensor *keys = sib_value_keys(m), *values = sib_value_values(m);
        sib_str first;
        assert_in_range(sib_tensor_count(keys), 1, 3);
        assert_int_equal(sib_tensor_count(keys), sib_tensor_count(values));
        assert_int_equal(sib_tensor_get_string(keys, &(int64_t){0}, &first, NULL), SIB_OK);
        assert_memory_equal(first.data, "a", 1);
        sib_value_free(&v);
        sib_value_free(&m);
    }
    assert_true(longer);
}

TEST(what_cannot_be_drawn_is_named)
{
    sib_value_info like = {.name = "x",
                           .type = "float32 [T]",
                           .kind = SIB_VALUE_TENSOR,
                           .dtype = SIB_F32,
                           .ranked = true,
                           .rank = 1,
                           .dims = {-1},
                           .dim_names = {"T"}};
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    uint64_t from = 1;
    assert_int_equal(sib_value_random(&like, 0, NULL, &from, &v, &err), SIB_ERR_ARGUMENT);
    assert_string_equal(err.message, "input 'x' is float32 [T]: the size of T is not given");
    like.ranked = false;
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(sib_value_random(&like, 0, NULL, &from, &v, &err), SIB_ERR_UNSUPPORTED);
    like = (sib_value_info){
        .name = "x", .type = "map(int64, seq(float32))", .kind = SIB_VALUE_MAP, .dtype = SIB_F32};
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(sib_value_random(&like, 0, NULL, &from, &v, &err), SIB_ERR_UNSUPPORTED);
    assert_null(v);
    assert_int_equal(sib_value_random(NULL, 0, NULL, &from, &v, NULL), SIB_ERR_ARGUMENT);
}

TEST(drawing_survives_failed_allocations)
{
    const sib_value_info like = {.name = "x",
                                 .type = "seq(map(int64, string []))",
                                 .kind = SIB_VALUE_SEQUENCE,
                                 .dtype = SIB_STRING,
                                 .ranked = true};
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    uint64_t from;
    CHECK_EVERY_ALLOCATION((from = 7, sib_value_random(&like, 0, NULL, &from, &v, &err)), sib_value_free(&v));
}
