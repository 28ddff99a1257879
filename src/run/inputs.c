/* Inputs of a run: matched by name, checked against the model. */
#include "run/inputs.h"
#include "base/error.h"
#include "base/log.h"
#include "graph/describe.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

#include <string.h>

static const char *kind_name(sib_value_kind kind)
{
    switch (kind) {
    case SIB_VALUE_TENSOR:
        return "a tensor";
    case SIB_VALUE_SEQUENCE:
        return "a sequence";
    case SIB_VALUE_OPTIONAL:
        return "an optional";
    default:
        return "a map";
    }
}

/* Adds a note about an input, once. */
static void notice_shared_dim(sib_session *s, const value *x, sib_str symbol)
{
    char text[400];
    snprintf(text, sizeof text,
             "input '%.*s': its dim '%.*s' has another size than in an earlier input; the graph runs as in "
             "the file, without passes",
             (int)x->name.length, x->name.data, (int)symbol.length, symbol.data);
    pthread_mutex_lock(&s->shared.lock);
    size_t i = 0;
    while (i < s->notes.n && strcmp(s->notes.items[i], text))
        i++;
    const bool is_new = i == s->notes.n;
    if (is_new)
        diagnostics_add(&s->notes, "%s", text);
    pthread_mutex_unlock(&s->shared.lock);
    if (is_new)
        log_write(&s->shared.plan.log, SIB_LOG_WARNING, "%s", text);
}

/* State of the check of a run's inputs. */
typedef struct input_check {
    sib_session *session;
    const graph *g;
    dim_binding sizes; /* of symbols, from their first occurrence */
    bool differ;       /* a symbol has different sizes */
} input_check;

/* Checks one dim of an input against the model. Some files share a symbol between dims of different sizes:
   these are accepted. */
static sib_code check_dim(input_check *c, const value *x, const sib_tensor *t, int axis, sib_error *err)
{
    const graph *g = c->g;
    dim want = x->type.shape.dims[axis];
    int64_t number = 0;
    sib_str symbol;
    char given[SHAPE_TEXT], wanted[200];
    bool fits = true;
    if (dim_is_const(g->dims, want, &number))
        fits = number == t->dims[axis];
    else if (dim_is_symbol(g->dims, want, &symbol)) {
        if (!dim_bound(&c->sizes, want, &number))
            return dim_bind(g->dims, &c->sizes, want, t->dims[axis], err);
        if (number != t->dims[axis]) {
            notice_shared_dim(c->session, x, symbol);
            c->differ = true;
        }
    } else if (dim_eval(g->dims, want, &c->sizes, &number, NULL) == SIB_OK)
        fits = number == t->dims[axis];
    if (fits)
        return SIB_OK;
    return err_set(err, SIB_ERR_ARGUMENT,
                   "input '%.*s' has dims %s, the model expects %s: axis %d must be %lld",
                   (int)x->name.length, x->name.data, shape_text(t->rank, t->dims, given),
                   dim_shape_text(g->dims, &x->type.shape, wanted, sizeof wanted), axis, (long long)number);
}

static sib_code check_input(input_check *c, value_id id, const sib_value *v, sib_error *err)
{
    const graph *g = c->g;
    const value *x = &g->values[id];
    sib_value_kind wanted = type_value_kind(&x->declared), given = sib_value_get_kind(v);
    char shape[SHAPE_TEXT], text[200];
    if (wanted && wanted != given && wanted != SIB_VALUE_OPTIONAL)
        return err_set(err, SIB_ERR_ARGUMENT, "input '%.*s' is %s, the model expects %s", (int)x->name.length,
                       x->name.data, kind_name(given), kind_name(wanted));
    const sib_tensor *t = sib_value_tensor(v);
    if (!t || wanted != SIB_VALUE_TENSOR)
        return SIB_OK;
    if (x->declared.dtype && x->declared.dtype != t->dtype)
        return err_set(err, SIB_ERR_ARGUMENT, "input '%.*s' is %s, the model expects %s", (int)x->name.length,
                       x->name.data, sib_dtype_name(t->dtype), sib_dtype_name(x->declared.dtype));
    if (!x->type.shape.ranked)
        return SIB_OK;
    if (x->type.shape.rank != t->rank)
        return err_set(err, SIB_ERR_ARGUMENT, "input '%.*s' has dims %s, the model expects %s",
                       (int)x->name.length, x->name.data, shape_text(t->rank, t->dims, shape),
                       dim_shape_text(g->dims, &x->type.shape, text, sizeof text));
    sib_code code = SIB_OK;
    for (int i = 0; i < x->type.shape.rank && code == SIB_OK; i++)
        code = check_dim(c, x, t, i, err);
    return code;
}

uint32_t end_place(const graph *g, const id_list *list, const char *name)
{
    uint32_t i = 0;
    while (i < list->n && !str_is(g->values[list->ids[i]].name, name))
        i++;
    return i;
}

sib_code inputs_match(sib_session *s, const graph *g, size_t n, const sib_named_value *inputs,
                      const sib_value **in, bool *differ, sib_error *err)
{
    input_check c = {.session = s, .g = g};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        uint32_t at = inputs[i].name ? end_place(g, &g->inputs, inputs[i].name) : g->inputs.n;
        if (at == g->inputs.n)
            code = err_set(err, SIB_ERR_ARGUMENT, "the model has no input '%s'",
                           inputs[i].name ? inputs[i].name : "");
        else if (!inputs[i].value)
            code = err_set(err, SIB_ERR_ARGUMENT, "input '%s' has no value", inputs[i].name);
        else if (in[at])
            code = err_set(err, SIB_ERR_ARGUMENT, "input '%s' is given twice", inputs[i].name);
        else
            in[at] = inputs[i].value;
    }
    for (uint32_t i = 0; i < g->inputs.n && code == SIB_OK; i++) {
        const value *x = &g->values[g->inputs.ids[i]];
        if (in[i])
            code = check_input(&c, g->inputs.ids[i], in[i], err);
        else if (!x->constant)
            code =
                err_set(err, SIB_ERR_ARGUMENT, "input '%.*s' is missing", (int)x->name.length, x->name.data);
    }
    dim_binding_clear(&c.sizes);
    *differ = c.differ;
    return code;
}
