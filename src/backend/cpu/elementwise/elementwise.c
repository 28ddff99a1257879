/* Elementwise milli-ops, alone and as bodies of fused groups, with or without a head. */
#include "backend/cpu/elementwise/elementwise.h"

#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

#include <stdatomic.h>

#define STACK_BYTES 16384 /* max scratch of a run on the stack */
#define OPERANDS    64    /* max operands of a chain */
#define RESULTS     8
#define THREAD_NS   50000.0 /* work per thread that justifies waking it */
#define PIECE_MAX   (1 << 20)

/* The head of a fused group, whose result the chain works on. */
typedef struct head_step {
    const cpu_kernel *kernel;
    void *state;
    node_view view;
    size_t *inputs;     /* (view.n_in) indices into the fused node's inputs, SIZE_MAX for omitted ones */
    const value **list; /* memory for view's lists */
} head_step;

typedef struct chain_state {
    elementwise_chain chain;
    size_t results, scratch; /* bytes per run of PIECE_MAX */
    size_t grain;            /* elements of a thread's piece; 0: one thread */
    head_step *head;         /* may be NULL */
} chain_state;

/* State of one run. */
typedef struct chain_call {
    const cpu_call *c;
    const chain_state *state;
    const void *operands[OPERANDS];
    void *results[RESULTS];
    atomic_size_t failed; /* first element found that is divided by 0, or SIZE_MAX */
    atomic_bool no_memory;
} chain_call;

/* ---- Claiming ------------------------------------------------------------------------------------------ */

static bool node_claims(const cpu_self *self, const node_view *n)
{
    (void)self;
    return elementwise_takes(n->graph, n->node);
}

/* A view of a body's first node; list has room for its values. */
static node_view head_view(const graph *body, const value **list)
{
    const node *n = &body->nodes[0];
    for (uint32_t k = 0; k < n->inputs.n + n->outputs.n; k++) {
        value_id v = k < n->inputs.n ? n->inputs.ids[k] : n->outputs.ids[k - n->inputs.n];
        list[k] = v == NO_VALUE ? NULL : &body->values[v];
    }
    return (node_view){body, n, n->inputs.n, n->outputs.n, list, list + n->inputs.n};
}

static bool same_tensor(const node_view *a, const value *x, const node_view *b, const value *y)
{
    size_t ranks[2];
    int64_t dims[2][SIB_MAX_RANK];
    if (cpu_dtype(x) != cpu_dtype(y) || !cpu_dims(a, x, &ranks[0], dims[0]) ||
        !cpu_dims(b, y, &ranks[1], dims[1]) || ranks[0] != ranks[1])
        return false;
    for (size_t i = 0; i < ranks[0]; i++)
        if (dims[0][i] != dims[1][i])
            return false;
    return true;
}

/* True where the chain can work in place on the head's result. */
static bool takes_head(const cpu_self *self, const node_view *n, const graph *body)
{
    const value *list[2 * ELEMENTWISE_NODES];
    const node *first = &body->nodes[0];
    if (first->inputs.n + first->outputs.n > 2 * ELEMENTWISE_NODES || n->n_out != 1 || first->outputs.n < 1 ||
        first->outputs.ids[0] == NO_VALUE)
        return false;
    node_view view = head_view(body, list);
    if (!same_tensor(&view, view.out[0], n, n->out[0]))
        return false;
    const cpu_kernel *kernel = self->kernel_for(self, &view);
    return kernel && kernel->takes_finish;
}

