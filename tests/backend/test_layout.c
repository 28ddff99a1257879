/* Layout, gathers and windows on every dtype: each element of a result is looked up where the definition
   takes it from. */
#include "milli.h"

/* ---- Reshape, transpose, expand, slice ----------------------------------------------------------------- */

TEST(test_reshape)
{
    check_random r = {1};
    for (size_t d = 0; d < N_DTYPES; d++) {
        sib_tensor *a = random_tensor(all_dtypes[d], 3, DIMS(3, 5, 7), &r);
        sib_tensor *out = RUN(MILLI_reshape, SPEC(all_dtypes[d], 2, 21, 5), 1, a);
        for (uint64_t i = 0; i < 105; i++)
            assert_true(same_element(out, i, a, i));
        free_all(2, (sib_tensor *[]){a, out});
    }
    sib_tensor *none = random_tensor(SIB_F32, 2, DIMS(0, 5), &r);
    sib_tensor *out = RUN(MILLI_reshape, SPEC(SIB_F32, 3, 7, 0, 2), 1, none);
    fail_milli(MILLI_reshape, 1, IN(none), 0, NULL, SPEC(SIB_F32, 1, 1), SIB_ERR_VALUE,
               "reshape: 0 elements cannot become 1");
    free_all(2, (sib_tensor *[]){none, out});
}

static void check_transpose(sib_dtype d, size_t rank, const int64_t *dims, const int64_t *perm,
                            check_random *r)
{
    int64_t transposed[SIB_MAX_RANK];
    for (size_t i = 0; i < rank; i++)
        transposed[i] = dims[perm[i]];
    sib_tensor *a = random_tensor(d, rank, dims, r);
    sib_tensor *out = run_milli(MILLI_transpose, 1, IN(a), 1, ATTRIBUTES(attribute_ints("perm", rank, perm)),
                                spec_of(d, rank, transposed));
    for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
        int64_t index[SIB_MAX_RANK] = {0}, from[SIB_MAX_RANK] = {0};
        unravel(out, i, index);
        for (size_t k = 0; k < rank; k++)
            from[perm[k]] = index[k];
        assert_true(same_element(out, i, a, ravel(a, from)));
    }
    free_all(2, (sib_tensor *[]){a, out});
}

TEST(test_transpose)
{
    check_random r = {2};
    for (size_t d = 0; d < N_DTYPES; d++) {
        check_transpose(all_dtypes[d], 4, DIMS(2, 3, 4, 5), DIMS(0, 3, 1, 2), &r);
        check_transpose(all_dtypes[d], 4, DIMS(2, 3, 4, 5), DIMS(3, 2, 1, 0), &r);
        check_transpose(all_dtypes[d], 3, DIMS(3, 1, 7), DIMS(1, 0, 2), &r);
        /* more than one tile along both axes */
        check_transpose(all_dtypes[d], 3, DIMS(2, 37, 50), DIMS(0, 2, 1), &r);
        check_transpose(all_dtypes[d], 5, DIMS(3, 2, 5, 2, 18), DIMS(4, 1, 3, 0, 2), &r);
        check_transpose(all_dtypes[d], 2, DIMS(0, 3), DIMS(1, 0), &r);
        check_transpose(all_dtypes[d], 0, DIMS(0), DIMS(0), &r);
    }
}

