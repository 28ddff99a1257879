/* The logit lens: a session of a model's end, from the values between its blocks to the logits. */
#include "run/lens_find.h"
#include "run/model.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"

#include <sibyl/lens.h>
#include <string.h>

#define LAYER_NORMALIZATION_OPSET 17 /* SimplifiedLayerNormalization, onnxruntime's, has no others */

/* What follows a value between blocks. */
typedef struct lens_end {
    sib_session *session;
    const char *value;     /* its input for a value; of its graph */
    const char *positions; /* its input of positions; NULL: it has none */
    sib_dtype positions_dtype;
} lens_end;

struct sib_lens {
    sib_model *model; /* a reference */
    lens_values values;
    const char **names; /* (values.n) of the values, of the public graph */
    lens_end end;       /* of sums */
    lens_end last;      /* of the last value where it is a sum that is normalized; else no session */
    char *logits;
};

void sib_lens_free(sib_lens **l)
{
    if (!l || !*l)
        return;
    sib_session_free(&(*l)->end.session);
    sib_session_free(&(*l)->last.session);
    sib_model_free(&(*l)->model);
    mem_free((*l)->values.found);
    mem_free((*l)->names);
    mem_free((*l)->logits);
    mem_free(*l);
    *l = NULL;
}

static sib_code value_named(const sib_graph *g, const char *name, value_id *out, sib_error *err)
{
    sib_value_info v;
    for (uint32_t i = 0; sib_graph_value(g, i, &v); i++)
        if (name && v.name && !strcmp(v.name, name)) {
            *out = i;
            return SIB_OK;
        }
    return err_set(err, SIB_ERR_ARGUMENT, "the model has no value '%s'", name ? name : "");
}

static sib_code find(sib_lens *l, const char *tokens, const char *logits, sib_error *err)
{
    const sib_graph *g = sib_model_graph(l->model, 0);
    value_id from = NO_VALUE, to = NO_VALUE;
    sib_code code = value_named(g, tokens, &from, err);
    if (code == SIB_OK)
        code = value_named(g, logits, &to, err);
    if (code == SIB_OK)
        code = lens_find(l->model->onnx->graph, from, to, &l->values, err);
    if (code != SIB_OK)
        return code;
    if (!l->values.n)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "no values between blocks were found: none through which all goes from '%s' to '%s' is the sum "
            "of what goes past a block and what comes out of it",
            tokens, logits);
    l->names = mem_calloc(l->values.n, sizeof *l->names);
    l->logits = mem_alloc(strlen(logits) + 1, 1);
    if (!l->names || !l->logits)
        return err_memory(err, l->values.n * sizeof *l->names, "a logit lens");
    memcpy(l->logits, logits, strlen(logits) + 1);
    for (size_t i = 0; i < l->values.n; i++) {
        sib_value_info v = {.name = NULL};
        sib_graph_value(g, l->values.found[i].value, &v);
        l->names[i] = v.name;
    }
    return SIB_OK;
}

/* Finds the inputs of the end: a value between blocks, and perhaps positions, a list of integers. */
static sib_code find_inputs(lens_end *e, sib_error *err)
{
    sib_value_info v;
    for (size_t i = 0; sib_model_input(sib_session_model(e->session), i, &v); i++) {
        bool is_list = v.ranked && v.rank == 1 && (v.dtype == SIB_I64 || v.dtype == SIB_I32);
        if (!e->value && !is_list) {
            e->value = v.name;
        } else if (!e->positions && is_list) {
            e->positions = v.name;
            e->positions_dtype = v.dtype;
        } else {
            return err_set(
                err, SIB_ERR_UNSUPPORTED,
                "what follows the last block needs '%s', which is neither a value between blocks nor a list "
                "of positions",
                v.name);
        }
    }
    return e->value ? SIB_OK : err_set(err, SIB_ERR_UNSUPPORTED, "the logits need no value between blocks");
}

/* Makes the end a session over the model, which it takes. */
static sib_code make_end(lens_end *e, sib_model **m, const sib_session_options *options, sib_error *err)
{
    sib_code code = sib_session_create(*m, options, &e->session, err);
    sib_model_free(m);
    return code == SIB_OK ? find_inputs(e, err) : code;
}

/* Has the node that normalizes the last sum normalize an input instead: the sum's value, or a new one where it
   has none. The node's lists are shared with the graph that g is a copy of. */
static sib_code split(void *context, graph *g, sib_error *err)
{
    node *n = &g->nodes[((const lens_values *)context)->fused];
    bool centred = str_is(n->type, "SkipLayerNormalization");
    value_id sum = n->outputs.n > 3 ? n->outputs.ids[3] : NO_VALUE, normalized = n->outputs.ids[0];
    const value_type type = g->values[normalized].type; /* the values may move */
    uint32_t n_in = centred && n->inputs.n > 3 ? 3 : 2, *ids = arena_alloc(g->arena, n_in + 1, sizeof *ids);
    byte_buffer name = {0};
    sib_code code = ids ? buf_printf(&name, err, "%.*s (sum)", (int)g->values[normalized].name.length,
                                     g->values[normalized].name.data)
                        : err_memory(err, n_in * sizeof *ids, "a logit lens");
    if (code == SIB_OK && sum == NO_VALUE)
        code = graph_add_value(g, (sib_str){name.data, name.n}, &type, &sum, err);
    buf_free(&name);
    if (code != SIB_OK)
        return code;
    g->values[sum].producer = NO_NODE;
    g->values[sum].declared = g->values[sum].type;
    ids[0] = sum;
    for (uint32_t k = 1; k < n_in; k++)
        ids[k] = n->inputs.ids[k + 1];
    ids[n_in] = normalized;
    n->inputs = (id_list){n_in, ids};
    n->outputs = (id_list){1, ids + n_in};
    n->type = centred ? str_of("LayerNormalization") : str_of("SimplifiedLayerNormalization");
    n->domain = str_of("");
    n->version = LAYER_NORMALIZATION_OPSET;
    return graph_add_input(g, sum, err);
}

