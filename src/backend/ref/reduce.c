/* Reductions over axes, arg_min and arg_max, and cumulative operations along an axis. */
#include "backend/ref/elements.h"
#include "backend/ref/order.h"

#include <math.h>
#include <string.h>

/* ---- Accumulating -------------------------------------------------------------------------------------- */

typedef union reduce_number {
    double f;
    int64_t i;
    uint64_t u;
    double c[2];
} reduce_number;

/* Accumulates element k of x into sums[k * stride], for n elements; stride 0 accumulates all into one. */
typedef void (*reduce_rule)(reduce_number *sums, size_t stride, const ref_block *x, size_t n);

#define REDUCE(name, member, formula)                                                                        \
    static void name(reduce_number *sums, size_t stride, const ref_block *x, size_t n)                       \
    {                                                                                                        \
        __typeof__(sums->member) s = sums[0].member, y;                                                      \
        for (size_t k = 0; k < n && !stride; k++) {                                                          \
            y = x->member[k];                                                                                \
            s = formula;                                                                                     \
        }                                                                                                    \
        sums[0].member = s;                                                                                  \
        for (size_t k = 0; k < n && stride; k++) {                                                           \
            s = sums[k * stride].member;                                                                     \
            y = x->member[k];                                                                                \
            sums[k * stride].member = formula;                                                               \
        }                                                                                                    \
    }

REDUCE(sum_f, f, (s + y))
REDUCE(prod_f, f, (s * y))
REDUCE(min_f, f, (s <= y || s != s ? s : y))
REDUCE(max_f, f, (s >= y || s != s ? s : y))
REDUCE(sum_u, u, (s + y))
REDUCE(prod_u, u, (s * y))
REDUCE(min_i, i, (s < y ? s : y))
REDUCE(max_i, i, (s > y ? s : y))
REDUCE(min_u, u, (s < y ? s : y))
REDUCE(max_u, u, (s > y ? s : y))

static void sum_c(reduce_number *sums, size_t stride, const ref_block *x, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        sums[k * stride].c[0] += x->c[k][0];
        sums[k * stride].c[1] += x->c[k][1];
    }
}

static void prod_c(reduce_number *sums, size_t stride, const ref_block *x, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double *s = sums[k * stride].c, re = s[0] * x->c[k][0] - s[1] * x->c[k][1];
        s[1] = s[0] * x->c[k][1] + s[1] * x->c[k][0];
        s[0] = re;
    }
}

/* double, int, uint, bool (sum and max: any; others: all), complex */
static const struct {
    milli_kind kind;
    reduce_rule paths[REF_PATH_STRING];
} reduce_rules[] = {
    {MILLI_reduce_sum, {sum_f, sum_u, sum_u, max_u, sum_c}},
    {MILLI_reduce_prod, {prod_f, prod_u, prod_u, min_u, prod_c}},
    {MILLI_reduce_min, {min_f, min_i, min_u, min_u, NULL}},
    {MILLI_reduce_max, {max_f, max_i, max_u, max_u, NULL}},
    {MILLI_cumulative_sum, {sum_f, sum_u, sum_u, NULL, sum_c}},
    {MILLI_cumulative_prod, {prod_f, prod_u, prod_u, NULL, prod_c}},
};

static sib_code rule_of(const ref_call *c, milli_kind kind, sib_dtype dtype, reduce_rule *rule)
{
    ref_path path = ref_path_of(dtype);
    *rule = NULL;
    for (size_t i = 0; i < sizeof reduce_rules / sizeof *reduce_rules && path < REF_PATH_STRING; i++)
        if (reduce_rules[i].kind == kind)
            *rule = reduce_rules[i].paths[path];
    return *rule ? SIB_OK
                 : ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(dtype));
}

/* The result of an empty reduction: the neutral element. */
static reduce_number neutral(milli_kind kind, sib_dtype dtype)
{
    ref_path path = ref_path_of(dtype);
    unsigned bits = sib_dtype_bits(dtype);
    unsigned unused = bits < 64 ? 64 - bits : 0; /* of the 64 bits that hold an element */
    uint64_t top = path == REF_PATH_BOOL ? 1 : UINT64_MAX >> unused >> (path == REF_PATH_INT);
    reduce_number n = {0};
    bool lowest = kind == MILLI_reduce_max, largest = kind == MILLI_reduce_min;
    if (kind == MILLI_reduce_prod || kind == MILLI_cumulative_prod) {
        if (path == REF_PATH_DOUBLE || path == REF_PATH_COMPLEX)
            n.f = 1;
        else
            n.u = 1;
    } else if (path == REF_PATH_DOUBLE && (lowest || largest)) {
        n.f = lowest ? -INFINITY : INFINITY;
    } else if (lowest && path == REF_PATH_INT) {
        n.i = -(int64_t)top - 1;
    } else if (largest) {
        n.u = top;
    }
    return n;
}

