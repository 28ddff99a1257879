/* Calls of the reference backend: errors that name what is wrong, unwanted outputs, dims other than planned,
   and allocations that fail at any point. */
#include "milli.h"

TEST(test_registry)
{
    size_t n;
    const sib_backend *const *all = backend_list(&n);
    assert_true(n > 0 && strcmp(all[0]->name, "ref") == 0);
    assert_ptr_equal(backend_named("ref"), all[0]);
    assert_null(backend_named("nothing"));
}

/* It claims every milli-op and no operator. */
TEST(test_claims)
{
    const sib_backend *ref = backend_named("ref");
    node n = {.milli = milli_row(MILLI_add)};
    node_view view = {.node = &n};
    assert_true(ref->claims(NULL, &view));
    n.milli = NULL;
    assert_false(ref->claims(NULL, &view));
}

TEST(test_inputs)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    sib_value *sequence;
    out_spec spec = SPEC(SIB_F32, 1, 2);
    sib_tensor *a = VECTOR(SIB_F32, 1, 2, 3, 4), *strided;
    CHECK_OK(sib_value_sequence(0, NULL, &sequence, &err), err);
    case_make_values(&c, MILLI_neg, 1, (const sib_value *const[]){sequence}, 0, NULL, 1, &spec);
    CHECK_FAILS(case_run(&c, &err), SIB_ERR_VALUE, err, "neg: input 0 is not a tensor");
    case_free(&c);
    CHECK_OK(sib_tensor_slice(a, 0, 0, 2, 2, &strided, &err), err);
    fail_milli(MILLI_neg, 1, IN(strided), 0, NULL, spec, SIB_ERR_ARGUMENT, "neg: input 0 is not dense");
    sib_value_free(&sequence);
    free_all(2, (sib_tensor *[]){a, strided});
}

TEST(test_unwanted)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    sib_tensor *a = VECTOR(SIB_F32, 3, 1, 2);
    out_spec sorts[2] = {SPEC(SIB_F32, 1, 3), SPEC(SIB_I64, 1, 3)};
    const attribute *how =
        ATTRIBUTES(attribute_int("axis", 0), attribute_int("descending", 0), attribute_int("flat", 1));
    for (int skip = 0; skip < 4; skip++) {
        case_make(&c, MILLI_sort, 1, IN(a), 2, how, 2, sorts);
        c.unwanted[0] = skip & 1;
        c.unwanted[1] = skip >> 1;
        CHECK_OK(case_run(&c, &err), err);
        assert_true((case_out(&c, 0) == NULL) == (skip & 1) && (case_out(&c, 1) == NULL) == skip >> 1);
        case_free(&c);
    }
    out_spec uniques[4] = {{SIB_F32, -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}};
    case_make(&c, MILLI_unique, 1, IN(a), 3, how, 4, uniques);
    c.unwanted[0] = c.unwanted[2] = true;
    CHECK_OK(case_run(&c, &err), err);
    assert_true(!case_out(&c, 0) && case_out(&c, 1) && !case_out(&c, 2) && case_out(&c, 3));
    case_free(&c);
    static const milli_kind kinds[] = {MILLI_neg, MILLI_reshape, MILLI_nonzero, MILLI_cast};
    for (size_t i = 0; i < 4; i++) {
        case_make(&c, kinds[i], 1, IN(a), 0, NULL, 1, sorts);
        c.unwanted[0] = true;
        CHECK_OK(case_run(&c, &err), err);
        case_free(&c);
    }
    sib_tensor_free(&a);
}

TEST(test_planned_otherwise)
{
    sib_tensor *a = VECTOR(SIB_F32, 3, 0, 2);
    fail_milli(MILLI_nonzero, 1, IN(a), 0, NULL, SPEC(SIB_I64, 2, 1, 3), SIB_ERR_VALUE,
               "output 0 is int64 (1, 2), but int64 (1, 3) was planned");
    sib_tensor *out = RUN(MILLI_nonzero, SPEC(SIB_I64, 2, 1, 2), 1, a);
    expect_numbers(out, SIB_I64, 2, DIMS(1, 2), (double[]){0, 2});
    free_all(2, (sib_tensor *[]){a, out});
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static void check_memory(milli_kind kind, size_t n_in, const sib_tensor *const *in, size_t n_attributes,
                         const attribute *attributes, size_t n_out, const out_spec *specs)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    case_make(&c, kind, n_in, in, n_attributes, attributes, n_out, specs);
    CHECK_EVERY_ALLOCATION(case_run(&c, &err), case_clear_outputs(&c));
    case_free(&c);
}

