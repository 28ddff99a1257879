#include "run/execute/instance.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "run/execute/control.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

/* ---- Values ------------------------------------------------------------------------------------------ */

/* A value over memory owned elsewhere. */
static sib_code value_over(sib_dtype dtype, const slot *at, void *data, sib_value **out, sib_error *err)
{
    SIB_ASSERT(at->kind == SLOT_ARENA && at->sized);
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_wrap(dtype, at->rank, at->dims, NULL, data, NULL, NULL, &t, err);
    return code == SIB_OK ? value_take_tensor(t, out, err) : code;
}

static sib_code value_alias(const sib_value *root, const slot *at, sib_value **out, sib_error *err)
{
    SIB_ASSERT(at->kind == SLOT_ALIAS && root);
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
        spares_clear(&in->used[i]);
    for (uint32_t v = 0; in->places && v < s->graph->n_values; v++)
        if (in->places[v])
            s->device->backend->free(s->device->self, &in->places[v]);
    control_free(&in->control);
    mem_free(in->buffers);
    mem_free(in->operands);
    mem_free(in->first_operand);
    mem_free(in->fixed);
    mem_free(in->changing);
    mem_free(in->used);
    mem_free(in->places);
    mem_free(in->arena);
    if (in->device_memory)
        s->device->backend->free(s->device->self, &in->device_memory);
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
    in->used = mem_calloc(in->n_changing ? in->n_changing : 1, sizeof *in->used);
    in->places = mem_calloc(n ? n : 1, sizeof *in->places);
    in->arena = mem_alloc(s->arena_bytes, 1);
    in->n_changing = 0;
    return in->buffers && in->fixed && in->operands && in->first_operand && in->changing && in->used &&
                   in->places && in->arena
               ? SIB_OK
               : err_memory(err, s->arena_bytes, "the values of a run");
}

/* Makes the values that stay from run to run: constants that a step reads, arena values, and views of
   those. */
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

/* Gives the root v, which is not in the arena, memory of its own on the device. */
static sib_code place(const segment *s, instance *in, value_id v, sib_error *err)
{
    sib_code code = SIB_OK;
    if (!in->places[v] && s->slots[v].bytes)
        code = s->device->backend->alloc(s->device->self, s->slots[v].bytes, &in->places[v], err);
    in->buffers[v].memory = in->places[v];
    return code;
}

/* Places on the device of values that stay from run to run: of the arena, and of constants that are read through
   views. */
static sib_code place_fixed(const segment *s, instance *in, sib_error *err)
{
    sib_code code = SIB_OK;
    if (s->device_bytes)
        code = s->device->backend->alloc(s->device->self, s->device_bytes, &in->device_memory, err);
    for (uint32_t v = 0; v < s->graph->n_values && code == SIB_OK; v++) {
        const value_id at = s->slots[v].kind == SLOT_ALIAS ? s->slots[v].root : v;
        const slot *root = &s->slots[at];
        if (root->on_device && root->kind == SLOT_CONSTANT) {
            code = place(s, in, at, err);
            in->buffers[v].memory = in->places[at];
        } else if (root->on_device && root->kind == SLOT_ARENA) {
            in->buffers[v].memory = in->device_memory;
            in->buffers[v].offset = root->offset;
        }
    }
    return code;
}

sib_code instance_make(const segment *s, instance **out, sib_error *err)
{
    instance *in = mem_calloc(1, sizeof *in);
    *out = in;
    if (!in)
        return err_memory(err, sizeof *in, "a run");
    if (s->control)
        return SIB_OK;
    sib_code code = allocate(s, in, err);
    if (code == SIB_OK)
        code = make_fixed(s, in, err);
    if (code == SIB_OK && s->device)
        code = place_fixed(s, in, err);
    if (code == SIB_OK)
        point_operands(s, in);
    else
        instance_free(s, out);
    return code;
}

/* ---- Each run ---------------------------------------------------------------------------------------- */

