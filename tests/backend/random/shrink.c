/* Shrinks a graph that fails: fewer nodes, then smaller dims, then simpler elements. */
#include "graph.h"

#include <math.h>

typedef struct shrinking {
    rg_graph *g;
    uint64_t seed;
    rg_failure *failure;
    int tries; /* tries left */
} shrinking;

/* Replaces the graph by `to` if that still fails. Clears `to` otherwise. */
static bool adopt(shrinking *s, rg_graph *to, bool evaluate)
{
    rg_failure f;
    rg_sweep(to);
    if (s->tries-- > 0 && rg_count(to) > 0 && (!evaluate || rg_evaluate(to)) &&
        !rg_check(to, s->seed, s->failure->config, &f)) {
        to->arena = s->g->arena;
        s->g->arena = NULL;
        rg_clear(s->g);
        *s->g = *to;
        *s->failure = f;
        return true;
    }
    rg_clear(to);
    return false;
}

static bool only_output(shrinking *s, int v)
{
    rg_graph to;
    if (!rg_copy(&to, s->g))
        return false;
    for (int i = 0; i < to.n_values; i++)
        to.values[i].output = i == v;
    return adopt(s, &to, false);
}

/* The graph without output v. */
static bool without_output(shrinking *s, int v)
{
    rg_graph to;
    if (!rg_copy(&to, s->g))
        return false;
    to.values[v].output = false;
    return adopt(s, &to, false);
}

/* Makes value v an input, so that the nodes before it can go. */
static bool cut(shrinking *s, int v)
{
    rg_graph to;
    if (!rg_copy(&to, s->g))
        return false;
    rg_node *n = &to.nodes[to.values[v].maker];
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k] == v)
            n->out[k] = RG_NONE;
    to.values[v].maker = RG_NONE;
    to.values[v].constant = to.values[v].output = false;
    return adopt(s, &to, false);
}

static int count_outputs(const rg_graph *g)
{
    int n = 0;
    for (int v = 0; v < g->n_values; v++)
        n += g->values[v].output && !g->values[v].dropped;
    return n;
}

static void fewer_nodes(shrinking *s)
{
    if (s->failure->value != RG_NONE)
        only_output(s, s->failure->value);
    for (bool better = true; better && s->tries > 0;) {
        better = false;
        for (int v = s->g->n_values; v-- > 0;) {
            rg_value *x = &s->g->values[v];
            if (!x->dropped && x->maker != RG_NONE && !x->output)
                better |= cut(s, v);
        }
        for (int v = 0; v < s->g->n_values && rg_count(s->g) > 1; v++) {
            const rg_value *x = &s->g->values[v];
            if (!x->dropped && x->maker != RG_NONE && (!x->output || count_outputs(s->g) > 1))
                better |= only_output(s, v) || (s->g->values[v].output && without_output(s, v));
        }
    }
}

/* ---- Dims ---------------------------------------------------------------------------------------------- */

/* A copy of the leading part of t, with dims of size `from` cut to `to`. */
static sib_tensor *cropped(const sib_tensor *t, int64_t from, int64_t to)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *at = NULL, *next = NULL, *out = NULL;
    if (sib_tensor_slice(t, 0, 0, sib_tensor_dims(t)[0], 1, &at, &err) != SIB_OK)
        return NULL;
    for (size_t k = 0; k < sib_tensor_rank(t); k++) {
        if (sib_tensor_dims(t)[k] != from)
            continue;
        if (sib_tensor_slice(at, (int64_t)k, 0, to, 1, &next, &err) != SIB_OK)
            next = NULL;
        sib_tensor_free(&at);
        at = next;
        if (!at)
            return NULL;
    }
    if (sib_tensor_copy(at, &out, &err) != SIB_OK)
        out = NULL;
    sib_tensor_free(&at);
    return out;
}

/* Cuts axes of size `from` of inputs and constants to `to_size`: of all of them, or of `alone` if it is not
   RG_NONE. */
