/* Compares two values: the tensors in them, one after the other. */
#include "base/error.h"
#include "tensor/value.h"

#include <math.h>
#include <sibyl/session.h>

static const char *kind_name(sib_value_kind kind)
{
    static const char *const names[] = {"nothing", "a tensor", "a sequence", "an optional", "a map"};
    return names[kind];
}

/* Merges the result b into a; b's indices follow a's `count` elements. */
static void add_comparison(sib_comparison *a, const sib_comparison *b)
{
    double worst_a = fabs(a->worst_a - a->worst_b), worst_b = fabs(b->worst_a - b->worst_b);
    /* a failing pair is worse than a passing one, and one with NaN or infinity worse than any other */
    bool larger = a->worst == UINT64_MAX || (isfinite(worst_a) && !(worst_b <= worst_a));
    bool worse = b->worst != UINT64_MAX && (a->equal == b->equal ? larger : a->equal);
    if (worse) {
        a->worst = a->count + b->worst;
        a->worst_a = b->worst_a;
        a->worst_b = b->worst_b;
    }
    if (a->first == UINT64_MAX && b->first != UINT64_MAX) {
        a->first = a->count + b->first;
        a->first_a = b->first_a;
        a->first_b = b->first_b;
    }
    a->equal = a->equal && b->equal;
    a->count += b->count;
    a->n_different += b->n_different;
    a->n_nan_mismatch += b->n_nan_mismatch;
    a->max_abs = b->max_abs > a->max_abs ? b->max_abs : a->max_abs;
    a->max_rel = b->max_rel > a->max_rel ? b->max_rel : a->max_rel;
    a->max_ulp = b->max_ulp > a->max_ulp ? b->max_ulp : a->max_ulp;
}

static sib_code compare_tensors(const sib_tensor *a, const sib_tensor *b, const sib_tolerance *tolerance,
                                sib_comparison *sum, sib_error *err)
{
    sib_comparison one;
    sib_code code = sib_tensor_compare(a, b, tolerance, &one, err);
    if (code == SIB_OK)
        add_comparison(sum, &one);
    return code;
}

/* Recursion is bounded by VALUE_MAX_DEPTH. */
static sib_code compare_values(const sib_value *a, const sib_value *b, const sib_tolerance *tolerance,
                               sib_comparison *sum, sib_error *err)
{
    sib_code code = SIB_OK;
    if (a->kind != b->kind)
        return err_set(err, SIB_ERR_ARGUMENT, "a is %s, b %s", kind_name(a->kind), kind_name(b->kind));
    if (a->n != b->n)
        return err_set(err, SIB_ERR_ARGUMENT, "a is %s of %zu items, b of %zu", kind_name(a->kind), a->n,
                       b->n);
    for (size_t i = 0; i < a->n && code == SIB_OK; i++)
        code = compare_values(a->items[i], b->items[i], tolerance, sum, err);
    if (a->tensor && code == SIB_OK)
        code = compare_tensors(a->tensor, b->tensor, tolerance, sum, err);
    if (a->values && code == SIB_OK)
        code = compare_tensors(a->values, b->values, tolerance, sum, err);
    return code;
}

sib_code sib_value_compare(const sib_value *a, const sib_value *b, const sib_tolerance *tolerance,
                           sib_comparison *out, sib_error *err)
{
    if (!a || !b || !tolerance || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL",
                       !a           ? "a"
                       : !b         ? "b"
                       : !tolerance ? "the tolerance"
                                    : "out");
    *out = (sib_comparison){.equal = true, .worst = UINT64_MAX, .first = UINT64_MAX};
    return compare_values(a, b, tolerance, out, err);
}
