/* Samples a token from logits: penalties, DRY, biases, what a grammar allows, then the samplers of
   draw.c in their order, or mirostat, then one at random. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/draw.h"
#include "job/nodes/nodes.h"
#include "job/nodes/penalty.h"
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
    SAMPLE_TYPICAL,
    SAMPLE_XTC,
    SAMPLE_XTC_THRESHOLD,
    SAMPLE_MIROSTAT,
    SAMPLE_TAU,
    SAMPLE_ETA,
    SAMPLE_ORDER,
    SAMPLE_PENALTY,
    SAMPLE_PRESENCE,
    SAMPLE_FREQUENCY,
    SAMPLE_LAST,
    SAMPLE_DRY,
    SAMPLE_DRY_BASE,
    SAMPLE_DRY_ALLOWED,
    SAMPLE_DRY_LAST,
    SAMPLE_DRY_BREAKERS,
    SAMPLE_BIASED,
    SAMPLE_BIASES,
    SAMPLE_SEED,
    SAMPLE_STOP,
    SAMPLE_MAX,
    SAMPLE_SCHEMA,
    SAMPLE_GRAMMAR
};
static const job_port sample_inputs[] = {
    {"logits", SIB_PORT_TENSOR, true, "[..., vocabulary], the last row counts"},
    {"tokens", SIB_PORT_TOKENS, false, "tokens fed in this iteration, for the penalty"},
    {"temperature", SIB_PORT_NUMBER, false, "0: always the most likely token (0.8)"},
    {"top_k", SIB_PORT_NUMBER, false, "only the k most likely; 0: all (0)"},
    {"top_p", SIB_PORT_NUMBER, false, "only the most likely that together reach p (1)"},
    {"min_p", SIB_PORT_NUMBER, false, "none whose probability is below min_p times the largest (0)"},
    {"typical_p", SIB_PORT_NUMBER, false,
     "only those nearest to the mean surprise that together reach p (1)"},
    {"xtc_probability", SIB_PORT_NUMBER, false,
     "how often all of the likely tokens but the last are left out (0)"},
    {"xtc_threshold", SIB_PORT_NUMBER, false, "the probability from which a token is likely (0.1)"},
    {"mirostat", SIB_PORT_NUMBER, false,
     "1 or 2: temperature and this version of mirostat in the place of all samplers (0)"},
    {"mirostat_tau", SIB_PORT_NUMBER, false, "the surprise that it aims at, in bits (5)"},
    {"mirostat_eta", SIB_PORT_NUMBER, false, "how fast it learns (0.1)"},
    {"samplers", SIB_PORT_TEXT, false,
     "their order: huggingface (temperature;top_k;top_p;min_p;typical_p;xtc, the default), llama.cpp "
     "(top_k;typical_p;top_p;min_p;xtc;temperature) or such a list"},
    {"repetition_penalty", SIB_PORT_NUMBER, false,
     "divides the logits of tokens seen, multiplies negative ones (1)"},
    {"presence_penalty", SIB_PORT_NUMBER, false,
     "subtracted from the logits of tokens that were chosen before (0)"},
    {"frequency_penalty", SIB_PORT_NUMBER, false,
     "subtracted from a token's logit for each time that it was chosen before (0)"},
    {"penalty_last_n", SIB_PORT_NUMBER, false,
     "how many tokens, fed or chosen, the three count, as llama.cpp; 0: all for the first, those chosen for "
     "the others (0)"},
    {"dry_multiplier", SIB_PORT_NUMBER, false,
     "a token that would lengthen a repetition of k tokens loses multiplier * base ^ (k - allowed) (0)"},
    {"dry_base", SIB_PORT_NUMBER, false, "(1.75)"},
    {"dry_allowed_length", SIB_PORT_NUMBER, false, "the shortest repetition that counts (2)"},
    {"dry_last_n", SIB_PORT_NUMBER, false, "how many tokens it looks back at; 0: all (0)"},
    {"dry_breakers", SIB_PORT_TEXTS, false,
     "texts that no repetition goes across (line end, colon, quote and asterisk); needs the node's "
     "tokenizer"},
    {"bias_tokens", SIB_PORT_TOKENS, false, "tokens whose logits are raised"},
    {"biases", SIB_PORT_NUMBERS, false, "by how much, one per token"},
    {"seed", SIB_PORT_NUMBER, false, "of the choice (0)"},
    {"stop_tokens", SIB_PORT_TOKENS, false, "tokens that end the text; not part of it"},
    {"max_tokens", SIB_PORT_NUMBER, false, "max tokens; 0: no limit (0)"},
    {"json_schema", SIB_PORT_TEXT, false, "the text is JSON of this JSON Schema; needs the node's tokenizer"},
    {"grammar", SIB_PORT_TEXT, false,
     "the text is one of this grammar (GBNF); needs the node's tokenizer, and no json_schema beside it"}};
enum { SAMPLE_TOKEN, SAMPLE_SHOWN, SAMPLE_END, SAMPLE_LOGPROB };
static const job_port sample_outputs[] = {
    {"token", SIB_PORT_TOKENS, false, "one id"},
    {"shown", SIB_PORT_TOKENS, false, "the same, but empty for a stop token"},
    {"end", SIB_PORT_FLAG, false,
     "a stop token, max_tokens reached, or a text after which the grammar allows nothing"},
    {"logprob", SIB_PORT_NUMBER, false, "natural logarithm of its probability in the model's distribution"}};

typedef struct sample_memory {
    penalty_memory penalty;
    size_t n_vocab;
    uint64_t count;         /* tokens chosen */
    double mu;              /* of mirostat */
    constraint *constraint; /* NULL: none */
    bool *may;              /* (n_vocab) which tokens it allows in this step; NULL without it */
} sample_memory;

