/* Calls of registered functions: the backend that runs them, and what a function sees of its call. */
#include "extend/extend.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "graph/describe.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

struct sib_call {
    sib_node node;
    const node_view *view;
    const buffer *const *in; /* (view->n_in) */
    buffer *const *out;      /* (view->n_out) */
    sib_pool *pool;
    const struct sib_cancel *cancel;
    uint64_t made; /* bit i where output i was asked for or given */
};

/* ---- What the function sees ------------------------------------------------------------------------------- */

const sib_node *sib_call_node(const sib_call *c)
{
    return &c->node;
}

sib_pool *sib_call_pool(const sib_call *c)
{
    return c->pool;
}

bool sib_call_cancelled(const sib_call *c)
{
    return cancel_is_set(c->cancel);
}

size_t sib_call_inputs(const sib_call *c)
{
    return c->view->n_in;
}

size_t sib_call_outputs(const sib_call *c)
{
    return c->view->n_out;
}

const sib_value *sib_call_input(const sib_call *c, size_t i)
{
    return i < c->view->n_in && c->in[i] ? c->in[i]->value : NULL;
}

const sib_tensor *sib_call_tensor(const sib_call *c, size_t i)
{
    const sib_value *v = sib_call_input(c, i);
    return v ? sib_value_tensor(v) : NULL;
}

/* ---- Outputs ---------------------------------------------------------------------------------------------- */

/* Whether a tensor fits what is known of the type that was declared. */
static bool fits(const dim_table *dims, const value_type *t, sib_dtype dtype, size_t rank,
                 const int64_t *given)
{
    int64_t number;
    if (t->depth || (t->leaf != TYPE_UNKNOWN && t->leaf != TYPE_TENSOR) || (t->dtype && t->dtype != dtype) ||
        (t->shape.ranked && t->shape.rank != rank))
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        if (dim_is_const(dims, t->shape.dims[i], &number) && number != given[i])
            return false;
    return true;
}

static sib_code check_output(const sib_call *c, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims,
                             sib_error *err)
{
    const value *declared = i < c->view->n_out ? c->view->out[i] : NULL;
    char given[SHAPE_TEXT], wanted[200];
    if (i >= c->view->n_out)
        return err_set(err, SIB_ERR_ARGUMENT, "output %zu of %zu is set", i, c->view->n_out);
    if (!sib_dtype_bits(dtype) || rank > SIB_MAX_RANK || (rank && !dims))
        return err_set(err, SIB_ERR_ARGUMENT, "output %zu has dtype %d and rank %zu, which no tensor has", i,
                       (int)dtype, rank);
    for (size_t k = 0; k < rank; k++)
        if (dims[k] < 0)
            return err_set(err, SIB_ERR_ARGUMENT, "output %zu has dims %s", i, shape_text(rank, dims, given));
    if (declared && !fits(c->view->graph->dims, &declared->type, dtype, rank, dims))
        return err_set(err, SIB_ERR_VALUE, "output %zu is %s %s, expected %s", i, sib_dtype_name(dtype),
                       shape_text(rank, dims, given),
                       type_text(c->view->graph->dims, &declared->type, wanted, sizeof wanted));
    return SIB_OK;
}

sib_code sib_call_output(sib_call *c, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims,
                         sib_tensor **out, sib_error *err)
{
    if (!c || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "the call or out is NULL");
    *out = NULL;
    sib_code code = check_output(c, i, dtype, rank, dims, err);
    if (code != SIB_OK)
        return code;
    buffer *to = c->out[i];
    c->made |= UINT64_C(1) << i;
    if (!to)
        return SIB_OK;
    if (!to->value) {
        sib_tensor *made = NULL;
        code = sib_tensor_create(dtype, rank, dims, &made, err);
        if (code == SIB_OK)
            code = value_take_tensor(made, &to->value, err);
    }
    if (code == SIB_OK) {
        *out = to->value->tensor;
        tensor_clear_tail(*out);
    }
    return code;
}

static sib_code give_tensor(sib_call *c, size_t i, const sib_tensor *t, sib_error *err)
{
    sib_tensor *to = NULL, *dense = NULL;
    sib_code code = sib_call_output(c, i, t->dtype, t->rank, t->dims, &to, err);
    if (code == SIB_OK && to && !t->dense) {
        code = sib_tensor_copy(t, &dense, err);
        t = dense;
    }
    if (code == SIB_OK && to)
        code = tensor_fill(to, t, err);
    sib_tensor_free(&dense);
    return code;
}

sib_code sib_call_give(sib_call *c, size_t i, const sib_value *v, sib_error *err)
{
    if (!c || !v)
        return err_set(err, SIB_ERR_ARGUMENT, "the call or the value is NULL");
    if (sib_value_tensor(v))
        return give_tensor(c, i, sib_value_tensor(v), err);
    const value *declared = i < c->view->n_out ? c->view->out[i] : NULL;
    char wanted[200];
    if (i >= c->view->n_out)
        return err_set(err, SIB_ERR_ARGUMENT, "output %zu of %zu is set", i, c->view->n_out);
    if (declared && type_value_kind(&declared->type) &&
        type_value_kind(&declared->type) != sib_value_get_kind(v))
        return err_set(err, SIB_ERR_VALUE, "output %zu is no tensor, expected %s", i,
                       type_text(c->view->graph->dims, &declared->type, wanted, sizeof wanted));
    c->made |= UINT64_C(1) << i;
    if (!c->out[i])
        return SIB_OK;
    sib_value_free(&c->out[i]->value);
    return sib_value_clone(v, &c->out[i]->value, err);
}

/* ---- The backend ------------------------------------------------------------------------------------------ */

static sib_code open(const sib_backend_options *options, void **self, sib_error *err)
{
    (void)err;
    *self = options->pool;
    return SIB_OK;
}

static bool claims(const void *self, const node_view *n)
{
    (void)self;
    return n->node->milli && n->node->milli->kind == MILLI_call;
}

sib_code call_function(const step *s, const call_how *how, const buffer *const *in, buffer *const *out,
                       const struct sib_cancel *cancel, sib_error *err)
{
    SIB_ASSERT(how->op || how->backend);
    sib_call c = {{s->view.graph, s->view.node}, &s->view, in, out, how->pool, cancel, 0};
    sib_error why = SIB_ERROR_INIT;
    sib_code code = how->op ? how->op->desc.run(how->op->desc.context, &c, &why)
                            : how->backend->desc.run(how->backend->desc.context, how->state, &c, &why);
    if (code != SIB_OK)
        return err_set(err, code, "%s", why.message[0] ? why.message : sib_code_text(code));
    for (size_t i = 0; i < s->view.n_out; i++)
        if (out[i] && !(c.made >> i & 1))
            return err_set(err, SIB_ERR_VALUE, "%s did not set output %zu",
                           how->op ? how->op->label : how->backend->base.name, i);
    return SIB_OK;
}

static sib_code run(const step *s, const buffer *const *in, buffer *const *out,
                    const struct sib_cancel *cancel, sib_error *err)
{
    return call_function(s, &(call_how){.op = user_op_of(s->view.node), .pool = s->self}, in, out, cancel,
                         err);
}

static const char *kernel(const step *s)
{
    return user_op_of(s->view.node)->label;
}

const sib_backend backend_registered = {
    .name = "registered",
    .description = "operators that the caller registered as functions",
    .open = open,
    .claims = claims,
    .run = run,
    .kernel = kernel,
};
