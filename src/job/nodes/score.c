/* The log probability of a text under a model. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/nodes.h"

#include <math.h>
#include <string.h>

enum { SCORE_TOKENS, SCORE_CHUNK, SCORE_CONTEXT, SCORE_STRIDE };
static const job_port score_inputs[] = {
    {"tokens", SIB_PORT_TOKENS, true, "ids, at least two for a perplexity"},
    {"chunk", SIB_PORT_NUMBER, false, "tokens fed at once (256)"},
    {"context", SIB_PORT_NUMBER, false,
     "tokens of a window, for texts longer than the model's context; 0: all in one (0)"},
    {"stride", SIB_PORT_NUMBER, false,
     "by how many tokens windows move on; each scores those that the one before has not; 0: half of context "
     "(0)"}};
enum { SCORE_LOGITS, SCORE_LOGPROBS, SCORE_PERPLEXITY };
static const job_port score_outputs[] = {
    {"logits", SIB_PORT_TENSOR, false, "float32 [tokens, vocabulary]: after each token"},
    {"logprobs", SIB_PORT_NUMBERS, false, "natural logarithm of the probability of each token but the first"},
    {"perplexity", SIB_PORT_NUMBER, false, "exp of the negative mean of logprobs"}};

typedef struct scoring {
    size_t tokens_port, logits_port;
    size_t at_port;     /* NO_INDEX: the model gives the logits of all tokens */
    size_t keep_port;   /* of how many tokens it gives them, 0 for all; NO_INDEX: it is not asked */
    sib_value *logits;  /* float32 [n, n_vocab] where wanted, else NULL */
    double *logprobs;   /* (n) */
    size_t begin, done; /* first token of the window, and how many of it are fed */
    size_t next;        /* first token of all whose logits a window must still give */
    size_t n_vocab;
} scoring;

