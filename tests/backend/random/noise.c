/* Effect of rounding on each value: ref runs the graph again, node by node, with every rounding perturbed a
   little. A value that jumps under this, such as the rounding of a number near a half, is not compared. */
#include "graph.h"

#include <float.h>
#include <math.h>

/* Inputs and outputs of inexact nodes are moved by at most this many half units in the last place. */
#define HALF_UNITS 3
/* Noise is measured in a few runs; results may differ by this many times as much. */
#define MARGIN      32
#define MARGIN_HALF 10 /* for 16-bit floats, whose few roundings are seen in few runs */
/* Units in the last place allowed for every rounded value. */
#define UNITS 4

static double unit_of(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F32:
        return ldexp(1, -23);
    case SIB_F16:
        return ldexp(1, -10);
    case SIB_BF16:
        return ldexp(1, -7);
    case SIB_F64:
        return ldexp(1, -52);
    default:
        return 0;
    }
}

/* Allowed error of numbers near 0: denormals of float32 may become 0 where something is rounded. */
static double min_of(sib_dtype dtype)
{
    return dtype == SIB_F16 ? ldexp(1, -24) : dtype == SIB_F64 ? ldexp(1, -1020) : ldexp(1, -125);
}

/* Operators whose result is a difference of numbers of this size, with an error relative to these: 1 - gate,
   x - log sum; 1 + erf, which ref computes in double. */
static double floor_of(const rg_node *n)
{
    static const struct {
        const char *type;
        double floor;
    } differences[] = {{"LogSoftmax", 1}, {"ReduceLogSumExp", 1}, {"LSTM", 1},        {"GRU", 1},
                       {"RNN", 1},        {"Gelu", 1e-8},         {"FastGelu", 1e-8}, {"BiasGelu", 1e-8}};
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (str_is(n->type, differences[i].type))
            return differences[i].floor;
    return 0;
}

/* The elements as doubles. */
static double *doubles(const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    size_t n = sib_tensor_count(t);
    double *x = malloc((n + 1) * sizeof *x);
    if (x && sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_F64, x, n, SIB_OVERFLOW_IEEE, &err) !=
                 SIB_OK) {
        free(x);
        return NULL;
    }
    return x;
}

/* A copy with each element moved as if its magnitude were at least `floor`; a plain copy if t is not a
   float. */
static sib_tensor *moved(rg_random *r, const sib_tensor *t, double floor)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *out = NULL;
    sib_dtype dtype = sib_tensor_dtype(t);
    double unit = unit_of(dtype);
    if (sib_tensor_copy(t, &out, &err) != SIB_OK || unit == 0)
        return out;
    size_t n = sib_tensor_count(out);
    double *x = doubles(out);
    for (size_t i = 0; x && i < n; i++) {
        double by = fmax(fabs(x[i]), floor) * HALF_UNITS * unit / 2 + (x[i] != 0 ? min_of(dtype) : 0);
        x[i] += by * check_uniform(r);
    }
    if (x)
        sib_convert(SIB_F64, x, sib_tensor_dtype(out), sib_tensor_data(out), n, SIB_OVERFLOW_IEEE, &err);
    free(x);
    return out;
}

static bool same_dims(const sib_tensor *a, const sib_tensor *b)
{
    size_t rank = sib_tensor_rank(a);
    return sib_tensor_dtype(a) == sib_tensor_dtype(b) && rank == sib_tensor_rank(b) &&
           (!rank || !memcmp(sib_tensor_dims(a), sib_tensor_dims(b), rank * sizeof(int64_t)));
}

/* Raises the noise of a value to its distance from another result. */
static void raise_noise(rg_noise *s, const sib_tensor *is, const sib_tensor *other)
{
    size_t n = sib_tensor_count(is);
    if (s->lost || !same_dims(is, other)) {
        s->lost = true;
        return;
    }
    if (sib_tensor_dtype(is) == SIB_STRING)
        return;
    double *a = doubles(is), *b = doubles(other);
    bool real = unit_of(sib_tensor_dtype(is)) > 0;
    for (size_t i = 0; a && b && i < n; i++) {
        if ((isnan(a[i]) && isnan(b[i])) || a[i] == b[i])
            continue;
        if (!real || !isfinite(a[i]) || !isfinite(b[i]))
            s->unstable[i] = true;
        else if (fabs(a[i] - b[i]) > s->by[i])
            s->by[i] = fabs(a[i] - b[i]);
    }
    s->lost |= !a || !b;
    free(a);
    free(b);
}

