#include "batch/buffered.h"

#include "base/error.h"
#include "batch/decoder.h"
#include "run/model.h"
#include "spec/spec.h"

#include <stdio.h>
#include <string.h>

#define AXIS_ROWS 2 /* of caches */
/* Since then Attention has lengths, and there is TensorScatter. */
#define OPSET 24

typedef struct rewrite {
    const buffered_source *source;
    buffered_model *out;
    decoder d;
    patch *patch;
    dim room, steps;
    value_id positions, begins, ends;
} rewrite;

static sib_code cannot(const rewrite *w, const node *n, const char *why, sib_error *err)
{
    char text[256];
    return err_set(err, SIB_ERR_UNSUPPORTED, "node %s %s", node_text(w->d.g, n, text, sizeof text), why);
}

/* ---- Dims ---------------------------------------------------------------------------------------------- */

static const value *cache_value(const rewrite *w, const char *name)
{
    const value_id v = decoder_value_named(w->d.g, name);
    return v == NO_VALUE || w->d.g->values[v].type.shape.rank != 4 ? NULL : &w->d.g->values[v];
}

/* Whether d is N, or P + N, for some numbers: what the dims of rows are where they are sums with rows of a table. */
static bool is_steps(const rewrite *w, dim d, dim steps, bool with_past)
{
    static const int64_t samples[][2] = {{0, 1}, {0, 5}, {3, 1}, {6, 2}}; /* P, N */
    const dim_table *t = w->d.g->dims;
    const dim batch = cache_value(w, w->source->past[0])->type.shape.dims[0];
    dim_binding b = {0};
    sib_str name;
    int64_t made;
    bool is = true;
    for (size_t i = 0; i < sizeof samples / sizeof *samples && is; i++) {
        const int64_t before = samples[i][0], n = samples[i][1];
        if (dim_is_symbol(t, batch, &name))
            is = dim_bind(t, &b, batch, 2, NULL) == SIB_OK;
        is = is && dim_bind(t, &b, w->d.before, before, NULL) == SIB_OK &&
             dim_bind(t, &b, steps, n, NULL) == SIB_OK && dim_eval(t, d, &b, &made, NULL) == SIB_OK &&
             made == n + (with_past ? before : 0);
    }
    dim_binding_clear(&b);
    return is;
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

/* Constant dims that keep the first two and part the last into heads. */
static sib_code head_dims(rewrite *w, dim heads, dim size, value_id *out, sib_error *err)
{
    const int64_t four = 4;
    int64_t dims[4] = {0};
    sib_tensor *t = NULL;
    if (!dim_is_const(w->d.g->dims, heads, &dims[2]) || !dim_is_const(w->d.g->dims, size, &dims[3]))
        return err_set(err, SIB_ERR_UNSUPPORTED, "heads and sizes of its caches are not known");
    sib_code code = sib_tensor_create(SIB_I64, 1, &four, &t, err);
    if (code != SIB_OK)
        return code;
    memcpy(sib_tensor_data(t), dims, sizeof dims);
    code = arena_keep(w->d.g->arena, t, err);
    return code == SIB_OK ? patch_constant(w->patch, (sib_str){"", 0}, t, out, err) : code;
}

static sib_code put_node(rewrite *w, node_id before, const node *like, const char *type, const attribute *a,
                         size_t n, value_id *in, const value_type *made, value_id *out, sib_error *err)
{
    sib_code code = made ? patch_value(w->patch, (sib_str){"", 0}, made, out, err) : SIB_OK;
    const node add = {.type = str_of(type),
                      .name = like->name,
                      .version = like->version < OPSET ? OPSET : like->version,
                      .inputs = {(uint32_t)n, in},
                      .outputs = {1, out},
                      .n_attributes = a ? 1 : 0,
                      .attributes = (attribute *)a};
    return code == SIB_OK ? patch_node(w->patch, before, &add, err) : code;
}

/* New rows [B, N, heads * size] as [B, heads, N, size]; those that are so already stay. */
static sib_code put_heads(rewrite *w, node_id at, value_id cache, value_id *rows, sib_error *err)
{
    static const int64_t order[] = {0, 2, 1, 3};
    const node *n = &w->d.g->nodes[at];
    const attribute perm = {.name = str_of("perm"), .kind = ATTR_INTS, .n = 4, .ints = order};
    const dim *d = w->d.g->values[cache].type.shape.dims;
    value_type apart = w->d.g->values[*rows].type, heads = apart;
    value_id in[] = {*rows, NO_VALUE}, parted, made;
    if (apart.shape.rank == 4)
        return SIB_OK;
    apart.shape.rank = heads.shape.rank = 4;
    memcpy(apart.shape.dims, (const dim[]){d[0], w->steps, d[1], d[3]}, 4 * sizeof *d);
    memcpy(heads.shape.dims, (const dim[]){d[0], d[1], w->steps, d[3]}, 4 * sizeof *d);
    sib_code code = head_dims(w, d[1], d[3], &in[1], err);
    if (code == SIB_OK)
        code = put_node(w, at, n, "Reshape", NULL, 2, in, &apart, &parted, err);
    if (code == SIB_OK)
        code = put_node(w, at, n, "Transpose", &perm, 1, &parted, &heads, &made, err);
    if (code == SIB_OK)
        *rows = made;
    return code;
}

/* Writes new rows into a cache, which makes `present`. */
static sib_code put_rows(rewrite *w, node_id at, value_id cache, value_id rows, value_id present,
                         sib_error *err)
{
    value_id in[] = {cache, rows, w->begins};
    sib_code code = put_heads(w, at, cache, &in[1], err);
    return code == SIB_OK
               ? put_node(w, at, &w->d.g->nodes[at], "TensorScatter", NULL, 3, in, NULL, &present, err)
               : code;
}

/* Whether this form can do what n does. *window: keys that a query sees; 0: all. */
static sib_code check_attention(const rewrite *w, const node *n, int64_t *window, sib_error *err)
{
    const attention_spec s = spec_attention(n);
    const id_list *o = &n->outputs;
    const value_id mask = decoder_input(n, IN_MASK);
    *window = 0;
    for (size_t i = 0; i < 2; i++) {
        const size_t k = decoder_cache_of(&w->d, decoder_input(n, IN_PAST_K + (uint32_t)i));
        if (k == SIZE_MAX || o->n < 3 || !decoder_is_named(w->d.g, o->ids[1 + i], w->source->present[k]))
            return cannot(w, n, "has a cache that is no state of the decoder", err);
        const value *past = &w->d.g->values[decoder_input(n, IN_PAST_K + (uint32_t)i)],
                    *rows = &w->d.g->values[decoder_input(n, IN_K + (uint32_t)i)];
        if (past->type.shape.rank != 4 || past->type.dtype != rows->type.dtype ||
            (rows->type.shape.rank != 3 && rows->type.shape.rank != 4) ||
            !is_steps(w, rows->type.shape.dims[rows->type.shape.rank - 2], w->steps, false))
            return cannot(w, n, "has new rows of another form than its cache", err);
    }
    if (!s.is_causal || s.score_mod || s.prob_mod || (o->n > 3 && o->ids[3] != NO_VALUE) ||
        decoder_input(n, IN_NONPAD) != NO_VALUE)
        return cannot(w, n, "is no causal attention alone", err);
    if (mask != NO_VALUE && (s.left_window_size != -1 || !decoder_is_window(&w->d, mask, window)))
        return cannot(w, n, "has a mask", err);
    return SIB_OK;
}

static sib_code put_attention(void *context, node_id at, sib_error *err)
{
    rewrite *w = context;
    const node *n = &w->d.g->nodes[at];
    const id_list *o = &n->outputs;
    int64_t window;
    sib_code code = check_attention(w, n, &window, err);
    if (code != SIB_OK)
        return code;
    attribute *list = arena_alloc(w->d.g->arena, n->n_attributes + 1, sizeof *list);
    if (!list)
        return err_memory(err, sizeof *list, "a decoder's form");
    memcpy(list, n->attributes, n->n_attributes * sizeof *list);
    list[n->n_attributes] =
        (attribute){.name = str_of("left_window_size"), .kind = ATTR_INT, .i = window - 1};
    value_id in[] = {decoder_input(n, IN_Q), o->ids[1], o->ids[2], NO_VALUE, NO_VALUE, NO_VALUE, w->ends},
             y = o->ids[0];
    const node made = {.type = n->type,
                       .name = n->name,
                       .version = n->version < OPSET ? OPSET : n->version,
                       .inputs = {7, in},
                       .outputs = {1, &y},
                       .n_attributes = n->n_attributes + (window ? 1 : 0),
                       .attributes = list};
    for (uint32_t i = 0; i < 2 && code == SIB_OK; i++)
        code =
            put_rows(w, at, decoder_input(n, IN_PAST_K + i), decoder_input(n, IN_K + i), o->ids[1 + i], err);
    if (code == SIB_OK)
        code = patch_node(w->patch, at, &made, err);
    return code == SIB_OK ? patch_drop(w->patch, at, err) : code;
}

/* ---- The form ------------------------------------------------------------------------------------------ */

/* Finds the input whose dims have N, by the new rows of `keys`, and with it P + N. */
static sib_code find_steps(rewrite *w, const value *keys, sib_error *err)
{
    const graph *g = w->d.g;
    const dim rows = keys->type.shape.dims[keys->type.shape.rank - 2];
    sib_str name;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = &g->values[g->inputs.ids[i]];
        for (int axis = 0; axis < v->type.shape.rank && v->type.shape.ranked; axis++) {
            const dim d = v->type.shape.dims[axis];
            if (!dim_is_symbol(g->dims, d, &name) || dim_same(d, w->d.before) ||
                !is_steps(w, rows, d, false) || v->name.length >= sizeof w->out->steps)
                continue;
            snprintf(w->out->steps, sizeof w->out->steps, "%.*s", (int)v->name.length, v->name.data);
            w->out->steps_axis = (size_t)axis;
            w->steps = d;
            w->d.total = dim_add(g->dims, w->d.before, d);
            return SIB_OK;
        }
    }
    return err_set(err, SIB_ERR_UNSUPPORTED, "none of its inputs says how many tokens a step has");
}