static bool crop(shrinking *s, int64_t from, int64_t to_size, int alone)
{
    rg_graph to;
    if (!rg_copy(&to, s->g))
        return false;
    for (int v = 0; v < to.n_values; v++) {
        rg_value *x = &to.values[v];
        if (x->maker != RG_NONE || !x->t || x->dropped || !sib_tensor_rank(x->t) ||
            (alone != RG_NONE && v != alone))
            continue;
        sib_tensor *smaller = cropped(x->t, from, to_size);
        if (smaller) {
            sib_tensor_free(&x->t);
            x->t = smaller;
        }
    }
    return adopt(s, &to, true);
}

static bool smaller_size(shrinking *s, int64_t size)
{
    const int64_t tries[] = {1, 2, size / 2, size - 1};
    for (int i = 0; i < 4; i++)
        if (tries[i] > 0 && tries[i] < size && crop(s, size, tries[i], RG_NONE))
            return true;
    return false;
}

static void smaller_dims(shrinking *s)
{
    for (bool better = true; better && s->tries > 0;) {
        better = false;
        for (int v = 0; v < s->g->n_values && !better; v++) {
            const rg_value *x = &s->g->values[v];
            if (x->maker != RG_NONE || !x->t || x->dropped)
                continue;
            for (size_t k = 0; k < sib_tensor_rank(x->t) && !better; k++) {
                int64_t size = sib_tensor_dims(x->t)[k];
                better = size > 1 &&
                         (smaller_size(s, size) || crop(s, size, size / 2, v) || crop(s, size, size - 1, v));
            }
        }
    }
}

/* ---- Elements ------------------------------------------------------------------------------------------ */

static double plain(int how, double x)
{
    return how == 0   ? 0
           : how == 1 ? 1
           : how == 2 ? (isfinite(x) ? round(x) : x)
                      : (isfinite(x) ? round(8 * x) / 8 : x);
}

/* Simplifies elements begin .. begin + n - 1 of a value. */
static bool plainer(shrinking *s, int v, size_t begin, size_t n, int how)
{
    rg_graph to;
    sib_error err = SIB_ERROR_INIT;
    if (!rg_copy(&to, s->g))
        return false;
    sib_tensor *wide = NULL, *narrow = NULL;
    rg_value *x = &to.values[v];
    bool changed = false;
    if (sib_tensor_convert(x->t, SIB_F64, SIB_OVERFLOW_IEEE, &wide, &err) == SIB_OK) {
        double *e = sib_tensor_data(wide);
        for (size_t i = begin; i < begin + n && i < sib_tensor_count(wide); i++) {
            double y = plain(how, e[i]);
            changed |= y != e[i];
            e[i] = y;
        }
        if (sib_tensor_convert(wide, sib_tensor_dtype(x->t), SIB_OVERFLOW_IEEE, &narrow, &err) == SIB_OK) {
            sib_tensor_free(&x->t);
            x->t = narrow;
        }
    }
    sib_tensor_free(&wide);
    if (changed)
        return adopt(s, &to, true);
    rg_clear(&to);
    return false;
}

static void plainer_elements(shrinking *s)
{
    for (int v = 0; v < s->g->n_values && s->tries > 0; v++) {
        const rg_value *x = &s->g->values[v];
        if (x->maker != RG_NONE || !x->t || x->dropped || !rg_is_float(x->t))
            continue;
        size_t n = sib_tensor_count(x->t);
        bool done = false;
        for (int how = 0; how < 4 && !done; how++)
            done = plainer(s, v, 0, n, how);
        for (size_t i = 0; i < n && n <= 24 && !done; i++)
            for (int how = 0; how < 4; how++)
                if (plainer(s, v, i, 1, how))
                    break;
    }
}

void rg_shrink(rg_graph *g, uint64_t seed, rg_failure *failure)
{
    shrinking s = {g, seed, failure, 1500};
    rg_sweep(g);
    fewer_nodes(&s);
    smaller_dims(&s);
    plainer_elements(&s);
    fewer_nodes(&s);
}
