/* The operators that run graphs: what they share, If and SequenceMap. */
#include "run/execute/control.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

#include <stdio.h>

/* ---- What is kept -------------------------------------------------------------------------------------- */

sib_code control_make(const node *n, control **out, sib_error *err)
{
    control *c = mem_calloc(1, sizeof *c);
    const graph *g = attr_graph(n, "body"); /* of loops; an If carries nothing */
    *out = c;
    if (!c)
        return err_memory(err, sizeof *c, "a subgraph");
    c->n_inputs = g ? n->inputs.n : 0;
    c->n_outputs = g ? g->outputs.n : 0;
    c->carried = mem_calloc(c->n_inputs + 1, sizeof *c->carried);
    c->slices = mem_calloc(2 * c->n_inputs + 1, sizeof *c->slices);
    c->stacks = mem_calloc(2 * c->n_outputs + 1, sizeof *c->stacks);
    if (!c->carried || !c->slices || !c->stacks) {
        control_free(out);
        return err_memory(err, n->inputs.n * sizeof *c->slices, "a subgraph");
    }
    c->rows = c->slices + c->n_inputs;
    c->row_stacks = c->stacks + c->n_outputs;
    return SIB_OK;
}

static void body_clear(body *b)
{
    for (uint32_t i = 0; b->out && i < b->g->outputs.n; i++)
        sib_value_free(&b->out[i]);
}

static void body_free(body *b)
{
    body_clear(b);
    mem_free(b->captured);
    mem_free(b->in);
    mem_free(b->out);
    *b = (body){0};
}

/* Lets go of the values of a run. */
static void control_clear(control *c)
{
    body_clear(&c->bodies[0]);
    body_clear(&c->bodies[1]);
    for (size_t i = 0; i < c->n_inputs; i++)
        sib_value_free(&c->carried[i]);
    for (size_t i = 0; i < 2 * c->n_inputs; i++)
        sib_value_free(&c->slices[i].value);
    for (size_t i = 0; i < 2 * c->n_outputs; i++)
        stack_drop(&c->stacks[i]);
    c->sizes.n = 0;
}

void control_free(control **cp)
{
    control *c = *cp;
    if (!c)
        return;
    body_free(&c->bodies[0]);
    body_free(&c->bodies[1]);
    for (size_t i = 0; c->carried && i < c->n_inputs; i++)
        sib_value_free(&c->carried[i]);
    for (size_t i = 0; c->slices && i < 2 * c->n_inputs; i++)
        slice_free(&c->slices[i]);
    for (size_t i = 0; c->stacks && i < 2 * c->n_outputs; i++)
        stack_free(&c->stacks[i]);
    spares_clear(&c->iteration);
    spares_clear(&c->condition);
    dim_binding_clear(&c->sizes);
    mem_free(c->carried);
    mem_free(c->slices);
    mem_free(c->stacks);
    mem_free(c);
    *cp = NULL;
}

bool control_is_unsettled(const control *c)
{
    bool many = spares_are_many(&c->iteration, 1) || spares_are_many(&c->condition, 1);
    for (size_t i = 0; i < 2 * c->n_inputs; i++)
        many |= spares_are_many(&c->slices[i].kept, 1);
    for (size_t i = 0; i < 2 * c->n_outputs; i++)
        many |= spares_are_many(&c->stacks[i].kept, 1);
    return many;
}

void control_trim(control *c, unsigned keep)
{
    spares_trim(&c->iteration, keep);
    spares_trim(&c->condition, keep);
    for (size_t i = 0; i < 2 * c->n_inputs; i++)
        spares_trim(&c->slices[i].kept, keep);
    for (size_t i = 0; i < 2 * c->n_outputs; i++)
        spares_trim(&c->stacks[i].kept, keep);
}

/* ---- Running a body ------------------------------------------------------------------------------------ */

