#include "batch/stepper.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

struct stepper {
    rows_layer *layers; /* (n_layers) */
    size_t n_layers;
    char *tokens, *at, *logits; /* names */
    sib_dtype tokens_type, at_type;
    sib_session *session;
    cache_scratch scratch;
    const cache_part *parts; /* (n_parts) of the step that runs */
    size_t n_parts;
};

/* ---- The operator -------------------------------------------------------------------------------------- */

static const rows_layer *layer_of(const stepper *d, const sib_node *n, size_t *number)
{
    *number = (size_t)sib_node_int(n, ROWS_LAYER, 0);
    return &d->layers[*number];
}

static sib_code attend_shape(void *context, sib_lowering *l, sib_error *err)
{
    size_t number;
    const rows_layer *layer = layer_of(context, sib_lowering_node(l), &number);
    sib_mval q = sib_lowering_input(l, 0);
    const sib_mdim dims[] = {sib_mval_dim(l, q, 0), sib_mval_dim(l, q, 1),
                             sib_mdim_of(l, (int64_t)(layer->heads * layer->dv))};
    (void)err;
    sib_lowering_declare(l, 0, SIB_F32, 3, dims);
    return SIB_OK;
}

/* Whether t is [1, rows, width]. */
static bool has_dims(const sib_tensor *t, size_t rows, size_t width)
{
    const int64_t *d = t ? sib_tensor_dims(t) : NULL;
    return d && sib_tensor_rank(t) == 3 && d[0] == 1 && d[1] == (int64_t)rows && d[2] == (int64_t)width;
}

static sib_code attend(void *context, sib_call *c, sib_error *err)
{
    stepper *d = context;
    size_t number, rows = 0;
    const rows_layer *l = layer_of(d, sib_call_node(c), &number);
    const sib_tensor *in[3];
    for (size_t i = 0; i < d->n_parts; i++)
        rows += d->parts[i].n;
    for (size_t i = 0; i < 3; i++) {
        size_t width = i == 0 ? l->heads * l->d : l->kv_heads * (i == 1 ? l->d : l->dv);
        in[i] = sib_call_tensor(c, i);
        if (!has_dims(in[i], rows, width))
            return err_set(err, SIB_ERR_VALUE, "input %zu is not [1, %zu, %zu]", i, rows, width);
    }
    const int64_t dims[] = {1, (int64_t)rows, (int64_t)(l->heads * l->dv)};
    sib_tensor *y;
    sib_code code = sib_call_output(c, 0, SIB_F32, 3, dims, &y, err);
    if (code != SIB_OK || !y)
        return code;
    return cache_attend(l, number, d->n_parts, d->parts, sib_tensor_data(in[0]), sib_tensor_data(in[1]),
                        sib_tensor_data(in[2]), sib_tensor_data(y), sib_call_pool(c), &d->scratch, err);
}

/* ---- Making -------------------------------------------------------------------------------------------- */

/* The types of tokens and rows, which must be integers; logits must be float32. */
static sib_code read_types(stepper *d, const sib_model *m, sib_error *err)
{
    sib_value_info info;
    for (size_t i = 0; sib_model_input(m, i, &info); i++) {
        if (!strcmp(info.name, d->tokens))
            d->tokens_type = info.dtype;
        if (!strcmp(info.name, d->at))
            d->at_type = info.dtype;
    }
    bool integers = (d->tokens_type == SIB_I64 || d->tokens_type == SIB_I32) &&
                    (d->at_type == SIB_I64 || d->at_type == SIB_I32);
    if (!integers || !sib_model_output(m, 0, &info) || info.dtype != SIB_F32)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "its tokens and rows are no int32 or int64, or its logits no float32");
    return SIB_OK;
}

static sib_code open_session(stepper *d, const rows_source *source, const sib_session_options *sessions,
                             sib_error *err)
{
    static const char *const types[] = {"float32"};
    const sib_operator_attribute layer = {.value = {.name = ROWS_LAYER, .kind = SIB_ATTRIBUTE_INT},
                                          .required = true};
    sib_operator op = {.domain = ROWS_DOMAIN,
                       .name = ROWS_OPERATOR,
                       .min_inputs = 3,
                       .max_inputs = 3,
                       .types = types,
                       .n_types = 1,
                       .attributes = &layer,
                       .n_attributes = 1,
                       .context = d,
                       .run = attend,
                       .shape = attend_shape};
    sib_registry *r;
    sib_model *m = NULL;
    sib_code code = sib_registry_create(&r, err);
    if (code != SIB_OK)
        return code;
    code = sib_operator_register(r, &op, err);
    if (code == SIB_OK)
        code = rows_make(source, r, d->layers, &m, err);
    if (code == SIB_OK)
        code = read_types(d, m, err);
    if (code == SIB_OK)
        code = sib_session_create(m, sessions, &d->session, err);
    sib_model_free(&m);
    sib_registry_free(&r);
    return code;
}

sib_code stepper_create(const rows_source *source, const sib_session_options *sessions, stepper **out,
                        sib_error *err)
{
    stepper *d = *out = mem_calloc(1, sizeof *d);
    if (!d)
        return err_memory(err, sizeof *d, "a decoder");
    d->n_layers = source->n / 2;
    d->layers = mem_calloc(d->n_layers + 1, sizeof *d->layers);
    d->tokens = mem_strdup(source->tokens);
    d->at = mem_strdup(source->at);
    d->logits = mem_strdup(source->logits);
    sib_code code = d->layers && d->tokens && d->at && d->logits ? open_session(d, source, sessions, err)
                                                                 : err_memory(err, sizeof *d, "a decoder");
    if (code != SIB_OK)
        stepper_free(out);
    return code;
}