TEST(test_expand)
{
    static const struct {
        size_t from, to;
        int64_t a[3], out[4];
    } cases[] = {{0, 2, {0}, {3, 5}},          {1, 3, {5}, {2, 3, 5}}, {3, 3, {2, 1, 3}, {2, 4, 3}},
                 {2, 4, {3, 1}, {2, 1, 3, 7}}, {2, 2, {1, 3}, {0, 3}}, {3, 3, {4, 2, 3}, {4, 2, 3}}};
    check_random r = {3};
    for (size_t d = 0; d < N_DTYPES; d++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            sib_tensor *a = random_tensor(all_dtypes[d], cases[k].from, cases[k].a, &r);
            sib_tensor *out = RUN(MILLI_expand, spec_of(all_dtypes[d], cases[k].to, cases[k].out), 1, a);
            for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                int64_t index[SIB_MAX_RANK] = {0}, from[SIB_MAX_RANK] = {0};
                unravel(out, i, index);
                for (size_t x = 0; x < cases[k].from; x++)
                    from[x] = cases[k].a[x] == 1 ? 0 : index[cases[k].to - cases[k].from + x];
                assert_true(same_element(out, i, a, ravel(a, from)));
            }
            free_all(2, (sib_tensor *[]){a, out});
        }
}

TEST(test_slice)
{
    static const struct {
        int64_t start[3], step[3], out[3];
    } cases[] = {{{1, 2, 0}, {1, 1, 1}, {2, 3, 9}}, {{0, 4, 8}, {1, -1, -2}, {3, 5, 5}},
                 {{2, 0, 3}, {0, 2, 1}, {4, 3, 1}}, {{0, 0, 0}, {1, 1, 1}, {3, 5, 9}},
                 {{5, 0, 0}, {1, 1, 1}, {0, 5, 9}}, {{2, 4, 7}, {-2, -4, -7}, {2, 2, 2}}};
    check_random r = {4};
    for (size_t d = 0; d < N_DTYPES; d++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            sib_tensor *a = random_tensor(all_dtypes[d], 3, DIMS(3, 5, 9), &r);
            const attribute *how = ATTRIBUTES(attribute_ints("start", 3, cases[k].start),
                                              attribute_ints("step", 3, cases[k].step));
            sib_tensor *out =
                run_milli(MILLI_slice, 1, IN(a), 2, how, spec_of(all_dtypes[d], 3, cases[k].out));
            for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                int64_t index[SIB_MAX_RANK] = {0};
                unravel(out, i, index);
                for (size_t x = 0; x < 3; x++)
                    index[x] = cases[k].start[x] + index[x] * cases[k].step[x];
                assert_true(same_element(out, i, a, ravel(a, index)));
            }
            free_all(2, (sib_tensor *[]){a, out});
        }
    sib_tensor *a = random_tensor(SIB_F32, 1, DIMS(4), &r);
    const int64_t bad[][2] = {{2, 1}, {0, -1}, {4, 1}, {-1, 1}, {0, INT64_MAX}};
    for (size_t k = 0; k < 5; k++)
        fail_milli(MILLI_slice, 1, IN(a), 2,
                   ATTRIBUTES(attribute_ints("start", 1, &bad[k][0]), attribute_ints("step", 1, &bad[k][1])),
                   SPEC(SIB_F32, 1, 3), SIB_ERR_VALUE, "are out of range on axis 0 of size 4");
    sib_tensor_free(&a);
}

/* ---- Concatenation and padding ------------------------------------------------------------------------- */

TEST(test_concat)
{
    check_random r = {5};
    for (size_t d = 0; d < N_DTYPES; d++)
        for (int64_t axis = 0; axis < 3; axis++) {
            static const int64_t sizes[] = {2, 0, 3, 1};
            sib_tensor *parts[5];
            int64_t dims[3] = {3, 4, 5};
            for (size_t i = 0; i < 4; i++) {
                dims[axis] = sizes[i];
                parts[i] = random_tensor(all_dtypes[d], 3, dims, &r);
            }
            dims[axis] = 6;
            sib_tensor *out = parts[4] =
                run_milli(MILLI_concat, 4, (const sib_tensor *const *)parts, 1,
                          ATTRIBUTES(attribute_int("axis", axis)), spec_of(all_dtypes[d], 3, dims));
            for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                int64_t index[SIB_MAX_RANK] = {0};
                size_t part = 0;
                unravel(out, i, index);
                while (index[axis] >= sizes[part])
                    index[axis] -= sizes[part++];
                assert_true(same_element(out, i, parts[part], ravel(parts[part], index)));
            }
            free_all(5, parts);
        }
}

