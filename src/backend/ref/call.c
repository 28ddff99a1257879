/* Inputs, outputs and errors of kernels. */
#include "backend/ref/kernel.h"
#include "tensor/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Inputs and outputs ----------------------------------------------------------------------------- */

const sib_value *ref_value(const ref_call *c, size_t i)
{
    return i < c->view->n_in && c->in[i] ? c->in[i]->value : NULL;
}

const sib_tensor *ref_in(const ref_call *c, size_t i)
{
    const sib_value *v = ref_value(c, i);
    return v ? sib_value_tensor(v) : NULL;
}

/* Whether output i is used. */
static bool ref_wants(const ref_call *c, size_t i)
{
    return i < c->view->n_out && c->out[i];
}

sib_tensor *ref_out(const ref_call *c, size_t i)
{
    sib_value *v = ref_wants(c, i) ? c->out[i]->value : NULL;
    sib_tensor *t = v && v->kind == SIB_VALUE_TENSOR ? v->tensor : NULL;
    if (t)
        tensor_clear_tail(t);
    return t;
}

static bool same_dims(const sib_tensor *t, size_t rank, const int64_t *dims)
{
    return t->rank == rank && (rank == 0 || memcmp(t->dims, dims, rank * sizeof *dims) == 0);
}

sib_code ref_make(const ref_call *c, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims,
                  sib_tensor **out)
{
    char planned[SHAPE_TEXT], found[SHAPE_TEXT];
    *out = ref_out(c, i);
    if (*out && (*out)->dtype == dtype && same_dims(*out, rank, dims))
        return SIB_OK;
    if (*out)
        return ref_fail(c, SIB_ERR_VALUE, "output %zu is %s %s, but %s %s was planned", i,
                        sib_dtype_name(dtype), shape_text(rank, dims, found), sib_dtype_name((*out)->dtype),
                        shape_text((*out)->rank, (*out)->dims, planned));
    if (!ref_wants(c, i))
        return SIB_OK;
    sib_tensor *made = NULL;
    sib_code code = sib_tensor_create(dtype, rank, dims, &made, c->err);
    if (code == SIB_OK)
        code = value_take_tensor(made, &c->out[i]->value, c->err);
    if (code == SIB_OK)
        *out = made;
    return code;
}

/* Copies a tensor's elements into the memory that the plan reserved. */
static sib_code fill_planned(const ref_call *c, size_t i, const sib_value *v)
{
    const sib_tensor *from = sib_value_tensor(v);
    sib_tensor *to = NULL;
    if (!from)
        return ref_fail(c, SIB_ERR_VALUE, "output %zu is not a tensor, but one was planned", i);
    sib_code code = ref_make(c, i, from->dtype, from->rank, from->dims, &to);
    if (code != SIB_OK)
        return code;
    if (!from->dense)
        return ref_fail(c, SIB_ERR_ARGUMENT, "output %zu is strided, expected a dense tensor", i);
    return to ? tensor_fill(to, from, c->err) : SIB_OK;
}

sib_code ref_give(const ref_call *c, size_t i, sib_value *v)
{
    sib_code code = SIB_OK;
    if (ref_wants(c, i) && !c->out[i]->value) {
        c->out[i]->value = v;
        return SIB_OK;
    }
    if (ref_wants(c, i))
        code = fill_planned(c, i, v);
    sib_value_free(&v);
    return code;
}

sib_code ref_give_shared(const ref_call *c, size_t i, const sib_value *v)
{
    return ref_give(c, i, value_share(v));
}

/* ---- Errors ------------------------------------------------------------------------------------------- */

sib_code(ref_fail)(const ref_call *c, sib_code code, const char *format, ...)
{
    char text[sizeof c->err->message];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return err_set(c->err, code, "%s: %s", c->node->milli->name, text);
}

sib_code ref_cancelled(const ref_call *c)
{
    return cancel_is_set(c->cancel) ? ref_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

sib_code(ref_no_memory)(const ref_call *c, size_t bytes)
{
    return ref_fail(c, SIB_ERR_MEMORY, "out of memory: %zu bytes", bytes);
}
