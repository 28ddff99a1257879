/* Sort, unique, lookup and nonzero against plain searches. */
#include "milli.h"

static const sib_dtype kinds[] = {SIB_F32, SIB_F64, SIB_F16, SIB_BF16, SIB_F8E5M2, SIB_I8, SIB_I32,   SIB_I64,
                                  SIB_U8,  SIB_U16, SIB_U64, SIB_BOOL, SIB_I4,     SIB_U2, SIB_STRING};
#define N_KINDS (sizeof kinds / sizeof *kinds)

/* Few distinct values, so that some are equal; NaN, infinities and both zeros among floats. */
static sib_tensor *few(sib_dtype d, size_t rank, const int64_t *dims, check_random *r)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0, 1, -1, 2};
    static const char *const words[] = {"", "a", "ab", "b", "\xC3\xA9", "aa", "Z", "a"};
    const char *text[256];
    double v[256];
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    for (size_t i = 0; i < n; i++) {
        size_t pick = check_u64(r) >> 20 & 7;
        text[i] = words[pick];
        v[i] = sib_dtype_get_kind(d) == SIB_KIND_FLOAT
                   ? odd[pick]
                   : (double)pick - (sib_dtype_get_kind(d) == SIB_KIND_INT ? 4 : 0);
    }
    return d == SIB_STRING ? strings(rank, dims, text) : numbers(d, rank, dims, v);
}

/* Whether element i of a sorts before (-1), equal to (0) or after (1) element k of b: NaN is last and equal
   to itself. */
static int order_of(const sib_tensor *a, uint64_t i, const sib_tensor *b, uint64_t k)
{
    if (sib_tensor_dtype(a) == SIB_STRING) {
        const sib_str x = ((const sib_str *)sib_tensor_data(a))[i],
                      y = ((const sib_str *)sib_tensor_data(b))[k];
        for (size_t c = 0; c < x.length && c < y.length; c++)
            if (x.data[c] != y.data[c])
                return (unsigned char)x.data[c] < (unsigned char)y.data[c] ? -1 : 1;
        return x.length < y.length ? -1 : x.length > y.length;
    }
    double x = number(a, i), y = number(b, k);
    if (isnan(x) || isnan(y))
        return (isnan(x) ? 1 : 0) - (isnan(y) ? 1 : 0);
    return x < y ? -1 : x > y;
}

/* ---- sort ---------------------------------------------------------------------------------------------- */

/* The position of element `at` on its line: the number of elements that are less, or equal and earlier. */
static void check_sort(const sib_tensor *a, int64_t axis, bool descending)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    out_spec specs[2] = {{.dtype = sib_tensor_dtype(a), .rank = (int)sib_tensor_rank(a)},
                         {.dtype = SIB_I64, .rank = (int)sib_tensor_rank(a)}};
    for (int s = 0; s < 2; s++)
        memcpy(specs[s].dims, sib_tensor_dims(a), sib_tensor_rank(a) * sizeof(int64_t));
    case_make(&c, MILLI_sort, 1, IN(a), 2,
              ATTRIBUTES(attribute_int("axis", axis), attribute_int("descending", descending)), 2, specs);
    CHECK_OK(case_run(&c, &err), err);
    for (uint64_t i = 0; i < sib_tensor_count(a); i++) {
        int64_t index[SIB_MAX_RANK], at, place = 0;
        unravel(a, i, index);
        at = index[axis];
        for (int64_t k = 0; k < sib_tensor_dims(a)[axis]; k++) {
            index[axis] = k;
            int order = order_of(a, ravel(a, index), a, i);
            place += (descending ? order > 0 : order < 0) || (order == 0 && k < at);
        }
        index[axis] = place;
        uint64_t to = ravel(a, index);
        assert_true(same_element(case_out(&c, 0), to, a, i));
        assert_int_equal(((const int64_t *)sib_tensor_data(case_out(&c, 1)))[to], at);
    }
    case_free(&c);
}

TEST(test_sort)
{
    check_random r = {1};
    for (size_t d = 0; d < N_KINDS; d++)
        for (int64_t axis = 0; axis < 3; axis++)
            for (int descending = 0; descending < 2; descending++) {
                sib_tensor *a = few(kinds[d], 3, DIMS(3, 7, 2), &r),
                           *none = few(kinds[d], 3, DIMS(3, 0, 2), &r);
                check_sort(a, axis, descending);
                check_sort(none, axis, descending);
                free_all(2, (sib_tensor *[]){a, none});
            }
    sib_tensor *line = few(SIB_F32, 1, DIMS(251), &r), *wide;
    check_sort(line, 0, false);
    check_sort(line, 0, true);
    sib_error err = SIB_ERROR_INIT; /* not distinguishable as doubles */
    CHECK_OK(sib_tensor_create(SIB_U64, 1, DIMS(3), &wide, &err), err);
    memcpy(sib_tensor_data(wide), (uint64_t[]){UINT64_MAX, UINT64_MAX - 1, 1}, 24);
    sib_tensor *out =
        run_milli(MILLI_sort, 1, IN(wide), 2,
                  ATTRIBUTES(attribute_int("axis", 0), attribute_int("descending", 0)), SPEC(SIB_U64, 1, 3));
    assert_memory_equal(sib_tensor_data(out), ((uint64_t[]){1, UINT64_MAX - 1, UINT64_MAX}), 24);
    free_all(3, (sib_tensor *[]){line, wide, out});
}

