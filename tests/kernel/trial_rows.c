/* Sums, extremes, softmax and normalization of rows and columns, against definitions in double. */
#include "trial.h"

#include <float.h>
#include <math.h>

/* ---- Reductions ---------------------------------------------------------------------------------------- */

static double joined(rows_kind kind, double sum, double v)
{
    switch (kind) {
    case ROWS_PRODUCT:
        return sum * v;
    case ROWS_MIN:
        return isnan(sum) || v >= sum ? sum : v;
    case ROWS_MAX:
        return isnan(sum) || v <= sum ? sum : v;
    default:
        return sum + v;
    }
}

static double nothing_of(rows_kind kind)
{
    return kind == ROWS_PRODUCT ? 1 : kind == ROWS_MIN ? INFINITY : kind == ROWS_MAX ? -INFINITY : 0;
}

/* Checks got against the reduction of n floats `step` apart and, if given, of `before`. */
static void expect_gathered(const trial *t, size_t at, float got, const float *x, size_t n, size_t step,
                            const float *before)
{
    rows_kind kind = (rows_kind)t->slot;
    double v = nothing_of(kind), size = 0;
    for (size_t i = 0; i < n; i++) {
        double a = (double)x[i * step];
        double term = kind == ROWS_SQUARES ? a * a : kind == ROWS_SIZES ? fabs(a) : a;
        v = joined(kind, v, term);
        size += fabs(term);
    }
    if (before) {
        v = joined(kind, v, (double)*before);
        size += fabs((double)*before);
    }
    if (kind == ROWS_PRODUCT)
        size = fabs(v) * sqrt((double)n + 1) * 4;
    if (kind == ROWS_MIN || kind == ROWS_MAX)
        size = 0;
    /* partial results overflow where the result nearly does */
    trial_expect(t, at, got, (float)v, size > FLT_MAX ? INFINITY : 2e-6 * size + 1e-37);
}

/* Floats of which no partial sum or product overflows in one order but not in another. */
static trial_fill gathered_fill(trial *t)
{
    trial_fill how = trial_fill_of(t);
    bool risky = t->slot == ROWS_SQUARES || t->slot == ROWS_PRODUCT;
    return how == FILL_HOSTILE || (risky && how == FILL_LARGE) ? FILL_UNIFORM : how;
}

static void gather_across(trial *t)
{
    size_t n = trial_length(t), rows = n < 400 ? trial_pick(t, 1, 5) : 1;
    if (t->slot == ROWS_PRODUCT && n > 33 && !t->bench)
        n %= 34;
    bool more = trial_pick(t, 0, 1);
    const float *x = trial_floats(t, rows * n, gathered_fill(t));
    float *y = trial_out(t, sizeof *y, 1, rows, rows, TRIAL_ALONE);
    trial_fill_floats(t, y, rows, FILL_UNIFORM);
    CALL(t, rows * n, rows.across[t->slot](x, rows, n, y, more));
    const float *before = trial_before(t, y);
    for (size_t i = 0; i < rows; i++)
        expect_gathered(t, i, y[i], x + i * n, n, 1, more ? before + i : NULL);
}

static void gather_down(trial *t)
{
    size_t columns = trial_length(t) % 200, n = t->bench ? 100 : trial_pick(t, 0, 60),
           stride = columns + trial_pick(t, 0, 3);
    bool more = trial_pick(t, 0, 1);
    if (t->slot == ROWS_PRODUCT)
        n %= 34;
    const float *x = trial_floats(t, n ? (n - 1) * stride + columns : 0, gathered_fill(t));
    float *y = trial_out(t, sizeof *y, 1, columns, columns, TRIAL_ALONE);
    trial_fill_floats(t, y, columns, FILL_UNIFORM);
    CALL(t, n * columns, rows.down[t->slot](x, n, stride, columns, y, more));
    const float *before = trial_before(t, y);
    for (size_t j = 0; j < columns; j++)
        expect_gathered(t, j, y[j], x + j, n, stride, more ? before + j : NULL);
}

/* ---- Softmax ------------------------------------------------------------------------------------------- */

static void expect_softmax(const trial *t, const float *x, const float *y, size_t n, size_t step,
                           bool logarithm)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = isnan(top) || (double)x[i * step] <= top ? top : (double)x[i * step];
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - top);
    for (size_t i = 0; i < n; i++) {
        double below = (double)x[i * step] - top,
               want = logarithm ? (double)(float)(below - log(sum)) : exp(below) / sum;
        /* the rounding error of the subtraction becomes a relative one */
        trial_expect(t, i, y[i * step], want,
                     logarithm ? 4e-7 * (1 + fabs(want)) : (1e-6 + 1e-7 * fabs(log(want))) * want + 1e-37);
    }
}

