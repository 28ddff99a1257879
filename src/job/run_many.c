/* Several runs of a job, whose calls are made as one where the document allows it. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "job/call/stacked.h"
#include "job/document/op.h"
#include "job/run_inner.h"

#include <stdlib.h>

/* One of the runs, as it stands before the call. */
typedef struct waiting_run {
    job_run_state r;
    size_t length;    /* of the call's inputs; 0: it is made alone */
    job_value **in;   /* (inputs of the node) */
    sib_value **made; /* (outputs of the node) */
    job_value **out;  /* (outputs of the job) where its results go */
    bool begun;
} waiting_run;

typedef struct runs {
    waiting_run *items; /* (n) */
    size_t n, at;       /* at: the node that calls */
    const job_node *node;
    const call_plan *plan;
    size_t n_outputs;
    const size_t *outputs;
} runs;

/* ---- Before the call ---- */

/* Finds the first node of the outermost list whose calls may be one. Returns false where there is none. */
static bool find_node(runs *all, const job_parts *parts)
{
    const job_block *b = &parts->doc->block;
    for (; all->at < b->n; all->at++) {
        all->node = &b->nodes[all->at];
        if (all->node->op->call && parts->doc->calls[all->node->calls[0]].batch.allowed) {
            all->plan = parts->plans[all->node->calls[0]];
            return true;
        }
    }
    return false;
}

/* Makes what is in front of the call. */
static sib_code begin(const runs *all, waiting_run *w, job_value *const *given, sib_error *err)
{
    w->begun = true;
    sib_code code = run_begin(&w->r, given, all->n_outputs, all->outputs, err);
    if (code == SIB_OK)
        code = run_nodes(&w->r, 0, all->at, err);
    if (code == SIB_OK && run_needs(&w->r, all->node)) {
        w->in = mem_calloc(all->node->n_inputs + all->node->n_outputs + 1, sizeof *w->in);
        if (!w->in)
            return err_memory(err, sizeof *w->in, "ports of a node");
        w->made = (sib_value **)(w->in + all->node->n_inputs);
        code = run_inputs(&w->r, all->node, w->in, err);
        w->length = code == SIB_OK ? call_stacked_length(all->plan, w->in) : 0;
    }
    return code;
}

static void forget_ports(const runs *all, waiting_run *w)
{
    for (size_t i = 0; w->in && i < all->node->n_inputs; i++)
        job_value_release(w->in[i]);
    for (size_t i = 0; w->in && i < all->node->n_outputs; i++)
        sib_value_free(&w->made[i]);
    mem_free(w->in);
    w->in = NULL;
}

/* By length, those of one length in the order in which they are given. */
static int compare(const void *a, const void *b)
{
    const waiting_run *x = a, *y = b;
    return x->length != y->length ? (x->length > y->length) - (x->length < y->length)
                                  : (x->out > y->out) - (x->out < y->out);
}

/* ---- The call, and what is behind it ---- */

/* Puts what the call gave run w into its slots. */
static sib_code give(const runs *all, waiting_run *w, sib_error *err)
{
    job_value **out = mem_calloc(all->node->n_outputs + 1, sizeof *out);
    bool done = out;
    for (size_t i = 0; i < all->node->n_outputs; i++) {
        job_value *v = out ? job_value_tensor(w->made[i], SIB_PORT_TENSOR) : NULL;
        if (!out)
            sib_value_free(&w->made[i]);
        else
            out[i] = v;
        w->made[i] = NULL;
        done = done && v;
    }
    if (done)
        run_put(&w->r, all->node, out);
    for (size_t i = 0; out && !done && i < all->node->n_outputs; i++)
        job_value_release(out[i]);
    mem_free(out);
    return done ? SIB_OK : err_memory(err, sizeof *out, "outputs of a call");
}

/* The call of n runs as one. */
static sib_code call_together(const runs *all, waiting_run *first, size_t n, sib_error *err)
{
    job_value *const **in = mem_alloc(n, sizeof *in);
    sib_value ***out = mem_alloc(n, sizeof *out);
    sib_code code = in && out ? SIB_OK : err_memory(err, n * sizeof *in, "a call");
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        in[i] = first[i].in;
        out[i] = first[i].made;
    }
    if (code == SIB_OK)
        code = call_stacked_run(all->plan, first->r.watch, n, in, (sib_value * *const *)out, err);
    mem_free(in);
    mem_free(out);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = give(all, &first[i], err);
    return code;
}

/* Ends n runs whose lengths are near. Where the call of all of them fails each makes its own, since the fault
   may be one's. */
static sib_code finish(const runs *all, waiting_run *first, size_t n, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    sib_code code = n > 1 ? call_together(all, first, n, &why) : SIB_ERR_UNSUPPORTED;
    if (code == SIB_ERR_MEMORY || code == SIB_ERR_CANCELLED)
        return err_set(err, code, "%s", why.message);
    const size_t behind = all->at + (code == SIB_OK);
    code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        waiting_run *w = &first[i];
        forget_ports(all, w);
        code = run_nodes(&w->r, behind, w->r.d->block.n, err);
        code = run_end(&w->r, code, all->n_outputs, all->outputs, w->out, err);
        w->begun = false;
    }
    return code;
}

static sib_code finish_all(const runs *all, sib_error *err)
{
    size_t *lengths = mem_alloc(all->n, sizeof *lengths);
    sib_code code = lengths ? SIB_OK : err_memory(err, all->n * sizeof *lengths, "runs");
    qsort(all->items, all->n, sizeof *all->items, compare);
    for (size_t i = 0; i < all->n && code == SIB_OK; i++)
        lengths[i] = all->items[i].length;
    for (size_t i = 0, n; i < all->n && code == SIB_OK; i += n) {
        n = call_stacked_fitting(all->plan, all->n - i, lengths + i);
        code = finish(all, &all->items[i], n, err);
    }
    mem_free(lengths);
    return code;
}

sib_code job_run_many(const job_parts *parts, size_t n_runs, job_value *const *given, size_t n,
                      const size_t *outputs, uint64_t max_steps, const job_watch *watch, job_value **out,
                      sib_error *err)
{
    const job_doc *d = parts->doc;
    runs all = {.n = n_runs, .n_outputs = n, .outputs = outputs};
    const bool stacks = !(watch && watch->tap) && find_node(&all, parts); /* a value of several has no path */
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n_runs && !stacks && code == SIB_OK; i++)
        code = job_run(parts, given + i * d->n_inputs, n, outputs, max_steps, watch, NULL, out + i * n, err);
    all.items = stacks ? mem_calloc(n_runs, sizeof *all.items) : NULL;
    if (stacks && !all.items)
        code = err_memory(err, n_runs * sizeof *all.items, "runs");
    pool_hold(parts->pool);
    for (size_t i = 0; all.items && i < n_runs && code == SIB_OK; i++) {
        waiting_run *w = &all.items[i];
        w->r = (job_run_state){.parts = parts, .d = d, .watch = watch, .max_steps = max_steps};
        w->out = out + i * n;
        code = begin(&all, w, given + i * d->n_inputs, err);
    }
    if (all.items && code == SIB_OK)
        code = finish_all(&all, err);
    pool_release(parts->pool);
    for (size_t i = 0; all.items && i < n_runs; i++) {
        forget_ports(&all, &all.items[i]);
        if (all.items[i].begun)
            run_end(&all.items[i].r, SIB_ERR_CANCELLED, n, outputs, all.items[i].out, err);
    }
    for (size_t i = 0; i < n_runs * n && code != SIB_OK; i++)
        job_value_put(&out[i], NULL);
    mem_free(all.items);
    return code;
}