static void sample_forget(void *memory)
{
    sample_memory *m = memory;
    penalty_end(&m->penalty);
    constraint_free(&m->constraint);
    mem_free(m->may);
    mem_free(m);
}

/* Ports of numbers, their value where nothing is given, and what they may be. */
static const struct {
    size_t port;
    double otherwise, lo, hi;
} ranges[] = {
    {SAMPLE_TEMPERATURE, 0.8, 0, 1e6}, {SAMPLE_TOP_K, 0, 0, 1e9},       {SAMPLE_TOP_P, 1, 0, 1},
    {SAMPLE_MIN_P, 0, 0, 1},           {SAMPLE_TYPICAL, 1, 0, 1},       {SAMPLE_XTC, 0, 0, 1},
    {SAMPLE_XTC_THRESHOLD, 0.1, 0, 1}, {SAMPLE_MIROSTAT, 0, 0, 2},      {SAMPLE_TAU, 5, 0, 1e3},
    {SAMPLE_ETA, 0.1, 0, 1e3},         {SAMPLE_PENALTY, 1, 1e-6, 1e6},  {SAMPLE_PRESENCE, 0, -1e6, 1e6},
    {SAMPLE_FREQUENCY, 0, -1e6, 1e6},  {SAMPLE_LAST, 0, 0, 1e9},        {SAMPLE_DRY, 0, 0, 1e6},
    {SAMPLE_DRY_BASE, 1.75, 0, 1e6},   {SAMPLE_DRY_ALLOWED, 2, 1, 1e9}, {SAMPLE_DRY_LAST, 0, 0, 1e9},
    {SAMPLE_SEED, 0, 0, 0x1p53},       {SAMPLE_MAX, 0, 0, 0x1p53}};
#define N_RANGES (sizeof ranges / sizeof *ranges)

static double number(const job_step *s, size_t port)
{
    size_t i = 0;
    while (ranges[i].port != port)
        i++;
    return step_number(s, port, ranges[i].otherwise);
}

