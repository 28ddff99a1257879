/* Loop, and functions that it shares with Scan. */
#include "run/execute/control.h"

#include "base/error.h"
#include "ops/ops.h"

/* ---- Shared by Loop and Scan -------------------------------------------------------------------------- */

sib_code loop_carry(control *c, size_t ahead, int64_t index, sib_error *err)
{
    sib_value **out = c->bodies[0].out + ahead;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->n_carried; i++) {
        sib_value_free(&c->carried[i]);
        c->carried[i] = control_take(&out[i]);
    }
    for (size_t i = 0; i < c->n_stacks && code == SIB_OK; i++) {
        code = stack_put(&c->stacks[i], index, out[c->n_carried + i], err);
        sib_value_free(&out[c->n_carried + i]);
    }
    return code;
}

sib_code loop_bind(control *c, value_id id, const sib_value *v, size_t left_out, sib_error *err)
{
    const graph *g = c->bodies[0].g;
    const dim_shape *s = &g->values[id].type.shape;
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    sib_str name;
    sib_code code = SIB_OK;
    if (!t || !s->ranked || (size_t)s->rank + (left_out != SIZE_MAX) != t->rank)
        return SIB_OK;
    for (size_t i = 0; i < (size_t)s->rank && code == SIB_OK; i++)
        if (dim_is_symbol(g->dims, s->dims[i], &name))
            code = dim_bind(g->dims, &c->sizes, s->dims[i], t->dims[i + (i >= left_out)], err);
    return code;
}

sib_code loop_sizes(control *c, size_t first, sib_error *err)
{
    const body *b = &c->bodies[0];
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < b->g->n_captures && code == SIB_OK; i++)
        code = loop_bind(c, b->g->captures[i].inner, b->captured[i], SIZE_MAX, err);
    for (size_t i = 0; i < c->n_carried && code == SIB_OK; i++)
        code = loop_bind(c, b->g->inputs.ids[first + i], c->carried[i], SIZE_MAX, err);
    return code;
}

/* Makes the empty stack of a loop without iterations. */
static sib_code open_empty(control *c, stack *s, const value_type *t, sib_error *err)
{
    const graph *g = c->bodies[0].g;
    int64_t dims[SIB_MAX_RANK] = {0};
    size_t rank = t->shape.rank;
    if (rank >= SIB_MAX_RANK || !t->dtype)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "an output without iterations has no type: the body does not declare it");
    for (size_t i = 0; i < rank; i++)
        if (dim_eval(g->dims, t->shape.dims[i], &c->sizes, &dims[i], NULL) != SIB_OK)
            dims[i] = 0;
    s->room = 0;
    return stack_open(s, t->dtype, rank, dims, err);
}

sib_code loop_stack(control *c, size_t ahead, size_t i, sib_value **out, sib_error *err)
{
    const graph *g = c->bodies[0].g;
    stack *s = &c->stacks[i];
    sib_code code =
        s->value ? SIB_OK : open_empty(c, s, &g->values[g->outputs.ids[ahead + c->n_carried + i]].type, err);
    return code == SIB_OK ? stack_end(s, out, err) : code;
}

/* ---- Loop ---------------------------------------------------------------------------------------------- */

/* Room of a stack in the loop's first run, when the number of iterations is unknown. */
#define FIRST_ROOM 8

/* Reads the trip count and the first condition; omitted ones never end the loop. */
static sib_code loop_ends(const frame *f, const node *n, int64_t *limit, int64_t *go_on, sib_error *err)
{
    const sib_value *v;
    *limit = INT64_MAX;
    *go_on = 1;
    sib_code code = control_input(f, n, 0, &v, err);
    if (code == SIB_OK && v)
        code = control_number(v, SIB_I64, "the trip count", limit, err);
    if (code == SIB_OK)
        code = control_input(f, n, 1, &v, err);
    if (code == SIB_OK && v)
        code = control_number(v, SIB_BOOL, "the condition", go_on, err);
    return code;
}

