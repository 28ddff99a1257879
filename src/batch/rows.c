#include "batch/rows.h"

#include "base/error.h"
#include "batch/decoder.h"
#include "run/model.h"
#include "spec/spec.h"

#include <math.h>
#include <string.h>

typedef struct rewrite {
    const rows_source *source;
    rows_layer *layers;
    size_t n_layers;
    decoder d;
    patch *patch;
    value_id positions;
} rewrite;

/* ---- Attention ----------------------------------------------------------------------------------------- */

static sib_code cannot(const rewrite *w, const node *n, const char *why, sib_error *err)
{
    char text[256];
    return err_set(err, SIB_ERR_UNSUPPORTED, "node %s %s", node_text(w->d.g, n, text, sizeof text), why);
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
    size_t k = decoder_cache_of(&w->d, decoder_input(n, IN_PAST_K)),
           v = decoder_cache_of(&w->d, decoder_input(n, IN_PAST_V)), shared;
    const id_list *o = &n->outputs;
    *out = (rows_layer){.softcap = (float)s.softcap};
    if (k == SIZE_MAX || v == SIZE_MAX || o->n < 3 ||
        !decoder_is_named(w->d.g, o->ids[1], w->source->present[k]) ||
        !decoder_is_named(w->d.g, o->ids[2], w->source->present[v]))
        return cannot(w, n, "has a cache that is no state of the decoder", err);
    if (!cache_dims(w->d.g, decoder_input(n, IN_PAST_K), &out->kv_heads, &out->d) ||
        !cache_dims(w->d.g, decoder_input(n, IN_PAST_V), &shared, &out->dv) || shared != out->kv_heads)
        return cannot(w, n, "has a cache whose heads and sizes are not known, or that is not of float32",
                      err);
    if (!s.is_causal || s.q_num_heads < 1 || s.kv_num_heads != (int64_t)out->kv_heads ||
        s.q_num_heads % s.kv_num_heads || s.left_window_size != -1 || s.right_window_size != -1 ||
        (s.softmax_precision && s.softmax_precision != SIB_F32) || decoder_input(n, IN_NONPAD) != NO_VALUE)
        return cannot(w, n, "is no causal attention of heads side by side", err);
    out->heads = (size_t)s.q_num_heads;
    out->scale = (float)(isnan(s.scale) ? 1 / sqrt((double)out->d) : s.scale);
    if (decoder_input(n, IN_MASK) != NO_VALUE &&
        !decoder_is_window(&w->d, decoder_input(n, IN_MASK), &out->window))
        return cannot(w, n, "has a mask", err);
    return SIB_OK;
}

static sib_code put_attention(void *context, node_id at, sib_error *err)
{
    rewrite *w = context;
    const node *n = &w->d.g->nodes[at];
    attribute layer = {.name = str_of(ROWS_LAYER), .kind = ATTR_INT, .i = (int64_t)w->n_layers};
    if (2 * w->n_layers >= w->source->n)
        return cannot(w, n, "shares its cache with another", err);
    sib_code code = read_layer(w, n, &w->layers[w->n_layers++], err);
    value_id ids[] = {decoder_input(n, IN_Q), decoder_input(n, IN_K), decoder_input(n, IN_V)},
             y = n->outputs.ids[0];
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

/* ---- The whole ----------------------------------------------------------------------------------------- */

/* Finds P and P + N, and adds the input of positions. */
static sib_code begin_rewrite(rewrite *w, sib_error *err)
{
    graph *g = w->d.g;
    value_id past = decoder_value_named(g, w->source->past[0]),
             tokens = decoder_value_named(g, w->source->tokens);
    int64_t batch;
    const dim_shape *cache = past == NO_VALUE ? NULL : &g->values[past].type.shape,
                    *ids = tokens == NO_VALUE ? NULL : &g->values[tokens].type.shape;
    if (!cache || !ids || !g->outputs.n || cache->rank != 4 || ids->rank != 2)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "its tokens are not [B, N], or its cache is not [B, heads, P, size]");
    if (dim_is_const(g->dims, ids->dims[1], &batch) || dim_is_const(g->dims, cache->dims[2], &batch))
        return err_set(err, SIB_ERR_UNSUPPORTED, "the numbers of its tokens and of cached rows are fixed");
    w->d.before = cache->dims[2];
    w->d.total = dim_add(g->dims, w->d.before, ids->dims[1]);
    value_type type = type_tensor(SIB_I64);
    type.shape = (dim_shape){.ranked = true, .rank = 1, .dims = {ids->dims[1]}};
    g->outputs.n = 1; /* of those that continue the cache nothing is left */
    g->outputs.ids[0] = decoder_value_named(g, w->source->logits);
    sib_code code = graph_add_value(g, str_of(ROWS_POSITIONS), &type, &w->positions, err);
    if (code == SIB_OK)
        code = graph_add_input(g, w->positions, err);
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
    if (model_needs_registry(source->model))
        return err_set(err, SIB_ERR_UNSUPPORTED, "it may run by operators or backends of the program's own");
    if (!source->n)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it has no cache of keys and values");
    sib_code code = model_part_edited(source->model, edit, &w, registry, &source->logits, 1, out, err);
    if (code == SIB_OK && (code = check_inputs(*out, source, err)) != SIB_OK)
        sib_model_free(out);
    return code;
}
