/* The reference backend: every milli-op as milli.def defines it, scalar and plain. It claims no operator. */
#include "backend/ref/kernel.h"

typedef struct ref_self {
    sib_pool *pool; /* may be NULL */
} ref_self;

static sib_code ref_open(const sib_backend_options *options, void **self, sib_error *err)
{
    ref_self *ref = mem_calloc(1, sizeof *ref);
    *self = ref;
    if (!ref)
        return err_memory(err, sizeof *ref, "the reference backend");
    ref->pool = options ? options->pool : NULL;
    return SIB_OK;
}

static void ref_close(void **self)
{
    mem_free(*self);
    *self = NULL;
}

static bool ref_claims(const void *self, const node_view *n)
{
    (void)self;
    /* fusion is for other backends, calls are for that of extend/ */
    return n->node->milli && n->node->milli->kind != MILLI_fused && n->node->milli->kind != MILLI_call;
}

static sib_code check_inputs(const ref_call *c)
{
    for (size_t i = 0; i < c->view->n_in; i++) {
        const sib_tensor *t = ref_in(c, i);
        if (!t)
            return ref_fail(c, SIB_ERR_VALUE, "input %zu is not a tensor", i);
        if (!t->dense)
            return ref_fail(c, SIB_ERR_ARGUMENT, "input %zu is not dense, expected row-major without gaps",
                            i);
    }
    return SIB_OK;
}

/* Constant folding runs steps without opening the backend: self is NULL then. */
static sib_code ref_run(const step *s, const buffer *const *in, buffer *const *out,
                        const struct sib_cancel *cancel, sib_error *err)
{
    const ref_self *ref = s->self;
    ref_call c = {&s->view, s->view.node, in, out, ref ? ref->pool : NULL, cancel, err};
    if (!c.node->milli)
        return err_set(err, SIB_ERR_UNSUPPORTED, "backend ref runs milli-ops only, not %.*s",
                       (int)c.node->type.length, c.node->type.data);
    const ref_row *row = &ref_table[c.node->milli->kind];
    if (!row->run)
        return ref_fail(&c, SIB_ERR_UNSUPPORTED, "this build has no kernel for it");
    sib_code code = row->inputs == REF_TENSORS ? check_inputs(&c) : SIB_OK;
    return code == SIB_OK ? row->run(&c) : code;
}

extern const sib_backend backend_ref;
const sib_backend backend_ref = {
    .name = "ref",
    .description = "every milli-op by its definition, in double precision",
    .open = ref_open,
    .close = ref_close,
    .claims = ref_claims,
    .run = ref_run,
};
