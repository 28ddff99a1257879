#include "guesses.h"

#include "job_model.h"
#include "messages.h"

const char *guesses_misused(const guess_settings *s)
{
    return s->lookup > 0 && s->draft ? "give one of --lookup and --draft"
           : s->max > 0 && !s->draft ? "--draft-max is for --draft"
                                     : NULL;
}

bool guesses_open(const guess_settings *s, const sib_job *job, const sib_job_options *as, guesses *out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_options options = *as;
    *out = (guesses){0};
    if (s->lookup < 0 && !s->draft)
        return true;
    options.tokenizer = NULL; /* each has its own */
    if (s->draft && !(out->draft = job_model_open(s->draft, &options)))
        return false;
    const long max = s->draft ? s->max : s->lookup;
    const sib_speculation_options o = {.max_guesses = max > 0 ? (unsigned)max : 0, .draft = out->draft};
    if (sib_speculation_create(job, &o, &out->guessed, &err) != SIB_OK)
        cli_fail("%s", err.message);
    return out->guessed != NULL;
}

json_t *guesses_json(const guesses *g)
{
    sib_speculation_info info;
    sib_speculation_get_info(g->guessed, &info);
    json_t *all = json_object();
    json_object_set_new(all, "steps", json_integer((json_int_t)info.steps));
    json_object_set_new(all, "guessed", json_integer((json_int_t)info.guessed));
    json_object_set_new(all, "accepted", json_integer((json_int_t)info.accepted));
    return all;
}

void guesses_say(const guesses *g)
{
    sib_speculation_info info;
    if (!g->guessed)
        return;
    sib_speculation_get_info(g->guessed, &info);
    fprintf(stderr, "sibyl: %llu steps, %llu tokens guessed, %llu accepted\n", (unsigned long long)info.steps,
            (unsigned long long)info.guessed, (unsigned long long)info.accepted);
}

void guesses_close(guesses *g)
{
    sib_speculation_free(&g->guessed);
    sib_job_free(&g->draft);
}
