/* Samples a token from logits: penalties, biases, what a JSON schema allows, temperature, top k, top p,
   then min_p relative to the best, in this order (as Hugging Face's processors and warpers), then one at
   random. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/nodes.h"
#include "job/nodes/random.h"
#include "text/constrain/constraint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE_LOGITS,
    SAMPLE_TOKENS,
    SAMPLE_TEMPERATURE,
    SAMPLE_TOP_K,
    SAMPLE_TOP_P,
    SAMPLE_MIN_P,
    SAMPLE_PENALTY,
    SAMPLE_PRESENCE,
    SAMPLE_FREQUENCY,
    SAMPLE_BIASED,
    SAMPLE_BIASES,
    SAMPLE_SEED,
    SAMPLE_STOP,
    SAMPLE_MAX,
    SAMPLE_SCHEMA
};
static const job_port sample_inputs[] = {
    {"logits", SIB_PORT_TENSOR, true, "[..., vocabulary], the last row counts"},
    {"tokens", SIB_PORT_TOKENS, false, "tokens fed in this iteration, for the penalty"},
    {"temperature", SIB_PORT_NUMBER, false, "0: always the most likely token (0.8)"},
    {"top_k", SIB_PORT_NUMBER, false, "only the k most likely; 0: all (0)"},
    {"top_p", SIB_PORT_NUMBER, false, "only the most likely that together reach p (1)"},
    {"min_p", SIB_PORT_NUMBER, false, "none whose probability is below min_p times the largest (0)"},
    {"repetition_penalty", SIB_PORT_NUMBER, false,
     "divides the logits of tokens seen, multiplies negative ones (1)"},
    {"presence_penalty", SIB_PORT_NUMBER, false,
     "subtracted from the logits of tokens that were chosen before (0)"},
    {"frequency_penalty", SIB_PORT_NUMBER, false,
     "subtracted from a token's logit for each time that it was chosen before (0)"},
    {"bias_tokens", SIB_PORT_TOKENS, false, "tokens whose logits are raised"},
    {"biases", SIB_PORT_NUMBERS, false, "by how much, one per token"},
    {"seed", SIB_PORT_NUMBER, false, "of the choice (0)"},
    {"stop_tokens", SIB_PORT_TOKENS, false, "tokens that end the text; not part of it"},
    {"max_tokens", SIB_PORT_NUMBER, false, "max tokens; 0: no limit (0)"},
    {"json_schema", SIB_PORT_TEXT, false,
     "the text is JSON of this JSON Schema; needs the node's tokenizer"}};
enum { SAMPLE_TOKEN, SAMPLE_SHOWN, SAMPLE_END, SAMPLE_LOGPROB };
static const job_port sample_outputs[] = {
    {"token", SIB_PORT_TOKENS, false, "one id"},
    {"shown", SIB_PORT_TOKENS, false, "the same, but empty for a stop token"},
    {"end", SIB_PORT_FLAG, false, "a stop token, max_tokens reached, or JSON that is complete"},
    {"logprob", SIB_PORT_NUMBER, false, "natural logarithm of its probability in the model's distribution"}};

typedef struct sample_memory {
    bool *seen;      /* (n_vocab) fed or chosen */
    uint32_t *times; /* (n_vocab) chosen */
    size_t n_vocab;
    uint64_t count;         /* tokens chosen */
    constraint *constraint; /* NULL: none */
    bool *may;              /* (n_vocab) which tokens it allows in this step; NULL without it */
} sample_memory;

static void sample_forget(void *memory)
{
    sample_memory *m = memory;
    mem_free(m->seen);
    mem_free(m->times);
    constraint_free(&m->constraint);
    mem_free(m->may);
    mem_free(m);
}

typedef struct candidate {
    double logit;
    int32_t id;
} candidate;

static bool likelier(const candidate *a, const candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

/* Candidates of which only the likeliest are put in order, as they are asked for: few of a vocabulary are. */
typedef struct ranking {
    candidate
        *c; /* (n): a heap of those not asked for yet, the likeliest first, then the others, the last first */
    size_t n, n_heap;
} ranking;

static void sink(candidate *c, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && likelier(&c[child + 1], &c[child]);
        if (!likelier(&c[child], &c[at]))
            return;
        candidate moved = c[at];
        c[at] = c[child];
        c[child] = moved;
    }
}

