/* The logit lens: a session of a model's end, from the values between its blocks to the logits. */
#include "run/lens_find.h"
#include "run/model.h"

#include "base/alloc.h"
#include "base/error.h"

#include <sibyl/lens.h>
#include <string.h>

struct sib_lens {
    sib_model *model; /* a reference */
    sib_session *end;
    size_t n;
    between *found;        /* (n) */
    const char **names;    /* (n) of the values, of the public graph */
    const char *value;     /* the end's input for a value */
    const char *positions; /* its input of positions; NULL: it has none */
    sib_dtype positions_dtype;
    char *logits;
};

void sib_lens_free(sib_lens **l)
{
    if (!l || !*l)
        return;
    sib_session_free(&(*l)->end);
    sib_model_free(&(*l)->model);
    mem_free((*l)->found);
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
        code = lens_find(l->model->onnx->graph, from, to, &l->found, &l->n, err);
    if (code != SIB_OK)
        return code;
    if (!l->n)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "no values between blocks were found: none through which all goes from '%s' to '%s' is the sum "
            "of what goes past a block and what comes out of it",
            tokens, logits);
    l->names = mem_calloc(l->n, sizeof *l->names);
    l->logits = mem_alloc(strlen(logits) + 1, 1);
    if (!l->names || !l->logits)
        return err_memory(err, l->n * sizeof *l->names, "a logit lens");
    memcpy(l->logits, logits, strlen(logits) + 1);
    for (size_t i = 0; i < l->n; i++) {
        sib_value_info v = {.name = NULL};
        sib_graph_value(g, l->found[i].value, &v);
        l->names[i] = v.name;
    }
    return SIB_OK;
}

/* What the end needs beside the value: positions, a list of integers, or nothing. */
static sib_code find_inputs(sib_lens *l, sib_error *err)
{
    sib_value_info v;
    for (size_t i = 0; sib_model_input(sib_session_model(l->end), i, &v); i++) {
        if (!strcmp(v.name, l->value))
            continue;
        if (l->positions || !v.ranked || v.rank != 1 || (v.dtype != SIB_I64 && v.dtype != SIB_I32))
            return err_set(
                err, SIB_ERR_UNSUPPORTED,
                "what follows the last block needs '%s', which is neither a value between blocks nor a list "
                "of positions",
                v.name);
        l->positions = v.name;
        l->positions_dtype = v.dtype;
    }
    return SIB_OK;
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
    sib_model *end = NULL;
    sib_code code = find(l, tokens, logits, err);
    if (code == SIB_OK) {
        l->value = l->names[l->n - 1];
        code = sib_model_between(m, &l->value, 1, &logits, 1, &end, err);
    }
    if (code == SIB_OK)
        code = sib_session_create(end, options, &l->end, err);
    sib_model_free(&end);
    if (code == SIB_OK)
        code = find_inputs(l, err);
    if (code != SIB_OK)
        sib_lens_free(&l);
    *out = l;
    return code;
}

bool sib_lens_get(const sib_lens *l, size_t i, sib_lens_value *out)
{
    if (!l || i >= l->n)
        return false;
    const between *b = &l->found[i];
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

sib_code sib_lens_logits(const sib_lens *l, const sib_tensor *rows, const sib_cancel *cancel,
                         sib_tensor **out, sib_error *err)
{
    if (!l || !rows || !out || sib_tensor_rank(rows) < 2)
        return err_set(err, SIB_ERR_ARGUMENT, "%s",
                       !l || !out ? "the lens or out is NULL" : "the value is no list of rows");
    *out = NULL;
    int64_t n = sib_tensor_dims(rows)[sib_tensor_rank(rows) - 2];
    const char *wanted = l->logits;
    sib_value *given = NULL, *positions = NULL, *made = NULL;
    sib_code code = sib_value_from_tensor(rows, &given, err);
    if (code == SIB_OK && l->positions)
        code = count_up(l->positions_dtype, n, &positions, err);
    sib_named_value in[2] = {{l->value, given}, {l->positions, positions}};
    sib_run_options options = {.cancel = cancel};
    if (code == SIB_OK)
        code = sib_session_run(l->end, l->positions ? 2 : 1, in, 1, &wanted, &made, &options, err);
    if (code == SIB_OK)
        code = as_rows(sib_value_tensor(made), n, out, err);
    sib_value_free(&given);
    sib_value_free(&positions);
    sib_value_free(&made);
    return code;
}