/* Copies numbers into a block. */
static void to_block(ref_path path, const reduce_number *from, size_t n, ref_block *block)
{
    for (size_t i = 0; i < n; i++) {
        if (path == REF_PATH_COMPLEX)
            memcpy(block->c[i], from[i].c, sizeof block->c[i]);
        else
            block->u[i] = from[i].u;
    }
}

static void store_numbers(ref_path path, const reduce_number *from, uint64_t n, sib_tensor *out,
                          uint64_t first)
{
    for (uint64_t done = 0; done < n; done += REF_BLOCK) {
        ref_block block;
        size_t part = n - done < REF_BLOCK ? (size_t)(n - done) : REF_BLOCK;
        to_block(path, from + done, part, &block);
        ref_store(path, &block, out->dtype, out->data, first + done, part);
    }
}

/* ---- Over axes ----------------------------------------------------------------------------------------- */

/* The axes after the leading ones that are kept, in row-major order; adjacent axes of the same kind are
   merged. */
typedef struct reduce_plan {
    uint64_t slabs;   /* product of the leading axes that are kept */
    uint64_t inside;  /* elements per slab */
    uint64_t results; /* results per slab */
    size_t rank;
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK]; /* (rank) strides in results, 0 for reduced axes */
} reduce_plan;

static reduce_plan plan_of(const sib_tensor *a, const bool *goes)
{
    reduce_plan p = {.slabs = 1, .inside = 1, .results = 1};
    size_t first = 0;
    while (first < a->rank && !goes[first])
        p.slabs *= (uint64_t)a->dims[first++];
    for (size_t i = first; i < a->rank; i++) {
        bool merges = p.rank > 0 && goes[i] == (p.strides[p.rank - 1] == 0);
        p.inside *= (uint64_t)a->dims[i];
        if (merges)
            p.dims[p.rank - 1] *= a->dims[i];
        else
            p.dims[p.rank++] = a->dims[i];
        p.strides[p.rank - 1] = !goes[i];
    }
    for (size_t i = p.rank; i-- > 0;)
        if (p.strides[i]) {
            p.strides[i] = (int64_t)p.results;
            p.results *= (uint64_t)p.dims[i];
        }
    if (p.rank == 0) /* no axis is reduced: every element is a slab */
        p.dims[p.rank++] = 1;
    return p;
}

/* Accumulates the elements of one slab, in ascending order, into its results. */
static sib_code reduce_slab(const ref_call *c, const reduce_plan *p, const sib_tensor *a, uint64_t first,
                            reduce_rule rule, reduce_number *results)
{
    int64_t index[SIB_MAX_RANK] = {0};
    size_t last = p->rank - 1, axis;
    uint64_t at = 0;
    ref_block block;
    sib_code code = ref_cancelled(c);
    if (p->inside == 0)
        return code;
    do {
        for (uint64_t done = 0; done < (uint64_t)p->dims[last] && code == SIB_OK;) {
            uint64_t left = (uint64_t)p->dims[last] - done;
            size_t n = left < REF_BLOCK ? (size_t)left : REF_BLOCK;
            ref_load(a->dtype, a->data, first, n, &block, 0);
            rule(results + at + (uint64_t)p->strides[last] * done, (size_t)p->strides[last], &block, n);
            first += n;
            done += n;
            code = ref_cancelled(c);
        }
        for (axis = last; axis-- > 0;) {
            at += (uint64_t)p->strides[axis];
            if (++index[axis] < p->dims[axis])
                break;
            at -= (uint64_t)(p->strides[axis] * p->dims[axis]);
            index[axis] = 0;
        }
    } while (axis != SIZE_MAX && code == SIB_OK);
    return code;
}

sib_code ref_reduce(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    spec_ints axes = spec_reduce(c->node).axes;
    bool goes[SIB_MAX_RANK] = {false};
    reduce_rule rule;
    if (!out || out->count == 0)
        return SIB_OK;
    sib_code code = rule_of(c, c->node->milli->kind, a->dtype, &rule);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < axes.n; i++)
        goes[axes.v[i]] = true;
    reduce_plan p = plan_of(a, goes);
    reduce_number start = neutral(c->node->milli->kind, a->dtype);
    reduce_number *results = mem_alloc(p.results, sizeof *results);
    if (!results)
        return ref_no_memory(c, p.results * sizeof *results);
    for (uint64_t slab = 0; slab < p.slabs && code == SIB_OK; slab++) {
        for (uint64_t i = 0; i < p.results; i++)
            results[i] = start;
        code = reduce_slab(c, &p, a, slab * p.inside, rule, results);
        store_numbers(ref_path_of(a->dtype), results, p.results, out, slab * p.results);
    }
    mem_free(results);
    return code;
}

