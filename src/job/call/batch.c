#include "job/call/batch.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* ---- Making -------------------------------------------------------------------------------------------- */

/* The ports of a decoder: tokens [B, N], rows [M], and the logits as its only output. */
static sib_code find_ports(sib_batch *b, const call_plan *p, rows_source *source, sib_error *err)
{
    const call_port *in;
    b->tokens = b->at = NO_INDEX;
    for (size_t i = 0; (in = call_plan_input(p, i)); i++) {
        bool number = (in->info.dtype == SIB_I64 || in->info.dtype == SIB_I32) && !in->pair->n_transpose;
        size_t *which = in->info.rank == 2 ? &b->tokens : &b->at;
        if (!number || !in->info.ranked || in->info.rank < 1 || in->info.rank > 2 || *which != NO_INDEX)
            return err_set(err, SIB_ERR_UNSUPPORTED, "its input '%s' is neither tokens [B, N] nor rows [M]",
                           in->value);
        *which = i;
    }
    if (b->tokens == NO_INDEX || b->at == NO_INDEX)
        return err_set(err, SIB_ERR_UNSUPPORTED, "it has no inputs of tokens [B, N] and rows [M]");
    if (!call_plan_output(p, 0) || call_plan_output(p, 1) || !call_plan_is_apart(p))
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "it has other outputs than logits, a state of its own beginning, or a context");
    source->tokens = call_plan_input(p, b->tokens)->value;
    source->at = call_plan_input(p, b->at)->value;
    source->logits = call_plan_output(p, 0)->value;
    return SIB_OK;
}

static sib_code create(sib_batch *b, const call_plan *p, const sib_batch_options *options,
                       const sib_session_options *sessions, sib_error *err)
{
    rows_source source = {.model = sib_session_model(call_plan_session(p))};
    sib_code code = find_ports(b, p, &source, err);
    if (code != SIB_OK)
        return code;
    while (call_plan_state(p, source.n))
        source.n++;
    const char **names = mem_alloc(2 * source.n + 1, sizeof *names);
    if (!names)
        return err_memory(err, source.n * sizeof *names, "a batch");
    for (size_t i = 0; i < source.n; i++) {
        names[i] = call_plan_state(p, i)->name;
        names[source.n + i] = call_plan_next(p, i);
    }
    source.past = names;
    source.present = names + source.n;
    code = batch_create(&source, options, sessions, &b->steps, err);
    mem_free(names);
    return code;
}

sib_code job_batch_create(call_plan *const *plans, size_t n, const sib_batch_options *options,
                          const sib_session_options *sessions, sib_batch **out, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT, first = SIB_ERROR_INIT;
    sib_batch *b = *out = mem_calloc(1, sizeof *b);
    sib_code code = SIB_ERR_UNSUPPORTED;
    if (!b)
        return err_memory(err, sizeof *b, "a batch");
    for (size_t i = 0; i < n && code == SIB_ERR_UNSUPPORTED; i++) {
        b->plan = plans[i];
        b->call = call_plan_name(plans[i]);
        why = (sib_error)SIB_ERROR_INIT;
        code = create(b, plans[i], options, sessions, &why);
        if (first.code == SIB_OK)
            first = why;
    }
    if (code == SIB_OK)
        return SIB_OK;
    sib_batch_free(out);
    return err_set(err, code, "the job's decoder cannot be batched: %s",
                   !n                            ? "it calls no model"
                   : code == SIB_ERR_UNSUPPORTED ? first.message
                                                 : why.message);
}

void sib_batch_free(sib_batch **b)
{
    if (!b || !*b)
        return;
    batch_free(&(*b)->steps);
    mem_free(*b);
    *b = NULL;
}

void sib_batch_get_info(const sib_batch *b, sib_batch_info *out)
{
    *out = (sib_batch_info){.call = b->call};
    batch_count(b->steps, out);
}
