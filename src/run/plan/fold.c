#include "run/plan/fold.h"

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

/* Operands of a folded milli-op. */
typedef struct fold_call {
    const value **in, **out; /* (n_in), (n_out) */
    buffer *buffers;         /* (n_in + n_out) */
    buffer **pointers;       /* (n_in + n_out) */
    size_t n_in, n_out;
} fold_call;

static void call_free(fold_call *c)
{
    for (size_t i = 0; c->buffers && i < c->n_in + c->n_out; i++)
        sib_value_free(&c->buffers[i].value);
    mem_free(c->in);
    mem_free(c->buffers);
    mem_free(c->pointers);
}

static sib_code call_make(fold_call *c, const graph *g, const node *n, sib_error *err)
{
    size_t all = (size_t)n->inputs.n + n->outputs.n;
    sib_code code = SIB_OK;
    *c = (fold_call){.n_in = n->inputs.n, .n_out = n->outputs.n};
    c->in = mem_calloc(all, sizeof *c->in);
    c->buffers = mem_calloc(all, sizeof *c->buffers);
    c->pointers = mem_calloc(all, sizeof *c->pointers);
    if (!c->in || !c->buffers || !c->pointers)
        return err_memory(err, all * sizeof *c->buffers, "folding a constant");
    c->out = c->in + c->n_in;
    for (size_t i = 0; i < all && code == SIB_OK; i++) {
        value_id id = i < c->n_in ? n->inputs.ids[i] : n->outputs.ids[i - c->n_in];
        if (id == NO_VALUE)
            continue;
        const value *v = &g->values[id];
        c->in[i] = v;
        c->pointers[i] = &c->buffers[i];
        if (i < c->n_in) {
            code = sib_value_from_tensor(v->constant, &c->buffers[i].value, err);
        } else {
            int64_t dims[SIB_MAX_RANK];
            sib_tensor *t = NULL;
            if (!v->type.depth && dim_shape_const(g->dims, &v->type.shape, dims)) {
                code = sib_tensor_create(v->type.dtype, v->type.shape.rank, dims, &t, err);
                if (code == SIB_OK)
                    code = sib_value_from_tensor(t, &c->buffers[i].value, err);
                sib_tensor_free(&t);
            }
        }
    }
    return code;
}

sib_code fold_milli(lowering *l, node_id id, sib_error *err)
{
    graph *g = l->graph;
    node *n = &g->nodes[id];
    fold_call c;
    step s = {.backend = backend_named("ref")};
    sib_code code = call_make(&c, g, n, err);
    s.view = (node_view){g, n, c.n_in, c.n_out, c.in, c.out};
    if (code == SIB_OK && s.backend->prepare)
        code = s.backend->prepare(NULL, &s.view, &s, err);
    if (code == SIB_OK) {
        code = s.backend->run(&s, (const buffer *const *)c.pointers, c.pointers + c.n_in, l->cancel, err);
        if (s.backend->release)
            s.backend->release(&s);
    }
    for (size_t i = 0; i < c.n_out && code == SIB_OK; i++) {
        value *v = &g->values[n->outputs.ids[i]];
        const sib_tensor *made =
            c.buffers[c.n_in + i].value ? sib_value_tensor(c.buffers[c.n_in + i].value) : NULL;
        sib_tensor *kept = NULL;
        if (!made)
            code = err_set(err, SIB_ERR_UNSUPPORTED, "%s gives no tensor to fold", n->milli->name);
        else if ((code = tensor_view(made, made->rank, &kept, err)) == SIB_OK)
            code = arena_keep(g->arena, kept, err);
        if (code == SIB_OK) {
            v->constant = kept;
            v->producer = NO_NODE;
            v->type = type_of_dims(g->dims, kept->dtype, kept->rank, kept->dims);
        }
    }
    if (code == SIB_OK)
        n->inputs.n = n->outputs.n = 0;
    call_free(&c);
    return code;
}
