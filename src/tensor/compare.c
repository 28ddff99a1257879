#include "base/error.h"
#include "base/size.h"
#include "base/str.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/float_formats.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

#include <string.h>

typedef unsigned __int128 compare_u128;

typedef struct compare_state {
    sib_tolerance tolerance;
    sib_comparison *out;
    bool worst_fails; /* the worst pair exceeds the tolerance; such a pair is worse than any within it */
    double worst;     /* max difference so far; infinite for a mismatch */
    compare_u128 worst_exact; /* the same for integers */
} compare_state;

/* Result for one pair that is not identical. */
typedef struct compare_pair {
    double a, b;        /* as shown in reports */
    double difference;  /* |a - b| */
    double reference;   /* |b| */
    compare_u128 exact; /* |a - b| of integers, else 0 */
    bool passes;
} compare_pair;

static void note_first(sib_comparison *out, uint64_t index, const compare_pair *p)
{
    out->n_different++;
    if (out->first != UINT64_MAX)
        return;
    out->first = index;
    out->first_a = p->a;
    out->first_b = p->b;
}

static void note_worst(compare_state *s, uint64_t index, const compare_pair *p)
{
    bool larger = s->out->worst == UINT64_MAX || p->difference > s->worst ||
                  (p->difference == s->worst && p->exact > s->worst_exact);
    if (p->passes == s->worst_fails ? p->passes : !larger)
        return;
    s->worst_fails = !p->passes;
    s->worst = p->difference;
    s->worst_exact = p->exact;
    s->out->worst = index;
    s->out->worst_a = p->a;
    s->out->worst_b = p->b;
}

/* Records a pair where NaN or infinity meets anything else: worse than any finite difference. */
static void note_mismatch(compare_state *s, uint64_t index, double a, double b, bool a_nan, bool b_nan)
{
    s->out->n_nan_mismatch += a_nan != b_nan;
    const compare_pair p = {.a = a, .b = b, .difference = INFINITY, .exact = 1};
    note_first(s->out, index, &p);
    note_worst(s, index, &p);
}

static void note_finite(compare_state *s, uint64_t index, const compare_pair *p)
{
    sib_comparison *out = s->out;
    if (!p->passes)
        note_first(out, index, p);
    if (p->difference > out->max_abs)
        out->max_abs = p->difference;
    if (p->reference != 0 && p->difference / p->reference > out->max_rel)
        out->max_rel = p->difference / p->reference;
    note_worst(s, index, p);
}

/* Takes rtol 0 times infinity as 0. */
static double limit_of(const sib_tolerance *t, double reference)
{
    return reference > 0 ? t->atol + t->rtol * reference : t->atol;
}

static bool within(const sib_tolerance *t, double difference, double reference)
{
    return difference <= limit_of(t, reference);
}

/* ---- One block of each kind: n elements, the first has `index` ----------------------------------------- */

static void compare_floats(compare_state *s, sib_dtype dtype, const void *a, const void *b, uint64_t index,
                           size_t n)
{
    const float_format *format = format_of(dtype);
    uint64_t code_a[WALK_BLOCK], code_b[WALK_BLOCK];
    double x[WALK_BLOCK], y[WALK_BLOCK];
    convert_to_codes(dtype, a, 0, n, code_a);
    convert_to_codes(dtype, b, 0, n, code_b);
    convert_to_doubles(dtype, a, 0, n, CONVERT_REAL_PART, x);
    convert_to_doubles(dtype, b, 0, n, CONVERT_REAL_PART, y);
    for (size_t i = 0; i < n; i++) {
        if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i])))
            continue;
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            note_mismatch(s, index + i, x[i], y[i], isnan(x[i]), isnan(y[i]));
            continue;
        }
        int64_t order_a = format_order(format, code_a[i]), order_b = format_order(format, code_b[i]);
        uint64_t ulp =
            order_a > order_b ? (uint64_t)order_a - (uint64_t)order_b : (uint64_t)order_b - (uint64_t)order_a;
        if (ulp > s->out->max_ulp)
            s->out->max_ulp = ulp;
        compare_pair p = {.a = x[i], .b = y[i], .difference = fabs(x[i] - y[i]), .reference = fabs(y[i])};
        p.passes = within(&s->tolerance, p.difference, p.reference) || ulp <= s->tolerance.max_ulp;
        note_finite(s, index + i, &p);
    }
}

static void compare_complex(compare_state *s, sib_dtype dtype, const void *a, const void *b, uint64_t index,
                            size_t n)
{
    double x[WALK_BLOCK][2], y[WALK_BLOCK][2];
    convert_block(dtype, a, 0, SIB_C128, x, 0, n, SIB_OVERFLOW_IEEE);
    convert_block(dtype, b, 0, SIB_C128, y, 0, n, SIB_OVERFLOW_IEEE);
    for (size_t i = 0; i < n; i++) {
        bool a_nan = isnan(x[i][0]) || isnan(x[i][1]), b_nan = isnan(y[i][0]) || isnan(y[i][1]);
        bool finite = isfinite(x[i][0]) && isfinite(x[i][1]) && isfinite(y[i][0]) && isfinite(y[i][1]);
        double modulus_a = a_nan ? (double)NAN : hypot(x[i][0], x[i][1]);
        double modulus_b = b_nan ? (double)NAN : hypot(y[i][0], y[i][1]);
        if ((a_nan && b_nan) || (x[i][0] == y[i][0] && x[i][1] == y[i][1]))
            continue;
        if (!finite) {
            note_mismatch(s, index + i, modulus_a, modulus_b, a_nan, b_nan);
            continue;
        }
        compare_pair p = {.a = modulus_a, .b = modulus_b, .reference = modulus_b};
        p.difference = hypot(x[i][0] - y[i][0], x[i][1] - y[i][1]);
        p.passes = within(&s->tolerance, p.difference, p.reference);
        note_finite(s, index + i, &p);
    }
}