static sib_code check(const job_step *s, sib_error *err)
{
    for (size_t i = 0; i < N_RANGES; i++) {
        double x = step_number(s, ranges[i].port, ranges[i].otherwise);
        if (!(x >= ranges[i].lo && x <= ranges[i].hi))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: %s is %g, expected %g to %g", s->node->name,
                           s->node->inputs[ranges[i].port].name, x, ranges[i].lo, ranges[i].hi);
    }
    const double version = number(s, SAMPLE_MIROSTAT);
    return version == floor(version)
               ? SIB_OK
               : err_set(err, SIB_ERR_ARGUMENT, "%s: mirostat is %g, expected 0, 1 or 2", s->node->name,
                         version);
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

#define MAX_BREAKERS 64

static sib_code penalties(const job_step *s, sample_memory *m, candidate *c, sib_error *err)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    penalty_settings p = {.repetition = number(s, SAMPLE_PENALTY),
                          .presence = number(s, SAMPLE_PRESENCE),
                          .frequency = number(s, SAMPLE_FREQUENCY),
                          .last = (size_t)number(s, SAMPLE_LAST),
                          .dry_multiplier = number(s, SAMPLE_DRY),
                          .dry_base = number(s, SAMPLE_DRY_BASE),
                          .dry_allowed = (size_t)number(s, SAMPLE_DRY_ALLOWED),
                          .dry_last = (size_t)number(s, SAMPLE_DRY_LAST),
                          .breakers = usual,
                          .n_breakers = sizeof usual / sizeof *usual};
    if (s->in[SAMPLE_DRY_BREAKERS])
        step_texts(s, SAMPLE_DRY_BREAKERS, &p.breakers, &p.n_breakers);
    bool fits = p.n_breakers <= MAX_BREAKERS;
    for (size_t i = 0; i < p.n_breakers && fits; i++)
        fits = p.breakers[i][0] && strlen(p.breakers[i]) <= MAX_BREAKERS;
    return fits ? penalty_apply(&m->penalty, &p, s->tokenizer, c, err)
                : err_set(err, SIB_ERR_ARGUMENT, "%s: dry_breakers are at most %d texts of 1 to %d bytes",
                          s->node->name, MAX_BREAKERS, MAX_BREAKERS);
}

/* Fills c with the last row of the logits, penalised and biased; *total: logarithm of the sum of
   exponentials of the model's logits. */
static sib_code candidates(const job_step *s, sample_memory *m, const double *row, candidate *c,
                           double *total, sib_error *err)
{
    double max = row[0], sum = 0;
    for (size_t i = 0; i < m->n_vocab; i++) {
        if (isnan(row[i]))
            return err_set(err, SIB_ERR_VALUE, "%s: the logit of token %zu is NaN", s->node->name, i);
        max = max < row[i] ? row[i] : max;
        c[i] = (candidate){row[i], (int32_t)i};
    }
    if (isinf(max))
        return err_set(err, SIB_ERR_VALUE, "%s: the largest logit is infinite", s->node->name);
    for (size_t i = 0; i < m->n_vocab; i++)
        sum += exp(row[i] - max);
    *total = max + log(sum);
    sib_code code = penalties(s, m, c, err);
    return code == SIB_OK ? add_biases(s, c, m->n_vocab, err) : code;
}

static bool is_stop(const job_step *s, int32_t id)
{
    const sib_port_value *stop = s->in[SAMPLE_STOP] ? &s->in[SAMPLE_STOP]->v : NULL;
    for (size_t i = 0; stop && i < stop->tokens.n; i++)
        if (stop->tokens.ids[i] == id)
            return true;
    return false;
}

/* Leaves the candidates, *n, that the grammar allows; tokens that end the text where it is complete. */
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
    return kept
               ? SIB_OK
               : err_set(err, SIB_ERR_VALUE, "%s: no token of the vocabulary goes on with what the %s allows",
                         s->node->name, s->in[SAMPLE_SCHEMA] ? "schema" : "grammar");
}

