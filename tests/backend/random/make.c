/* Random graphs, drawn from tables of makers. */
#include "graph.h"

#include <math.h>

/* ---- Conditions ---------------------------------------------------------------------------------------- */

bool rg_is_float(const sib_tensor *t)
{
    sib_dtype d = sib_tensor_dtype(t);
    return d == SIB_F32 || d == SIB_F16 || d == SIB_BF16 || d == SIB_F64;
}

bool rg_is_bool(const sib_tensor *t)
{
    return sib_tensor_dtype(t) == SIB_BOOL;
}

bool rg_is_integer(const sib_tensor *t)
{
    sib_dtype_kind kind = sib_dtype_get_kind(sib_tensor_dtype(t));
    return (kind == SIB_KIND_INT || kind == SIB_KIND_UINT) && sib_dtype_bits(sib_tensor_dtype(t)) >= 8;
}

bool rg_is_tame(const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    size_t n = sib_tensor_count(t);
    double max = sib_tensor_dtype(t) == SIB_F16 ? 20 : 1e9,
           *x = rg_is_float(t) ? malloc((n + 1) * sizeof *x) : NULL;
    bool tame = x && sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_F64, x, n, SIB_OVERFLOW_IEEE,
                                 &err) == SIB_OK;
    for (size_t i = 0; i < n && tame; i++)
        tame = !isfinite(x[i]) || fabs(x[i]) <= max;
    free(x);
    return tame;
}

/* ---- Choosing ------------------------------------------------------------------------------------------ */

const sib_tensor *rg_of(const rg_maker *m, int v)
{
    return m->g->values[v].t;
}

static bool fits(const rg_maker *m, int v, const rg_want *want)
{
    const rg_value *x = &m->g->values[v];
    int rank = x->t ? (int)sib_tensor_rank(x->t) : -1;
    return x->t && !x->dropped && rank >= want->least_rank && rank <= want->most_rank &&
           sib_tensor_dtype(x->t) != SIB_STRING && (!want->fits || want->fits(x->t));
}

int rg_new(const rg_maker *m, sib_dtype dtype, size_t rank, const int64_t *dims, rg_profile profile)
{
    uint64_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (uint64_t)dims[i];
    return n > m->max ? RG_NONE
                      : rg_leaf(m->g, rg_tensor(m->r, dtype, rank, dims, profile), rg_chance(m->r, 50));
}

/* A new value of random dims. */
static int fresh(const rg_maker *m, const rg_want *want)
{
    int64_t dims[SIB_MAX_RANK];
    int most_rank = want->most_rank < 4 ? want->most_rank : rg_chance(m->r, 10) ? 5 : 4;
    int min = want->least_rank > most_rank ? want->least_rank : want->least_rank;
    int rank = min + rg_below(m->r, most_rank - min + 1);
    uint64_t n = 1;
    for (int i = 0; i < rank; i++) {
        uint64_t room = m->max / (n ? n : 1);
        dims[i] = rg_size(m->r, room > 64 && rank > 2 ? 40 : (int64_t)(room ? room : 1));
        n *= (uint64_t)dims[i];
    }
    return n > m->max
               ? RG_NONE
               : rg_leaf(m->g, rg_tensor(m->r, m->dtype, (size_t)rank, dims, RG_ANY), rg_chance(m->r, 10));
}

int rg_pick(const rg_maker *m, const rg_want *want)
{
    int found[RG_VALUES], n = 0;
    for (int v = 0; v < m->g->n_values; v++)
        if (!m->g->values[v].constant && fits(m, v, want))
            found[n++] = v;
    if (n && rg_chance(m->r, 65))
        return found[n - 1]; /* chains of nodes, as in networks */
    if (n && rg_chance(m->r, 75))
        return found[rg_below(m->r, n)];
    int v = fresh(m, want);
    if (v != RG_NONE && fits(m, v, want))
        return v;
    return n ? found[rg_below(m->r, n)] : RG_NONE;
}

int rg_ints(const rg_maker *m, size_t n, const int64_t *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    int64_t dims[] = {(int64_t)n};
    if (sib_tensor_create(SIB_I64, 1, dims, &t, &err) != SIB_OK)
        return RG_NONE;
    if (n)
        memcpy(sib_tensor_data(t), values, n * sizeof *values);
    return rg_leaf(m->g, t, rg_chance(m->r, 85));
}

size_t rg_broadcastable(const rg_maker *m, const sib_tensor *t, int64_t *dims)
{
    size_t rank = sib_tensor_rank(t),
           keep = rg_chance(m->r, 60) ? rank : (size_t)rg_below(m->r, (int)rank + 1);
    for (size_t i = 0; i < keep; i++)
        dims[i] = rg_chance(m->r, 25) ? 1 : sib_tensor_dims(t)[rank - keep + i];
    return keep;
}

bool rg_put(const rg_maker *m, const char *type, const char *attributes, int n_in, const int *in, int n_out)
{
    for (int i = 0; i < n_in; i++)
        if (in[i] != RG_NONE && !m->g->values[in[i]].t)
            return false;
    return rg_add(m->g, type, attributes, n_in, in, n_out, m->max);
}

const char *rg_list(char *text, size_t size, size_t n, const int64_t *values)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "", (long long)values[i]);
    snprintf(text + used, size - used, "]");
    return text;
}

/* ---- Graphs -------------------------------------------------------------------------------------------- */

static const struct {
    int weight;
    const rg_row *rows;
} families[] = {{34, rg_elementwise}, {24, rg_layout}, {16, rg_rows},    {12, rg_matrix},
                {10, rg_windows},     {8, rg_others},  {6, rg_quantized}};

static rg_make_function choose(rg_random *r)
{
    int at = rg_below(r, 110), k = 0, sum = 0;
    while (at >= families[k].weight)
        at -= families[k++].weight;
    for (const rg_row *row = families[k].rows; row->weight; row++)
        sum += row->weight;
    at = rg_below(r, sum);
    const rg_row *row = families[k].rows;
    while (at >= row->weight)
        at -= row++->weight;
    return row->make;
}

static sib_dtype main_dtype(rg_random *r)
{
    int k = rg_below(r, 100);
    return k < 72   ? SIB_F32
           : k < 82 ? SIB_F16
           : k < 88 ? SIB_F64
           : k < 92 ? SIB_BF16
           : k < 96 ? SIB_I32
                    : SIB_I64;
}

/* Values that nobody reads become outputs, and a few others do. */
static void mark_outputs(rg_graph *g, rg_random *r)
{
    bool read[RG_VALUES] = {false};
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k] != RG_NONE)
                read[g->nodes[i].in[k]] = true;
    for (int v = 0; v < g->n_values; v++)
        if (g->values[v].maker != RG_NONE && !g->values[v].dropped)
            g->values[v].output = !read[v] || rg_chance(r, 10);
}

bool rg_make(rg_graph *g, rg_random *r, int nodes, bool big)
{
    rg_maker m = {.g = g,
                  .r = r,
                  .dtype = main_dtype(r),
                  .max = big                ? 200000
                         : rg_chance(r, 20) ? 20000
                                            : 3000};
    g->symbolic = rg_chance(r, 30);
    for (int tries = 0; g->n_nodes < nodes && tries < 6 * nodes + 20; tries++)
        if (g->n_values < RG_VALUES - 24)
            choose(r)(&m);
    mark_outputs(g, r);
    return g->n_nodes > 0;
}
