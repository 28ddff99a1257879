#include "diff/judge.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensor i of a value: itself, an item of a sequence, of what an optional holds; NULL where there are no more. */
static const sib_tensor *tensor_at(const sib_value *v, size_t i)
{
    while (v && sib_value_get_kind(v) == SIB_VALUE_OPTIONAL)
        v = sib_value_item(v, 0);
    if (v && sib_value_get_kind(v) == SIB_VALUE_SEQUENCE)
        v = sib_value_item(v, i);
    else if (i)
        return NULL;
    return v ? sib_value_tensor(v) : NULL;
}

/* Whether both have as many tensors, of the same dims, at least one. */
static bool same_shape(const sib_value *v, const sib_value *w)
{
    for (size_t i = 0;; i++) {
        const sib_tensor *a = tensor_at(v, i), *b = tensor_at(w, i);
        if (!a || !b)
            return i && !a && !b;
        const size_t rank = sib_tensor_rank(a);
        if (rank != sib_tensor_rank(b) ||
            memcmp(sib_tensor_dims(a), sib_tensor_dims(b), rank * sizeof(int64_t)) != 0)
            return false;
    }
}

/* Numbers in double, one tensor after the other, owned by the caller. NULL where memory fails. */
static double *doubles_of(const judge *j, const sib_value *v)
{
    double *out = mem_alloc((size_t)j->n, sizeof *out), *to = out;
    const sib_dtype wide = j->parts == 2 ? SIB_C128 : SIB_F64;
    const sib_tensor *t;
    for (size_t i = 0; to && (t = tensor_at(v, i)); i++) {
        sib_tensor *dense = NULL;
        const size_t n = (size_t)(sib_tensor_count(t) * j->parts);
        if (sib_tensor_convert(t, wide, SIB_OVERFLOW_IEEE, &dense, NULL) == SIB_OK) {
            memcpy(to, sib_tensor_data(dense), n * sizeof *to);
            to += n;
        } else
            to = NULL;
        sib_tensor_free(&dense);
    }
    if (!to) {
        mem_free(out);
        out = NULL;
    }
    return out;
}

static double step_of(sib_dtype dtype)
{
    const float_format *f = moved_format(dtype);
    return f ? ldexp(1, -(int)f->mantissa_bits) : 0.25; /* float8 and narrower */
}

/* Implementations of these are exact to the range of their results (0.5 and a quotient, for one), not to each
   result; of what is interpolated, to positions, whose last bit counts the more the longer the axis is. */
static void set_range(judge *j, const char *op_type, const sib_tensor *t)
{
    static const struct {
        const char *op_type;
        double range; /* 0: interpolated */
    } table[] = {{"Sigmoid", 2}, {"Tanh", 1},     {"Erf", 1},        {"Softplus", 1},
                 {"Resize", 0},  {"Upsample", 0}, {"GridSample", 0}, {"RoiAlign", 0}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].op_type, op_type) != 0)
            continue;
        j->range = table[i].range;
        for (size_t k = 0; !table[i].range && k < sib_tensor_rank(t); k++)
            if ((uint64_t)sib_tensor_dims(t)[k] > j->positions)
                j->positions = (uint64_t)sib_tensor_dims(t)[k];
    }
}

sib_code judge_begin(judge *j, const char *op_type, const sib_value *ours, const sib_value *theirs,
                     sib_error *err)
{
    const sib_tensor *a = tensor_at(ours, 0), *b = tensor_at(theirs, 0), *t;
    *j = (judge){.ours = ours, .theirs = theirs};
    if (!same_shape(ours, theirs) || sib_tensor_dtype(a) != sib_tensor_dtype(b))
        return SIB_OK;
    const sib_dtype dtype = part_of(sib_tensor_dtype(a), &j->parts);
    if (sib_dtype_get_kind(dtype) == SIB_KIND_STRING)
        return SIB_OK;
    for (size_t i = 0; (t = tensor_at(ours, i)); i++)
        j->n += sib_tensor_count(t) * j->parts;
    j->integers = sib_dtype_get_kind(dtype) != SIB_KIND_FLOAT;
    j->step = j->integers ? 0 : step_of(dtype);
    j->half = j->step > 0x1p-20;
    set_range(j, op_type, a);
    j->around = mem_calloc((size_t)j->n, sizeof *j->around);
    return j->around ? SIB_OK : err_memory(err, (size_t)j->n * sizeof *j->around, "what rounding explains");
}

