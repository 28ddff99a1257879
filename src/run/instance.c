#include "run/instance.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

/* ---- Values ------------------------------------------------------------------------------------------ */

/* A value over memory that somebody else keeps. */
static sib_code value_over(sib_dtype dtype, const slot *at, void *data, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_wrap(dtype, at->rank, at->dims, NULL, data, NULL, NULL, &t, err);
    return code == SIB_OK ? value_take_tensor(t, out, err) : code;
}

static sib_code value_own(sib_dtype dtype, const slot *at, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = tensor_create_raw(dtype, at->rank, at->dims, &t, err);
    return code == SIB_OK ? value_take_tensor(t, out, err) : code;
}

static sib_code value_alias(const sib_value *root, const slot *at, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_reshape(sib_value_tensor(root), at->rank, at->dims, &t, err);
    return code == SIB_OK ? value_take_tensor(t, out, err) : code;
}

/* ---- Making ------------------------------------------------------------------------------------------ */

void instance_free(const segment *s, instance **ip)
{
    instance *in = *ip;
    if (!in)
        return;
    for (uint32_t v = 0; in->buffers && v < s->graph->n_values; v++)
        sib_value_free(&in->buffers[v].value);
    for (size_t i = 0; in->used && i < in->n_changing; i++)
        sib_value_free(&in->used[i]);
    mem_free(in->buffers);
    mem_free(in->operands);
    mem_free(in->first_operand);
    mem_free(in->fixed);
    mem_free(in->changing);
    mem_free(in->used);
    mem_free(in->arena);
    mem_free(in);
    *ip = NULL;
}

static sib_code allocate(const segment *s, instance *in, sib_error *err)
{
    uint32_t n = s->graph->n_values;
    size_t operands = 0;
    for (size_t i = 0; i < s->n_steps; i++)
        operands += s->steps[i].view.n_in + s->steps[i].view.n_out;
    for (uint32_t v = 0; v < n; v++)
        in->n_changing +=
            s->slots[v].kind == SLOT_LIVE || s->slots[v].kind == SLOT_OWN || s->slots[v].kind == SLOT_ALIAS;
    in->buffers = mem_calloc(n ? n : 1, sizeof *in->buffers);
    in->fixed = mem_calloc(n ? n : 1, sizeof *in->fixed);
    in->operands = mem_calloc(operands ? operands : 1, sizeof(buffer *));
    in->first_operand = mem_calloc(s->n_steps ? s->n_steps : 1, sizeof *in->first_operand);
    in->changing = mem_alloc(in->n_changing ? in->n_changing : 1, sizeof *in->changing);
    in->used = mem_calloc(in->n_changing ? in->n_changing : 1, sizeof(sib_value *));
    in->arena = mem_alloc(s->arena_bytes, 1);
    in->n_changing = 0;
    return in->buffers && in->fixed && in->operands && in->first_operand && in->changing && in->used &&
                   in->arena
               ? SIB_OK
               : err_memory(err, s->arena_bytes, "the values of a run");
}

/* What stays: constants that a step reads, what stands in the arena, and other dims over those. */
static sib_code make_fixed(const segment *s, instance *in, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t v = 0; v < s->graph->n_values && code == SIB_OK; v++) {
        const slot *at = &s->slots[v];
        const value *x = &s->graph->values[v];
        in->fixed[v] = true;
        if (at->kind == SLOT_CONSTANT && at->read)
            code = sib_value_from_tensor(x->constant, &in->buffers[v].value, err);
        else if (at->kind == SLOT_ARENA)
            code = value_over(x->type.dtype, at, (char *)in->arena + at->offset, &in->buffers[v].value, err);
        else if (at->kind == SLOT_ALIAS && in->fixed[at->root] && in->buffers[at->root].value)
            code = value_alias(in->buffers[at->root].value, at, &in->buffers[v].value, err);
        else if (at->kind == SLOT_LIVE || at->kind == SLOT_OWN || at->kind == SLOT_ALIAS) {
            in->fixed[v] = false;
            in->changing[in->n_changing++] = v;
        }
    }
    return code;
}

