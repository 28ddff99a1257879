/* Runs the graph inside a node; reads and sets values of the node. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "run/execute/control.h"
#include "tensor/tensor.h"

/* ---- Running a body ------------------------------------------------------------------------------------ */

static sib_code body_make(body *b, const frame *f, const graph *g, const char *which, sib_error *err)
{
    *b = (body){.g = g, .ex = g ? executor_of(f->ex->set, g) : NULL};
    if (!g || !b->ex) {
        *b = (body){0};
        return err_set(err, SIB_ERR_FORMAT, "attribute %s is missing", which);
    }
    b->captured = mem_calloc((size_t)g->n_captures + 1, sizeof *b->captured);
    b->in = mem_calloc((size_t)g->inputs.n + 1, sizeof *b->in);
    b->out = mem_calloc((size_t)g->outputs.n + 1, sizeof *b->out);
    if (b->captured && b->in && b->out)
        return SIB_OK;
    body_free(b);
    return err_memory(err, g->inputs.n * sizeof *b->in, "a subgraph");
}

sib_code body_begin(body *b, const frame *f, const graph *g, const char *which, size_t n_in, sib_error *err)
{
    sib_code code = b->g ? SIB_OK : body_make(b, f, g, which, err);
    if (code == SIB_OK && n_in != SIZE_MAX && b->g->inputs.n != n_in)
        code =
            err_set(err, SIB_ERR_FORMAT, "%s has %u inputs, but %zu are given", which, b->g->inputs.n, n_in);
    for (uint32_t i = 0; code == SIB_OK && i < b->g->n_captures; i++)
        if (!graph_find_constant(b->g, b->g->captures[i].inner)) /* plans look constants up */
            code = frame_value(f, b->g->captures[i].outer, &b->captured[i], err);
    return code;
}

static __attribute__((noinline, cold)) sib_code run_watched(body *b, const frame *f, const run_place *place,
                                                            sib_error *err)
{
    byte_buffer name = {0};
    open_span span;
    place_text(&name, place);
    span_open(&f->run->observer, &span, (sib_time_span){.kind = SIB_SPAN_BODY, .name = name.data});
    sib_code code = f->execute(b->ex, f->run, place, b->in, b->captured, b->out, err);
    span_close(&f->run->observer, &span);
    buf_free(&name);
    return code;
}

sib_code body_run(body *b, const frame *f, const node *n, int64_t iteration, sib_error *err)
{
    const run_place place = {f->place, f->ex->g, n, iteration};
    body_clear(b);
    if (observer_looks(&f->run->observer))
        return run_watched(b, f, &place, err);
    return f->execute(b->ex, f->run, &place, b->in, b->captured, b->out, err);
}

/* ---- Values of the node -------------------------------------------------------------------------------- */

unsigned control_max_spares(const frame *f)
{
    return f->ex->g->outer ? SPARES_MAX : 1;
}

sib_code control_input(const frame *f, const node *n, size_t i, const sib_value **out, sib_error *err)
{
    *out = NULL;
    if (i >= n->inputs.n || n->inputs.ids[i] == NO_VALUE)
        return SIB_OK;
    return frame_value(f, n->inputs.ids[i], out, err);
}

sib_code control_share(const frame *f, const node *n, size_t i, sib_value **out, sib_error *err)
{
    const sib_value *v;
    sib_code code = control_input(f, n, i, &v, err);
    if (code == SIB_OK && !v)
        code = err_set(err, SIB_ERR_ARGUMENT, "input %zu is missing", i);
    if (code == SIB_OK)
        *out = value_share(v);
    return code;
}

void control_output(frame *f, const node *n, size_t i, sib_value *v)
{
    if (i < n->outputs.n && n->outputs.ids[i] != NO_VALUE)
        frame_set(f, n->outputs.ids[i], v);
    else
        sib_value_free(&v);
}

sib_code control_number(const sib_value *v, sib_dtype dtype, const char *what, int64_t *out, sib_error *err)
{
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    if (!t || sib_tensor_count(t) != 1)
        return err_set(err, SIB_ERR_ARGUMENT, "%s must be a tensor of one element", what);
    if (sib_tensor_dtype(t) != dtype)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is of %s, expected %s", what,
                       sib_dtype_name(sib_tensor_dtype(t)), sib_dtype_name(dtype));
    const void *element = sib_tensor_data(t);
    *out = dtype == SIB_BOOL ? *(const unsigned char *)element != 0 : *(const int64_t *)element;
    return SIB_OK;
}
