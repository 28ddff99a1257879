#include "bench/bench_engine.h"

#include "messages.h"

#include <stdlib.h>
#include <string.h>

#define TORCH_SLOT 1 /* one engine of torch is open at a time */

struct engine {
    engine_kind kind;
    sib_session *session;
    size_t n_inputs, n_outputs;
    const sib_named_value *inputs; /* (n_inputs) the caller's */
    sib_value **outputs;           /* (n_outputs) */
    peer_ort_session *peer;
    peer_torch *torch;
};

const char *engine_name(engine_kind kind)
{
    static const char *const names[ENGINE_KINDS] = {"sibyl", "onnxruntime", "torch"};
    return names[kind];
}

static bool open_sibyl(engine *e, const engine_settings *s, const char *path, char *why, size_t bytes)
{
    sib_session_options options = {
        .backends = s->backend, .threads = s->threads, .oracle = s->oracle, .tuning_file = s->tune};
    sib_error err = SIB_ERROR_INIT;
    sib_model *model = NULL;
    sib_model_info info;
    passes_apply(&s->passes, &options);
    bool ok = sib_model_open(path, &(sib_open_options){.registry = s->registry}, &model, &err) == SIB_OK &&
              sib_session_create(model, &options, &e->session, &err) == SIB_OK;
    if (ok) {
        sib_model_get_info(model, &info);
        e->n_outputs = info.n_outputs;
        e->outputs = cli_alloc(info.n_outputs, sizeof *e->outputs);
    } else
        snprintf(why, bytes, "%s", err.message);
    sib_model_free(&model);
    return ok;
}

engine *engine_open(engine_kind kind, const engine_settings *settings, const char *path, char *why,
                    size_t bytes)
{
    engine *e = cli_alloc(1, sizeof *e);
    bool ok = false;
    e->kind = kind;
    switch (kind) {
    case ENGINE_ORT:
        e->peer = peer_ort_session_open(settings->ort, path, settings->threads, why, bytes);
        ok = e->peer != NULL;
        break;
    case ENGINE_TORCH:
        e->torch = settings->torch;
        ok = peer_torch_whisper(e->torch, TORCH_SLOT, path, settings->threads);
        if (!ok)
            snprintf(why, bytes, "its Python ended");
        break;
    default:
        ok = open_sibyl(e, settings, path, why, bytes);
    }
    if (ok)
        return e;
    engine_close(e);
    return NULL;
}

void engine_close(engine *e)
{
    if (!e)
        return;
    sib_session_free(&e->session);
    peer_ort_session_close(e->peer);
    free(e->outputs);
    free(e);
}

bool engine_bind(engine *e, size_t n, const sib_named_value *inputs, char *why, size_t bytes)
{
    e->n_inputs = n;
    e->inputs = inputs;
    return !e->peer || peer_ort_bind(e->peer, n, inputs, why, bytes);
}

static bool run_sibyl(engine *e, sib_value **out, sib_profile *profile, char *why, size_t bytes)
{
    const sib_run_options options = {.profile = profile};
    sib_error err = SIB_ERROR_INIT;
    if (sib_session_run(e->session, e->n_inputs, e->inputs, 0, NULL, out, profile ? &options : NULL, &err) ==
        SIB_OK)
        return true;
    snprintf(why, bytes, "%s", err.message);
    return false;
}

static bool run_and_drop(engine *e, sib_profile *profile, char *why, size_t bytes)
{
    bool ok = run_sibyl(e, e->outputs, profile, why, bytes);
    for (size_t i = 0; i < e->n_outputs; i++)
        sib_value_free(&e->outputs[i]);
    return ok;
}

static double run_torch(engine *e, char *why, size_t bytes)
{
    double seconds = peer_torch_run(e->torch, TORCH_SLOT);
    if (seconds < 0)
        snprintf(why, bytes, "its Python ended");
    return seconds;
}

double engine_run(engine *e, char *why, size_t bytes)
{
    if (e->kind == ENGINE_TORCH) /* timed in its process, without the cost of requests and answers */
        return run_torch(e, why, bytes);
    uint64_t begin = sib_time_ns();
    bool ok = e->peer ? peer_ort_run(e->peer, why, bytes) : run_and_drop(e, NULL, why, bytes);
    return ok ? (double)(sib_time_ns() - begin) * 1e-9 : -1;
}

bool engine_profile(engine *e, sib_profile *profile, char *why, size_t bytes)
{
    return run_and_drop(e, profile, why, bytes);
}

bool engine_outputs(engine *e, sib_value **out, char *why, size_t bytes)
{
    return e->peer ? peer_ort_run_values(e->peer, out, why, bytes) : run_sibyl(e, out, NULL, why, bytes);
}

/* Appends a word that is not in the text yet. */
static void add_word(char *text, size_t bytes, const char *word)
{
    size_t used = strlen(text), length = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return;
    snprintf(text + used, bytes - used, "%s%s", used ? " " : "", word);
}

void engine_kernels(engine *e, char *text, size_t bytes)
{
    sib_plan *plan = NULL;
    sib_plan_step step;
    sib_plan_segment segment;
    *text = '\0';
    if (sib_session_plan(e->session, &plan, NULL) != SIB_OK)
        return;
    for (size_t i = 0; sib_plan_get_segment(plan, i, &segment); i++)
        for (size_t k = 0; sib_plan_get_step(plan, i, k, &step); k++)
            add_word(text, bytes, step.kernel ? step.kernel : step.op_type);
    sib_plan_free(&plan);
}