static void softmax_rows(trial *t, bool logarithm)
{
    size_t n = trial_length(t), rows = n < 400 ? trial_pick(t, 1, 3) : 1;
    float *y = trial_out(t, sizeof *y, 1, rows * n, rows * n, TRIAL_ALONE), *x = y;
    if (t->round % 3) /* in place otherwise */
        x = trial_in(t, rows * n, sizeof *x);
    trial_fill_floats(t, x, rows * n, trial_fill_of(t));
    for (size_t i = 0; i < rows * n && t->round % 2; i += 3)
        x[i] *= 50; /* far below the largest */
    if (logarithm)
        CALL(t, rows * n, rows.log_softmax(x, rows, n, y));
    else
        CALL(t, rows * n, rows.softmax(x, rows, n, y));
    const float *before = trial_before(t, x);
    for (size_t i = 0; i < rows; i++)
        expect_softmax(t, before + i * n, y + i * n, n, 1, logarithm);
}

static void softmax(trial *t)
{
    softmax_rows(t, false);
}

static void log_softmax(trial *t)
{
    softmax_rows(t, true);
}

static void softmax_columns(trial *t, bool logarithm)
{
    size_t columns = trial_length(t) % 200, n = t->bench ? 100 : trial_pick(t, 1, 60),
           stride = columns + trial_pick(t, 0, 3);
    float *y = trial_out(t, sizeof *y, n, columns, stride, TRIAL_ALONE), *x = y;
    size_t all = (n - 1) * stride + columns;
    if (t->round % 3)
        x = trial_in(t, all, sizeof *x);
    trial_fill_floats(t, x, all, trial_fill_of(t));
    if (logarithm)
        CALL(t, n * columns, rows.log_softmax_down(x, n, stride, columns, y));
    else
        CALL(t, n * columns, rows.softmax_down(x, n, stride, columns, y));
    const float *before = trial_before(t, x);
    for (size_t j = 0; j < columns; j++)
        expect_softmax(t, before + j, y + j, n, stride, logarithm);
}

static void softmax_down(trial *t)
{
    softmax_columns(t, false);
}

static void log_softmax_down(trial *t)
{
    softmax_columns(t, true);
}

/* ---- Normalization ------------------------------------------------------------------------------------- */

static void expect_norm(const trial *t, const rows_norm *p, const float *x, const float *y, const float *mean,
                        const float *inverse)
{
    double sum = 0, squares = 0, max = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += (double)x[i];
    double middle = p->centred ? sum / (double)p->n : 0;
    for (size_t i = 0; i < p->n; i++) {
        squares += ((double)x[i] - middle) * ((double)x[i] - middle);
        max = fmax(max, fabs((double)x[i]));
    }
    double factor = 1 / sqrt(squares / (double)p->n + p->epsilon);
    if (inverse)
        trial_expect(t, 0, *inverse, factor, 2e-6 * factor);
    if (mean && p->centred) /* half a unit of either part of the mean */
        trial_expect(t, 1, *mean, middle, 4e-7 * max + 2e-45);
    for (size_t i = 0; i < p->n; i++) {
        double scale = p->scale ? (double)p->scale[i] : 1, v = ((double)x[i] - middle) * factor * scale;
        double want = v + (p->bias ? (double)p->bias[i] : 0);
        trial_expect(t, i, y[i], want, 2e-6 * (fabs(v) + fabs(want)) + 1e-7 * factor * max * fabs(scale));
    }
}

