/* trees: inconsistent lists are rejected, whatever they hold; couple_pairs; non_max_suppression. */
#include "check.h"

#include "backend/milli.h"

/* Two trees over three nodes, four leaves with five weights for two targets. */
TEST(test_damaged_lists)
{
    static const int64_t complete[9][8] = {{0, 2, 2},       {0, 1, 1},       {0, 1, 6},
                                           {0, 1, 0},       {1, -2, -3},     {-1, -2, -4},
                                           {0, 1, 2, 3, 5}, {0, 0, 1, 0, 1}, {0, 0, 0, 2}};
    static const size_t sizes[9] = {2, 3, 3, 3, 3, 3, 5, 5, 4};
    static const char *const names[9] = {"roots", "features",    "modes",   "missing",      "yes",
                                         "no",    "leaf_starts", "targets", "member_starts"};
    check_random r = {5};
    sib_tensor *x = numbers(SIB_F64, 2, (int64_t[]){3, 2}, (const double[]){0, 1, 1, 2, 1, NAN});
    sib_tensor *splits = numbers(SIB_F64, 1, (int64_t[]){3}, (const double[]){0.5, 1, 0});
    sib_tensor *weights = numbers(SIB_F64, 1, (int64_t[]){5}, (const double[]){1, 2, 3, 4, 5});
    sib_tensor *members = numbers(SIB_F64, 1, (int64_t[]){2}, (const double[]){2, 7});
    const sib_tensor *in[] = {x, splits, weights, members};
    unsigned ran = 0, refused = 0;
    for (int round = 0; round < 5000; round++) {
        int64_t lists[9][8];
        attribute a[10];
        sib_error err = SIB_ERROR_INIT;
        milli_case c;
        memcpy(lists, complete, sizeof lists);
        for (uint64_t changes = round ? check_u64(&r) % 3 : 0; changes > 0; changes--)
            lists[check_u64(&r) % 9][check_u64(&r) % 8] = (int64_t)(check_u64(&r) % 16) - 8;
        for (size_t i = 0; i < 9; i++)
            a[i] = attribute_ints(names[i], sizes[i] - (round && check_u64(&r) % 100 == 0), lists[i]);
        a[9] = attribute_int("aggregate", (int64_t)(check_u64(&r) % 4));
        case_make(&c, MILLI_trees, 4, in, 10, a, 1, &(out_spec){SIB_F64, 2, {3, 2}});
        sib_code code = case_run(&c, &err);
        if (!round)
            CHECK_OK(code, err);
        ran += code == SIB_OK;
        refused += code != SIB_OK && strstr(err.message, "trees: ");
        case_free(&c);
    }
    assert_int_equal(ran + refused, 5000);
    assert_true(ran > 500 && refused > 500);
    sib_tensor *all[] = {x, splits, weights, members};
    free_all(4, all);
}

TEST(test_pairs)
{
    /* all pairs undecided: equal shares; one class certain against all others: nearly all of it */
    double even[9], sure[] = {0, 0.999, 0.999, 0.001, 0, 0.5, 0.001, 0.5, 0};
    for (int i = 0; i < 9; i++)
        even[i] = 0.5;
    sib_tensor *r = numbers(SIB_F64, 3, (int64_t[]){1, 3, 3}, even);
    sib_tensor *p =
        run_milli(MILLI_couple_pairs, 1, (const sib_tensor *[]){r}, 0, NULL, (out_spec){SIB_F64, 2, {1, 3}});
    for (uint64_t i = 0; i < 3; i++)
        assert_true(number(p, i) > 0.3333 && number(p, i) < 0.3334);
    sib_tensor_free(&p);
    sib_tensor_free(&r);
    r = numbers(SIB_F64, 3, (int64_t[]){1, 3, 3}, sure);
    p = run_milli(MILLI_couple_pairs, 1, (const sib_tensor *[]){r}, 0, NULL, (out_spec){SIB_F64, 2, {1, 3}});
    assert_true(number(p, 0) > 0.98);
    sib_tensor_free(&p);
    sib_tensor_free(&r);
}

/* A box whose overlap equals the threshold is kept, and so is a score equal to its threshold. */
TEST(test_thresholds)
{
    sib_tensor *boxes =
        numbers(SIB_F32, 3, (int64_t[]){1, 3, 4}, (const double[]){0, 0, 1, 2, 0, 0, 1, 1, 1, 2, 0, 0});
    sib_tensor *scores = numbers(SIB_F32, 3, (int64_t[]){1, 1, 3}, (const double[]){0.5, 0.75, NAN});
    sib_tensor *max = numbers(SIB_I64, 0, NULL, (const double[]){10}),
               *share = numbers(SIB_F32, 0, NULL, (const double[]){0.5});
    sib_tensor *least = numbers(SIB_F32, 0, NULL, (const double[]){0.5});
    sib_tensor *all[] = {boxes, scores, max, share, least};
    attribute a = attribute_int("center_point", 0);
    sib_tensor *out = run_milli(MILLI_non_max_suppression, 5, (const sib_tensor *const *)all, 1, &a,
                                (out_spec){SIB_I64, -1, {0}});
    expect_numbers(out, SIB_I64, 2, (int64_t[]){2, 3}, (const double[]){0, 0, 1, 0, 0, 0});
    sib_tensor_free(&out);
    free_all(5, all);
}