/* Runs node i with its inputs moved; with the original inputs if that fails or changes dims. */
static bool run_moved(rg_graph *g, rg_random *r, int i, sib_tensor **values, sib_tensor **out)
{
    const rg_node *n = &g->nodes[i];
    sib_tensor *in[RG_VALUES] = {NULL};
    bool ok = true;
    for (int k = 0; k < n->n_in; k++)
        if (n->in[k] != RG_NONE && !in[n->in[k]])
            in[n->in[k]] = values[n->in[k]] ? moved(r, values[n->in[k]], 0) : NULL;
    ok = rg_run_node(g, i, in, out);
    for (int k = 0; k < n->n_out && ok; k++)
        ok = n->out[k] == RG_NONE || (out[k] && same_dims(out[k], g->values[n->out[k]].t));
    for (int v = 0; v < RG_VALUES; v++)
        sib_tensor_free(&in[v]);
    if (ok)
        return true;
    for (int k = 0; k < n->n_out; k++)
        sib_tensor_free(&out[k]);
    return rg_run_node(g, i, values, out);
}

static double margin_of(sib_dtype dtype)
{
    return dtype == SIB_F16 || dtype == SIB_BF16 ? MARGIN_HALF : MARGIN;
}

/* Operators that are not continuous. is: the result; y: (n) the result from moved inputs, to which possible
   jumps are applied; by: the noise so far. */
static void jump_power(rg_random *r, const double *is, const double *by, double margin, double *y, size_t n)
{
    (void)r;
    (void)by;
    (void)margin;
    for (size_t i = 0; i < n; i++) /* of a negative base: finite where the exponent is an integer */
        if (isnan(is[i]))
            y[i] = 1;
}

static void jump_remainder(rg_random *r, const double *is, const double *by, double margin, double *y,
                           size_t n)
{
    (void)r;
    for (size_t i = 0; i < n; i++) /* near 0 the quotient is nearly an integer, or the divisor 0 */
        if (fabs(is[i]) <= margin * by[i])
            y[i] = NAN;
}

static void jump_choice(rg_random *r, const double *is, const double *by, double margin, double *y, size_t n)
{
    (void)by;
    (void)margin;
    bool other = false;
    for (size_t i = 0; i < n; i++)
        other |= is[i] != y[i];
    for (size_t i = 0; i < n && other; i++) /* any element nearly as large may be chosen */
        y[i] = rg_chance(r, 50);
}

static const struct {
    const char *type;
    void (*jump)(rg_random *r, const double *is, const double *by, double margin, double *y, size_t n);
} jumps[] = {{"Pow", jump_power}, {"Mod", jump_remainder}, {"Hardmax", jump_choice}};

/* t: result of node i from moved inputs, with which the round continues; is: its result. */
static void jump(const rg_graph *g, rg_random *r, int i, const rg_noise *noise, const rg_noise *s,
                 const sib_tensor *is, sib_tensor *t)
{
    const rg_node *n = &g->nodes[i];
    sib_dtype dtype = sib_tensor_dtype(is);
    sib_error err = SIB_ERROR_INIT;
    bool rounded = false;
    for (int k = 0; k < n->n_in; k++)
        rounded |= n->in[k] != RG_NONE && noise[n->in[k]].rounded;
    for (size_t k = 0; k < sizeof jumps / sizeof *jumps; k++) {
        if (!rounded || !str_is(n->type, jumps[k].type) || unit_of(dtype) == 0 || !same_dims(is, t))
            continue;
        size_t count = sib_tensor_count(is);
        double *x = doubles(is), *y = doubles(t);
        if (x && y) {
            jumps[k].jump(r, x, s->by, margin_of(dtype), y, count);
            sib_convert(SIB_F64, y, dtype, sib_tensor_data(t), count, SIB_OVERFLOW_IEEE, &err);
        }
        free(x);
        free(y);
    }
}