static ranking rank(candidate *c, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(c, n, i);
    return (ranking){c, n, n};
}

/* The candidate that i others are likelier than. */
static const candidate *ranked(ranking *r, size_t i)
{
    while (r->n - r->n_heap <= i) {
        candidate likeliest = r->c[0];
        r->c[0] = r->c[--r->n_heap];
        r->c[r->n_heap] = likeliest;
        sink(r->c, r->n_heap, 0);
    }
    return &r->c[r->n - 1 - i];
}

/* The sum of the exponentials of the first n; `all`: of all. */
static double sum_of(ranking *r, size_t n, double all)
{
    double sum = 0;
    for (size_t i = 0; n < r->n && i < n; i++)
        sum += exp(ranked(r, i)->logit);
    return n < r->n ? sum : all;
}

/* How many of the first n may be chosen; their exponentials, divided by sum, are probabilities. */
static size_t kept(const job_step *s, ranking *r, size_t n, double sum)
{
    double top_p = step_number(s, SAMPLE_TOP_P, 1), min_p = step_number(s, SAMPLE_MIN_P, 0), before = 0;
    size_t count = 0;
    if (top_p >= 1 && min_p == 0)
        return n;
    for (double p; count < n; count++, before += p) {
        p = exp(ranked(r, count)->logit) / sum;
        if (count && ((before >= top_p && top_p < 1) || p < min_p * (exp(ranked(r, 0)->logit) / sum)))
            break;
    }
    return count;
}

static int32_t choose(const job_step *s, candidate *c, size_t n, double x)
{
    double temperature = step_number(s, SAMPLE_TEMPERATURE, 0.8), top_k = step_number(s, SAMPLE_TOP_K, 0);
    candidate best = c[0];
    double all = 0, below;
    for (size_t i = 1; i < n; i++) /* ids ascend */
        if (c[i].logit > best.logit)
            best = c[i];
    if (temperature == 0 || isinf(best.logit))
        return best.id;
    for (size_t i = 0; i < n; i++) /* relative to the best: a small temperature then makes no infinite
                                      logits */
        all += exp(c[i].logit = (c[i].logit - best.logit) / temperature);
    ranking r = rank(c, n);
    if (top_k >= 1 && top_k < (double)n)
        n = (size_t)top_k;
    n = kept(s, &r, n, sum_of(&r, n, all));
    all = sum_of(&r, n, all);
    size_t i = 0;
    for (below = exp(ranked(&r, 0)->logit) / all; i + 1 < n && !(x < below);
         below += exp(ranked(&r, i)->logit) / all)
        i++;
    return ranked(&r, i)->id;
}

static sib_code check(const job_step *s, sib_error *err)
{
    const struct {
        size_t port;
        double otherwise, lo, hi;
    } ranges[] = {
        {SAMPLE_TEMPERATURE, 0.8, 0, 1e6}, {SAMPLE_TOP_K, 0, 0, 1e9},      {SAMPLE_TOP_P, 1, 0, 1},
        {SAMPLE_MIN_P, 0, 0, 1},           {SAMPLE_PENALTY, 1, 1e-6, 1e6}, {SAMPLE_PRESENCE, 0, -1e6, 1e6},
        {SAMPLE_FREQUENCY, 0, -1e6, 1e6},  {SAMPLE_SEED, 0, 0, 0x1p53},    {SAMPLE_MAX, 0, 0, 0x1p53}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        double x = step_number(s, ranges[i].port, ranges[i].otherwise);
        if (!(x >= ranges[i].lo && x <= ranges[i].hi))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: %s is %g, expected %g to %g", s->node->name,
                           s->node->inputs[ranges[i].port].name, x, ranges[i].lo, ranges[i].hi);
    }
    return SIB_OK;
}

static void see(sample_memory *m, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < m->n_vocab)
            m->seen[ids[i]] = true;
}