/* ---- Along one axis ------------------------------------------------------------------------------------ */

sib_code ref_cumulative(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    reduce_rule rule;
    if (!out || out->count == 0)
        return SIB_OK;
    sib_code code = rule_of(c, c->node->milli->kind, a->dtype, &rule);
    if (code != SIB_OK)
        return code;
    ref_lines l = ref_lines_of(a, (size_t)spec_arg(c->node).axis);
    ref_path path = ref_path_of(a->dtype);
    reduce_number start = neutral(c->node->milli->kind, a->dtype);
    /* a block of columns at a time, down the axis */
    for (uint64_t o = 0; o < l.outer && code == SIB_OK; o++)
        for (uint64_t column = 0; column < l.inner && code == SIB_OK; column += REF_BLOCK) {
            reduce_number running[REF_BLOCK];
            size_t n = l.inner - column < REF_BLOCK ? (size_t)(l.inner - column) : REF_BLOCK;
            for (size_t k = 0; k < n; k++)
                running[k] = start;
            for (uint64_t i = 0; i < l.size && code == SIB_OK; i++) {
                uint64_t at = (o * l.size + i) * l.inner + column;
                ref_block block;
                ref_load(a->dtype, a->data, at, n, &block, 0);
                rule(running, 1, &block, n);
                store_numbers(path, running, n, out, at);
                code = ref_cancelled(c);
            }
        }
    return code;
}

/* Whether candidate y replaces x. */
typedef bool (*arg_rule)(const ref_block *x, const ref_block *y, size_t k, bool last);

static bool lower_f(const ref_block *x, const ref_block *y, size_t k, bool last)
{
    double a = x->f[k], b = y->f[k];
    if (a != a || b != b)
        return b != b && (a == a || last);
    return b < a || (last && b == a);
}

static bool higher_f(const ref_block *x, const ref_block *y, size_t k, bool last)
{
    double a = x->f[k], b = y->f[k];
    if (a != a || b != b)
        return b != b && (a == a || last);
    return b > a || (last && b == a);
}

static bool lower_i(const ref_block *x, const ref_block *y, size_t k, bool last)
{
    return y->i[k] < x->i[k] || (last && y->i[k] == x->i[k]);
}

static bool higher_i(const ref_block *x, const ref_block *y, size_t k, bool last)
{
    return y->i[k] > x->i[k] || (last && y->i[k] == x->i[k]);
}

static bool lower_u(const ref_block *x, const ref_block *y, size_t k, bool last)
{
    return y->u[k] < x->u[k] || (last && y->u[k] == x->u[k]);
}

static bool higher_u(const ref_block *x, const ref_block *y, size_t k, bool last)
{
    return y->u[k] > x->u[k] || (last && y->u[k] == x->u[k]);
}

sib_code ref_arg(const ref_call *c)
{
    static const arg_rule rules[2][REF_PATH_STRING] = {{lower_f, lower_i, lower_u, lower_u, NULL},
                                                       {higher_f, higher_i, higher_u, higher_u, NULL}};
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    bool last = spec_arg(c->node).select_last_index;
    ref_path path = ref_path_of(a->dtype);
    if (!out || out->count == 0)
        return SIB_OK;
    arg_rule takes = path < REF_PATH_STRING ? rules[c->node->milli->kind == MILLI_arg_max][path] : NULL;
    if (!takes)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(a->dtype));
    ref_lines l = ref_lines_of(a, (size_t)spec_arg(c->node).axis);
    int64_t *indices = (int64_t *)out->data;
    if (l.size == 0)
        return ref_fail(c, SIB_ERR_VALUE, "an empty axis has no smallest or largest element");
    sib_code code = SIB_OK;
    for (uint64_t o = 0; o < l.outer && code == SIB_OK; o++)
        for (uint64_t column = 0; column < l.inner && code == SIB_OK; column += REF_BLOCK) {
            size_t n = l.inner - column < REF_BLOCK ? (size_t)(l.inner - column) : REF_BLOCK;
            int64_t *best_at = indices + o * l.inner + column;
            ref_block best, block;
            for (uint64_t i = 0; i < l.size && code == SIB_OK; i++) {
                code = ref_cancelled(c);
                ref_load(a->dtype, a->data, (o * l.size + i) * l.inner + column, n, i ? &block : &best, 0);
                for (size_t k = 0; k < n; k++)
                    if (i == 0 || takes(&best, &block, k, last)) {
                        best_at[k] = (int64_t)i;
                        if (i > 0)
                            best.u[k] = block.u[k];
                    }
            }
        }
    return code;
}