TEST(test_pad)
{
    static const int64_t before[] = {1, 0, 3}, after[] = {0, 2, 1}, dims[] = {2, 3, 4}, wide[] = {3, 5, 8},
                         none[] = {0, 3, 4}, framed[] = {1, 5, 8};
    check_random r = {6};
    const attribute *how = ATTRIBUTES(attribute_ints("before", 3, before), attribute_ints("after", 3, after));
    for (size_t d = 0; d < N_DTYPES; d++)
        for (int empty = 0; empty < 2; empty++) {
            sib_tensor *a = random_tensor(all_dtypes[d], 3, empty ? none : dims, &r);
            sib_tensor *border = random_tensor(all_dtypes[d], 0, dims, &r);
            sib_tensor *out = run_milli(MILLI_pad, 2, IN(a, border), 2, how,
                                        spec_of(all_dtypes[d], 3, empty ? framed : wide));
            for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                int64_t index[SIB_MAX_RANK] = {0};
                bool inside = true;
                unravel(out, i, index);
                for (size_t x = 0; x < 3; x++) {
                    index[x] -= before[x];
                    inside = inside && index[x] >= 0 && index[x] < sib_tensor_dims(a)[x];
                }
                assert_true(inside ? same_element(out, i, a, ravel(a, index))
                                   : same_element(out, i, border, 0));
            }
            free_all(3, (sib_tensor *[]){a, border, out});
        }
}

/* ---- Gathers ------------------------------------------------------------------------------------------- */

TEST(test_gather)
{
    check_random r = {7};
    static const double where[] = {4, 0, 0, 3, 1, 4};
    sib_tensor *indices = numbers(SIB_I64, 2, DIMS(2, 3), where);
    for (size_t d = 0; d < N_DTYPES; d++)
        for (int64_t axis = 0; axis < 3; axis++) {
            int64_t dims[3] = {3, 2, 4}, joined[4] = {0};
            dims[axis] = 5;
            for (int64_t i = 0, n = 0; i < 3; i++) {
                if (i == axis)
                    joined[n++] = 2;
                joined[n++] = i == axis ? 3 : dims[i];
            }
            sib_tensor *a = random_tensor(all_dtypes[d], 3, dims, &r);
            sib_tensor *out =
                run_milli(MILLI_gather, 2, IN(a, indices), 1, ATTRIBUTES(attribute_int("axis", axis)),
                          spec_of(all_dtypes[d], 4, joined));
            for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                int64_t index[SIB_MAX_RANK], from[3];
                unravel(out, i, index);
                for (int64_t x = 0; x < 3; x++)
                    from[x] = x < axis   ? index[x]
                              : x > axis ? index[x + 1]
                                         : (int64_t)where[index[axis] * 3 + index[axis + 1]];
                assert_true(same_element(out, i, a, ravel(a, from)));
            }
            free_all(2, (sib_tensor *[]){a, out});
        }
    sib_tensor *a = random_tensor(SIB_F32, 1, DIMS(4), &r), *low = VECTOR(SIB_I64, 0, -1),
               *none = random_tensor(SIB_I64, 1, DIMS(0), &r);
    const attribute *first = ATTRIBUTES(attribute_int("axis", 0));
    fail_milli(MILLI_gather, 2, IN(a, indices), 1, first, SPEC(SIB_F32, 2, 2, 3), SIB_ERR_VALUE,
               "gather: index 4 is out of range on axis 0 of size 4");
    fail_milli(MILLI_gather, 2, IN(a, low), 1, first, SPEC(SIB_F32, 1, 2), SIB_ERR_VALUE,
               "index -1 is out of range");
    sib_tensor *out = run_milli(MILLI_gather, 2, IN(a, none), 1, first, SPEC(SIB_F32, 1, 0));
    free_all(5, (sib_tensor *[]){a, low, none, out, indices});
}