/* ---- unique -------------------------------------------------------------------------------------------- */

typedef struct slices {
    const sib_tensor *a;
    int64_t axis; /* -1: flat */
} slices;

static int64_t n_slices(const slices *s)
{
    return s->axis < 0 ? (int64_t)sib_tensor_count(s->a) : sib_tensor_dims(s->a)[s->axis];
}

/* The flat position of element e of slice i, or UINT64_MAX past the last one. */
static uint64_t slice_place(const slices *s, int64_t i, uint64_t e)
{
    if (s->axis < 0)
        return e == 0 ? (uint64_t)i : UINT64_MAX;
    uint64_t inner = 1, outer = 1;
    for (int64_t k = 0; k < (int64_t)sib_tensor_rank(s->a); k++) {
        inner *= k > s->axis ? (uint64_t)sib_tensor_dims(s->a)[k] : 1;
        outer *= k < s->axis ? (uint64_t)sib_tensor_dims(s->a)[k] : 1;
    }
    if (e >= inner * outer)
        return UINT64_MAX;
    return (e / inner * (uint64_t)n_slices(s) + (uint64_t)i) * inner + e % inner;
}

static int slice_order(const slices *s, int64_t i, int64_t k)
{
    int order = 0;
    for (uint64_t e = 0; order == 0 && slice_place(s, i, e) != UINT64_MAX; e++)
        order = order_of(s->a, slice_place(s, i, e), s->a, slice_place(s, k, e));
    return order;
}

static void check_unique(const sib_tensor *a, int64_t axis, bool sorted)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    slices s = {a, axis};
    int64_t n = n_slices(&s), groups = 0;
    out_spec specs[4] = {
        {sib_tensor_dtype(a), -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}, {SIB_I64, -1, {0}}};
    case_make(&c, MILLI_unique, 1, IN(a), 3,
              ATTRIBUTES(attribute_int("axis", axis < 0 ? 0 : axis), attribute_int("flat", axis < 0),
                         attribute_int("sorted", sorted)),
              4, specs);
    CHECK_OK(case_run(&c, &err), err);
    const int64_t *first = sib_tensor_data(case_out(&c, 1)), *inverse = sib_tensor_data(case_out(&c, 2)),
                  *counts = sib_tensor_data(case_out(&c, 3));
    for (int64_t i = 0; i < n; i++) {
        int64_t earliest = i, count = 0, rank = 0;
        for (int64_t k = 0; k < n; k++)
            if (slice_order(&s, k, i) == 0) {
                earliest = k < earliest ? k : earliest;
                count++;
            }
        for (int64_t k = 0; k < n; k++) { /* groups whose first slice comes before that of this one's group */
            bool leads = true;
            for (int64_t j = 0; j < k; j++)
                leads = leads && slice_order(&s, j, k) != 0;
            rank += leads && (sorted ? slice_order(&s, k, i) < 0 : k < earliest);
        }
        assert_int_equal(inverse[i], rank);
        assert_int_equal(first[rank], earliest);
        assert_int_equal(counts[rank], count);
        groups += earliest == i;
    }
    const sib_tensor *values = case_out(&c, 0);
    slices got = {values, axis};
    assert_int_equal(sib_tensor_count(case_out(&c, 1)), groups);
    assert_int_equal(n_slices(&got), groups);
    assert_int_equal(sib_tensor_count(case_out(&c, 2)), n);
    for (int64_t g = 0; g < groups; g++)
        for (uint64_t e = 0; slice_place(&got, g, e) != UINT64_MAX; e++)
            assert_true(same_element(values, slice_place(&got, g, e), a, slice_place(&s, first[g], e)));
    case_free(&c);
}

TEST(test_unique)
{
    check_random r = {2};
    for (size_t d = 0; d < N_KINDS; d++)
        for (int64_t axis = -1; axis < 3; axis++)
            for (int sorted = 0; sorted < 2; sorted++) {
                int64_t dims[] = {1, 1, 2};
                if (axis >= 0)
                    dims[axis] = 20;
                sib_tensor *a = few(kinds[d], 3, axis < 0 ? DIMS(3, 4, 2) : dims, &r),
                           *none = few(kinds[d], 1, DIMS(0), &r);
                check_unique(a, axis, sorted);
                if (axis <= 0)
                    check_unique(none, axis, sorted);
                free_all(2, (sib_tensor *[]){a, none});
            }
}

/* ---- lookup -------------------------------------------------------------------------------------------- */

