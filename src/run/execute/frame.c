#include "run/execute/frame.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

#include <stdio.h>

/* ---- Memory ------------------------------------------------------------------------------------------ */

/* Strings count with their text, each of which is a block. */
static uint64_t tensor_bytes(const sib_tensor *t)
{
    size_t bytes = 0;
    uint64_t text = 0;
    dtype_bytes(t->dtype, t->count, &bytes);
    if (t->dtype == SIB_STRING && t->dense)
        for (uint64_t i = 0; i < t->count; i++)
            if (((const sib_str *)t->data)[i].length > 0)
                text += ((const sib_str *)t->data)[i].length + MEM_BLOCK_BYTES;
    return bytes + text;
}

uint64_t run_bytes(const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    uint64_t sum = t ? tensor_bytes(t) : 0;
    for (size_t i = 0; i < sib_value_count(v); i++) {
        const sib_tensor *item = sib_value_tensor(sib_value_item(v, i));
        sum += RUN_ITEM_BYTES + (item ? tensor_bytes(item) : 0);
    }
    return sum;
}

sib_code run_charge(run_state *run, uint64_t bytes, const char *what, sib_error *err)
{
    run->memory += bytes;
    if (!run->memory_limit || run->memory <= run->memory_limit)
        return SIB_OK;
    return err_set(err, SIB_ERR_MEMORY,
                   "%s: the run needs %llu bytes, above the limit of %llu (raised by memory_limit)", what,
                   (unsigned long long)run->memory, (unsigned long long)run->memory_limit);
}

/* ---- Values ------------------------------------------------------------------------------------------ */

/* The value of a constant, made once and shared by all runs. */
static sib_code constant_value(executor *ex, value_id v, const sib_tensor *constant, const sib_value **out,
                               sib_error *err)
{
    sib_value *made = NULL, *other = atomic_load_explicit(&ex->constants[v], memory_order_acquire);
    *out = other;
    if (other)
        return SIB_OK;
    sib_code code = sib_value_from_tensor(constant, &made, err);
    if (code != SIB_OK)
        return code;
    *out = made;
    if (!atomic_compare_exchange_strong(&ex->constants[v], &other, made)) {
        sib_value_free(&made);
        *out = other;
    }
    return SIB_OK;
}

sib_code frame_value(const frame *f, value_id v, const sib_value **out, sib_error *err)
{
    SIB_ASSERT(v < f->ex->g->n_values);
    const value *x = &f->ex->g->values[v];
    *out = f->live[v];
    if (*out)
        return SIB_OK;
    const sib_tensor *constant = x->constant ? x->constant : graph_find_constant(f->ex->g, v);
    if (!constant)
        return err_set(err, SIB_ERR_FORMAT, "value '%.*s' is used before it is computed", (int)x->name.length,
                       x->name.data);
    return constant_value(f->ex, v, constant, out, err);
}

void frame_set(frame *f, value_id v, sib_value *made)
{
    SIB_ASSERT(v < f->ex->g->n_values);
    SIB_ASSERT(f->run->memory >= f->charged[v]);
    sib_value_free(&f->live[v]);
    f->run->memory -= f->charged[v];
    f->charged[v] = made ? run_bytes(made) : 0;
    f->run->memory += f->charged[v];
    f->live[v] = made;
}

executor *executor_of_chunks(const executor_set *set, const node *n)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].chunks == n)
            return &set->items[i];
    return NULL;
}

void place_text(byte_buffer *b, const run_place *p)
{
    char number[NODE_LABEL];
    const char *name = node_label(p->g, p->holder, number);
    if (p->iteration < 0)
        buf_add_text(b, name, NULL);
    else
        buf_printf(b, NULL, "%s[%lld]", name, (long long)p->iteration);
}

const char *node_label(const graph *g, const node *n, char number[NODE_LABEL])
{
    if (n->name.length)
        return n->name.data;
    snprintf(number, NODE_LABEL, "node%u", (unsigned)(n - g->nodes));
    return number;
}

/* ---- Frames ------------------------------------------------------------------------------------------ */

executor *executor_of(const executor_set *set, const graph *g)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].g == g)
            return &set->items[i];
    return NULL;
}

sib_code frame_open(frame *f, sib_error *err)
{
    size_t n = f->ex->g->n_values ? f->ex->g->n_values : 1;
    void *memory = atomic_exchange(&f->ex->spare_frame, NULL);
    if (!memory && !(memory = mem_calloc(n, sizeof *f->live + sizeof *f->charged)))
        return err_memory(err, n * sizeof *f->live, "the values of a run");
    f->live = memory;
    f->charged = (uint64_t *)(f->live + n);
    return SIB_OK;
}

void frame_close(frame *f, bool done)
{
    const graph *g = f->ex->g;
    const graph_uses *uses = &f->ex->uses;
    if (!f->live)
        return;
    for (uint32_t i = done ? uses->dying_at[g->n_nodes] : 0; i < g->n_values; i++)
        frame_drop(f, uses->dying[i]);
    mem_free(atomic_exchange(&f->ex->spare_frame, (void *)f->live));
}