static sib_code begin_constraint(const job_step *s, sample_memory *m, sib_error *err)
{
    const sib_port_value *schema = s->in[SAMPLE_SCHEMA] ? &s->in[SAMPLE_SCHEMA]->v : NULL,
                         *rules = s->in[SAMPLE_GRAMMAR] ? &s->in[SAMPLE_GRAMMAR]->v : NULL,
                         *given = schema ? schema : rules;
    if (!given)
        return SIB_OK;
    if (schema && rules)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: give one of json_schema and grammar", s->node->name);
    if (!s->tokenizer)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: %s needs a tokenizer: name it in the job's document",
                       s->node->name, schema ? "json_schema" : "grammar");
    m->may = mem_alloc(m->n_vocab, sizeof *m->may);
    if (!m->may)
        return err_memory(err, m->n_vocab, "tokens that may follow");
    return constraint_open(s->tokenizer, schema ? CONSTRAINT_SCHEMA : CONSTRAINT_GBNF,
                           (sib_str){given->text.data, given->text.size}, &m->constraint, err);
}

static sib_code memory_of(job_step *s, size_t n_vocab, sample_memory **out, sib_error *err)
{
    sib_code code = SIB_OK;
    sample_memory *m = *s->memory;
    if (!m) {
        m = *s->memory = mem_calloc(1, sizeof *m);
        if (!m)
            return err_memory(err, sizeof *m, "tokens seen");
        m->n_vocab = n_vocab;
        code = penalty_begin(&m->penalty, n_vocab, err);
        if (code == SIB_OK)
            code = begin_constraint(s, m, err);
    }
    if (m->n_vocab != n_vocab)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: there are %zu logits, before %zu", s->node->name, n_vocab,
                       m->n_vocab);
    *out = m;
    return code;
}

static sib_code give(job_step *s, sample_memory *m, int32_t id, double logprob, sib_error *err)
{
    bool stops = is_stop(s, id);
    double max = number(s, SAMPLE_MAX);
    m->count++;
    sib_code code = penalty_choose(&m->penalty, id, err);
    if (code == SIB_OK && m->constraint && !stops)
        code = constraint_take(m->constraint, id, err);
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

/* Chooses among c (n). */
static sib_code draw_from(const job_step *s, sample_memory *m, candidate *c, size_t n, int32_t *id,
                          sib_error *err)
{
    draw_settings d = {.temperature = number(s, SAMPLE_TEMPERATURE),
                       .top_k = number(s, SAMPLE_TOP_K),
                       .top_p = number(s, SAMPLE_TOP_P),
                       .min_p = number(s, SAMPLE_MIN_P),
                       .typical_p = number(s, SAMPLE_TYPICAL),
                       .xtc_probability = number(s, SAMPLE_XTC),
                       .xtc_threshold = number(s, SAMPLE_XTC_THRESHOLD),
                       .mirostat = number(s, SAMPLE_MIROSTAT),
                       .tau = number(s, SAMPLE_TAU),
                       .eta = number(s, SAMPLE_ETA),
                       .order = step_text(s, SAMPLE_ORDER, DRAW_ORDER),
                       .seed = (uint64_t)number(s, SAMPLE_SEED),
                       .count = m->count};
    return draw_token(&d, c, n, m->n_vocab, &m->mu, s->node->name, id, err);
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
    int32_t id = 0;
    sib_dtype dtype = sib_tensor_dtype(logits);
    const char *last =
        (const char *)sib_tensor_data(logits) + (sib_tensor_count(logits) - n) * (sib_dtype_bits(dtype) / 8);
    code = c && row ? sib_convert(dtype, last, SIB_F64, row, n, SIB_OVERFLOW_IEEE, err)
                    : err_memory(err, n * sizeof *c, "logits");
    if (code == SIB_OK && s->in[SAMPLE_TOKENS])
        code = penalty_feed(&m->penalty, s->in[SAMPLE_TOKENS]->v.tokens.ids, s->in[SAMPLE_TOKENS]->v.tokens.n,
                            err);
    if (code == SIB_OK)
        code = candidates(s, m, row, c, &total, err);
    if (code == SIB_OK)
        code = constrain(s, m, c, &n, err);
    if (code == SIB_OK)
        code = draw_from(s, m, c, n, &id, err);
    if (code == SIB_OK)
        code = give(s, m, id, row[id] - total, err);
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
