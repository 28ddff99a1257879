#include "batch/rows.h"

#include "base/error.h"
#include "graph/patch.h"
#include "run/model.h"
#include "spec/spec.h"

#include <math.h>
#include <string.h>

#define MAX_STEPS_BACK 8 /* nodes that only change the form of a value */

enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_K, IN_PAST_V, IN_NONPAD };

typedef struct rewrite {
    const rows_source *source;
    rows_layer *layers;
    size_t n_layers;
    graph *g;
    patch *patch;
    value_id positions;
    dim past, total; /* P and P + N, as the graph names them */
} rewrite;

/* ---- Questions about the graph ------------------------------------------------------------------------- */

static bool is_op(const node *n, const char *type)
{
    return n && !n->domain.length && str_is(n->type, type);
}

static value_id in(const node *n, uint32_t i)
{
    return i < n->inputs.n ? n->inputs.ids[i] : NO_VALUE;
}

static const node *maker(const graph *g, value_id v)
{
    return v == NO_VALUE || g->values[v].producer == NO_NODE ? NULL : &g->nodes[g->values[v].producer];
}

/* The value behind nodes that change a value's form alone. */
static value_id unwrapped(const graph *g, value_id v)
{
    static const char *const forms[] = {"Reshape", "Squeeze", "Unsqueeze", "Cast", "Identity"};
    for (int step = 0; step < MAX_STEPS_BACK; step++) {
        const node *n = maker(g, v);
        bool form = false;
        for (size_t i = 0; n && i < sizeof forms / sizeof *forms; i++)
            form = form || is_op(n, forms[i]);
        if (!form)
            break;
        v = in(n, 0);
    }
    return v;
}

/* Whether v is known to be one number, this dim. */
static bool is_dim(const graph *g, value_id v, dim d)
{
    v = v == NO_VALUE ? v : unwrapped(g, v);
    return v != NO_VALUE && g->values[v].n_elements == 1 && dim_same(g->values[v].elements[0], d);
}

/* Whether v is one constant number. */
static bool number_of(const graph *g, value_id v, double *out)
{
    const sib_tensor *t = v == NO_VALUE ? NULL : graph_find_constant(g, v);
    return t && sib_tensor_count(t) == 1 &&
           sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_F64, out, 1, SIB_OVERFLOW_IEEE, NULL) ==
               SIB_OK;
}

/* Whether v counts from `first` to the end of the cache with its new rows. */
static bool is_range(const rewrite *w, value_id v, bool from_past)
{
    const node *n = maker(w->g, v);
    double first = 0, step = 0;
    return is_op(n, "Range") && is_dim(w->g, in(n, 1), w->total) && number_of(w->g, in(n, 2), &step) &&
           step == 1 &&
           (from_past ? is_dim(w->g, in(n, 0), w->past) : number_of(w->g, in(n, 0), &first) && first == 0);
}

/* Whether v is true for keys less than *window before their query: Less(queries - keys, window). */
static bool is_window(const rewrite *w, value_id v, int64_t *window)
{
    const node *less = maker(w->g, v), *sub = is_op(less, "Less") ? maker(w->g, in(less, 0)) : NULL;
    double width;
    if (!is_op(sub, "Sub") || !number_of(w->g, in(less, 1), &width) || !(width >= 1 && width < INT32_MAX) ||
        !is_range(w, unwrapped(w->g, in(sub, 0)), true) || !is_range(w, unwrapped(w->g, in(sub, 1)), false))
        return false;
    *window = (int64_t)width;
    return true;
}

static bool is_named(const graph *g, value_id v, const char *name)
{
    return v != NO_VALUE && str_is(g->values[v].name, name);
}