/* Adds the biases to c (n), by id. */
static sib_code add_biases(const job_step *s, candidate *c, size_t n, sib_error *err)
{
    const sib_port_value *ids = s->in[SAMPLE_BIASED] ? &s->in[SAMPLE_BIASED]->v : NULL;
    const double *by;
    size_t n_by, n_ids = ids ? ids->tokens.n : 0;
    step_numbers(s, SAMPLE_BIASES, &by, &n_by);
    if (n_by != n_ids)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: there are %zu biases for %zu bias_tokens", s->node->name,
                       n_by, n_ids);
    for (size_t i = 0; i < n_ids; i++) {
        int32_t id = ids->tokens.ids[i];
        if (id < 0 || (size_t)id >= n)
            return err_set(err, SIB_ERR_ARGUMENT, "%s: bias_tokens has %d, but ids are 0 to %zu",
                           s->node->name, id, n - 1);
        if (!isfinite(by[i]))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: the bias of token %d is not a finite number",
                           s->node->name, id);
        c[id].logit += by[i];
    }
    return SIB_OK;
}

/* Fills c with the last row of the logits, penalised and biased; *total: logarithm of the sum of
   exponentials of the model's logits. */
static sib_code candidates(const job_step *s, const sample_memory *m, const double *row, candidate *c,
                           double *total, sib_error *err)
{
    double penalty = step_number(s, SAMPLE_PENALTY, 1), presence = step_number(s, SAMPLE_PRESENCE, 0),
           frequency = step_number(s, SAMPLE_FREQUENCY, 0), max = row[0], sum = 0;
    for (size_t i = 0; i < m->n_vocab; i++) { /* few tokens have been seen */
        if (isnan(row[i]))
            return err_set(err, SIB_ERR_VALUE, "%s: the logit of token %zu is NaN", s->node->name, i);
        max = max < row[i] ? row[i] : max;
        c[i] = (candidate){row[i], (int32_t)i};
        if (m->seen[i])
            c[i].logit = (row[i] > 0 ? row[i] / penalty : row[i] * penalty) - (m->times[i] > 0) * presence -
                         m->times[i] * frequency;
    }
    if (isinf(max))
        return err_set(err, SIB_ERR_VALUE, "%s: the largest logit is infinite", s->node->name);
    for (size_t i = 0; i < m->n_vocab; i++)
        sum += exp(row[i] - max);
    *total = max + log(sum);
    return add_biases(s, c, m->n_vocab, err);
}

static bool is_stop(const job_step *s, int32_t id)
{
    const sib_port_value *stop = s->in[SAMPLE_STOP] ? &s->in[SAMPLE_STOP]->v : NULL;
    for (size_t i = 0; stop && i < stop->tokens.n; i++)
        if (stop->tokens.ids[i] == id)
            return true;
    return false;
}

/* Leaves the candidates, *n, that the schema allows; tokens that end the text where its JSON is complete. */
static sib_code constrain(const job_step *s, const sample_memory *m, candidate *c, size_t *n, sib_error *err)
{
    const sib_port_value *stop = s->in[SAMPLE_STOP] ? &s->in[SAMPLE_STOP]->v : NULL;
    const uint64_t *allowed;
    size_t n_allowed, kept = 0;
    if (!m->constraint)
        return SIB_OK;
    sib_code code = constraint_allowed(m->constraint, &allowed, &n_allowed, err);
    if (code != SIB_OK)
        return code;
    bool complete = constraint_complete(m->constraint);
    for (size_t i = 0; i < *n; i++)
        m->may[i] = i < n_allowed && allowed[i / 64] >> (i % 64) & 1;
    for (size_t i = 0; stop && i < stop->tokens.n; i++)
        if (stop->tokens.ids[i] >= 0 && (size_t)stop->tokens.ids[i] < *n)
            m->may[stop->tokens.ids[i]] = complete;
    for (size_t i = 0; i < *n; i++)
        if (m->may[i])
            c[kept++] = c[i];
    *n = kept;
    return kept ? SIB_OK
                : err_set(err, SIB_ERR_VALUE,
                          "%s: no token of the vocabulary goes on with JSON of the schema", s->node->name);
}

static sib_code begin_constraint(const job_step *s, sample_memory *m, sib_error *err)
{
    const sib_port_value *schema = s->in[SAMPLE_SCHEMA] ? &s->in[SAMPLE_SCHEMA]->v : NULL;
    if (!schema)
        return SIB_OK;
    if (!s->tokenizer)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: json_schema needs a tokenizer: name it in the job's document", s->node->name);
    m->may = mem_alloc(m->n_vocab, sizeof *m->may);
    if (!m->may)
        return err_memory(err, m->n_vocab, "tokens that may follow");
    return constraint_open(s->tokenizer, schema->text.data, schema->text.size, &m->constraint, err);
}