/* Finds N, P and P + N by the first attention with a cache. */
static sib_code find_dims(rewrite *w, sib_error *err)
{
    graph *g = w->d.g;
    const value *past = cache_value(w, w->source->past[0]);
    const node *first = NULL;
    sib_str name;
    for (node_id i = 0; i < g->n_nodes && !first; i++)
        if (decoder_node_is(&g->nodes[i], "Attention") && decoder_input(&g->nodes[i], IN_PAST_K) != NO_VALUE)
            first = &g->nodes[i];
    if (!first || !past)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it has no cache of the operator Attention (opset 23)");
    const value *keys = &g->values[decoder_input(first, IN_K)];
    if (keys->type.shape.rank != 3 && keys->type.shape.rank != 4)
        return cannot(w, first, "has keys of unknown dims", err);
    w->d.before = past->type.shape.dims[AXIS_ROWS];
    if (!dim_is_symbol(g->dims, w->d.before, &name))
        return err_set(err, SIB_ERR_UNSUPPORTED, "the number of its cached rows is fixed");
    return find_steps(w, keys, err);
}

static sib_code add_input(graph *g, const char *name, dim size, value_id *out, sib_error *err)
{
    value_type type = type_tensor(SIB_I64);
    type.shape = (dim_shape){.ranked = true, .rank = 1, .dims = {size}};
    sib_code code = graph_add_value(g, str_of(name), &type, out, err);
    return code == SIB_OK ? graph_add_input(g, *out, err) : code;
}