/* Every kernel that allocates, on packed types and strings, which allocate more. */
TEST(test_memory)
{
    check_random r = {1};
    static const sib_dtype types[] = {SIB_F32, SIB_I4, SIB_STRING};
    sib_tensor *index = VECTOR(SIB_I64, 0, 1), *places = numbers(SIB_I64, 2, DIMS(1, 1), (double[]){1});
    sib_tensor *choice = VECTOR(SIB_BOOL, 1, 0, 1, 1);
    static const int64_t one[] = {1}, zero[] = {0}, two[] = {2};
    const attribute *axis = ATTRIBUTES(attribute_int("axis", 0), attribute_int("flat", 1));
    for (size_t d = 0; d < 3; d++) {
        sib_dtype t = types[d];
        sib_tensor *a = random_tensor(t, 1, DIMS(4), &r), *scalar = random_tensor(t, 0, DIMS(0), &r),
                   *single = random_tensor(t, 1, DIMS(1), &r);
        out_spec four = SPEC(t, 1, 4), pair = SPEC(t, 1, 2), eight = SPEC(t, 1, 8),
                 open[4] = {{t, -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}};
        out_spec sorted[2] = {four, SPEC(SIB_I64, 1, 4)}, padded = SPEC(t, 1, 6), wide = SPEC(t, 2, 2, 3),
                 looked = SPEC(SIB_I64, 1, 4), many = SPEC(SIB_I64, -1, 0);
        check_memory(MILLI_reshape, 1, IN(a), 0, NULL, 1, &four);
        check_memory(MILLI_slice, 1, IN(a), 2,
                     ATTRIBUTES(attribute_ints("start", 1, zero), attribute_ints("step", 1, two)), 1, &pair);
        check_memory(MILLI_concat, 2, IN(a, a), 1, axis, 1, &eight);
        check_memory(MILLI_pad, 2, IN(a, scalar), 2,
                     ATTRIBUTES(attribute_ints("before", 1, one), attribute_ints("after", 1, one)), 1,
                     &padded);
        check_memory(MILLI_gather, 2, IN(a, index), 1, axis, 1, &pair);
        check_memory(MILLI_gather_nd, 2, IN(a, places), 0, NULL, 1, &(out_spec){t, 1, {1}});
        check_memory(MILLI_scatter_nd, 3, IN(a, places, single), 0, NULL, 1, &four);
        check_memory(MILLI_windows, 2, IN(a, scalar), 5,
                     ATTRIBUTES(attribute_ints("kernel", 1, two), attribute_ints("stride", 1, one),
                                attribute_ints("dilation", 1, one), attribute_ints("before", 1, zero),
                                attribute_ints("after", 1, zero)),
                     1, &wide);
        check_memory(MILLI_where, 3, IN(choice, a, scalar), 0, NULL, 1, &four);
        check_memory(MILLI_sort, 1, IN(a), 1, axis, 2, sorted);
        check_memory(MILLI_unique, 1, IN(a), 2, axis, 4, open);
        check_memory(MILLI_lookup, 2, IN(a, single), 0, NULL, 1, &looked);
        check_memory(MILLI_nonzero, 1, IN(a), 0, NULL, 1, &many);
        check_memory(MILLI_add, 2, IN(a, a), 0, NULL, 1, &four);
        if (t == SIB_STRING) {
            check_memory(MILLI_equal, 2, IN(a, a), 0, NULL, 1, &(out_spec){SIB_BOOL, 1, {4}});
        } else {
            check_memory(MILLI_cast, 1, IN(a), 0, NULL, 1, &(out_spec){SIB_STRING, 1, {4}});
            check_memory(MILLI_reduce_sum, 1, IN(a), 1, ATTRIBUTES(attribute_ints("axes", 1, zero)), 1,
                         &(out_spec){t, 1, {1}});
        }
        free_all(3, (sib_tensor *[]){a, scalar, single});
    }
    sib_tensor *square = numbers(SIB_F32, 2, DIMS(2, 2), (double[]){1, 2, 3, 4}),
               *transposed = numbers(SIB_C64, 2, DIMS(2, 2), (double[]){1, 2, 3, 4});
    check_memory(MILLI_matmul, 2, IN(square, square), 0, NULL, 1, &(out_spec){SIB_F32, 2, {2, 2}});
    check_memory(MILLI_matmul, 2, IN(transposed, transposed), 0, NULL, 1, &(out_spec){SIB_C64, 2, {2, 2}});
    check_memory(MILLI_determinant, 1, IN(square), 0, NULL, 1, &(out_spec){SIB_F32, 0, {0}});
    free_all(5, (sib_tensor *[]){index, places, choice, square, transposed});
}