static sib_code body_make(body *b, const frame *f, const node *n, const char *which, sib_error *err)
{
    const graph *g = attr_graph(n, which);
    *b = (body){.g = g, .ex = g ? executor_of(f->ex->set, g) : NULL};
    if (!b->ex) {
        *b = (body){0};
        return err_set(err, SIB_ERR_FORMAT, "attribute '%s' is missing", which);
    }
    b->captured = mem_calloc((size_t)g->n_captures + 1, sizeof *b->captured);
    b->in = mem_calloc((size_t)g->inputs.n + 1, sizeof *b->in);
    b->out = mem_calloc((size_t)g->outputs.n + 1, sizeof *b->out);
    if (b->captured && b->in && b->out)
        return SIB_OK;
    body_free(b);
    return err_memory(err, g->inputs.n * sizeof *b->in, "a subgraph");
}

sib_code body_begin(body *b, const frame *f, const node *n, const char *which, size_t n_in, sib_error *err)
{
    sib_code code = b->g ? SIB_OK : body_make(b, f, n, which, err);
    if (code == SIB_OK && n_in != SIZE_MAX && b->g->inputs.n != n_in)
        code = err_set(err, SIB_ERR_FORMAT, "'%s' has %u inputs where %zu are given", which, b->g->inputs.n,
                       n_in);
    for (uint32_t i = 0; code == SIB_OK && i < b->g->n_captures; i++)
        if (!graph_constant_behind(b->g, b->g->captures[i].inner)) /* plans find constants themselves */
            code = frame_value(f, b->g->captures[i].outer, &b->captured[i], err);
    return code;
}

sib_code body_run(body *b, const frame *f, const node *n, int64_t turn, sib_error *err)
{
    char path[400] = "";
    sib_str name = n->name.length ? n->name : n->type;
    const bool tapped = f->run->options && f->run->options->tap; /* nobody else reads the path */
    body_clear(b);
    if (tapped && turn < 0)
        snprintf(path, sizeof path, "%s%.*s/", f->path, (int)name.length, name.data);
    else if (tapped)
        snprintf(path, sizeof path, "%s%.*s[%lld]/", f->path, (int)name.length, name.data, (long long)turn);
    return execute_graph(b->ex, f->run, path, b->in, b->captured, b->out, err);
}

/* ---- Values of the node -------------------------------------------------------------------------------- */

unsigned control_most(const frame *f)
{
    return f->ex->g->outer ? SPARES_MOST : 1;
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

/* ---- If ------------------------------------------------------------------------------------------------ */

static sib_code run_if(frame *f, const node *n, control *c, sib_error *err)
{
    const sib_value *v;
    int64_t condition = 0;
    sib_code code = control_input(f, n, 0, &v, err);
    if (code == SIB_OK)
        code = control_number(v, SIB_BOOL, "the condition", &condition, err);
    if (code != SIB_OK)
        return code;
    body *b = &c->bodies[condition ? 0 : 1];
    code = body_begin(b, f, n, condition ? "then_branch" : "else_branch", 0, err);
    if (code == SIB_OK && b->g->outputs.n < n->outputs.n)
        code = err_set(err, SIB_ERR_FORMAT, "its branch has %u outputs where %u are wanted", b->g->outputs.n,
                       n->outputs.n);
    if (code == SIB_OK)
        code = body_run(b, f, n, -1, err);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        control_output(f, n, i, control_take(&b->out[i]));
    return code;
}

/* ---- SequenceMap ---------------------------------------------------------------------------------------------- */

/* One turn: item `turn` of sequences, other inputs whole. */
static sib_code map_turn(frame *f, const node *n, control *c, size_t turn, size_t turns, sib_error *err)
{
    body *b = &c->bodies[0];
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        const sib_value *given = c->carried[i];
        bool sequence = sib_value_get_kind(given) == SIB_VALUE_SEQUENCE;
        if (sequence && sib_value_count(given) != turns)
            return err_set(err, SIB_ERR_ARGUMENT, "input %u has %zu items, input 0 has %zu", i,
                           sib_value_count(given), turns);
        b->in[i] = sequence ? sib_value_item(given, turn) : given;
    }
    return body_run(b, f, n, (int64_t)turn, err);
}