/* difference <= tolerance, without rounding the difference. */
static bool within_exact(const sib_tolerance *t, compare_u128 difference, double reference)
{
    double limit = limit_of(t, reference);
    return limit >= 0x1p100 || difference <= (compare_u128)limit;
}

static void compare_integers(compare_state *s, sib_dtype dtype, const void *a, const void *b, uint64_t index,
                             size_t n)
{
    sib_dtype wide = dtype == SIB_U64 ? SIB_U64 : SIB_I64;
    uint64_t x[WALK_BLOCK], y[WALK_BLOCK];
    convert_block(dtype, a, 0, wide, x, 0, n, SIB_OVERFLOW_IEEE);
    convert_block(dtype, b, 0, wide, y, 0, n, SIB_OVERFLOW_IEEE);
    for (size_t i = 0; i < n; i++) {
        if (x[i] == y[i])
            continue;
        __int128 va = wide == SIB_U64 ? (__int128)x[i] : (__int128)(int64_t)x[i];
        __int128 vb = wide == SIB_U64 ? (__int128)y[i] : (__int128)(int64_t)y[i];
        compare_pair p = {
            .a = (double)va, .b = (double)vb, .exact = (compare_u128)(va > vb ? va - vb : vb - va)};
        p.difference = (double)p.exact;
        p.reference = fabs(p.b);
        p.passes = within_exact(&s->tolerance, p.exact, p.reference);
        note_finite(s, index + i, &p);
    }
}

static void compare_strings(compare_state *s, sib_dtype dtype, const void *a, const void *b, uint64_t index,
                            size_t n)
{
    (void)dtype;
    for (size_t i = 0; i < n; i++) {
        sib_str x, y;
        memcpy(&x, (const char *)a + i * sizeof x, sizeof x);
        memcpy(&y, (const char *)b + i * sizeof y, sizeof y);
        if (!str_same(x, y))
            note_mismatch(s, index + i, NAN, NAN, false, false);
    }
}

/* ---- Call ----------------------------------------------------------------------------------------- */

static sib_code check_compare(const sib_tensor *a, const sib_tensor *b, const sib_tolerance *t,
                              const sib_comparison *out, sib_error *err)
{
    if (!a || !b || !t || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL",
                       !a   ? "a"
                       : !b ? "b"
                       : !t ? "the tolerance"
                            : "out");
    if (!(t->atol >= 0) || !(t->rtol >= 0))
        return err_set(err, SIB_ERR_ARGUMENT, "tolerances are %g and %g, expected 0 or more", t->atol,
                       t->rtol);
    if (a->dtype != b->dtype)
        return err_set(err, SIB_ERR_ARGUMENT, "a is of %s and b of %s, expected one dtype",
                       sib_dtype_name(a->dtype), sib_dtype_name(b->dtype));
    bool same = a->rank == b->rank;
    for (size_t i = 0; same && i < a->rank; i++)
        same = a->dims[i] == b->dims[i];
    char text_a[SHAPE_TEXT], text_b[SHAPE_TEXT];
    if (!same)
        return err_set(err, SIB_ERR_ARGUMENT, "a has shape %s and b %s, expected the same",
                       shape_text(a->rank, a->dims, text_a), shape_text(b->rank, b->dims, text_b));
    return SIB_OK;
}

typedef void (*compare_block)(compare_state *, sib_dtype, const void *, const void *, uint64_t, size_t);

static compare_block block_of(sib_dtype dtype)
{
    switch (sib_dtype_get_kind(dtype)) {
    case SIB_KIND_FLOAT:
        return compare_floats;
    case SIB_KIND_COMPLEX:
        return compare_complex;
    case SIB_KIND_STRING:
        return compare_strings;
    default:
        return compare_integers;
    }
}

sib_code sib_tensor_compare(const sib_tensor *a, const sib_tensor *b, const sib_tolerance *tolerance,
                            sib_comparison *out, sib_error *err)
{
    sib_code code = check_compare(a, b, tolerance, out, err);
    if (code != SIB_OK)
        return code;
    *out = (sib_comparison){.count = a->count, .worst = UINT64_MAX, .first = UINT64_MAX};
    compare_state s = {.tolerance = *tolerance, .out = out};
    compare_block block = block_of(a->dtype);
    char scratch_a[WALK_SCRATCH], scratch_b[WALK_SCRATCH];
    tensor_walk walk_a, walk_b;
    walk_begin(&walk_a, a);
    walk_begin(&walk_b, b);
    size_t n;
    for (uint64_t index = 0; index < a->count; index += n) {
        const void *next_a = walk_next(&walk_a, scratch_a, &n), *next_b = walk_next(&walk_b, scratch_b, &n);
        block(&s, a->dtype, next_a, next_b, index, n);
    }
    out->equal = out->n_different == 0;
    return SIB_OK;
}