static void norm(trial *t)
{
    size_t n = trial_length(t) + 1, rows = n < 400 ? trial_pick(t, 1, 3) : 1;
    trial_fill how = trial_fill_of(t);
    if (how == FILL_HOSTILE)
        how = FILL_NAN;
    float *y = trial_out(t, sizeof *y, 1, rows * n, rows * n, TRIAL_ALONE), *x = y;
    if (t->round % 3)
        x = trial_in(t, rows * n, sizeof *x);
    trial_fill_floats(t, x, rows * n, how);
    rows_norm p = {.n = n, .epsilon = how == FILL_TINY || how == FILL_DENORMAL ? 1e-60 : 1e-5};
    p.centred = trial_pick(t, 0, 1);
    p.scale = trial_pick(t, 0, 2) ? trial_floats(t, n, FILL_UNIFORM) : NULL;
    p.bias = p.scale && trial_pick(t, 0, 1) ? trial_floats(t, n, FILL_UNIFORM) : NULL;
    float *mean = trial_pick(t, 0, 2) ? trial_out(t, sizeof *mean, 1, rows, rows, TRIAL_ALONE) : NULL;
    float *inverse = trial_pick(t, 0, 2) ? trial_out(t, sizeof *mean, 1, rows, rows, TRIAL_ALONE) : NULL;
    CALL(t, rows * n, rows.norm(&p, x, rows, y, mean, inverse));
    const float *before = trial_before(t, x);
    for (size_t i = 0; i < rows; i++)
        expect_norm(t, &p, before + i * n, y + i * n, mean ? mean + i : NULL, inverse ? inverse + i : NULL);
}

static void moments(trial *t)
{
    size_t n = trial_length(t) + 1;
    const float *x = trial_floats(t, n, t->round % 2 ? FILL_SHIFTED : FILL_UNIFORM);
    float *mean = trial_out(t, sizeof *mean, 1, 2, 2, TRIAL_ALONE),
          *var = trial_out(t, sizeof *var, 1, 1, 1, TRIAL_ALONE);
    CALL_TO(t, n, *var, rows.moments(x, n, mean));
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    double middle = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - middle) * ((double)x[i] - middle);
    trial_expect(t, 0, (double)mean[0] + (double)mean[1], middle, 1e-6);
    trial_expect(t, 1, *var, squares / (double)n, 1e-6 * squares / (double)n + 1e-12);
}

static void shift_scale(trial *t)
{
    size_t n = trial_length(t);
    const float *x = trial_floats(t, n, FILL_SHIFTED), *centre = trial_floats(t, 2, FILL_UNIFORM);
    float *y = trial_out(t, sizeof *y, 1, n, n, 1e-6);
    CALL(t, n, rows.shift_scale(x, n, centre, 1.5f, 0.25f, y));
    for (size_t i = 0; i < n; i++) {
        double want = ((double)x[i] - (double)centre[0] - (double)centre[1]) * 1.5 + 0.25;
        trial_expect(t, i, y[i], want, 3e-7 * fabs(want) + 1e-4);
    }
}

static void shift_scale_each(trial *t)
{
    size_t n = trial_length(t), rows = trial_pick(t, 0, 3);
    const float *x = trial_floats(t, rows * n, FILL_UNIFORM), *centre = trial_floats(t, n, FILL_UNIFORM),
                *factor = trial_floats(t, n, FILL_UNIFORM), *offset = trial_floats(t, n, FILL_UNIFORM);
    float *y = trial_out(t, sizeof *y, 1, rows * n, rows * n, TRIAL_ALONE);
    CALL(t, rows * n, rows.shift_scale_each(x, rows, n, centre, factor, offset, y));
    for (size_t i = 0; i < rows * n; i++) {
        size_t j = i % n;
        trial_expect(t, i, y[i], ((double)x[i] - (double)centre[j]) * (double)factor[j] + (double)offset[j],
                     1e-6);
    }
}

static void add(trial *t)
{
    size_t n = trial_length(t);
    const float *a = trial_floats(t, n, trial_fill_of(t)), *b = trial_floats(t, n, trial_fill_of(t)),
                *c = t->round % 3 ? trial_floats(t, n, FILL_UNIFORM) : NULL;
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_VALUES);
    CALL(t, n, rows.add(a, b, c, n, y));
    for (size_t i = 0; i < n; i++) {
        float want = a[i] + b[i];
        trial_expect(t, i, y[i], c ? want + c[i] : want, 0);
    }
}

/* ---- All number types ---------------------------------------------------------------------------------- */

static const rows_typed *typed(const trial *t)
{
    return t->k->rows.types.of[t->slot];
}