/* Whether both are complex, or neither. */
static bool is_like(const judge *j, const sib_value *v)
{
    uint64_t parts;
    part_of(sib_tensor_dtype(tensor_at(v, 0)), &parts);
    return parts == j->parts;
}

void judge_exact(judge *j, const sib_value *v)
{
    if (j->n && same_shape(v, j->ours) && is_like(j, v))
        j->exact = doubles_of(j, v);
}

void judge_sample(judge *j, const sib_value *v)
{
    double *x = j->exact && same_shape(v, j->ours) && is_like(j, v) ? doubles_of(j, v) : NULL;
    for (uint64_t i = 0; x && i < j->n; i++) {
        const double away = fabs(x[i] - j->exact[i]);
        if (x[i] == j->exact[i] || (isnan(x[i]) && isnan(j->exact[i])))
            continue;
        if (!(away <= j->around[i]))
            j->around[i] = isnan(away) ? INFINITY : away;
    }
    mem_free(x);
}

/* The sums and the farthest element. */
typedef struct sums {
    double differences, noise, ours, theirs; /* of squares */
    double products;                         /* of ours and theirs */
    double largest;                          /* of theirs */
    double farthest;                         /* of elements: difference over what rounding explains */
} sums;

static bool alike(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* What rounding explains of element i. */
static double explained(const judge *j, const double *theirs, uint64_t i)
{
    const double size = fmax(fabs(theirs[i]), j->exact ? fabs(j->exact[i]) : 0);
    return j->around[i] / (j->half ? 8 : 1) + (isfinite(size) ? j->step / 2 * (size + j->range) : 0);
}

static double far_of(const judge *j, double difference, double noise, double least)
{
    if (j->integers) /* a step that no sample takes */
        return difference <= noise ? 1 : INFINITY;
    return isnan(difference) ? (isinf(noise) ? 1 : INFINITY) : difference / fmax(noise, least);
}

static void count_element(sib_comparison *c, uint64_t i, double a, double b)
{
    c->n_different++;
    c->n_nan_mismatch += isnan(a) != isnan(b);
    if (c->first != UINT64_MAX)
        return;
    c->first = i;
    c->first_a = a;
    c->first_b = b;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of the differences, of at most 1,001 of them. */
static double median_of(const judge *j, const double *ours, const double *theirs)
{
    double some[1001] = {0};
    size_t n = 0;
    const uint64_t stride = j->n / 1001 + 1;
    for (uint64_t i = 0; i < j->n; i += stride)
        if (isfinite(ours[i] - theirs[i]))
            some[n++] = fabs(ours[i] - theirs[i]);
    qsort(some, n, sizeof *some, by_size);
    return n ? some[n / 2] : 0;
}

static void judge_elements(const judge *j, const double *ours, const double *theirs, double factor,
                           sib_diff_row *out)
{
    sums s = {0};
    const double most = factor / (j->half ? 16 : 1);
    const double median = median_of(j, ours, theirs);
    for (uint64_t i = 0; i < j->n; i++) {
        const double e = explained(j, theirs, i), difference = ours[i] - theirs[i];
        out->n_nan_ours += isnan(ours[i]) != 0;
        out->n_nan_theirs += isnan(theirs[i]) != 0;
        if (isfinite(e))
            s.noise += e * e;
        if (isfinite(theirs[i]))
            s.largest = fmax(s.largest, fabs(theirs[i]));
        if (!isfinite(difference))
            continue;
        s.ours += ours[i] * ours[i];
        s.theirs += theirs[i] * theirs[i];
        s.products += ours[i] * theirs[i];
        s.differences += difference * difference;
    }
    const double n = (double)j->n, noise = sqrt(s.noise / n);
    double least = fmax(0.1 * noise, j->step / 4 * s.largest);
    least = fmax(least, fmin(median, 8 * noise));
    least = fmax(least, j->step / 2 * (double)j->positions / 16 * sqrt(s.theirs / n));
    out->figures.n_different = out->figures.n_nan_mismatch = 0;
    out->figures.first = UINT64_MAX;
    uint64_t counted = UINT64_MAX;
    for (uint64_t i = 0; i < j->n; i++) {
        if (alike(ours[i], theirs[i]))
            continue;
        const double far = far_of(j, fabs(ours[i] - theirs[i]), explained(j, theirs, i), least);
        if (far > s.farthest) {
            s.farthest = far;
            out->figures.worst = i;
            out->figures.worst_a = ours[i];
            out->figures.worst_b = theirs[i];
        }
        if (far > most && i / j->parts != counted) {
            count_element(&out->figures, i, ours[i], theirs[i]);
            counted = i / j->parts;
        }
    }
    out->figures.worst /= j->parts;
    if (out->figures.first != UINT64_MAX)
        out->figures.first /= j->parts;
    const double together = s.differences > 0 ? sqrt(s.differences / fmax(s.noise, 1e-300)) : 0;
    out->error = s.theirs > 0 ? sqrt(s.differences / s.theirs) : s.differences > 0 ? INFINITY : 0;
    out->cosine = s.products / (sqrt(s.ours) * sqrt(s.theirs));
    out->noise = s.theirs > 0 ? sqrt(s.noise / s.theirs) : 0;
    out->excess = j->integers ? s.farthest : fmax(s.farthest, together);
    out->differs = out->excess > most;
    out->figures.equal = !out->differs;
}

static void count_distances(const judge *j, sib_diff_row *out)
{
    static const uint64_t most[SIB_DIFF_DISTANCES] = {0, 1, 4, 16, 64, 256, 4096, UINT64_MAX};
    uint64_t parts;
    const float_format *f = moved_format(part_of(sib_tensor_dtype(tensor_at(j->ours, 0)), &parts));
    const sib_tensor *t;
    for (size_t k = 0; f && (t = tensor_at(j->ours, k)); k++) {
        sib_tensor *a = NULL, *b = NULL;
        if (sib_tensor_copy(t, &a, NULL) == SIB_OK &&
            sib_tensor_copy(tensor_at(j->theirs, k), &b, NULL) == SIB_OK)
            for (uint64_t i = 0; i < sib_tensor_count(t) * parts; i++) {
                const int64_t x = format_order(f, code_at(sib_tensor_data(a), f, i)),
                              y = format_order(f, code_at(sib_tensor_data(b), f, i));
                const uint64_t away = x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
                size_t d = 0;
                while (away > most[d])
                    d++;
                out->distances[d]++;
            }
        sib_tensor_free(&a);
        sib_tensor_free(&b);
    }
}

sib_code judge_end(const judge *j, double factor, sib_diff_row *out, char *problem, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    if (sib_value_compare(j->ours, j->theirs, &(sib_tolerance){0}, &out->figures, &why) != SIB_OK) {
        out->differs = true;
        out->excess = INFINITY;
        snprintf(problem, PROBLEM_SIZE, "%s", why.message);
        return SIB_OK;
    }
    out->differs = !out->figures.equal;
    out->excess = out->differs ? INFINITY : 0;
    out->cosine = 1;
    if (!j->n || out->figures.equal)
        return SIB_OK;
    double *ours = doubles_of(j, j->ours), *theirs = doubles_of(j, j->theirs);
    sib_code code = ours && theirs ? SIB_OK : err_memory(err, (size_t)j->n * sizeof *ours, "elements");
    if (code == SIB_OK) {
        judge_elements(j, ours, theirs, factor, out);
        count_distances(j, out);
    }
    mem_free(ours);
    mem_free(theirs);
    return code;
}

void judge_free(judge *j)
{
    mem_free(j->exact);
    mem_free(j->around);
}
