#include "job/collect.h"

#include "base/error.h"

#include <string.h>

static sib_code append(collector *c, const void *data, size_t size, sib_error *err)
{
    c->n++;
    return buf_add(&c->bytes, data, size, err);
}

static sib_code append_tensor(collector *c, const sib_tensor *t, sib_error *err)
{
    size_t rank = sib_tensor_rank(t);
    if (!c->n) {
        c->dtype = sib_tensor_dtype(t);
        c->rank = rank;
        memcpy(c->dims, sib_tensor_dims(t), rank * sizeof *c->dims);
    }
    if (rank >= SIB_MAX_RANK || rank != c->rank || sib_tensor_dtype(t) != c->dtype ||
        memcmp(c->dims, sib_tensor_dims(t), rank * sizeof *c->dims))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "iteration %zu of a loop gives a tensor of another shape or type", c->n);
    if (!sib_tensor_is_dense(t) || sib_dtype_bits(c->dtype) < 8 || c->dtype == SIB_STRING)
        return err_set(err, SIB_ERR_UNSUPPORTED, "tensors of %s cannot be collected by a loop",
                       sib_dtype_name(c->dtype));
    return append(c, sib_tensor_data(t), (size_t)sib_tensor_count(t) * (sib_dtype_bits(c->dtype) / 8), err);
}

sib_code collector_add(collector *c, const job_value *item, sib_error *err)
{
    const sib_port_value *v = &item->v;
    switch (c->type) {
    case SIB_PORT_TEXT:
        return append(c, v->text.data, v->text.size, err);
    case SIB_PORT_TOKENS:
        return append(c, v->tokens.ids, v->tokens.n * sizeof *v->tokens.ids, err);
    case SIB_PORT_NUMBER:
        return append(c, &v->number, sizeof v->number, err);
    default:
        return append_tensor(c, v->tensor, err);
    }
}

static job_value *stacked(const collector *c, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK] = {(int64_t)c->n};
    memcpy(dims + 1, c->dims, c->rank * sizeof *dims);
    sib_tensor *t;
    sib_value *v = NULL;
    if (sib_tensor_create(c->n ? c->dtype : SIB_F32, c->n ? c->rank + 1 : 1, dims, &t, err) != SIB_OK)
        return NULL;
    if (c->bytes.n)
        memcpy(sib_tensor_data(t), c->bytes.data, c->bytes.n);
    sib_value_from_tensor(t, &v, err);
    sib_tensor_free(&t);
    return job_value_tensor(v, SIB_PORT_TENSOR);
}

sib_code collector_give(collector *c, job_value **out, sib_error *err)
{
    switch (c->type) {
    case SIB_PORT_TEXT:
        *out = job_value_text(c->bytes.data, c->bytes.n);
        break;
    case SIB_PORT_TOKENS:
        *out = job_value_tokens((const int32_t *)(const void *)c->bytes.data, c->bytes.n / sizeof(int32_t));
        break;
    case SIB_PORT_NUMBER:
        *out = job_value_numbers((const double *)(const void *)c->bytes.data, c->bytes.n / sizeof(double));
        break;
    default:
        *out = stacked(c, err);
    }
    collector_drop(c);
    return *out ? SIB_OK : err_memory(err, sizeof **out, "outputs of a loop");
}

void collector_drop(collector *c)
{
    buf_free(&c->bytes);
    *c = (collector){.type = c->type};
}
