/* Pad in modes edge, reflect and wrap with constant, non-negative pads. Mode constant is the milli-op pad. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/layout/layout.h"
#include "kernel/layout/layout.h"

/* Max elements of one border: the plan, made before the run's memory is counted, holds a number for each. */
#define BORDER_MAX (1 << 20)

/* The int64 elements of a constant input. */
static bool numbers_of(const node_view *n, size_t i, size_t max, size_t *count, const int64_t **out)
{
    const sib_tensor *t = i < n->n_in ? cpu_constant(n->in[i]) : NULL;
    if (!t || t->dtype != SIB_I64 || t->rank != 1 || !t->dense || t->count > max)
        return false;
    *count = (size_t)t->count;
    *out = (const int64_t *)t->data;
    return true;
}

static bool read_pads(const node_view *n, spec_ints list, size_t rank, int64_t *before, int64_t *after)
{
    const int64_t *pads = NULL, *axes = NULL;
    size_t n_pads = 0, count = rank;
    if (n->node->version < 11)
        pads = list.v, n_pads = list.n;
    else if (!numbers_of(n, 1, 2 * SIB_MAX_RANK, &n_pads, &pads))
        return false;
    if (n->n_in > 3 && n->in[3] && !numbers_of(n, 3, rank, &count, &axes))
        return false;
    if (!pads || n_pads != 2 * count)
        return false;
    for (size_t i = 0; i < rank; i++)
        before[i] = after[i] = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t at = axes ? axes[i] : (int64_t)i;
        at += at < 0 ? (int64_t)rank : 0;
        if (at < 0 || at >= (int64_t)rank || before[at] || after[at] || pads[i] < 0 || pads[count + i] < 0)
            return false;
        before[at] = pads[i];
        after[at] = pads[count + i];
    }
    return true;
}

typedef struct pad_case {
    cpu_box a;
    layout_beyond beyond;
    int64_t before[SIB_MAX_RANK], after[SIB_MAX_RANK];
} pad_case;

static bool read_node(const node_view *n, pad_case *s)
{
    static const layout_beyond beyond[] = {
        [PAD_EDGE] = LAYOUT_EDGE, [PAD_REFLECT] = LAYOUT_REFLECT, [PAD_WRAP] = LAYOUT_WRAP};
    cpu_box out;
    pad_spec spec = spec_pad(n->node);
    s->beyond = beyond[spec.mode];
    if (spec.mode == PAD_CONSTANT || (spec.mode == PAD_WRAP && n->node->version < 19) ||
        !cpu_box_of(n, n->in[0], &s->a) || !cpu_box_of(n, n->out[0], &out) || out.rank != s->a.rank ||
        s->a.count == 0 || !read_pads(n, spec.pads, s->a.rank, s->before, s->after))
        return false;
    for (size_t i = 0; i < out.rank; i++)
        if (s->before[i] > BORDER_MAX || s->after[i] > BORDER_MAX ||
            out.dims[i] != s->before[i] + s->a.dims[i] + s->after[i])
            return false;
    return true;
}

static bool claims(const cpu_self *self, const node_view *n)
{
    pad_case s;
    (void)self;
    return read_node(n, &s);
}

static void release(void *state)
{
    layout_border_free(state);
    mem_free(state);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    pad_case s;
    layout_border *b = mem_calloc(1, sizeof *b);
    (void)self;
    cpu_claimed(read_node(n, &s));
    if (!b || !layout_border_plan(b, s.beyond, s.a.rank, s.a.dims, s.before, s.after, s.a.item)) {
        if (b)
            release(b);
        return err_memory(err, sizeof *b, "the border of a Pad");
    }
    *state = b;
    return SIB_OK;
}

static sib_code run(const cpu_call *c)
{
    sib_tensor *out = cpu_out(c, 0);
    if (out)
        layout_border_copy(c->state, out->data, cpu_in(c, 0)->data, c->self->pool, c->cancel);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_pad_operator = {.claims = claims, .prepare = prepare, .release = release, .run = run};