/* The number of a value of the cache by its input, or SIZE_MAX. */
static size_t cache_of(const rewrite *w, value_id v)
{
    size_t i = 0;
    while (i < w->source->n && !is_named(w->g, v, w->source->past[i]))
        i++;
    return i < w->source->n ? i : SIZE_MAX;
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

static sib_code cannot(const rewrite *w, const node *n, const char *why, sib_error *err)
{
    char text[256];
    return err_set(err, SIB_ERR_UNSUPPORTED, "node %s %s", node_text(w->g, n, text, sizeof text), why);
}

/* Heads and size of a value of the cache [B, heads, P, size]. */
static bool cache_dims(const graph *g, value_id v, size_t *heads, size_t *size)
{
    const value_type *t = &g->values[v].type;
    int64_t h, d;
    if (t->dtype != SIB_F32 || t->shape.rank != 4 || !dim_is_const(g->dims, t->shape.dims[1], &h) ||
        !dim_is_const(g->dims, t->shape.dims[3], &d) || h < 1 || d < 1 || h > 65536 || d > 65536)
        return false;
    *heads = (size_t)h;
    *size = (size_t)d;
    return true;
}

static sib_code read_layer(const rewrite *w, const node *n, rows_layer *out, sib_error *err)
{
    attention_spec s = spec_attention(n);
    size_t k = cache_of(w, in(n, IN_PAST_K)), v = cache_of(w, in(n, IN_PAST_V)), shared;
    const id_list *o = &n->outputs;
    *out = (rows_layer){.softcap = (float)s.softcap};
    if (k == SIZE_MAX || v == SIZE_MAX || o->n < 3 || !is_named(w->g, o->ids[1], w->source->present[k]) ||
        !is_named(w->g, o->ids[2], w->source->present[v]))
        return cannot(w, n, "has a cache that is no state of the decoder", err);
    if (!cache_dims(w->g, in(n, IN_PAST_K), &out->kv_heads, &out->d) ||
        !cache_dims(w->g, in(n, IN_PAST_V), &shared, &out->dv) || shared != out->kv_heads)
        return cannot(w, n, "has a cache whose heads and sizes are not known, or that is not of float32",
                      err);
    if (!s.is_causal || s.q_num_heads < 1 || s.kv_num_heads != (int64_t)out->kv_heads ||
        s.q_num_heads % s.kv_num_heads || s.left_window_size != -1 || s.right_window_size != -1 ||
        (s.softmax_precision && s.softmax_precision != SIB_F32) || in(n, IN_NONPAD) != NO_VALUE)
        return cannot(w, n, "is no causal attention of heads side by side", err);
    out->heads = (size_t)s.q_num_heads;
    out->scale = (float)(isnan(s.scale) ? 1 / sqrt((double)out->d) : s.scale);
    if (in(n, IN_MASK) != NO_VALUE && !is_window(w, in(n, IN_MASK), &out->window))
        return cannot(w, n, "has a mask", err);
    return SIB_OK;
}

static sib_code put_attention(rewrite *w, node_id at, sib_error *err)
{
    const node *n = &w->g->nodes[at];
    attribute layer = {.name = str_of(ROWS_LAYER), .kind = ATTR_INT, .i = (int64_t)w->n_layers};
    if (2 * w->n_layers >= w->source->n)
        return cannot(w, n, "shares its cache with another", err);
    sib_code code = read_layer(w, n, &w->layers[w->n_layers++], err);
    value_id ids[] = {in(n, IN_Q), in(n, IN_K), in(n, IN_V)}, y = n->outputs.ids[0];
    node made = {.domain = str_of(ROWS_DOMAIN),
                 .type = str_of(ROWS_OPERATOR),
                 .name = n->name,
                 .version = 1,
                 .inputs = {3, ids},
                 .outputs = {1, &y},
                 .n_attributes = 1,
                 .attributes = &layer};
    if (code == SIB_OK)
        code = patch_node(w->patch, at, &made, err);
    return code == SIB_OK ? patch_drop(w->patch, at, err) : code;
}

/* ---- Positions ----------------------------------------------------------------------------------------- */

/* Rows P to P + N of a table become those of the positions. */
static sib_code put_rows(rewrite *w, node_id at, sib_error *err)
{
    const node *n = &w->g->nodes[at];
    attribute axis = {.name = str_of("axis"), .kind = ATTR_INT, .i = 0};
    value_id ids[] = {in(n, 0), w->positions}, y = n->outputs.ids[0];
    node made = {.type = str_of("Gather"),
                 .name = n->name,
                 .version = n->version,
                 .inputs = {2, ids},
                 .outputs = {1, &y},
                 .n_attributes = 1,
                 .attributes = &axis};
    sib_code code = patch_node(w->patch, at, &made, err);
    return code == SIB_OK ? patch_drop(w->patch, at, err) : code;
}

static bool is_rows(const rewrite *w, const node *n)
{
    double axis;
    return is_op(n, "Slice") && graph_find_constant(w->g, in(n, 0)) && is_dim(w->g, in(n, 1), w->past) &&
           is_dim(w->g, in(n, 2), w->total) && number_of(w->g, in(n, 3), &axis) && axis == 0 &&
           in(n, 4) == NO_VALUE;
}

/* ---- The whole ----------------------------------------------------------------------------------------- */

static value_id find_value(const graph *g, const char *name)
{
    value_id v = 0;
    while (v < g->n_values && !str_is(g->values[v].name, name))
        v++;
    return v < g->n_values ? v : NO_VALUE;
}

/* Finds P and P + N, and adds the input of positions. */
static sib_code begin_rewrite(rewrite *w, sib_error *err)
{
    graph *g = w->g;
    value_id past = find_value(g, w->source->past[0]), tokens = find_value(g, w->source->tokens);
    int64_t batch;
    const dim_shape *cache = past == NO_VALUE ? NULL : &g->values[past].type.shape,
                    *ids = tokens == NO_VALUE ? NULL : &g->values[tokens].type.shape;
    if (!cache || !ids || !g->outputs.n || cache->rank != 4 || ids->rank != 2)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "its tokens are not [B, N], or its cache is not [B, heads, P, size]");
    if (dim_is_const(g->dims, ids->dims[1], &batch) || dim_is_const(g->dims, cache->dims[2], &batch))
        return err_set(err, SIB_ERR_UNSUPPORTED, "the numbers of its tokens and of cached rows are fixed");
    w->past = cache->dims[2];
    w->total = dim_add(g->dims, w->past, ids->dims[1]);
    value_type type = type_tensor(SIB_I64);
    type.shape = (dim_shape){.ranked = true, .rank = 1, .dims = {ids->dims[1]}};
    g->outputs.n = 1; /* of those that continue the cache nothing is left */
    g->outputs.ids[0] = find_value(g, w->source->logits);
    sib_code code = graph_add_value(g, str_of(ROWS_POSITIONS), &type, &w->positions, err);
    if (code == SIB_OK)
        code = graph_add_input(g, w->positions, err);
    return code == SIB_OK ? patch_create(g, &w->patch, err) : code;
}

