/* Log probabilities: alternatives to a token, and those of a prompt. */
#include "server/http/state.h"
#include "server/openai/completion.h"

#include <math.h>
#include <stdlib.h>

double completion_top(const double *row, size_t n_vocab, size_t n, alternatives *out)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n_vocab; i++) {
        max = fmax(max, row[i]);
        size_t at = out->n;
        while (at && row[i] > out->logprobs[at - 1])
            at--;
        if (at == n)
            continue;
        out->n += out->n < n;
        for (size_t k = out->n - 1; k > at; k--) {
            out->ids[k] = out->ids[k - 1];
            out->logprobs[k] = out->logprobs[k - 1];
        }
        out->ids[at] = (int32_t)i;
        out->logprobs[at] = row[i];
    }
    for (size_t i = 0; i < n_vocab; i++)
        sum += exp(row[i] - max);
    for (size_t k = 0; k < out->n; k++)
        out->logprobs[k] -= max + log(sum);
    return max + log(sum);
}

sib_code completion_add(completion *c, made_token t, sib_error *err)
{
    if (!(c->n_made & (c->n_made - 1))) { /* full: 0 and powers of 2 */
        made_token *more = realloc(c->made, (c->n_made ? 2 * c->n_made : 1) * sizeof *more);
        if (!more)
            return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
        c->made = more;
    }
    c->made[c->n_made++] = t;
    return SIB_OK;
}

/* ---- Log probabilities of the prompt ---- */

/* The prompt's tokens are the first of the answer. */
static sib_code keep_scored(void *context, const char *path, const sib_tensor *tokens, sib_error *err)
{
    const int32_t *ids = sib_tensor_data(tokens);
    sib_code code = SIB_OK;
    (void)path;
    for (size_t i = 0; i < sib_tensor_count(tokens) && code == SIB_OK; i++)
        code = completion_add(context, (made_token){.id = ids[i], .logprob = NAN}, err);
    return code;
}

/* Fills those of all tokens but the first. logits: float32 [tokens, n_vocab], those after each. */
static sib_code take_scores(completion *c, const sib_tensor *logits, sib_error *err)
{
    size_t n_vocab = (size_t)sib_tensor_dims(logits)[1];
    const float *at = sib_tensor_data(logits);
    double *row = malloc(n_vocab * sizeof *row);
    if (!row)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    for (size_t i = 1; i < c->n_made; i++, at += n_vocab) {
        made_token *t = &c->made[i];
        for (size_t k = 0; k < n_vocab; k++)
            row[k] = (double)at[k];
        double total = completion_top(row, n_vocab, c->form->n_top, &t->top);
        t->logprob = row[t->id] - total; /* the job has checked that the vocabulary has it */
    }
    free(row);
    return SIB_OK;
}

sib_code completion_score(completion *c, sib_error *err)
{
    static const char *const wanted[] = {"logits"}, *const prompt[] = {"prompt/tokens"};
    const text_prompt *p = c->given;
    sib_job_value in =
        p->ids ? (sib_job_value){"tokens", {.type = SIB_PORT_TOKENS, .tokens = {p->ids, p->n_ids}}}
               : (sib_job_value){"text", {.type = SIB_PORT_TEXT, .text = {p->text, p->size}}};
    sib_job_run_options o = {.context = c,
                             .on_tap = keep_scored,
                             .taps = prompt,
                             .n_taps = 1,
                             .cancel = exchange_cancel(c->x),
                             .batch = c->model->batch};
    sib_job_result *r = NULL;
    sib_code code = sib_job_run(c->model->job, 1, &in, 1, wanted, &o, &r, err);
    if (code == SIB_OK)
        code = take_scores(c, sib_job_result_find(r, "logits")->tensor, err);
    sib_job_result_free(&r);
    return code;
}