TEST(test_gather_nd)
{
    check_random r = {8};
    for (size_t d = 0; d < N_DTYPES; d++)
        for (int64_t batch = 0; batch < 2; batch++)
            for (int64_t depth = 0; depth <= 3 - batch; depth++) {
                static const int64_t dims[] = {2, 3, 4};
                int64_t index_dims[] = {2, 5, depth}, out_dims[SIB_MAX_RANK] = {2, 5};
                size_t rank = 2;
                for (int64_t x = batch + depth; x < 3; x++)
                    out_dims[rank++] = dims[x];
                sib_tensor *a = random_tensor(all_dtypes[d], 3, dims, &r), *indices;
                double v[40];
                for (int64_t i = 0; i < 10 * depth; i++)
                    v[i] = (double)(check_u64(&r) >> 8 & 0xFFFF) - 0;
                for (int64_t i = 0; i < 10 * depth; i++)
                    v[i] = fmod(v[i], (double)dims[batch + i % depth]);
                indices = numbers(SIB_I64, 3, index_dims, v);
                sib_tensor *out = run_milli(MILLI_gather_nd, 2, IN(a, indices), 1,
                                            ATTRIBUTES(attribute_int("batch", batch)),
                                            spec_of(all_dtypes[d], rank, out_dims));
                for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                    int64_t index[SIB_MAX_RANK], from[3];
                    unravel(out, i, index);
                    for (int64_t x = 0; x < 3; x++)
                        from[x] = x < batch ? index[x]
                                  : x < batch + depth
                                      ? (int64_t)v[(index[0] * 5 + index[1]) * depth + x - batch]
                                      : index[2 + x - batch - depth];
                    assert_true(same_element(out, i, a, ravel(a, from)));
                }
                free_all(3, (sib_tensor *[]){a, indices, out});
            }
    sib_tensor *a = random_tensor(SIB_U8, 2, DIMS(3, 3), &r),
               *bad = numbers(SIB_I64, 2, DIMS(1, 2), (double[]){2, 3});
    fail_milli(MILLI_gather_nd, 2, IN(a, bad), 1, ATTRIBUTES(attribute_int("batch", 0)), SPEC(SIB_U8, 1, 1),
               SIB_ERR_VALUE, "gather_nd: index 3 is out of range on axis 1 of size 3");
    free_all(2, (sib_tensor *[]){a, bad});
}

TEST(test_scatter_items)
{
    check_random r = {9};
    static const double v[] = {2, 0, 2};
    sib_tensor *indices = numbers(SIB_I64, 2, DIMS(3, 1), v);
    for (size_t d = 0; d < N_DTYPES; d++) {
        sib_tensor *a = random_tensor(all_dtypes[d], 2, DIMS(4, 5), &r),
                   *updates = random_tensor(all_dtypes[d], 2, DIMS(3, 5), &r);
        sib_tensor *out =
            run_milli(MILLI_scatter_nd, 3, IN(a, indices, updates), 1,
                      ATTRIBUTES(attribute_str("reduction", str_of("none"))), SPEC(all_dtypes[d], 2, 4, 5));
        for (uint64_t i = 0; i < 20; i++) {
            uint64_t row = i / 5, column = i % 5;
            if (row == 0 || row == 2) /* the last of two updates of one element remains */
                assert_true(same_element(out, i, updates, (row == 0 ? 1 : 2) * 5 + column));
            else
                assert_true(same_element(out, i, a, i));
        }
        free_all(3, (sib_tensor *[]){a, updates, out});
    }
    sib_tensor_free(&indices);
}