static bool fused_claims(const cpu_self *self, const node_view *n)
{
    const graph *body = spec_milli_fused(n->node).body;
    node_view inside = {.graph = body};
    if (!body || !body->n_nodes || body->n_nodes > ELEMENTWISE_NODES || !body->outputs.n ||
        body->outputs.n > RESULTS || body->inputs.n * 2 + 1 > OPERANDS)
        return false;
    size_t first = !elementwise_is(&body->nodes[0]);
    for (size_t i = first; i < body->n_nodes; i++) {
        const value *v = &body->values[body->nodes[i].outputs.ids[0]];
        size_t rank, out_rank;
        int64_t dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
        if (!elementwise_takes(body, &body->nodes[i]) || !cpu_dims(&inside, v, &rank, dims) ||
            !cpu_dims(n, n->out[0], &out_rank, out) || rank != out_rank)
            return false;
        for (size_t k = 0; k < rank; k++)
            if (dims[k] != out[k])
                return false;
    }
    return !first || takes_head(self, n, body);
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

static void release_head(head_step *h)
{
    if (!h)
        return;
    if (h->state && h->kernel->release)
        h->kernel->release(h->state);
    else
        mem_free(h->state);
    mem_free(h->inputs);
    mem_free(h->list);
    mem_free(h);
}

static void release(void *state)
{
    chain_state *s = state;
    release_head(s->head);
    elementwise_clear(&s->chain);
    mem_free(s);
}

static void choose_pieces(const cpu_self *self, chain_state *s)
{
    unsigned threads = sib_pool_threads(self->pool);
    double all = chain_cost(s->chain.c) * (double)s->chain.count;
    s->scratch = chain_scratch(s->chain.c, PIECE_MAX);
    if (threads > 1 && all > 2 * THREAD_NS) {
        size_t pieces = size_min((size_t)(all / THREAD_NS) + 1, (size_t)threads * 4);
        s->grain = size_min((s->chain.count / pieces / 64 + 1) * 64, PIECE_MAX);
    }
}

static sib_code node_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    chain_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    sib_code code = elementwise_of_node(n, &s->chain, err);
    s->results = 1;
    if (code != SIB_OK) {
        release(s);
        return code;
    }
    choose_pieces(self, s);
    *state = s;
    return SIB_OK;
}

static sib_code prepare_head(const cpu_self *self, const graph *body, head_step **out, sib_error *err)
{
    const node *n = &body->nodes[0];
    size_t all = (size_t)n->inputs.n + n->outputs.n;
    head_step *h = mem_calloc(1, sizeof *h);
    *out = h;
    if (!h)
        return err_memory(err, sizeof *h, "a step");
    h->list = mem_alloc(all, sizeof *h->list);
    h->inputs = mem_alloc(all, sizeof *h->inputs);
    if (!h->list || !h->inputs)
        return err_memory(err, all * sizeof *h->list, "a step");
    h->view = head_view(body, h->list);
    h->kernel = self->kernel_for(self, &h->view);
    for (uint32_t k = 0; k < n->inputs.n; k++) {
        h->inputs[k] = SIZE_MAX;
        for (uint32_t i = 0; i < body->inputs.n; i++)
            if (n->inputs.ids[k] != NO_VALUE && body->inputs.ids[i] == n->inputs.ids[k])
                h->inputs[k] = i;
    }
    return h->kernel->prepare ? h->kernel->prepare(self, &h->view, &h->state, err) : SIB_OK;
}

static sib_code fused_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    const graph *body = spec_milli_fused(n->node).body;
    bool head = !elementwise_is(&body->nodes[0]);
    chain_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    s->results = body->outputs.n;
    sib_code code = elementwise_of_body(n, body, head, &s->chain, err);
    if (code == SIB_OK && head)
        code = prepare_head(self, body, &s->head, err);
    if (code != SIB_OK) {
        release(s);
        return code;
    }
    choose_pieces(self, s);
    *state = s;
    return SIB_OK;
}