static sib_code edit(void *context, graph *g, sib_error *err)
{
    rewrite *w = context;
    w->g = g;
    sib_code code = begin_rewrite(w, err);
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        if (is_op(n, "Attention") && in(n, IN_PAST_K) != NO_VALUE)
            code = put_attention(w, i, err);
        else if (is_op(n, "Range") && is_range(w, n->outputs.ids[0], true))
            code = patch_rewire(w->patch, n->outputs.ids[0], w->positions, err);
        else if (is_rows(w, n))
            code = put_rows(w, i, err);
    }
    if (code == SIB_OK && 2 * w->n_layers != w->source->n)
        code = err_set(err, SIB_ERR_UNSUPPORTED,
                       "%zu of its states are no caches of the operator Attention (opset 23)",
                       w->source->n - 2 * w->n_layers);
    if (code == SIB_OK)
        code = patch_apply(g, w->patch, err);
    patch_free(&w->patch);
    return code;
}

/* Whether nothing else asks for the cache, whose length differs between sequences. */
static sib_code check_inputs(const sib_model *m, const rows_source *s, sib_error *err)
{
    sib_value_info info;
    for (size_t i = 0; sib_model_input(m, i, &info); i++)
        if (strcmp(info.name, s->tokens) && strcmp(info.name, s->at) && strcmp(info.name, ROWS_POSITIONS))
            return err_set(err, SIB_ERR_UNSUPPORTED,
                           "its graph uses '%s' otherwise than for attention and positions", info.name);
    return SIB_OK;
}

sib_code rows_make(const rows_source *source, sib_registry *registry, rows_layer *layers, sib_model **out,
                   sib_error *err)
{
    rewrite w = {.source = source, .layers = layers};
    *out = NULL;
    if (source->model->registry)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it may have operators of the program's own");
    if (!source->n)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it has no cache of keys and values");
    sib_code code = model_part_edited(source->model, edit, &w, registry, &source->logits, 1, out, err);
    if (code == SIB_OK && (code = check_inputs(*out, source, err)) != SIB_OK)
        sib_model_free(out);
    return code;
}
