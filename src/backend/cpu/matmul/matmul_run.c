/* The run of a product of float matrices. */
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/matmul/matmul.h"

/* ---- State ----------------------------------------------------------------------------------------- */

bool cpu_matmul_takes(sib_dtype dtype)
{
    return dtype == SIB_F32 || dtype == SIB_F16 || dtype == SIB_BF16;
}

/* Rounds up to full cache lines. */
static size_t lines(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

void cpu_matmul_set_dtype(const cpu_self *self, matmul_state *s, sib_dtype dtype, size_t a, size_t b,
                          size_t addend)
{
    if (dtype == SIB_F32)
        return;
    s->widen = dtype == SIB_F16 ? self->kernels->widen_f16 : self->kernels->widen_bf16;
    s->narrow = dtype == SIB_F16 ? self->kernels->narrow_f16 : self->kernels->narrow_bf16;
    s->a_floats = lines(a);
    s->b_floats = s->g.packed ? 0 : lines(b);
    s->addend_floats = s->addend ? lines(addend) : 0;
    s->c_floats = s->count * s->g.m * s->g.n;
}

void cpu_matmul_size_scratch(const cpu_self *self, matmul_state *s)
{
    s->scratch = lines(gemm_scratch_all(&s->g, s->count, self->pool));
}

bool cpu_matmul_reads(const void *state, size_t i)
{
    const matmul_state *s = state;
    return i == 0 || (i == 1 && !s->g.packed) || (i == s->addend_input && s->addend);
}

void cpu_matmul_release(void *state)
{
    matmul_state *s = state;
    if (s) {
        mem_free(s->owned);
        mem_free(s->places);
    }
    mem_free(s);
}

/* ---- Run ----------------------------------------------------------------------------------------------- */

typedef struct running {
    const cpu_call *call;
    const float *c; /* as floats: the output, or scratch */
} running;

/* Called when rows x columns elements of C are complete: narrows them to the output, calls finish. */
static void done(void *context, float *at, size_t rows, size_t columns)
{
    const running *r = context;
    const cpu_call *c = r->call;
    const matmul_state *s = c->state;
    size_t begin = (size_t)(at - r->c);
    if (columns == s->g.n) {
        columns *= rows;
        rows = 1;
    }
    for (size_t i = 0; i < rows; i++, begin += s->g.n) {
        if (s->narrow)
            s->narrow(r->c + begin, cpu_out(c, 0)->data + begin * sizeof(uint16_t), columns);
        if (c->finish)
            c->finish(c, begin, columns);
    }
}

/* Input i as floats; *scratch advances past those that were widened. */
static const float *operand(const cpu_call *c, size_t i, size_t floats, float **scratch)
{
    const matmul_state *s = c->state;
    const sib_tensor *t = cpu_in(c, i);
    if (!s->widen)
        return (const float *)(const void *)t->data;
    float *to = *scratch;
    s->widen(t->data, to, (size_t)t->count);
    *scratch += floats;
    return to;
}

static void fill(const matmul_state *s, const float *from, float *c)
{
    for (size_t i = 0; i < s->g.m; i++, from += s->add_row, c += s->g.n)
        for (size_t j = 0; j < s->g.n; j++)
            c[j] = s->beta * from[j * s->add_column];
}

sib_code cpu_matmul_run(const cpu_call *c)
{
    const matmul_state *s = c->state;
    gemm g = s->g;
    running r = {.call = c};
    size_t floats = s->scratch + s->a_floats + s->b_floats + s->addend_floats + s->c_floats;
    float *scratch = NULL, *at;
    if (floats && !(scratch = cpu_scratch_take(c, floats * sizeof(float))))
        return cpu_no_memory(c, floats * sizeof(float));
    at = scratch ? scratch + s->scratch : NULL;
    g.a = operand(c, 0, s->a_floats, &at);
    if (!g.packed)
        g.b = operand(c, 1, s->b_floats, &at);
    const float *addend = s->addend ? operand(c, s->addend_input, s->addend_floats, &at) : NULL;
    g.c = s->narrow ? at : (float *)(void *)cpu_out(c, 0)->data;
    g.cancel = c->cancel;
    r.c = g.c;
    g.context = &r;
    g.done = s->narrow || c->finish ? done : NULL;
    g.from = addend;
    if (s->addend == ADD_FILL) {
        fill(s, addend, g.c);
        g.from = g.c;
    }
    gemm_run_all(&g, s->count, s->places, c->self->pool, scratch);
    cpu_scratch_give(c, scratch);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}