/* The chain reads all its inputs; of the head's inputs those count that its kernel reads. */
static bool reads(const void *state, size_t i)
{
    const chain_state *s = state;
    for (size_t k = 0; k < s->chain.n_operands; k++)
        if (k != s->chain.head && s->chain.inputs[k] == i)
            return true;
    for (size_t k = 0; s->head && k < s->head->view.n_in; k++)
        if (s->head->inputs[k] == i && (!s->head->kernel->reads || s->head->kernel->reads(s->head->state, k)))
            return true;
    return false;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static void run_range(chain_call *call, size_t begin, size_t count)
{
    _Alignas(MEM_ALIGN) char few[STACK_BYTES];
    const chain *program = call->state->chain.c;
    size_t bytes = chain_scratch(program, count);
    void *scratch = bytes <= sizeof few ? few : cpu_scratch_take(call->c, bytes);
    if (!scratch) {
        atomic_store_explicit(&call->no_memory, true, memory_order_relaxed);
        return;
    }
    size_t failed = chain_run(program, call->operands, call->results, begin, count, scratch);
    if (failed != CHAIN_NONE)
        atomic_store_explicit(&call->failed, failed, memory_order_relaxed);
    if (scratch != few)
        cpu_scratch_give(call->c, scratch);
}

static void run_piece(void *context, size_t begin, size_t count, unsigned worker)
{
    chain_call *call = context;
    size_t grain = call->state->grain, first = begin * grain;
    (void)worker;
    if (!cancel_is_set(call->c->cancel))
        run_range(call, first, size_min(count * grain, call->state->chain.count - first));
}

static void finish(const cpu_call *c, size_t begin, size_t count)
{
    run_range((chain_call *)(uintptr_t)c->finish_context, begin, count);
}

static sib_code run_head(chain_call *call)
{
    const head_step *h = call->state->head;
    const buffer *few[16], **in = few;
    if (h->view.n_in > 16 && !(in = mem_alloc(h->view.n_in, sizeof *in)))
        return cpu_no_memory(call->c, h->view.n_in * sizeof *in);
    for (size_t k = 0; k < h->view.n_in; k++)
        in[k] = h->inputs[k] == SIZE_MAX ? NULL : call->c->in[h->inputs[k]];
    cpu_call c = *call->c;
    c.view = &h->view;
    c.node = h->view.node;
    c.state = h->state;
    c.in = in;
    if (h->kernel->takes_clamp && call->state->chain.clamped) {
        c.finish = NULL;
        c.clamp = &call->state->chain.clamp;
    } else {
        c.finish = finish;
        c.finish_context = call;
        c.clamp = NULL;
    }
    sib_code code = h->kernel->run(&c);
    if (in != few)
        mem_free(in);
    return code;
}

static void run_all(chain_call *call)
{
    const chain_state *s = call->state;
    if (s->grain) {
        pool_run(call->c->self->pool, size_ceil_div(s->chain.count, s->grain), 1, run_piece, call);
        return;
    }
    for (size_t done = 0, n; done < s->chain.count && !cancel_is_set(call->c->cancel); done += n) {
        n = size_min(s->chain.count - done, PIECE_MAX);
        run_range(call, done, n);
    }
}

static sib_code chain_node_run(const cpu_call *c)
{
    const chain_state *s = c->state;
    chain_call call;
    call.c = c;
    call.state = s;
    atomic_init(&call.failed, CHAIN_NONE);
    atomic_init(&call.no_memory, false);
    for (size_t i = 0; i < s->results; i++)
        call.results[i] = cpu_out(c, i)->data;
    for (size_t i = 0; i < s->chain.n_operands; i++) {
        size_t from = s->chain.inputs[i];
        call.operands[i] = i == s->chain.head ? call.results[0]
                           : from == SIZE_MAX ? NULL
                                              : cpu_in(c, from)->data;
    }
    sib_code code = SIB_OK;
    if (s->head)
        code = run_head(&call);
    else
        run_all(&call);
    if (code != SIB_OK)
        return code;
    size_t failed = atomic_load_explicit(&call.failed, memory_order_relaxed);
    if (failed != CHAIN_NONE)
        return cpu_fail(c, SIB_ERR_VALUE, "element %zu is divided by the integer 0", failed);
    if (atomic_load_explicit(&call.no_memory, memory_order_relaxed))
        return cpu_no_memory(c, s->scratch);
    if (cancel_is_set(c->cancel))
        return cpu_fail(c, SIB_ERR_CANCELLED, "cancelled");
    return SIB_OK;
}

const cpu_kernel cpu_elementwise = {
    .claims = node_claims,
    .prepare = node_prepare,
    .release = release,
    .run = chain_node_run,
};

static const char *method(const void *state)
{
    (void)state;
    return "elementwise";
}

static const cpu_kernel *head_kernel(const void *state, const void **head_state)
{
    const head_step *head = ((const chain_state *)state)->head;
    if (!head)
        return NULL;
    *head_state = head->state;
    return head->kernel;
}

const cpu_kernel cpu_fused = {
    .claims = fused_claims,
    .prepare = fused_prepare,
    .release = release,
    .run = chain_node_run,
    .reads = reads,
    .method = method,
    .head = head_kernel,
};
