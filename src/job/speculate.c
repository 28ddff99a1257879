/* Speculations of jobs: which of their calls guess and are guessed for. */
#include "job/call/prefix_cache.h"
#include "job/call/speculation.h"
#include "job/job.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

#define USUAL_GUESSES 8
#define DRAFTS_KEPT   4 /* texts of which a draft does not read anew what they have in common */

static int64_t n_vocab(const guessed_call *c)
{
    return call_plan_output(c->plan, 0)->info.dims[2];
}

/* Whether both have the same bytes for each id that both have a token for. */
static bool same_tokens(const sib_tokenizer *a, const sib_tokenizer *b)
{
    sib_tokenizer_info info[2];
    sib_tokenizer_get_info(a, &info[0]);
    sib_tokenizer_get_info(b, &info[1]);
    const size_t n = info[0].n_vocab < info[1].n_vocab ? info[0].n_vocab : info[1].n_vocab;
    for (size_t i = 0; i < n; i++) {
        const char *bytes[2];
        size_t size[2];
        bool special;
        if (sib_tokenizer_token(a, (int32_t)i, &bytes[0], &size[0], &special) &&
            sib_tokenizer_token(b, (int32_t)i, &bytes[1], &size[1], &special) &&
            (size[0] != size[1] || memcmp(bytes[0], bytes[1], size[0]) != 0))
            return false;
    }
    return true;
}

/* Vocabularies may be filled up to other sizes, where tokenizers say that their tokens are the same. */
static sib_code check_vocabulary(const sib_job *j, const sib_job *draft, const sib_speculation *s,
                                 sib_error *err)
{
    const sib_tokenizer *mine = sib_job_tokenizer(j, 0), *its = sib_job_tokenizer(draft, 0);
    const int64_t n = n_vocab(&s->of), m = n_vocab(&s->draft);
    if (mine && its ? !same_tokens(mine, its) : n != m)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the draft '%s' has other tokens than the model of job '%s', whose ids it must have",
                       draft->doc->name, j->doc->name);
    return SIB_OK;
}

static sib_code find_draft(const sib_job *j, const sib_job *draft, sib_speculation *s, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    if (guessed_call_find(draft->parts.plans, draft->doc->n_calls, &s->draft, &why) != SIB_OK)
        return err_set(err, why.code, "the draft '%s' cannot guess: %s", draft->doc->name, why.message);
    sib_code code = check_vocabulary(j, draft, s, err);
    return code == SIB_OK ? prefix_cache_create(draft->doc, DRAFTS_KEPT, &s->read, err) : code;
}

sib_code sib_speculation_create(const sib_job *j, const sib_speculation_options *options,
                                sib_speculation **out, sib_error *err)
{
    const unsigned max = options && options->max_guesses ? options->max_guesses : USUAL_GUESSES;
    if (!j || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", j ? "out" : "the job");
    *out = NULL;
    if (max > SIB_SPECULATION_MAX)
        return err_set(err, SIB_ERR_ARGUMENT, "%u guesses in a step: at most %d", max, SIB_SPECULATION_MAX);
    sib_speculation *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a speculation");
    s->d = j->doc;
    s->max = max;
    pthread_mutex_init(&s->lock, NULL);
    sib_error why = SIB_ERROR_INIT;
    sib_code code = guessed_call_find(j->parts.plans, j->doc->n_calls, &s->of, &why);
    if (code != SIB_OK)
        code = err_set(err, code, "no tokens can be guessed for the decoder of job '%s': %s", j->doc->name,
                       why.message);
    else if (options && options->draft)
        code = find_draft(j, options->draft, s, err);
    if (code == SIB_OK)
        *out = s;
    else
        sib_speculation_free(&s);
    return code;
}
