/* Access to a kernel's constants, inputs and outputs, and its error reports. */
#include "backend/cpu/cpu.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- Claiming and preparing -------------------------------------------------------------------------- */

static bool is_tensor(const value *v)
{
    return v && !v->type.depth && v->type.leaf == TYPE_TENSOR;
}

sib_dtype cpu_dtype(const value *v)
{
    return is_tensor(v) ? v->type.dtype : SIB_DTYPE_UNKNOWN;
}

bool cpu_dims(const node_view *n, const value *v, size_t *rank, int64_t dims[SIB_MAX_RANK])
{
    if (!is_tensor(v) || !dim_shape_const(n->graph->dims, &v->type.shape, dims))
        return false;
    *rank = v->type.shape.rank;
    return true;
}

const sib_tensor *cpu_constant(const value *v)
{
    if (!v || !v->constant)
        return NULL;
    tensor_ready(v->constant);
    return v->constant;
}

typedef struct pack_call {
    const sib_tensor *constant;
    cpu_fill fill;
    const cpu_rows *rows; /* used instead of fill if not NULL */
    void *context;
    void *out;
    size_t bytes;
} pack_call;

static void fill_rows(void *context, const void *elements, size_t first, size_t n)
{
    pack_call *p = context;
    p->rows->fill(p->context, elements, first, n, p->out);
}

static sib_code pack_rows(pack_call *p, sib_error *err)
{
    const cpu_rows *r = p->rows;
    sib_code code = r->begin ? r->begin(p->context, p->out, err) : SIB_OK;
    if (code == SIB_OK && !tensor_read_rows(p->constant, r->row, r->block, r->multiple, fill_rows, p))
        return err_memory(err, p->bytes, "weights to be packed");
    return code;
}

static sib_code pack_constant(void *context, void *out, sib_error *err)
{
    pack_call *p = context;
    void *temporary;
    p->out = out;
    if (p->rows)
        return pack_rows(p, err);
    SIB_ASSERT(p->fill);
    const void *elements = tensor_peek(p->constant, &temporary);
    if (!elements)
        return err_memory(err, p->bytes, "weights to be packed");
    sib_code code = p->fill(p->context, elements, out, err);
    mem_free(temporary);
    tensor_leave_pages(p->constant);
    return code;
}

static sib_code pack_by(const cpu_self *self, const value *v, const char *how, pack_call *p, const void **out,
                        void **owned, sib_error *err)
{
    p->constant = v->constant;
    *owned = NULL;
    if (self->packs && v->lasting)
        return packs_get(v->from_file ? self->file_packs : self->packs, v->constant, how, p->bytes,
                         pack_constant, p, out, err);
    *out = *owned = mem_alloc(p->bytes, 1);
    if (!*owned)
        return err_memory(err, p->bytes, "packed weights");
    sib_code code = pack_constant(p, *owned, err);
    if (code != SIB_OK) {
        mem_free(*owned);
        *owned = NULL;
    }
    return code;
}

sib_code cpu_pack(const cpu_self *self, const value *v, const char *how, size_t bytes, cpu_fill fill,
                  void *context, const void **out, void **owned, sib_error *err)
{
    pack_call p = {.fill = fill, .context = context, .bytes = bytes};
    return pack_by(self, v, how, &p, out, owned, err);
}

sib_code cpu_pack_rows(const cpu_self *self, const value *v, const char *how, size_t bytes,
                       const cpu_rows *rows, void *context, const void **out, void **owned, sib_error *err)
{
    pack_call p = {.rows = rows, .context = context, .bytes = bytes};
    return pack_by(self, v, how, &p, out, owned, err);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

const sib_tensor *cpu_in(const cpu_call *c, size_t i)
{
    return i < c->view->n_in && c->in[i] && c->in[i]->value ? sib_value_tensor(c->in[i]->value) : NULL;
}

bool cpu_wants(const cpu_call *c, size_t i)
{
    return i < c->view->n_out && c->out[i];
}

sib_tensor *cpu_out(const cpu_call *c, size_t i)
{
    sib_value *v = cpu_wants(c, i) ? c->out[i]->value : NULL;
    return v && v->kind == SIB_VALUE_TENSOR ? v->tensor : NULL;
}

sib_code(cpu_fail)(const cpu_call *c, sib_code code, const char *format, ...)
{
    char text[sizeof c->err->message];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (c->node->milli)
        return err_set(c->err, code, "%s: %s", c->node->milli->name, text);
    return err_set(c->err, code, "%.*s: %s", (int)c->node->type.length, c->node->type.data, text);
}

sib_code cpu_no_memory(const cpu_call *c, size_t bytes)
{
    return cpu_fail(c, SIB_ERR_MEMORY, "out of memory: %zu bytes", bytes);
}