static sib_code make_ends(sib_lens *l, const sib_session_options *options, sib_error *err)
{
    const char *last = l->names[l->values.n - 1], *logits = l->logits;
    bool fused = l->values.fused != NO_NODE;
    sib_model *end = NULL;
    sib_code code =
        fused ? model_part_edited(l->model, split, &l->values, l->model->registry, &logits, 1, &end, err)
              : sib_model_between(l->model, &last, 1, &logits, 1, &end, err);
    if (code == SIB_OK)
        code = make_end(&l->end, &end, options, err);
    if (code != SIB_OK || !fused || !l->values.last_is_normalized)
        return code;
    code = sib_model_between(l->model, &last, 1, &logits, 1, &end, err);
    return code == SIB_OK ? make_end(&l->last, &end, options, err) : code;
}

sib_code sib_lens_create(sib_model *m, const char *tokens, const char *logits,
                         const sib_session_options *options, sib_lens **out, sib_error *err)
{
    if (!m || !tokens || !logits || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "a model, its tokens, its logits or out is NULL");
    *out = NULL;
    sib_lens *l = mem_calloc(1, sizeof *l);
    if (!l)
        return err_memory(err, sizeof *l, "a logit lens");
    l->model = sib_model_keep(m);
    sib_code code = find(l, tokens, logits, err);
    if (code == SIB_OK)
        code = make_ends(l, options, err);
    if (code != SIB_OK)
        sib_lens_free(&l);
    *out = l;
    return code;
}

bool sib_lens_get(const sib_lens *l, size_t i, sib_lens_value *out)
{
    if (!l || i >= l->values.n)
        return false;
    const between *b = &l->values.found[i];
    *out = (sib_lens_value){.name = l->names[i], .block = b->block, .part = b->part, .whole = b->whole};
    return true;
}

/* 0 to n - 1 */
static sib_code count_up(sib_dtype dtype, int64_t n, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(dtype, 1, &n, &t, err);
    for (int64_t i = 0; i < n && code == SIB_OK; i++)
        code = sib_tensor_set(t, &i, (double)i, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* As float32 [n, vocabulary]. */
static sib_code as_rows(const sib_tensor *logits, int64_t n, sib_tensor **out, sib_error *err)
{
    size_t rank = logits ? sib_tensor_rank(logits) : 0;
    int64_t dims[2] = {n, rank ? sib_tensor_dims(logits)[rank - 1] : 0};
    sib_tensor *floats = NULL;
    *out = NULL;
    if (!rank || sib_tensor_count(logits) != (uint64_t)n * (uint64_t)dims[1])
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "what follows the last block gives no logits for each of %lld tokens", (long long)n);
    sib_code code = sib_tensor_convert(logits, SIB_F32, SIB_OVERFLOW_IEEE, &floats, err);
    if (code == SIB_OK)
        code = sib_tensor_reshape(floats, 2, dims, out, err);
    sib_tensor_free(&floats);
    return code;
}

sib_code sib_lens_logits(const sib_lens *l, size_t i, const sib_tensor *rows, const sib_cancel *cancel,
                         sib_tensor **out, sib_error *err)
{
    if (!l || !rows || !out || i >= l->values.n || sib_tensor_rank(rows) < 2)
        return err_set(err, SIB_ERR_ARGUMENT, "%s",
                       !l || !out         ? "the lens or out is NULL"
                       : i >= l->values.n ? "the lens has fewer values"
                                          : "the value is no list of rows");
    *out = NULL;
    const lens_end *e = i + 1 == l->values.n && l->last.session ? &l->last : &l->end;
    int64_t n = sib_tensor_dims(rows)[sib_tensor_rank(rows) - 2];
    const char *wanted = l->logits;
    sib_value *given = NULL, *positions = NULL, *made = NULL;
    sib_code code = sib_value_from_tensor(rows, &given, err);
    if (code == SIB_OK && e->positions)
        code = count_up(e->positions_dtype, n, &positions, err);
    sib_named_value in[2] = {{e->value, given}, {e->positions, positions}};
    sib_run_options options = {.cancel = cancel};
    if (code == SIB_OK)
        code = sib_session_run(e->session, e->positions ? 2 : 1, in, 1, &wanted, &made, &options, err);
    if (code == SIB_OK)
        code = as_rows(sib_value_tensor(made), n, out, err);
    sib_value_free(&given);
    sib_value_free(&positions);
    sib_value_free(&made);
    return code;
}