static sib_code loop_begin(const frame *f, const node *n, control *c, int64_t limit, sib_error *err)
{
    body *b = &c->bodies[0];
    c->n_carried = n->inputs.n > 2 ? n->inputs.n - 2 : 0;
    sib_code code = body_begin(b, f, c->spec.body, "body", c->n_carried + 2, err);
    if (code == SIB_OK && b->g->outputs.n < c->n_carried + 1)
        code = err_set(err, SIB_ERR_FORMAT,
                       "its body has %u outputs, fewer than the condition and %zu carried values",
                       b->g->outputs.n, c->n_carried);
    for (size_t i = 0; i < c->n_carried && code == SIB_OK; i++)
        code = control_share(f, n, i + 2, &c->carried[i], err);
    if (code != SIB_OK)
        return code;
    c->n_stacks = b->g->outputs.n - 1 - c->n_carried;
    for (size_t i = 0; i < c->n_stacks; i++) {
        int64_t room = c->stacks[i].before ? c->stacks[i].before : FIRST_ROOM;
        stack_begin(&c->stacks[i], f->run, control_max_spares(f), 0, false, room < limit ? room : limit);
    }
    return SIB_OK;
}

/* Makes an input of the body with one number: a scalar, or of dims [1] where rank is 1. */
static sib_code loop_number(spares *kept, sib_dtype dtype, size_t rank, int64_t number, sib_value **out,
                            sib_error *err)
{
    sib_code code = spares_take(kept, SPARES_MAX, dtype, rank, &(int64_t){1}, out, err);
    if (code == SIB_OK && dtype == SIB_BOOL)
        *(unsigned char *)sib_tensor_data((*out)->tensor) = number != 0;
    else if (code == SIB_OK)
        *(int64_t *)sib_tensor_data((*out)->tensor) = number;
    return code;
}

/* One iteration: the body returns [condition, carried..., parts...]. */
static sib_code loop_iterate(frame *f, const node *n, control *c, int64_t index, int64_t *go_on,
                             sib_error *err)
{
    body *b = &c->bodies[0];
    sib_value *iteration = NULL, *condition = NULL;
    sib_code code = loop_number(&c->iteration, SIB_I64, loop_iteration_rank(b->g), index, &iteration, err);
    if (code == SIB_OK)
        code = loop_number(&c->condition, SIB_BOOL, 0, *go_on, &condition, err);
    b->in[0] = iteration;
    b->in[1] = condition;
    for (size_t i = 0; i < c->n_carried; i++)
        b->in[2 + i] = c->carried[i];
    if (code == SIB_OK)
        code = body_run(b, f, n, index, err);
    if (code == SIB_OK)
        code = control_number(b->out[0], SIB_BOOL, "the condition", go_on, err);
    if (code == SIB_OK)
        code = loop_carry(c, 1, index, err);
    sib_value_free(&iteration);
    sib_value_free(&condition);
    return code;
}

sib_code run_loop(frame *f, const node *n, control *c, sib_error *err)
{
    int64_t limit, go_on;
    sib_code code = loop_ends(f, n, &limit, &go_on, err);
    if (code == SIB_OK)
        code = loop_begin(f, n, c, limit, err);
    if (code == SIB_OK && (limit <= 0 || !go_on))
        code = loop_sizes(c, 2, err);
    for (int64_t index = 0; index < limit && go_on && code == SIB_OK; index++)
        code = loop_iterate(f, n, c, index, &go_on, err);
    for (size_t i = 0; i < c->n_carried && code == SIB_OK; i++)
        control_output(f, n, i, control_take(&c->carried[i]));
    for (size_t i = 0; i < c->n_stacks && code == SIB_OK; i++) {
        sib_value *made = NULL;
        code = loop_stack(c, 1, i, &made, err);
        if (code == SIB_OK)
            control_output(f, n, c->n_carried + i, made);
    }
    return code;
}