/* Gives the caches their new dims, and adds the inputs. */
static sib_code begin_rewrite(rewrite *w, sib_error *err)
{
    graph *g = w->d.g;
    sib_code code = find_dims(w, err);
    if (code != SIB_OK)
        return code;
    w->room = dim_fresh(g->dims);
    const dim batch = cache_value(w, w->source->past[0])->type.shape.dims[0];
    for (size_t i = 0; i < 2 * w->source->n; i++) {
        const char *name = i < w->source->n ? w->source->past[i] : w->source->present[i - w->source->n];
        const value_id v = decoder_value_named(g, name);
        const bool before = i < w->source->n;
        value_type *t = v == NO_VALUE ? NULL : &g->values[v].type;
        const dim rows = t && t->shape.rank == 4 ? t->shape.dims[AXIS_ROWS] : DIM_NONE;
        if (!rows.id || !dim_same(t->shape.dims[0], batch) ||
            !(before ? dim_same(rows, w->d.before) : is_steps(w, rows, w->steps, true)))
            return err_set(err, SIB_ERR_UNSUPPORTED, "'%s' is no cache like the others", name);
        t->shape.dims[AXIS_ROWS] = w->room;
        g->values[v].declared = *t;
    }
    code = add_input(g, BUFFERED_POSITIONS, w->steps, &w->positions, err);
    if (code == SIB_OK)
        code = add_input(g, BUFFERED_BEGINS, batch, &w->begins, err);
    if (code == SIB_OK)
        code = add_input(g, BUFFERED_ENDS, batch, &w->ends, err);
    return code == SIB_OK ? patch_create(g, &w->patch, err) : code;
}