static void check_scatter(sib_dtype d, const char *reduction, const double *want)
{
    sib_tensor *a = VECTOR(d, 1, 2, 3, 1), *c = VECTOR(d, 2, 3, 1, 1);
    sib_tensor *b = numbers(SIB_I64, 2, DIMS(4, 1), (double[]){2, 2, 0, 3});
    sib_tensor *out = run_milli(MILLI_scatter_nd, 3, IN(a, b, c), 1,
                                ATTRIBUTES(attribute_str("reduction", str_of(reduction))), SPEC(d, 1, 4));
    expect_numbers(out, d, 1, DIMS(4), want);
    free_all(4, (sib_tensor *[]){a, b, c, out});
}

TEST(test_scatter_reductions)
{
    static const sib_dtype types[] = {SIB_F32, SIB_F64, SIB_F16, SIB_BF16, SIB_I8,
                                      SIB_I32, SIB_I64, SIB_U8,  SIB_U64};
    for (size_t d = 0; d < sizeof types / sizeof *types; d++) {
        check_scatter(types[d], "add", (double[]){2, 2, 8, 2});
        check_scatter(types[d], "mul", (double[]){1, 2, 18, 1});
        check_scatter(types[d], "min", (double[]){1, 2, 2, 1});
        check_scatter(types[d], "max", (double[]){1, 2, 3, 1});
    }
    check_scatter(SIB_U4, "add", (double[]){2, 2, 8, 2});
    check_scatter(SIB_I2, "add", (double[]){-2, -2, 0, -2}); /* in int2, 3 is -1 and 2 is -2: sums wrap */
    sib_tensor *a = VECTOR(SIB_F32, 1, 2), *b = numbers(SIB_I64, 2, DIMS(1, 1), (double[]){-1}),
               *c = VECTOR(SIB_F32, 5);
    fail_milli(MILLI_scatter_nd, 3, IN(a, b, c), 1, ATTRIBUTES(attribute_str("reduction", str_of("none"))),
               SPEC(SIB_F32, 1, 2), SIB_ERR_VALUE,
               "scatter_nd: index -1 is out of range on axis 0 of size 2");
    sib_tensor *e = VECTOR(SIB_C64, 1, 2), *f = VECTOR(SIB_C64, 5),
               *at = numbers(SIB_I64, 2, DIMS(1, 1), (double[]){1});
    fail_milli(MILLI_scatter_nd, 3, IN(e, at, f), 1, ATTRIBUTES(attribute_str("reduction", str_of("min"))),
               SPEC(SIB_C64, 1, 2), SIB_ERR_UNSUPPORTED, "reduction 'min' is not defined for complex64");
    free_all(6, (sib_tensor *[]){a, b, c, e, f, at});
}

/* ---- Windows ------------------------------------------------------------------------------------------- */

typedef struct window_case {
    size_t rank, n;
    int64_t dims[4], kernel[3], stride[3], dilation[3], before[3], after[3];
} window_case;