static double real_at(sib_dtype dtype, const void *x, size_t i)
{
    return dtype == SIB_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

static int64_t whole_at(sib_dtype dtype, const void *x, size_t i)
{
    size_t bits = sib_dtype_bits(dtype);
    uint64_t v = 0;
    memcpy(&v, (const char *)x + i * bits / 8, bits / 8);
    bool is_signed = sib_dtype_get_kind(dtype) == SIB_KIND_INT;
    return is_signed ? (int64_t)(v << (64 - bits)) >> (64 - bits) : (int64_t)v;
}

/* Lines with few distinct values, so that some are equal. */
static void *line_elements(trial *t, sib_dtype dtype, size_t n)
{
    size_t bytes = sib_dtype_bits(dtype) / 8;
    char *x = trial_in(t, n, bytes);
    for (size_t i = 0; i < n; i++) {
        int64_t number = (int64_t)trial_pick(t, 0, 16) - 8;
        double real = t->round % 5 == 0 && trial_pick(t, 0, 20) == 0 ? NAN : (double)number;
        float narrow = (float)real;
        if (trial_pick(t, 0, 30) == 0)
            number = (int64_t)check_u64(&t->r);
        memcpy(x + i * bytes,
               dtype == SIB_F32   ? (void *)&narrow
               : dtype == SIB_F64 ? (void *)&real
                                  : (void *)&number,
               bytes);
    }
    return x;
}

static rows_walk lines_of(trial *t, size_t *all)
{
    bool along = trial_pick(t, 0, 1);
    rows_walk w = {.n = trial_length(t) % 300 + 1, .many = trial_pick(t, 1, 40)};
    if (!along && trial_pick(t, 0, 7) == 0) /* more columns than are summed at once */
        w = (rows_walk){.n = w.n % 12 + 1, .many = w.many + 1024};
    w.step = along ? 1 : w.many + trial_pick(t, 0, 3);
    w.gap = along ? w.n + trial_pick(t, 0, 3) : 1;
    *all = (w.n - 1) * w.step + (w.many - 1) * w.gap + 1;
    return w;
}

static bool is_real(sib_dtype dtype)
{
    return dtype == SIB_F32 || dtype == SIB_F64;
}

static uint64_t cut(sib_dtype dtype, int64_t v)
{
    size_t bits = sib_dtype_bits(dtype);
    return bits == 64 ? (uint64_t)v : (uint64_t)v & ((UINT64_C(1) << bits) - 1);
}

static int64_t joined_whole(sib_dtype dtype, rows_kind kind, int64_t a, int64_t v)
{
    bool less = sib_dtype_get_kind(dtype) == SIB_KIND_INT ? v < a : (uint64_t)v < (uint64_t)a;
    uint64_t x = (uint64_t)v;
    switch (kind) {
    case ROWS_PRODUCT:
        return (int64_t)((uint64_t)a * x);
    case ROWS_MIN:
        return less ? v : a;
    case ROWS_MAX:
        return less ? a : v;
    case ROWS_SIZES:
        return (int64_t)((uint64_t)a + (sib_dtype_get_kind(dtype) == SIB_KIND_INT && v < 0 ? 0 - x : x));
    case ROWS_SQUARES:
        return (int64_t)((uint64_t)a + x * x);
    default:
        return (int64_t)((uint64_t)a + x);
    }
}

/* The reductions, argmin and argmax, and running sums of one dtype in turn. */
static void reduce_typed(trial *t, rows_kind kind)
{
    sib_dtype dtype = (sib_dtype)t->slot, to = dtype == SIB_F32 ? SIB_F64 : dtype;
    size_t all, bytes = sib_dtype_bits(to) / 8;
    rows_walk w = lines_of(t, &all);
    if (is_real(dtype) && kind == ROWS_PRODUCT)
        w.n = w.n < 9 ? w.n : 9;
    const void *x = line_elements(t, dtype, all);
    void *y = trial_out(t, bytes, 1, w.many, w.many, TRIAL_ALONE);
    CALL(t, w.n * w.many, rows.types.of[t->slot]->reduce[kind](x, w, y, false));
    for (size_t j = 0; j < w.many; j++) {
        double real = nothing_of(kind);
        int64_t whole = kind == ROWS_PRODUCT;
        for (size_t i = 0; i < w.n; i++) {
            size_t at = i * w.step + j * w.gap;
            double v = is_real(dtype) ? real_at(dtype, x, at) : 0;
            real = joined(kind, real, kind == ROWS_SQUARES ? v * v : kind == ROWS_SIZES ? fabs(v) : v);
            if (!is_real(dtype)) {
                int64_t number = whole_at(dtype, x, at);
                bool first = i == 0 && (kind == ROWS_MIN || kind == ROWS_MAX);
                whole = first ? number : joined_whole(dtype, kind, whole, number);
            }
        }
        if (is_real(dtype))
            trial_expect(t, j, real_at(to, y, j), real, 0); /* small integers: exact */
        else if (cut(dtype, whole_at(dtype, y, j)) != cut(dtype, whole))
            trial_expect(t, j, (double)whole_at(dtype, y, j), (double)whole, -1);
    }
}

static void place_typed(trial *t)
{
    sib_dtype dtype = (sib_dtype)t->slot;
    bool highest = trial_pick(t, 0, 1), last = trial_pick(t, 0, 1);
    size_t all;
    rows_walk w = lines_of(t, &all);
    const void *x = line_elements(t, dtype, all);
    int64_t *y = trial_out(t, sizeof *y, 1, w.many, w.many, 0);
    CALL(t, w.n * w.many, rows.types.of[t->slot]->arg(x, w, y, highest, last));
    for (size_t j = 0; j < w.many; j++) {
        size_t best = 0;
        for (size_t i = 1; i < w.n; i++) {
            size_t here = i * w.step + j * w.gap, there = best * w.step + j * w.gap;
            bool more, same;
            if (is_real(dtype)) {
                double a = real_at(dtype, x, here), b = real_at(dtype, x, there);
                same = a == b || (isnan(a) && isnan(b));
                more = isnan(a) || isnan(b) ? isnan(a) : highest ? a > b : a < b;
            } else {
                int64_t a = whole_at(dtype, x, here), b = whole_at(dtype, x, there);
                bool is_signed = sib_dtype_get_kind(dtype) == SIB_KIND_INT;
                bool greater = is_signed ? a > b : (uint64_t)a > (uint64_t)b;
                same = a == b;
                more = highest ? greater : !greater;
            }
            best = same ? (last ? i : best) : more ? i : best;
        }
        trial_expect(t, j, (double)y[j], (double)best, 0);
    }
}

static void running_typed(trial *t)
{
    sib_dtype dtype = (sib_dtype)t->slot;
    bool product = t->round % 3 == 0;
    size_t all, bytes = sib_dtype_bits(dtype) / 8;
    rows_walk w = lines_of(t, &all);
    if (is_real(dtype) && product)
        w.n = w.n < 9 ? w.n : 9;
    const void *x = line_elements(t, dtype, all);
    char *y = trial_out(t, bytes, 1, all, all, TRIAL_ALONE);
    CALL(t, w.n * w.many, rows.types.of[t->slot]->running(x, w, y, product));
    for (size_t j = 0; j < w.many; j++) {
        double real = product;
        int64_t whole = product;
        for (size_t i = 0; i < w.n; i++) {
            size_t at = i * w.step + j * w.gap;
            if (is_real(dtype)) {
                real = joined(product ? ROWS_PRODUCT : ROWS_SUM, real, real_at(dtype, x, at));
                trial_expect(t, at, real_at(dtype, y, at), real, 0);
            } else {
                whole = joined_whole(dtype, product ? ROWS_PRODUCT : ROWS_SUM, whole, whole_at(dtype, x, at));
                trial_expect_bits(t, "running", y + at * bytes, &whole, 1, bytes);
            }
        }
    }
}

static void types(trial *t)
{
    size_t which = t->round % (ROWS_KINDS + 2);
    if (which < ROWS_KINDS && typed(t)->reduce[which])
        reduce_typed(t, (rows_kind)which);
    else if (which == ROWS_KINDS && typed(t)->arg)
        place_typed(t);
    else if (which == ROWS_KINDS + 1 && typed(t)->running)
        running_typed(t);
}

static void dtype_name(size_t slot, char *text, size_t size)
{
    snprintf(text, size, "[%s]", sib_dtype_name((sib_dtype)slot));
}

static void kind_name(size_t slot, char *text, size_t size)
{
    static const char *const names[ROWS_KINDS] = {"sum", "sizes", "squares", "product", "min", "max"};
    snprintf(text, size, "[%s]", names[slot]);
}

static const trial_row rows[] = {
    ENTRIES(rows.across, gather_across, kind_name),
    ENTRIES(rows.down, gather_down, kind_name),
    ENTRY(rows.softmax, softmax),
    ENTRY(rows.log_softmax, log_softmax),
    ENTRY(rows.softmax_down, softmax_down),
    ENTRY(rows.log_softmax_down, log_softmax_down),
    ENTRY(rows.norm, norm),
    ENTRY(rows.moments, moments),
    ENTRY(rows.shift_scale, shift_scale),
    ENTRY(rows.shift_scale_each, shift_scale_each),
    ENTRY(rows.add, add),
    OFTEN(480, rows.types, types, dtype_name),
};
const trial_family family_rows = {"rows", rows, COUNT(rows)};