/* ln of the softmax of row (n) at id. */
static double logprob(const float *row, size_t n, int32_t id)
{
    double max = row[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        max = row[i] > max ? row[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp(row[i] - max);
    return row[id] - max - log(sum); // cppcheck-suppress invalidFunctionArg ; exp(max - max) is 1
}

/* Keeps n rows of logits, behind token `at` and those after it, where they are wanted. */
static void keep_logits(scoring *w, size_t at, const float *rows, size_t n)
{
    if (w->logits)
        memcpy((float *)sib_tensor_data(sib_value_tensor(w->logits)) + at * w->n_vocab, rows,
               n * w->n_vocab * sizeof *rows);
}

/* Adds the logits [1, n, n_vocab] that follow n tokens of the window behind those done, as far as they are not known. */
static sib_code take_logits(job_step *s, scoring *w, const sib_tensor *t, size_t n, sib_error *err)
{
    const sib_port_value *tokens = &s->in[SCORE_TOKENS]->v;
    size_t rank = sib_tensor_rank(t), all = tokens->tokens.n;
    size_t n_vocab = rank ? (size_t)sib_tensor_dims(t)[rank - 1] : 0;
    size_t before = call_plan_has_history(job_call_plan(s->calls[0])) ? w->done : 0; /* rows given again */
    if (!n_vocab || sib_tensor_count(t) != (uint64_t)(before + n) * n_vocab ||
        (w->n_vocab && n_vocab != w->n_vocab))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the model has %llu logits for %zu tokens", s->node->name,
                       (unsigned long long)sib_tensor_count(t), n);
    w->n_vocab = n_vocab;
    const size_t at = w->begin + w->done, known = w->next > at ? size_min(w->next - at, n) : 0;
    sib_tensor *rows; /* float32 */
    sib_code code = sib_tensor_convert(t, SIB_F32, SIB_OVERFLOW_IEEE, &rows, err);
    if (code == SIB_OK && s->wanted[SCORE_LOGITS] && !w->logits) {
        sib_tensor *kept;
        code = sib_tensor_create(SIB_F32, 2, (const int64_t[]){(int64_t)all, (int64_t)n_vocab}, &kept, err);
        if (code == SIB_OK) {
            code = sib_value_from_tensor(kept, &w->logits, err);
            sib_tensor_free(&kept);
        }
    }
    const float *data = code == SIB_OK ? (const float *)sib_tensor_data(rows) + before * n_vocab : NULL;
    if (code == SIB_OK)
        keep_logits(w, at + known, data + known * n_vocab, n - known);
    for (size_t i = known; i < n && at + i + 1 < all && code == SIB_OK; i++) {
        int32_t next = tokens->tokens.ids[at + i + 1];
        if (next < 0 || (size_t)next >= n_vocab)
            code = err_set(err, SIB_ERR_VALUE, "%s: token %d is out of range for the vocabulary of %zu",
                           s->node->name, (int)next, n_vocab);
        else
            w->logprobs[at + i] = logprob(data + i * n_vocab, n_vocab, next);
    }
    sib_tensor_free(&rows);
    w->done += n;
    w->next =
        at + n - 1; /* the next window's, where it has this token, since there the targets begin behind */
    return code;
}

/* Feeds n tokens after those done. at: (n) 0, 1, ... */
static sib_code feed_chunk(job_step *s, scoring *w, size_t n, const double *at, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[0]);
    size_t n_in = 0, n_out = 0;
    while (call_plan_input(p, n_in))
        n_in++;
    while (call_plan_output(p, n_out))
        n_out++;
    job_value **in = mem_calloc(n_in + n_out, sizeof *in);
    if (!in)
        return err_memory(err, (n_in + n_out) * sizeof *in, "ports of a call");
    sib_value **out = (sib_value **)(in + n_in);
    in[w->tokens_port] = job_value_tokens(s->in[SCORE_TOKENS]->v.tokens.ids + w->begin + w->done, n);
    if (w->at_port != NO_INDEX)
        in[w->at_port] = job_value_numbers(at, n);
    if (w->keep_port != NO_INDEX)
        in[w->keep_port] = job_value_number(0);
    sib_code code = in[w->tokens_port] && (w->at_port == NO_INDEX || in[w->at_port]) &&
                            (w->keep_port == NO_INDEX || in[w->keep_port])
                        ? job_call_run(s->calls[0], in, out, err)
                        : err_memory(err, n * sizeof *at, "tokens");
    const sib_tensor *logits = code == SIB_OK ? sib_value_tensor(out[w->logits_port]) : NULL;
    if (code == SIB_OK)
        code = logits ? take_logits(s, w, logits, n, err)
                      : err_set(err, SIB_ERR_UNSUPPORTED, "%s: the logits are not a tensor", s->node->name);
    for (size_t i = 0; i < n_in; i++)
        job_value_release(in[i]);
    for (size_t i = 0; i < n_out; i++)
        sib_value_free(&out[i]);
    mem_free(in);
    return code;
}

static sib_code find_ports(job_step *s, scoring *w, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[0]);
    w->tokens_port = call_plan_input_named(p, "tokens");
    w->at_port = call_plan_input_named(p, "at");
    w->keep_port = call_plan_input_named(p, "keep");
    w->logits_port = call_plan_output_named(p, "logits");
    if (w->tokens_port == NO_INDEX || w->logits_port == NO_INDEX)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: its call needs the ports 'tokens' and 'logits'",
                       s->node->name);
    return SIB_OK;
}

static sib_code give_all(job_step *s, scoring *w, size_t n, sib_error *err)
{
    double sum = 0;
    sib_code code = SIB_OK;
    if (s->wanted[SCORE_LOGITS]) {
        code = step_give(s, SCORE_LOGITS, job_value_tensor(w->logits, SIB_PORT_TENSOR), err);
        w->logits = NULL;
    }
    for (size_t i = 0; i + 1 < n; i++)
        sum += w->logprobs[i];
    if (code == SIB_OK)
        code = step_give(s, SCORE_LOGPROBS, job_value_numbers(w->logprobs, n ? n - 1 : 0), err);
    if (code == SIB_OK && s->wanted[SCORE_PERPLEXITY])
        code = n < 2 ? err_set(err, SIB_ERR_ARGUMENT, "%s: a perplexity needs at least two tokens, found %zu",
                               s->node->name, n)
                     : step_give(s, SCORE_PERPLEXITY, job_value_number(exp(-sum / (double)(n - 1))), err);
    return code;
}