static void point_operands(const segment *s, instance *in)
{
    size_t at = 0;
    for (size_t i = 0; i < s->n_steps; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        in->first_operand[i] = at;
        for (uint32_t k = 0; k < n->inputs.n + n->outputs.n; k++, at++) {
            value_id v = k < n->inputs.n ? n->inputs.ids[k] : n->outputs.ids[k - n->inputs.n];
            in->operands[at] = v == NO_VALUE ? NULL : &in->buffers[v];
        }
    }
}

sib_code instance_make(const segment *s, instance **out, sib_error *err)
{
    instance *in = mem_calloc(1, sizeof *in);
    *out = in;
    if (!in)
        return err_memory(err, sizeof *in, "a run");
    sib_code code = allocate(s, in, err);
    if (code == SIB_OK)
        code = make_fixed(s, in, err);
    if (code == SIB_OK)
        point_operands(s, in);
    else
        instance_free(s, out);
    return code;
}

/* ---- Each run ---------------------------------------------------------------------------------------- */

/* True where nobody but the instance has v. */
static bool is_alone(const sib_value *v)
{
    return atomic_load_explicit(&v->references, memory_order_acquire) == 1;
}

/* True where nobody but the instance has v or its memory. */
static bool is_free(const sib_value *v)
{
    return is_alone(v) && atomic_load_explicit(&v->tensor->storage->references, memory_order_acquire) == 1;
}

/* Views of the last run let go of the memory that they showed, so that it can serve again. */
static void part_views(const segment *s, instance *in)
{
    for (size_t i = 0; i < in->n_changing; i++) {
        if (!in->used[i] || s->slots[in->changing[i]].kind != SLOT_ALIAS)
            continue;
        if (is_alone(in->used[i]))
            tensor_move_view(in->used[i]->tensor, NULL);
        else
            sib_value_free(&in->used[i]);
    }
}

static sib_code fill_own(const segment *s, value_id v, sib_value **used, sib_value **to, sib_error *err)
{
    if (*used && is_free(*used)) {
        *to = *used;
        *used = NULL;
        return SIB_OK;
    }
    sib_value_free(used);
    return value_own(s->graph->values[v].type.dtype, &s->slots[v], to, err);
}

static sib_code fill_view(const slot *at, const sib_value *root, sib_value **used, sib_value **to,
                          sib_error *err)
{
    if (!*used)
        return value_alias(root, at, to, err);
    tensor_move_view((*used)->tensor, sib_value_tensor(root));
    *to = *used;
    *used = NULL;
    return SIB_OK;
}

sib_code instance_fill(const segment *s, instance *in, sib_value *const *live, sib_error *err)
{
    sib_code code = SIB_OK;
    part_views(s, in);
    for (size_t i = 0; i < in->n_changing && code == SIB_OK; i++) {
        value_id v = in->changing[i];
        const slot *at = &s->slots[v];
        sib_value **to = &in->buffers[v].value;
        if (at->kind == SLOT_LIVE)
            *to = value_share(live[at->source]);
        else if (at->kind == SLOT_OWN && at->sized)
            code = fill_own(s, v, &in->used[i], to, err);
        else if (at->kind == SLOT_ALIAS && in->buffers[at->root].value)
            code = fill_view(at, in->buffers[at->root].value, &in->used[i], to, err);
    }
    return code;
}

/* True where v of this run may serve the next: own memory, and views. What a view shows of the caller's goes at once. */
static bool serves_again(const segment *s, value_id v, sib_value *x)
{
    const slot *at = &s->slots[v];
    if (!x || !x->tensor || s->graph->values[v].type.dtype == SIB_STRING)
        return false;
    if (at->kind == SLOT_ALIAS && s->slots[at->root].kind == SLOT_LIVE) {
        if (!is_alone(x))
            return false;
        tensor_move_view(x->tensor, NULL);
    }
    return at->kind == SLOT_ALIAS || (at->kind == SLOT_OWN && at->sized);
}

void instance_clear(const segment *s, instance *in)
{
    for (size_t i = 0; i < in->n_changing; i++) {
        value_id v = in->changing[i];
        if (!in->used[i] && serves_again(s, v, in->buffers[v].value)) {
            in->used[i] = in->buffers[v].value;
            in->buffers[v].value = NULL;
        } else
            sib_value_free(&in->buffers[v].value);
    }
}