static const window_case window_cases[] = {
    {3, 1, {2, 3, 11}, {3}, {1}, {1}, {1}, {1}},
    {1, 1, {4}, {3}, {2}, {2}, {5}, {4}},
    {4, 2, {1, 2, 5, 6}, {3, 2}, {2, 1}, {1, 2}, {1, 0}, {1, 3}},
    {4, 2, {2, 1, 4, 4}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {3, 3, {3, 4, 5}, {2, 3, 2}, {1, 2, 3}, {2, 1, 1}, {1, 1, 0}, {0, 2, 1}},
    {2, 1, {2, 3}, {5}, {1}, {1}, {0}, {0}},
    {2, 1, {2, 0}, {2}, {1}, {1}, {2}, {1}},
    {2, 1, {0, 5}, {2}, {1}, {1}, {0}, {0}},
};

static void check_windows(const window_case *w, sib_dtype d, check_random *r)
{
    size_t lead = w->rank - w->n;
    int64_t dims[SIB_MAX_RANK];
    memcpy(dims, w->dims, sizeof w->dims);
    for (size_t i = 0; i < w->n; i++) {
        int64_t room =
            w->dims[lead + i] + w->before[i] + w->after[i] - (w->kernel[i] - 1) * w->dilation[i] - 1;
        dims[lead + i] = w->kernel[i];
        dims[w->rank + i] = room < 0 ? 0 : room / w->stride[i] + 1;
    }
    sib_tensor *a = random_tensor(d, w->rank, w->dims, r), *outside = random_tensor(d, 0, w->dims, r);
    const attribute *how =
        ATTRIBUTES(attribute_ints("kernel", w->n, w->kernel), attribute_ints("stride", w->n, w->stride),
                   attribute_ints("dilation", w->n, w->dilation), attribute_ints("before", w->n, w->before),
                   attribute_ints("after", w->n, w->after));
    sib_tensor *out = run_milli(MILLI_windows, 2, IN(a, outside), 5, how, spec_of(d, w->rank + w->n, dims));
    for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
        int64_t index[SIB_MAX_RANK] = {0};
        bool inside = true;
        unravel(out, i, index);
        for (size_t x = 0; x < w->n; x++) {
            index[lead + x] =
                index[w->rank + x] * w->stride[x] + index[lead + x] * w->dilation[x] - w->before[x];
            inside = inside && index[lead + x] >= 0 && index[lead + x] < w->dims[lead + x];
        }
        assert_true(inside ? same_element(out, i, a, ravel(a, index)) : same_element(out, i, outside, 0));
    }
    free_all(3, (sib_tensor *[]){a, outside, out});
}

TEST(test_windows)
{
    check_random r = {10};
    for (size_t d = 0; d < N_DTYPES; d++)
        for (size_t k = 0; k < sizeof window_cases / sizeof *window_cases; k++)
            check_windows(&window_cases[k], all_dtypes[d], &r);
}

/* ---- Without inputs ------------------------------------------------------------------------------------ */

TEST(test_iota)
{
    for (size_t d = 0; d < N_DTYPES; d++) {
        sib_dtype_kind kind = sib_dtype_get_kind(all_dtypes[d]);
        if (kind != SIB_KIND_FLOAT && kind != SIB_KIND_INT && kind != SIB_KIND_UINT)
            continue;
        sib_tensor *out = run_milli(MILLI_iota, 0, NULL, 0, NULL, SPEC(all_dtypes[d], 1, 1000));
        double want[1000];
        for (int i = 0; i < 1000; i++)
            want[i] = i;
        sib_tensor *same = numbers(all_dtypes[d], 1, DIMS(1000), want);
        assert_true(same_bits(out, same));
        free_all(2, (sib_tensor *[]){out, same});
    }
    fail_milli(MILLI_iota, 0, NULL, 0, NULL, SPEC(SIB_STRING, 1, 3), SIB_ERR_UNSUPPORTED,
               "iota: it is not defined for string");
}

TEST(test_constant)
{
    static const char *const words[] = {"x", "longer"};
    sib_tensor *held[] = {VECTOR(SIB_I4, 1, -2, 3), strings(1, DIMS(2), words)};
    for (int i = 0; i < 2; i++) {
        attribute a = {.name = str_of("value"), .kind = ATTR_TENSOR, .tensor = held[i]};
        sib_tensor *filled = run_milli(MILLI_constant, 0, NULL, 1, &a,
                                       spec_of(sib_tensor_dtype(held[i]), 1, sib_tensor_dims(held[i])));
        sib_tensor *made = run_milli(MILLI_constant, 0, NULL, 1, &a, SPEC(sib_tensor_dtype(held[i]), -1, 0));
        assert_true(same_bits(filled, held[i]) && same_bits(made, held[i]));
        free_all(2, (sib_tensor *[]){filled, made});
    }
    free_all(2, held);
}

/* A tensor without elements whose other dims would not fit in memory: the kernel returns at once, without a
   loop over indices. */