TEST(test_lookup)
{
    check_random r = {3};
    for (size_t d = 0; d < N_KINDS; d++)
        for (int64_t n = 0; n < 12; n += 5) {
            sib_tensor *a = few(kinds[d], 2, DIMS(4, 6), &r), *list = few(kinds[d], 1, &n, &r);
            sib_tensor *out = RUN(MILLI_lookup, SPEC(SIB_I64, 2, 4, 6), 2, a, list);
            for (uint64_t i = 0; i < 24; i++) {
                int64_t want = -1;
                for (int64_t k = n; k-- > 0;)
                    if (order_of(a, i, list, (uint64_t)k) == 0)
                        want = k;
                assert_int_equal(((const int64_t *)sib_tensor_data(out))[i], want);
            }
            free_all(3, (sib_tensor *[]){a, list, out});
        }
}

/* ---- nonzero ------------------------------------------------------------------------------------------- */

TEST(test_nonzero)
{
    check_random r = {4};
    for (size_t d = 0; d < N_KINDS; d++)
        for (int64_t n = 0; n < 2; n++) {
            sib_tensor *a = few(kinds[d], 3, DIMS(3, 7 * n, 2), &r);
            sib_tensor *out = RUN(MILLI_nonzero, SPEC(SIB_I64, -1, 0), 1, a);
            int64_t found = 0, total = sib_tensor_dims(out)[1];
            assert_int_equal(sib_tensor_rank(out), 2);
            assert_int_equal(sib_tensor_dims(out)[0], 3);
            for (uint64_t i = 0; i < sib_tensor_count(a); i++) {
                int64_t index[SIB_MAX_RANK] = {0};
                bool zero = kinds[d] == SIB_STRING ? ((const sib_str *)sib_tensor_data(a))[i].length == 0
                                                   : number(a, i) == 0;
                unravel(a, i, index);
                for (int64_t x = 0; !zero && x < 3; x++)
                    assert_int_equal(((const int64_t *)sib_tensor_data(out))[x * total + found], index[x]);
                found += !zero;
            }
            assert_int_equal(found, total);
            free_all(2, (sib_tensor *[]){a, out});
        }
    sib_tensor *scalar = numbers(SIB_F32, 0, DIMS(0), (double[]){2}),
               *out = RUN(MILLI_nonzero, SPEC(SIB_I64, -1, 0), 1, scalar);
    assert_true(sib_tensor_dims(out)[0] == 0 && sib_tensor_dims(out)[1] == 1);
    free_all(2, (sib_tensor *[]){scalar, out});
}

/* ---- warp_path ----------------------------------------------------------------------------------------- */

/* The least cost of a path from element (i, k) of a (rows, columns) to the last, over all paths. */
static double least_cost(const sib_tensor *a, int64_t i, int64_t k)
{
    const int64_t *dims = sib_tensor_dims(a);
    double here = number(a, (uint64_t)(i * dims[1] + k)), best = INFINITY;
    if (i == dims[0] - 1 && k == dims[1] - 1)
        return here;
    for (int by = 1; by < 4; by++)
        if (i + (by & 1) < dims[0] && k + (by >> 1) < dims[1])
            best = fmin(best, least_cost(a, i + (by & 1), k + (by >> 1)));
    return here + best;
}

/* Steps lead from the first element to the last, each by one row, column or both, and cost no more than any. */
TEST(test_warp_path)
{
    check_random r = {11};
    for (int64_t rows = 0; rows < 6; rows++)
        for (int64_t columns = 0; columns < 6; columns++)
            for (int kind = 0; kind < 2; kind++) {
                double costs[25], sum = 0;
                for (size_t i = 0; i < 25; i++)
                    costs[i] = (double)(check_u64(&r) % 1000) / 8;
                sib_tensor *a = numbers(kind ? SIB_F64 : SIB_F32, 2, (int64_t[]){rows, columns}, costs);
                sib_tensor *out = run_milli(MILLI_warp_path, 1, IN(a), 0, NULL, (out_spec){SIB_I32, -1, {0}});
                int64_t n = sib_tensor_dims(out)[1], at[2] = {-1, -1};
                assert_int_equal(sib_tensor_dims(out)[0], 2);
                assert_true((n > 0) == (rows > 0 && columns > 0));
                for (int64_t i = 0; i < n; i++) {
                    const int32_t *path = sib_tensor_data(out);
                    int64_t by[2] = {path[i] - at[0], path[n + i] - at[1]};
                    assert_true(i ? by[0] >= 0 && by[0] < 2 && by[1] >= 0 && by[1] < 2 && by[0] + by[1] > 0
                                  : path[0] == 0 && path[n] == 0);
                    at[0] = path[i], at[1] = path[n + i];
                    sum += number(a, (uint64_t)(at[0] * columns + at[1]));
                }
                assert_true(at[0] == (n ? rows - 1 : -1) && at[1] == (n ? columns - 1 : -1));
                assert_true(!n || sum == least_cost(a, 0, 0));
                sib_tensor_free(&out);
                sib_tensor_free(&a);
            }
}
