/* MatMul and the milli-op for doubles and for integers of 32 and 64 bits. */
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/matmul/matmul_shape.h"

#define WORTH_THREADS 2e6 /* in multiplications */

typedef struct wide_state {
    gemm_wide g; /* without addresses */
    size_t count, element, panels, scratch;
    gemm_place *places; /* (count) */
    gemm_wide_panel panel;
} wide_state;

typedef struct running {
    const cpu_call *call;
    const wide_state *s;
    char *scratch; /* (threads, s->scratch) */
} running;

static gemm_wide_panel panel_of(const cpu_self *self, sib_dtype dtype)
{
    const gemm_wide_kernels *k = &self->kernels->gemm_wide;
    switch (dtype) {
    case SIB_F64:
        return k->f64;
    case SIB_I64:
    case SIB_U64:
        return k->u64;
    case SIB_I32:
    case SIB_U32:
        return k->u32;
    default:
        return NULL;
    }
}

static bool claims(const cpu_self *self, const node_view *n)
{
    cpu_matmul_shape shape;
    return n->n_in == 2 && panel_of(self, cpu_dtype(n->in[0])) &&
           cpu_dtype(n->in[0]) == cpu_dtype(n->in[1]) &&
           cpu_matmul_shape_of(n, n->in[0], n->in[1], false, false, &shape);
}

static void release(void *state)
{
    wide_state *s = state;
    mem_free(s->places);
    mem_free(s);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    cpu_matmul_shape shape;
    wide_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    cpu_matmul_shape_of(n, n->in[0], n->in[1], false, false, &shape);
    s->count = shape.count;
    s->places = cpu_matmul_places(&shape, false);
    if (!s->places) {
        release(s);
        return err_memory(err, shape.count * sizeof *s->places, "places of matrices");
    }
    s->g = (gemm_wide){
        .m = shape.m, .n = shape.n, .k = shape.k, .a_row = shape.a_row, .a_column = shape.a_column};
    s->g.b_row = shape.b_row;
    s->g.b_column = shape.b_column;
    s->element = sib_dtype_bits(cpu_dtype(n->in[0])) / 8;
    s->panel = panel_of(self, cpu_dtype(n->in[0]));
    size_t bytes = self->kernels->gemm_wide.bytes;
    s->panels = size_ceil_div(shape.n * s->element, bytes);
    s->scratch = (shape.k * bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    *state = s;
    return SIB_OK;
}

static void run_panels(void *context, size_t begin, size_t count, unsigned worker)
{
    const running *r = context;
    const wide_state *s = r->s;
    for (size_t i = begin; i < begin + count && !cancel_is_set(r->call->cancel); i++) {
        const gemm_place *at = &s->places[i / s->panels];
        gemm_wide g = s->g;
        g.a = cpu_in(r->call, 0)->data + at->a * s->element;
        g.b = cpu_in(r->call, 1)->data + at->b * s->element;
        g.c = cpu_out(r->call, 0)->data + at->c * s->element;
        s->panel(&g, i % s->panels, r->scratch + worker * s->scratch);
    }
}

static sib_code run(const cpu_call *c)
{
    const wide_state *s = c->state;
    double work = (double)s->count * (double)s->g.m * (double)s->g.n * (double)s->g.k;
    sib_pool *pool = work >= WORTH_THREADS ? c->self->pool : NULL;
    size_t bytes = s->scratch * sib_pool_threads(pool), items = s->count * s->panels;
    running r = {.call = c, .s = s, .scratch = cpu_scratch_take(c, bytes)};
    if (!r.scratch)
        return cpu_no_memory(c, bytes);
    if (items && s->g.m)
        pool_run(pool, items, pool ? 1 : items, run_panels, &r);
    cpu_scratch_give(c, r.scratch);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

const cpu_kernel cpu_matmul_wide = {.claims = claims, .prepare = prepare, .release = release, .run = run};

/* ---- The milli-op, run by either kernel ------------------------------------------------------------ */

typedef struct either_state {
    const cpu_kernel *kernel;
    void *state;
} either_state;

static const cpu_kernel *either_of(const cpu_self *self, const node_view *n)
{
    return cpu_matmul.claims(self, n) ? &cpu_matmul : claims(self, n) ? &cpu_matmul_wide : NULL;
}

static bool claims_either(const cpu_self *self, const node_view *n)
{
    return either_of(self, n) != NULL;
}

static void release_either(void *state)
{
    either_state *s = state;
    if (s->state)
        s->kernel->release(s->state);
    mem_free(s);
}

static sib_code prepare_either(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    either_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    s->kernel = either_of(self, n);
    sib_code code = s->kernel->prepare(self, n, &s->state, err);
    if (code != SIB_OK)
        mem_free(s);
    else
        *state = s;
    return code;
}

static bool reads_either(const void *state, size_t i)
{
    const either_state *s = state;
    return !s->kernel->reads || s->kernel->reads(s->state, i);
}

static sib_code run_either(const cpu_call *c)
{
    const either_state *s = c->state;
    cpu_call own = *c;
    own.state = s->state;
    sib_code code = s->kernel->run(&own);
    if (code == SIB_OK && c->finish && !s->kernel->takes_finish)
        c->finish(c, 0, (size_t)cpu_out(c, 0)->count);
    return code;
}

const cpu_kernel cpu_matmul_milli = {.claims = claims_either,
                                     .prepare = prepare_either,
                                     .release = release_either,
                                     .run = run_either,
                                     .reads = reads_either,
                                     .takes_finish = true};