/* made: (outputs of n) sequences with room for an item a turn. *charged: bytes that they count. */
static sib_code map_turns(frame *f, const node *n, control *c, size_t turns, sib_value **made,
                          uint64_t *charged, sib_error *err)
{
    body *b = &c->bodies[0];
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        code = value_room(SIB_VALUE_SEQUENCE, turns, &made[i], err);
    for (size_t turn = 0; turn < turns && code == SIB_OK; turn++) {
        code = map_turn(f, n, c, turn, turns, err);
        for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
            uint64_t bytes = run_bytes(b->out[i]) + RUN_ITEM_BYTES;
            if (b->out[i]->depth >= VALUE_MAX_DEPTH)
                return err_set(err, SIB_ERR_ARGUMENT, "output %u is %u values deep, expected fewer than %d",
                               i, b->out[i]->depth, VALUE_MAX_DEPTH);
            value_put(made[i], turn, control_take(&b->out[i]));
            *charged += bytes;
            code = run_charge(f->run, bytes, "the outputs of its turns", err);
        }
    }
    return code;
}

static sib_code run_sequence_map(frame *f, const node *n, control *c, sib_error *err)
{
    body *b = &c->bodies[0];
    uint64_t charged = 0;
    sib_value **made = mem_calloc((size_t)n->outputs.n + 1, sizeof *made);
    sib_code code = made ? body_begin(b, f, n, "body", n->inputs.n, err)
                         : err_memory(err, n->outputs.n * sizeof *made, "a sequence");
    for (uint32_t i = 0; i < n->inputs.n && code == SIB_OK; i++)
        code = control_share(f, n, i, &c->carried[i], err);
    if (code == SIB_OK && (!n->inputs.n || sib_value_get_kind(c->carried[0]) != SIB_VALUE_SEQUENCE))
        code = err_set(err, SIB_ERR_ARGUMENT, "input 0 is no sequence");
    if (code == SIB_OK && b->g->outputs.n < n->outputs.n)
        code = err_set(err, SIB_ERR_FORMAT, "its body has %u outputs where %u are wanted", b->g->outputs.n,
                       n->outputs.n);
    if (code == SIB_OK)
        code = map_turns(f, n, c, sib_value_count(c->carried[0]), made, &charged, err);
    f->run->memory -= charged;
    for (uint32_t i = 0; made && i < n->outputs.n; i++) {
        if (code == SIB_OK)
            control_output(f, n, i, control_take(&made[i]));
        sib_value_free(&made[i]);
    }
    mem_free(made);
    return code;
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

sib_code execute_control(frame *f, node_id id, instance *in, sib_error *err)
{
    const node *n = &f->ex->g->nodes[id];
    sib_error why = SIB_ERROR_INIT;
    sib_code code = in->control ? SIB_OK : control_make(n, &in->control, &why);
    control *c = in->control;
    if (code == SIB_OK)
        switch (n->op->control) {
        case CONTROL_IF:
            code = run_if(f, n, c, &why);
            break;
        case CONTROL_LOOP:
            code = run_loop(f, n, c, &why);
            break;
        case CONTROL_SCAN:
            code = n->version < 9 ? run_scan8(f, n, c, &why) : run_scan(f, n, c, &why);
            break;
        case CONTROL_SEQUENCE_MAP:
            code = run_sequence_map(f, n, c, &why);
            break;
        default:
            code = err_set(&why, SIB_ERR_UNSUPPORTED, "control flow of an unknown kind");
            break;
        }
    if (c) {
        control_clear(c);
        in->unsettled = in->unsettled || control_is_unsettled(c);
    }
    if (code == SIB_OK)
        return SIB_OK;
    char name[160];
    return err_set(err, code, "node %s: %s", node_text(f->ex->g, n, name, sizeof name), why.message);
}