/* Feeds the window of n tokens at w->begin, `chunk` at once. */
static sib_code score_window(job_step *s, scoring *w, size_t n, size_t chunk, const double *at,
                             sib_error *err)
{
    const size_t all = s->in[SCORE_TOKENS]->v.tokens.n;
    sib_code code = SIB_OK;
    job_call_reset(s->calls[0]);
    w->done = 0;
    while (w->done < n && code == SIB_OK) {
        code = feed_chunk(s, w, size_min(chunk, n - w->done), at, err);
        if (code == SIB_OK && s->watch && s->watch->progress)
            code = s->watch->progress(s->watch->context, (double)(w->begin + w->done), (double)all, err);
    }
    return code;
}

typedef struct score_sizes {
    size_t n, chunk, context, stride;
} score_sizes;

static sib_code read_sizes(const job_step *s, score_sizes *z, sib_error *err)
{
    z->n = s->in[SCORE_TOKENS]->v.tokens.n;
    sib_code code = step_count(s, SCORE_CHUNK, 256, 1, 1 << 20, &z->chunk, err);
    if (code == SIB_OK)
        code = step_count(s, SCORE_CONTEXT, 0, 0, 1 << 30, &z->context, err);
    if (code == SIB_OK)
        code = step_count(s, SCORE_STRIDE, 0, 0, 1 << 30, &z->stride, err);
    if (code != SIB_OK)
        return code;
    if (z->context == 1 || z->stride > z->context)
        return err_set(
            err, SIB_ERR_ARGUMENT,
            "%s: context is %zu and stride %zu: windows have at least 2 tokens, and strides at most theirs",
            s->node->name, z->context, z->stride);
    z->context = z->context ? z->context : z->n;
    z->stride = z->stride ? z->stride : (z->context + 1) / 2;
    z->chunk = size_min(z->chunk, z->n);
    return z->n ? SIB_OK : err_set(err, SIB_ERR_ARGUMENT, "%s: there are no tokens", s->node->name);
}

static sib_code score_run(job_step *s, sib_error *err)
{
    score_sizes z;
    scoring w = {0};
    sib_code code = find_ports(s, &w, err);
    if (code == SIB_OK)
        code = read_sizes(s, &z, err);
    if (code != SIB_OK)
        return code;
    double *at = mem_alloc(z.chunk, sizeof *at);
    w.logprobs = mem_calloc(z.n, sizeof *w.logprobs);
    code = at && w.logprobs ? SIB_OK : err_memory(err, z.n * sizeof *at, "a score");
    for (size_t i = 0; i < z.chunk && code == SIB_OK; i++)
        at[i] = (double)i;
    for (size_t end = 0; end < z.n && code == SIB_OK; w.begin += z.stride) {
        end = size_min(w.begin + z.context, z.n);
        code = score_window(s, &w, end - w.begin, z.chunk, at, err);
    }
    if (code == SIB_OK)
        code = give_all(s, &w, z.n, err);
    sib_value_free(&w.logits);
    mem_free(w.logprobs);
    mem_free(at);
    return code;
}

static const char *const calls[] = {"model"};
const job_op job_op_score = {.name = "score",
                             .meaning = "logits after each token of a text, and the text's probability",
                             .inputs = score_inputs,
                             .n_inputs = sizeof score_inputs / sizeof *score_inputs,
                             .outputs = score_outputs,
                             .n_outputs = sizeof score_outputs / sizeof *score_outputs,
                             .calls = calls,
                             .n_calls = 1,
                             .n_needed = 1,
                             .run = score_run};