static sib_code memory_of(job_step *s, size_t n_vocab, sample_memory **out, sib_error *err)
{
    sib_code code = SIB_OK;
    sample_memory *m = *s->memory;
    if (!m) {
        m = *s->memory = mem_calloc(1, sizeof *m);
        if (m) {
            m->seen = mem_calloc(n_vocab, sizeof *m->seen);
            m->times = mem_calloc(n_vocab, sizeof *m->times);
            m->n_vocab = n_vocab;
            code = begin_constraint(s, m, err);
        }
    }
    if (!m || !m->seen || !m->times)
        return err_memory(err, n_vocab, "tokens seen");
    if (m->n_vocab != n_vocab)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: there are %zu logits, before %zu", s->node->name, n_vocab,
                       m->n_vocab);
    *out = m;
    return code;
}

static sib_code give(job_step *s, sample_memory *m, int32_t id, double logprob, sib_error *err)
{
    bool stops = is_stop(s, id);
    double max = step_number(s, SAMPLE_MAX, 0);
    see(m, &id, 1);
    m->times[id]++;
    m->count++;
    sib_code code = m->constraint && !stops ? constraint_take(m->constraint, id, err) : SIB_OK;
    bool ends = stops || (max > 0 && (double)m->count >= max) ||
                (code == SIB_OK && m->constraint && constraint_closed(m->constraint));
    if (code == SIB_OK)
        code = step_give(s, SAMPLE_TOKEN, job_value_tokens(&id, 1), err);
    if (code == SIB_OK)
        code = step_give(s, SAMPLE_SHOWN, job_value_tokens(&id, !stops), err);
    if (code == SIB_OK)
        code = step_give(s, SAMPLE_END, job_value_flag(ends), err);
    if (code == SIB_OK)
        code = step_give(s, SAMPLE_LOGPROB, job_value_number(logprob), err);
    const job_watch *w = s->watch;
    return code == SIB_OK && w && w->token && !stops ? w->token(w->context, id, logprob, err) : code;
}

static sib_code sample_run(job_step *s, sib_error *err)
{
    const sib_tensor *logits = s->in[SAMPLE_LOGITS]->v.tensor; /* [..., n_vocab] */
    size_t rank = sib_tensor_rank(logits), n = rank ? (size_t)sib_tensor_dims(logits)[rank - 1] : 0;
    sample_memory *m = NULL;
    sib_code code = check(s, err);
    if (code == SIB_OK &&
        (!n || n > INT32_MAX || sib_tensor_count(logits) < n || !sib_tensor_is_dense(logits)))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: there are no logits", s->node->name);
    if (code == SIB_OK)
        code = memory_of(s, n, &m, err);
    if (code != SIB_OK)
        return code;
    candidate *c = mem_alloc(n, sizeof *c);
    double *row = mem_alloc(n, sizeof *row), total = 0;
    sib_dtype dtype = sib_tensor_dtype(logits);
    const char *last =
        (const char *)sib_tensor_data(logits) + (sib_tensor_count(logits) - n) * (sib_dtype_bits(dtype) / 8);
    code = c && row ? sib_convert(dtype, last, SIB_F64, row, n, SIB_OVERFLOW_IEEE, err)
                    : err_memory(err, n * sizeof *c, "logits");
    if (code == SIB_OK && s->in[SAMPLE_TOKENS])
        see(m, s->in[SAMPLE_TOKENS]->v.tokens.ids, s->in[SAMPLE_TOKENS]->v.tokens.n);
    if (code == SIB_OK)
        code = candidates(s, m, row, c, &total, err);
    if (code == SIB_OK)
        code = constrain(s, m, c, &n, err);
    if (code == SIB_OK) {
        int32_t id = choose(s, c, n, random_at((uint64_t)step_number(s, SAMPLE_SEED, 0), m->count));
        code = give(s, m, id, row[id] - total, err);
    }
    mem_free(c);
    mem_free(row);
    return code;
}

const job_op job_op_sample = {.name = "sample",
                              .meaning = "the next token, sampled from logits",
                              .inputs = sample_inputs,
                              .n_inputs = sizeof sample_inputs / sizeof *sample_inputs,
                              .outputs = sample_outputs,
                              .n_outputs = sizeof sample_outputs / sizeof *sample_outputs,
                              .may_tokenize = true,
                              .run = sample_run,
                              .forget = sample_forget};