TEST(test_huge_and_empty)
{
    const int64_t far = INT64_C(1) << 61;
    sib_tensor *a = numbers(SIB_F64, 2, DIMS(0, far), NULL), *b = numbers(SIB_F64, 2, DIMS(3, 0), NULL);
    sib_tensor *places = numbers(SIB_I64, 2, DIMS(far, 0), NULL),
               *one = numbers(SIB_F64, 0, DIMS(0), (double[]){1});
    sib_tensor *many = numbers(SIB_F64, 3, DIMS(far, 3, 0), NULL),
               *updates = numbers(SIB_F64, 3, DIMS(far, 3, 0), NULL);
    const attribute *axis = ATTRIBUTES(attribute_int("axis", 1));
    const int64_t none[] = {0, 0}, perm[] = {1, 0}, steps[] = {1, 1};
    sib_tensor *out[] = {
        run_milli(MILLI_transpose, 1, IN(a), 1, ATTRIBUTES(attribute_ints("perm", 2, perm)),
                  SPEC(SIB_F64, 2, far, 0)),
        RUN(MILLI_reshape, SPEC(SIB_F64, 2, far, 0), 1, a),
        run_milli(MILLI_slice, 1, IN(a), 2,
                  ATTRIBUTES(attribute_ints("start", 2, none), attribute_ints("step", 2, steps)),
                  SPEC(SIB_F64, 2, 0, far - 1)),
        run_milli(MILLI_concat, 2, IN(a, a), 1, axis, SPEC(SIB_F64, 2, 0, far + far)),
        run_milli(MILLI_pad, 2, IN(a, one), 2,
                  ATTRIBUTES(attribute_ints("before", 2, perm), attribute_ints("after", 2, none)),
                  SPEC(SIB_F64, 2, 1, 0)),
        run_milli(MILLI_gather_nd, 2, IN(b, places), 0, NULL, SPEC(SIB_F64, 3, far, 3, 0)),
        run_milli(MILLI_scatter_nd, 3, IN(b, places, updates), 0, NULL, SPEC(SIB_F64, 2, 3, 0)),
        run_milli(MILLI_unique, 1, IN(many), 1, axis, SPEC(SIB_F64, -1, 0)),
        RUN(MILLI_add, SPEC(SIB_F64, 2, 0, far), 2, a, a),
        run_milli(MILLI_sort, 1, IN(a), 1, axis, SPEC(SIB_F64, 2, 0, far)),
        run_milli(MILLI_cumulative_sum, 1, IN(a), 1, axis, SPEC(SIB_F64, 2, 0, far)),
        run_milli(MILLI_reduce_sum, 1, IN(many), 1, ATTRIBUTES(attribute_ints("axes", 1, perm)),
                  SPEC(SIB_F64, 3, far, 1, 0)),
    };
    free_all(sizeof out / sizeof *out, out);
    free_all(6, (sib_tensor *[]){a, b, places, one, many, updates});
}

/* The bits after the last packed element are 0, whatever was in memory. */
TEST(test_padding_bits)
{
    check_random r = {11};
    static const sib_dtype packed[] = {SIB_I4, SIB_U4, SIB_I2, SIB_U2, SIB_F4E2M1};
    for (size_t d = 0; d < sizeof packed / sizeof *packed; d++) {
        sib_tensor *a = random_tensor(packed[d], 1, DIMS(5), &r), *out[3];
        out[0] = RUN(MILLI_add, SPEC(packed[d], 1, 5), 2, a, a);
        out[1] = RUN(MILLI_reshape, SPEC(packed[d], 1, 5), 1, a);
        out[2] = run_milli(MILLI_cumulative_sum, 1, IN(a), 1, ATTRIBUTES(attribute_int("axis", 0)),
                           SPEC(packed[d], 1, 5));
        size_t bits = 5 * sib_dtype_bits(packed[d]);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(((const unsigned char *)sib_tensor_data(out[k]))[bits / 8] >> bits % 8, 0);
        free_all(3, out);
        sib_tensor_free(&a);
    }
}