/* Max spares per value: a loop body's outputs are read by the next iteration while it computes its own. */
static unsigned max_spares(const segment *s)
{
    return s->source->outer ? SPARES_MAX : 1;
}

/* Detaches views that nobody holds from their memory, so that it can be reused. */
static void part_views(const segment *s, instance *in)
{
    for (size_t i = 0; i < in->n_changing; i++)
        for (unsigned k = 0; s->slots[in->changing[i]].kind == SLOT_ALIAS && k < in->used[i].n; k++)
            if (value_is_alone(in->used[i].items[k]))
                tensor_move_view(in->used[i].items[k]->tensor, NULL);
}

static sib_code fill_view(const segment *s, value_id v, const sib_value *root, spares *used, sib_value **to,
                          sib_error *err)
{
    for (unsigned k = 0; k < used->n; k++)
        if (value_is_alone(used->items[k])) {
            tensor_move_view(used->items[k]->tensor, sib_value_tensor(root));
            *to = value_share(used->items[k]);
            return SIB_OK;
        }
    sib_code code = value_alias(root, &s->slots[v], to, err);
    if (code == SIB_OK && s->graph->values[v].type.dtype != SIB_STRING)
        spares_add(used, max_spares(s), *to);
    return code;
}

/* Marks values that stay on the device, since the caller leaves outputs there. */
static void mark_staying(const segment *s, instance *in, const bool *stays)
{
    const id_list *outputs = &s->source->outputs;
    for (size_t i = 0; i < s->n_exports; i++) {
        const value_id v = s->exports[i].planned;
        const value_id root = s->slots[v].kind == SLOT_ALIAS ? s->slots[v].root : v;
        for (uint32_t k = 0; k < outputs->n && s->slots[root].may_stay; k++)
            in->buffers[root].stays |= stays[k] && outputs->ids[k] == s->exports[i].source;
    }
}

/* Where v is on the device: in memory of its own where it stays, else in the instance's. */
static sib_code place_changing(const segment *s, instance *in, value_id v, sib_error *err)
{
    buffer *b = &in->buffers[v];
    if (!b->stays)
        return place(s, in, v, err);
    b->memory = s->device->backend->kept(s->device->self, sib_value_tensor(b->value)->storage->away);
    SIB_ASSERT(b->memory);
    return SIB_OK;
}

/* Elements of a value that existed before: those that are on a device stay there, or come to the host where they are
   read there or by another device. */
static sib_code bring(const segment *s, instance *in, size_t i, sib_error *err)
{
    const slot *at = &s->slots[in->changing[i]];
    buffer *b = &in->buffers[in->changing[i]];
    const sib_tensor *t = sib_value_tensor(b->value);
    const tensor_away *away = t ? t->storage->away : NULL;
    sib_code code = SIB_OK;
    b->stays = away && at->on_device && t->data == t->storage->owned &&
               s->device->backend->kept(s->device->self, away);
    if (away && (!s->device || at->read_on_host || (at->on_device && !b->stays)))
        code = tensor_fetch(t, err);
    return code == SIB_OK && at->on_device ? place_changing(s, in, in->changing[i], err) : code;
}

/* Whether a value may be written where the input that it continues is: there on the device, or on the host, both. */
static bool takes_over(const segment *s, const instance *in, value_id v, const bool *given)
{
    const slot *at = &s->slots[v];
    if (!at->continues || !given || !given[at->over_input])
        return false;
    const buffer *from = &in->buffers[at->over];
    const sib_tensor *t = sib_value_tensor(from->value);
    return at->on_device ? in->buffers[v].stays && from->stays : t->dense && !t->storage->away;
}

static void take_over(const segment *s, instance *in, value_id v)
{
    const buffer *from = &in->buffers[s->slots[v].over];
    buffer *b = &in->buffers[v];
    b->value = value_share(from->value);
    b->memory = from->memory;
    if (b->stays)
        tensor_send_away(b->value->tensor);
}

