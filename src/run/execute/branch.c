/* If and SequenceMap. */
#include "base/alloc.h"
#include "base/error.h"
#include "run/execute/control.h"

/* ---- If ------------------------------------------------------------------------------------------------ */

sib_code run_if(frame *f, const node *n, control *c, sib_error *err)
{
    const sib_value *v;
    int64_t condition = 0;
    sib_code code = control_input(f, n, 0, &v, err);
    if (code == SIB_OK)
        code = control_number(v, SIB_BOOL, "the condition", &condition, err);
    if (code != SIB_OK)
        return code;
    body *b = &c->bodies[condition ? 0 : 1];
    code = body_begin(b, f, condition ? c->spec.then_branch : c->spec.else_branch,
                      condition ? "then_branch" : "else_branch", 0, err);
    if (code == SIB_OK && b->g->outputs.n < n->outputs.n)
        code = err_set(err, SIB_ERR_FORMAT, "its branch has %u outputs, expected %u", b->g->outputs.n,
                       n->outputs.n);
    if (code == SIB_OK)
        code = body_run(b, f, n, -1, err);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        control_output(f, n, i, control_take(&b->out[i]));
    return code;
}

/* ---- SequenceMap --------------------------------------------------------------------------------------- */

/* One iteration: item `index` of each sequence; other inputs unchanged. */
static sib_code map_item(frame *f, const node *n, control *c, size_t index, size_t count, sib_error *err)
{
    body *b = &c->bodies[0];
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        const sib_value *given = c->carried[i];
        bool sequence = sib_value_get_kind(given) == SIB_VALUE_SEQUENCE;
        if (sequence && sib_value_count(given) != count)
            return err_set(err, SIB_ERR_ARGUMENT, "input %u has %zu items, input 0 has %zu", i,
                           sib_value_count(given), count);
        b->in[i] = sequence ? sib_value_item(given, index) : given;
    }
    return body_run(b, f, n, (int64_t)index, err);
}

/* made: (outputs of n) sequences with room for one item per iteration. *charged: bytes charged for them. */
static sib_code map_items(frame *f, const node *n, control *c, size_t count, sib_value **made,
                          uint64_t *charged, sib_error *err)
{
    body *b = &c->bodies[0];
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        code = value_room(SIB_VALUE_SEQUENCE, count, &made[i], err);
    for (size_t index = 0; index < count && code == SIB_OK; index++) {
        code = map_item(f, n, c, index, count, err);
        for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
            uint64_t bytes = run_bytes(b->out[i]) + RUN_ITEM_BYTES;
            if (b->out[i]->depth >= VALUE_MAX_DEPTH)
                return err_set(err, SIB_ERR_ARGUMENT, "output %u is %u values deep, expected fewer than %d",
                               i, b->out[i]->depth, VALUE_MAX_DEPTH);
            value_put(made[i], index, control_take(&b->out[i]));
            *charged += bytes;
            code = run_charge(f->run, bytes, "the outputs of its iterations", err);
        }
    }
    return code;
}

sib_code run_sequence_map(frame *f, const node *n, control *c, sib_error *err)
{
    body *b = &c->bodies[0];
    uint64_t charged = 0;
    sib_value **made = mem_calloc((size_t)n->outputs.n + 1, sizeof *made);
    sib_code code = made ? body_begin(b, f, c->spec.body, "body", n->inputs.n, err)
                         : err_memory(err, n->outputs.n * sizeof *made, "a sequence");
    for (uint32_t i = 0; i < n->inputs.n && code == SIB_OK; i++)
        code = control_share(f, n, i, &c->carried[i], err);
    if (code == SIB_OK && (!n->inputs.n || sib_value_get_kind(c->carried[0]) != SIB_VALUE_SEQUENCE))
        code = err_set(err, SIB_ERR_ARGUMENT, "input 0 is not a sequence");
    if (code == SIB_OK && b->g->outputs.n < n->outputs.n)
        code = err_set(err, SIB_ERR_FORMAT, "its body has %u outputs, expected %u", b->g->outputs.n,
                       n->outputs.n);
    if (code == SIB_OK)
        code = map_items(f, n, c, sib_value_count(c->carried[0]), made, &charged, err);
    f->run->memory -= charged;
    for (uint32_t i = 0; made && i < n->outputs.n; i++) {
        if (code == SIB_OK)
            control_output(f, n, i, control_take(&made[i]));
        sib_value_free(&made[i]);
    }
    mem_free(made);
    return code;
}