static bool one_round(rg_graph *g, rg_random *r, rg_noise *noise)
{
    sib_tensor *values[RG_VALUES] = {NULL}, *out[RG_OUT];
    sib_error err = SIB_ERROR_INIT;
    bool ok = true;
    for (int v = 0; v < g->n_values && ok; v++)
        if (g->values[v].maker == RG_NONE && g->values[v].t)
            ok = sib_tensor_copy(g->values[v].t, &values[v], &err) == SIB_OK;
    for (int i = 0; i < g->n_nodes && ok; i++) {
        const rg_node *n = &g->nodes[i];
        if (n->dropped)
            continue;
        bool ran = n->exact ? rg_run_node(g, i, values, out) : run_moved(g, r, i, values, out);
        for (int k = 0; k < n->n_out; k++) {
            int v = n->out[k];
            if (v == RG_NONE || g->values[v].maker != i) {
                if (ran && v != RG_NONE)
                    sib_tensor_free(&out[k]);
                continue;
            }
            if (!ran || !out[k]) {
                noise[v].lost = true;
                continue;
            }
            values[v] = n->exact ? out[k] : moved(r, out[k], floor_of(n));
            if (!n->exact)
                sib_tensor_free(&out[k]);
            if (values[v])
                jump(g, r, i, noise, &noise[v], g->values[v].t, values[v]);
            if (values[v])
                raise_noise(&noise[v], g->values[v].t, values[v]);
        }
    }
    for (int v = 0; v < RG_VALUES; v++)
        sib_tensor_free(&values[v]);
    return ok;
}

/* Marks the values that a rounding affects. */
static void mark_rounded(const rg_graph *g, rg_noise *noise)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const rg_node *n = &g->nodes[i];
        bool rounded = !n->exact;
        for (int k = 0; k < n->n_in; k++)
            rounded |= n->in[k] != RG_NONE && noise[n->in[k]].rounded;
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] != RG_NONE && g->values[n->out[k]].maker == i)
                noise[n->out[k]].rounded = rounded;
    }
}

bool rg_noise_find(rg_graph *g, rg_random *r, int rounds, rg_noise *noise)
{
    bool ok = true;
    for (int v = 0; v < g->n_values && ok; v++) {
        if (!g->values[v].t || g->values[v].maker == RG_NONE)
            continue;
        size_t n = sib_tensor_count(g->values[v].t);
        noise[v].by = calloc(n + 1, sizeof *noise[v].by);
        noise[v].unstable = calloc(n + 1, sizeof *noise[v].unstable);
        ok = noise[v].by && noise[v].unstable;
    }
    mark_rounded(g, noise);
    for (int i = 0; i < rounds && ok; i++)
        ok = one_round(g, r, noise);
    return ok;
}

void rg_noise_clear(rg_noise *noise)
{
    for (int v = 0; v < RG_VALUES; v++) {
        free(noise[v].by);
        free(noise[v].unstable);
        noise[v] = (rg_noise){0};
    }
}

/* ---- Comparing ----------------------------------------------------------------------------------------- */

/* The largest number of a dtype: results that round beyond it are infinite. */
static double max_of(sib_dtype dtype)
{
    return dtype == SIB_F16 ? 65504 : dtype == SIB_F64 ? DBL_MAX : FLT_MAX;
}

/* max: where any difference is allowed, a result within a quarter of it may be infinite on the other
   side. */
static bool close_to(double got, double want, double allowed, double max)
{
    if (allowed > 0 && isinf(got) != isinf(want) && fabs(got) > max / 4 && fabs(want) > max / 4)
        return (got > 0) == (want > 0);
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return want == got;
    return fabs(got - want) <= allowed;
}

bool rg_noise_allows(const rg_noise *s, const sib_tensor *got, const sib_tensor *want, char *words,
                     size_t size)
{
    sib_dtype dtype = sib_tensor_dtype(want);
    size_t n = sib_tensor_count(want), wrong = 0;
    if (s->lost)
        return true;
    if (!same_dims(got, want)) {
        snprintf(words, size, "dtype or dims differ");
        return false;
    }
    if (dtype == SIB_STRING || sib_dtype_get_kind(dtype) == SIB_KIND_COMPLEX)
        return true; /* cases cover those dtypes */
    double *a = doubles(got), *b = doubles(want), unit = unit_of(dtype);
    double margin = margin_of(dtype);
    for (size_t i = 0; a && b && i < n; i++) {
        double allowed = s->rounded ? margin * s->by[i] + UNITS * unit * fabs(b[i]) +
                                          (unit > 0 ? UNITS * min_of(dtype) : 0)
                                    : 0;
        if (s->unstable[i] || close_to(a[i], b[i], allowed, max_of(dtype)))
            continue;
        if (!wrong++)
            snprintf(words, size, "element %zu is %.9g, ref has %.9g (allowed: %.3g)", i, a[i], b[i],
                     allowed);
    }
    if (wrong) {
        size_t used = strlen(words);
        snprintf(words + used, size - used, "; %zu of %zu differ", wrong, n);
    }
    bool ok = !wrong && a && b;
    free(a);
    free(b);
    return ok;
}