/* Memory of a value that outlives the segment. */
static sib_code give_own(const segment *s, instance *in, size_t i, sib_error *err)
{
    const value_id v = in->changing[i];
    const slot *at = &s->slots[v];
    const sib_dtype dtype = s->graph->values[v].type.dtype;
    buffer *b = &in->buffers[v];
    sib_code code = b->stays
                        ? spares_take_away(&in->used[i], max_spares(s), s->device, at->bytes, dtype, at->rank,
                                           at->dims, &b->value, err)
                        : spares_take(&in->used[i], max_spares(s), dtype, at->rank, at->dims, &b->value, err);
    return code == SIB_OK && at->on_device ? place_changing(s, in, v, err) : code;
}

/* A view of a value that changes. */
static sib_code give_view(const segment *s, instance *in, size_t i, sib_error *err)
{
    const value_id v = in->changing[i];
    const buffer *root = &in->buffers[s->slots[v].root];
    buffer *b = &in->buffers[v];
    b->memory = root->memory;
    b->stays = root->stays;
    return root->value ? fill_view(s, v, root->value, &in->used[i], &b->value, err) : SIB_OK;
}

sib_code instance_fill(const segment *s, instance *in, sib_value *const *live, const run_ends *ends,
                       sib_error *err)
{
    sib_code code = SIB_OK;
    part_views(s, in);
    if (ends->stays)
        mark_staying(s, in, ends->stays);
    for (size_t i = 0; i < in->n_changing && code == SIB_OK; i++) {
        value_id v = in->changing[i];
        const slot *at = &s->slots[v];
        sib_value **to = &in->buffers[v].value;
        SIB_ASSERT(!in->fixed[v] && !*to); /* the previous run released it */
        SIB_ASSERT(at->kind != SLOT_LIVE || (at->source < s->source->n_values && live[at->source]));
        if (at->kind == SLOT_LIVE) {
            *to = value_share(live[at->source]);
            code = bring(s, in, i, err);
        } else if (takes_over(s, in, v, ends->given))
            take_over(s, in, v);
        else if (at->kind == SLOT_OWN && at->sized)
            code = give_own(s, in, i, err);
        else if (at->kind == SLOT_ALIAS)
            code = give_view(s, in, i, err);
    }
    return code;
}

/* Whether v is a view of a value that existed before the segment. */
static bool shows_live(const segment *s, value_id v)
{
    SIB_ASSERT(v < s->graph->n_values);
    return s->slots[v].kind == SLOT_ALIAS && s->slots[s->slots[v].root].kind == SLOT_LIVE;
}

/* Whether others hold spares that must not stay: more than one of a value, or any view of a value that
   existed before the segment. */
static bool is_unsettled(const segment *s, const instance *in)
{
    bool more = in->control && control_is_unsettled(in->control);
    for (size_t i = 0; i < in->n_changing && !more; i++)
        more = spares_are_many(&in->used[i], shows_live(s, in->changing[i]) ? 0 : 1);
    return more;
}

void instance_clear(const segment *s, instance *in)
{
    for (size_t i = 0; i < in->n_changing; i++) {
        sib_value_free(&in->buffers[in->changing[i]].value);
        in->buffers[in->changing[i]].stays = false;
    }
    part_views(s, in);
    in->unsettled = in->unsettled || is_unsettled(s, in);
}

static bool shows_one_of(const spares *used, size_t n, const sib_value *const *inputs)
{
    for (unsigned k = 0; k < used->n; k++)
        for (size_t i = 0; i < n; i++)
            if (inputs[i] && inputs[i]->tensor &&
                inputs[i]->tensor->storage == used->items[k]->tensor->storage)
                return true;
    return false;
}

void instance_settle(const segment *s, instance *in, const settling *how)
{
    part_views(s, in);
    for (size_t i = 0; i < in->n_changing; i++) {
        spares_trim(&in->used[i], how->keep);
        if (shows_live(s, in->changing[i]) && shows_one_of(&in->used[i], how->n_inputs, how->inputs))
            spares_clear(&in->used[i]);
    }
    if (in->control)
        control_trim(in->control, how->keep);
    in->unsettled = is_unsettled(s, in);
}
