#include "graph.h"

#define TRIES 6
#define MAX   40000 /* max elements of a value */

/* Operators with random or unrepeatable results, or that run graphs. */
static const char *const left_out[] = {"RandomNormal",
                                       "RandomUniform",
                                       "RandomNormalLike",
                                       "RandomUniformLike",
                                       "Bernoulli",
                                       "Multinomial",
                                       "ImageDecoder",
                                       "Sampling",
                                       "If",
                                       "Loop",
                                       "Scan",
                                       "SequenceMap",
                                       "Dropout",
                                       "Gradient"};

static bool fit(const op_case *c)
{
    if (c->error.data || c->n_in > RG_IN || c->n_out > RG_OUT || !c->n_out)
        return false;
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (str_is(c->name, left_out[i]))
            return false;
    for (size_t i = 0; i < c->n_in; i++)
        if (!c->in[i].omitted && !sib_value_tensor(c->in[i].value))
            return false;
    for (size_t i = 0; i < c->n_out; i++)
        if (!c->out[i].omitted && !sib_value_tensor(c->out[i].value))
            return false;
    return true;
}

/* Whether t is data: a float or, if there are none, of the dtype of the first input. */
static bool is_data(const op_case *c, const sib_tensor *t)
{
    bool floats = false;
    sib_dtype first = SIB_DTYPE_UNKNOWN;
    for (size_t i = 0; i < c->n_in; i++)
        if (!c->in[i].omitted) {
            const sib_tensor *in = sib_value_tensor(c->in[i].value);
            floats |= rg_is_float(in);
            first = first ? first : sib_tensor_dtype(in);
        }
    return floats ? rg_is_float(t) : sib_tensor_dtype(t) == first && first != SIB_STRING;
}

/* Two sizes among the dims of data, and their replacements. */
typedef struct change {
    int64_t from[2], to[2];
    bool values; /* draw new elements */
    rg_profile profile;
} change;

static int64_t some_size(const op_case *c, rg_random *r)
{
    int64_t sizes[RG_IN * SIB_MAX_RANK];
    int n = 0;
    for (size_t i = 0; i < c->n_in; i++) {
        const sib_tensor *t = c->in[i].omitted ? NULL : sib_value_tensor(c->in[i].value);
        for (size_t k = 0; t && is_data(c, t) && k < sib_tensor_rank(t); k++)
            sizes[n++] = sib_tensor_dims(t)[k];
    }
    return n ? sizes[rg_below(r, n)] : -1;
}

static sib_tensor *changed(const op_case *c, rg_random *r, const sib_tensor *t, const change *by)
{
    sib_error err = SIB_ERROR_INIT;
    int64_t dims[SIB_MAX_RANK];
    uint64_t n = 1;
    size_t rank = sib_tensor_rank(t);
    bool other = false;
    sib_tensor *out = NULL;
    for (size_t k = 0; k < rank; k++) {
        dims[k] = sib_tensor_dims(t)[k];
        for (int i = 0; i < 2; i++)
            if (dims[k] == by->from[i]) {
                dims[k] = by->to[i];
                break;
            }
        other |= dims[k] != sib_tensor_dims(t)[k];
        n *= (uint64_t)dims[k];
    }
    bool draw = is_data(c, t) && (other || (by->values && (rank || rg_chance(r, 30))));
    if (n > MAX)
        return NULL;
    if (draw)
        return rg_tensor(r, sib_tensor_dtype(t), rank, dims, by->profile);
    return sib_tensor_copy(t, &out, &err) == SIB_OK ? out : NULL;
}

static bool try_change(rg_graph *g, const op_case *c, rg_random *r, const change *by)
{
    rg_node n = {.domain = c->domain,
                 .type = c->name,
                 .version = c->version,
                 .n_attributes = c->n_attributes,
                 .attributes = c->attributes,
                 .n_in = (int)c->n_in,
                 .n_out = (int)c->n_out};
    bool first = true;
    for (size_t i = 0; i < c->n_in; i++) {
        n.in[i] = RG_NONE;
        if (c->in[i].omitted)
            continue;
        const sib_tensor *t = sib_value_tensor(c->in[i].value);
        n.in[i] = rg_leaf(g, changed(c, r, t, by), !first && rg_chance(r, 50));
        if (n.in[i] == RG_NONE)
            return false;
        first = false;
    }
    for (size_t i = 0; i < c->n_out; i++)
        n.out[i] = c->out[i].omitted ? RG_NONE : 0;
    if (!rg_add_node(g, &n, MAX))
        return false;
    for (int v = 0; v < g->n_values; v++)
        g->values[v].output = g->values[v].maker != RG_NONE && g->values[v].t;
    return true;
}

/* Uses the largest numbers only where nothing is summed. */
static rg_profile profile_of(const op_case *c, rg_random *r)
{
    static const char *const files[] = {"unary.cases", "binary.cases", "activation.cases", "index.cases",
                                        "shape.cases"};
    static const rg_profile others[] = {RG_GENTLE, RG_GENTLE, RG_UNIT, RG_POSITIVE, RG_INTEGER, RG_STRANGE};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strstr(c->file, files[i]))
            return rg_chance(r, 20) ? RG_SPECIAL : RG_ANY;
    return others[rg_below(r, 6)];
}

bool rg_from_case(rg_graph *g, const op_case *c, rg_random *r)
{
    if (!fit(c))
        return false;
    for (int i = 0; i < TRIES; i++) {
        bool dims = i + 1 < TRIES;
        change by = {.from = {dims ? some_size(c, r) : -1, dims && rg_chance(r, 40) ? some_size(c, r) : -1},
                     .to = {rg_size(r, 200), rg_size(r, 70)},
                     .values = rg_chance(r, 70),
                     .profile = profile_of(c, r)};
        if (i == TRIES - 2)
            by.to[0] = by.from[0] * 2;
        if (!rg_begin(g))
            return false;
        g->from = c;
        g->opset = c->domain.length ? 21 : c->version;
        g->symbolic = rg_chance(r, 30);
        if (try_change(g, c, r, &by))
            return true;
        rg_clear(g);
    }
    return false;
}