static sib_code edit(void *context, graph *g, sib_error *err)
{
    rewrite *w = context;
    w->d = (decoder){.g = g, .n = w->source->n, .past = w->source->past};
    sib_code code = begin_rewrite(w, err);
    if (code == SIB_OK)
        code = decoder_rewrite(&w->d, w->patch, w->positions, put_attention, w, err);
    patch_free(&w->patch);
    return code;
}

/* Whether nothing else reads the caches, of which rows beyond the length do not count. */
static sib_code check_readers(const buffered_source *s, const graph *g, sib_error *err)
{
    const decoder before = {.n = s->n, .past = s->past, .g = (graph *)g},
                  behind = {.n = s->n, .past = s->present, .g = (graph *)g};
    for (node_id i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        bool ok = true;
        for (uint32_t k = 0; k < n->inputs.n; k++) {
            const value_id v = n->inputs.ids[k];
            ok = ok && (v == NO_VALUE || decoder_cache_of(&before, v) == SIZE_MAX ||
                        decoder_node_is(n, "TensorScatter"));
            ok = ok && (v == NO_VALUE || decoder_cache_of(&behind, v) == SIZE_MAX ||
                        decoder_node_is(n, "Attention"));
        }
        for (size_t k = 0; k < n->n_attributes; k++) /* which may read any value */
            ok = ok && n->attributes[k].kind != ATTR_GRAPH && n->attributes[k].kind != ATTR_GRAPHS;
        char text[256];
        if (!ok)
            return err_set(err, SIB_ERR_UNSUPPORTED,
                           "node %s may read the cache otherwise than attention does",
                           node_text(g, n, text, sizeof text));
    }
    return SIB_OK;
}

static bool has_input(const sib_model *m, const char *name)
{
    sib_value_info info;
    size_t i = 0;
    while (sib_model_input(m, i, &info) && strcmp(info.name, name))
        i++;
    return sib_model_input(m, i, &info);
}

sib_code buffered_make(const buffered_source *source, buffered_model *out, sib_error *err)
{
    rewrite w = {.source = source, .out = out};
    *out = (buffered_model){0};
    if (model_needs_registry(source->model))
        return err_set(err, SIB_ERR_UNSUPPORTED, "it may run by operators or backends of the program's own");
    if (!source->n)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it has no cache of keys and values");
    sib_code code = model_part_edited(source->model, edit, &w, NULL, source->outputs, source->n_outputs,
                                      &out->model, err);
    if (code == SIB_OK && (code = check_readers(source, out->model->onnx->graph, err)) != SIB_OK)
        sib_model_free(&out->model);
    out->has_positions = code == SIB_OK && has_input(out->model, BUFFERED_POSITIONS);
    return code;
}