void stepper_free(stepper **d)
{
    if (!*d)
        return;
    sib_session_free(&(*d)->session);
    mem_free((*d)->layers);
    mem_free((*d)->tokens);
    mem_free((*d)->at);
    mem_free((*d)->logits);
    mem_free((*d)->scratch.data);
    mem_free(*d);
    *d = NULL;
}

size_t stepper_layers(const stepper *d, const rows_layer **layers)
{
    if (layers)
        *layers = d->layers;
    return d->n_layers;
}

/* ---- A step -------------------------------------------------------------------------------------------- */

/* What a step feeds: tokens [1, R], positions [R], at [M]. */
typedef struct feeding {
    int64_t *tokens, *positions, *at;
    size_t rows, wanted;
} feeding;

static void fill(feeding *f, size_t n_parts, const stepper_part *parts, cache_part *places)
{
    size_t row = 0, wanted = 0;
    for (size_t i = 0; i < n_parts; i++) {
        const stepper_part *p = &parts[i];
        places[i] = (cache_part){p->c, row, p->n};
        memcpy(f->tokens + row, p->tokens, p->n * sizeof *f->tokens);
        for (size_t k = 0; k < p->n; k++)
            f->positions[row + k] = (int64_t)(p->c->length + k);
        for (size_t k = 0; k < p->m; k++)
            f->at[wanted++] = (int64_t)(row + p->at[k]);
        row += p->n;
    }
    if (!wanted) /* the last row's are computed, since there must be one */
        f->at[0] = (int64_t)row - 1;
}

/* numbers (n) as a value of `dtype`. front: a first axis of 1. */
static sib_code numbers_value(const int64_t *numbers, size_t n, sib_dtype dtype, bool front, sib_value **out,
                              sib_error *err)
{
    const int64_t dims[] = {1, (int64_t)n};
    sib_tensor *t;
    sib_code code = sib_tensor_create(dtype, front ? 2 : 1, front ? dims : dims + 1, &t, err);
    if (code != SIB_OK)
        return code;
    code = sib_convert(SIB_I64, numbers, dtype, sib_tensor_data(t), n, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

static sib_code run(stepper *d, const feeding *f, sib_value **logits, sib_error *err)
{
    const char *const wanted[] = {d->logits};
    sib_named_value in[] = {{d->tokens, NULL}, {d->at, NULL}, {ROWS_POSITIONS, NULL}};
    sib_value *own[3] = {NULL};
    sib_code code = numbers_value(f->tokens, f->rows, d->tokens_type, true, &own[0], err);
    if (code == SIB_OK)
        code = numbers_value(f->at, f->wanted ? f->wanted : 1, d->at_type, false, &own[1], err);
    if (code == SIB_OK)
        code = numbers_value(f->positions, f->rows, SIB_I64, false, &own[2], err);
    size_t n = 3;
    for (size_t i = 0; i < 3; i++)
        in[i].value = own[i];
    if (code == SIB_OK)
        code = sib_session_run(d->session, n, in, 1, wanted, logits, NULL, err);
    for (size_t i = 0; i < 3; i++)
        sib_value_free(&own[i]);
    return code;
}

/* Each part's logits, in the order of the step. */
static sib_code share(const sib_value *logits, size_t wanted, size_t n_parts, stepper_part *parts,
                      size_t *n_vocab, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(logits);
    const int64_t *dims = t ? sib_tensor_dims(t) : NULL;
    if (!t || sib_tensor_rank(t) != 3 || dims[0] != 1 || dims[1] != (int64_t)(wanted ? wanted : 1) ||
        !sib_tensor_is_dense(t) || sib_tensor_dtype(t) != SIB_F32)
        return err_set(err, SIB_ERR_VALUE, "the decoder's logits are not float32 [1, %zu, n_vocab]", wanted);
    const float *at = sib_tensor_data(t);
    *n_vocab = (size_t)dims[2];
    for (size_t i = 0; i < n_parts; i++) {
        parts[i].logits = at;
        at += parts[i].m * *n_vocab;
    }
    return SIB_OK;
}

sib_code stepper_step(stepper *d, size_t n_parts, stepper_part *parts, sib_value **values, size_t *n_vocab,
                      sib_error *err)
{
    feeding f = {0};
    sib_code code = SIB_OK;
    *values = NULL;
    for (size_t i = 0; i < n_parts; i++) {
        f.rows += parts[i].n;
        f.wanted += parts[i].m;
    }
    f.tokens = mem_alloc(f.rows + 1, sizeof *f.tokens);
    f.positions = mem_alloc(f.rows + 1, sizeof *f.positions);
    f.at = mem_alloc(f.wanted + 1, sizeof *f.at);
    cache_part *places = mem_alloc(n_parts + 1, sizeof *places);
    if (!f.tokens || !f.positions || !f.at || !places)
        code = err_memory(err, f.rows * sizeof *f.tokens, "a step");
    for (size_t i = 0; i < n_parts && code == SIB_OK; i++)
        code = cache_reserve(parts[i].c, d->layers, d->n_layers, parts[i].c->length + parts[i].n, err);
    if (code == SIB_OK) {
        fill(&f, n_parts, parts, places);
        d->parts = places;
        d->n_parts = n_parts;
        code = run(d, &f, values, err);
    }
    if (code == SIB_OK)
        code = share(*values, f.wanted, n_parts, parts, n_vocab, err);
    for (size_t i = 0; i < n_parts && code == SIB_OK; i++)
        parts[i].c->length += parts[i].n;
    mem_free(f.tokens);
    mem_free(f.positions);
    mem_free(f.at);
    mem_free(places);
    return code;
}
