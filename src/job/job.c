/* The public calls that describe jobs and run them. */
#include "job/job.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/call/batch.h"
#include "job/call/prefix_cache.h"
#include "job/call/speculation.h"
#include "job/graph.h"

#include <sibyl/watch.h>
#include <string.h>

/* ---- Description --------------------------------------------------------------------------------------- */

const sib_tokenizer *sib_job_tokenizer(const sib_job *j, size_t i)
{
    return i < j->doc->n_tokenizers ? j->parts.tokenizers[i] : NULL;
}

const char *sib_job_tokenizer_name(const sib_job *j, size_t i)
{
    return i < j->doc->n_tokenizers ? j->doc->tokenizers[i].name : NULL;
}

sib_model *sib_job_model(const sib_job *j, size_t i, const char **name)
{
    if (i >= j->doc->n_models)
        return NULL;
    if (name)
        *name = j->doc->models[i].name;
    return j->models[i];
}

sib_session *sib_job_session(const sib_job *j, size_t i, const char **call)
{
    if (i >= j->doc->n_calls)
        return NULL;
    if (call)
        *call = j->doc->calls[i].name;
    return call_plan_session(j->parts.plans[i]);
}

sib_session *sib_job_unwatched_session(const sib_job *j, size_t i)
{
    return i < j->doc->n_calls ? call_plan_unwatched(j->parts.plans[i]) : NULL;
}

void sib_job_get_info(const sib_job *j, sib_job_info *out)
{
    const job_doc *d = j->doc;
    *out = (sib_job_info){d->kind, d->name, d->text, d->sample_rate, d->n_inputs, d->n_outputs};
}

const char *sib_job_document(const sib_job *j)
{
    return j->text;
}

const job_doc *job_doc_of(const sib_job *j)
{
    return j->doc;
}

bool sib_job_has_input(const sib_job *j, const char *name)
{
    sib_job_port port;
    for (size_t i = 0; sib_job_input(j, i, &port); i++)
        if (!strcmp(port.name, name))
            return true;
    return false;
}

bool sib_job_input(const sib_job *j, size_t i, sib_job_port *out)
{
    if (i >= j->doc->n_inputs)
        return false;
    const job_input *in = &j->doc->inputs[i];
    *out = (sib_job_port){in->name, in->doc, in->type, in->optional};
    return true;
}

bool sib_job_output(const sib_job *j, size_t i, sib_job_port *out)
{
    if (i >= j->doc->n_outputs)
        return false;
    const job_output *o = &j->doc->outputs[i];
    *out = (sib_job_port){o->name, o->doc, o->type, false};
    return true;
}

const char *sib_port_type_name(sib_port_type type)
{
    return job_type_name(type);
}

sib_code sib_job_chat_prompt(const sib_job *j, const char *variables, size_t size, const sib_cancel *cancel,
                             char **text, size_t *text_size, sib_error *err)
{
    return job_chat_prompt(&j->chat, j->doc, variables, size, cancel, text, text_size, err);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

struct sib_job_result {
    size_t n;
    struct result_item {
        const char *name; /* the job's name, copied after the items */
        job_value *value;
    } items[];
};

static bool path_fits(const char *pattern, const char *path)
{
    const char *star = NULL, *again = NULL; /* the last *, and where it is tried next */
    while (*path) {
        if (*pattern == '*') {
            star = pattern++;
            again = path;
        } else if (*pattern == '?' || *pattern == *path) {
            pattern++;
            path++;
        } else if (star) {
            pattern = star + 1;
            path = ++again;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* True where a path with this prefix may match. */
static bool prefix_fits(const char *pattern, const char *prefix)
{
    for (; *prefix; pattern++, prefix++) {
        if (*pattern == '*')
            return true;
        if (*pattern != '?' && *pattern != *prefix)
            return false;
    }
    return true;
}

static bool wanted(void *context, const char *path)
{
    const sib_job_run_options *o = context;
    bool any = false;
    for (size_t i = 0; i < o->n_taps; i++)
        if (path_fits(o->taps[i], path)) {
            any = true;
            if (o->tap_matched)
                o->tap_matched[i] = true;
        }
    return any;
}

static bool wanted_below(void *context, const char *prefix)
{
    const sib_job_run_options *o = context;
    for (size_t i = 0; i < o->n_taps; i++)
        if (prefix_fits(o->taps[i], prefix))
            return true;
    return false;
}

static sib_code report_segment(void *context, const sib_segment *segment, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_segment(o->context, segment, err);
}

static sib_code report_text(void *context, const char *text, size_t size, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_text(o->context, text, size, err);
}

static sib_code report_token(void *context, int32_t token, double logprob, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_token(o->context, token, logprob, err);
}

static sib_code report_progress(void *context, double done, double total, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_progress(o->context, done, total, err);
}

static sib_code report_tap(void *context, const char *path, const sib_tensor *value, sib_error *err)
{
    const sib_job_run_options *o = context;
    return o->on_tap(o->context, path, value, err);
}

static job_watch watch_of(const sib_job_run_options *o)
{
    return (job_watch){.cancel = o->cancel,
                       .profile = o->profile,
                       .context = (void *)o,
                       .segment = o->on_segment ? report_segment : NULL,
                       .text = o->on_text ? report_text : NULL,
                       .token = o->on_token ? report_token : NULL,
                       .progress = o->on_progress ? report_progress : NULL,
                       .wanted = wanted,
                       .wanted_below = wanted_below,
                       .tap = o->on_tap && o->n_taps ? report_tap : NULL};
}

static bool points_somewhere(const sib_port_value *v)
{
    switch (v->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        return v->tensor;
    case SIB_PORT_TOKENS:
        return v->tokens.ids || !v->tokens.n;
    case SIB_PORT_TEXT:
        return v->text.data;
    case SIB_PORT_NUMBERS:
        return v->numbers.data || !v->numbers.n;
    case SIB_PORT_TEXTS:
        return v->texts.data || !v->texts.n;
    case SIB_PORT_SPANS:
        return v->spans.data || !v->spans.n;
    default:
        return true;
    }
}

/* Orders the values by input. given: (n_inputs of the job), one reference each. */
static sib_code take_inputs(const sib_job *j, size_t n, const sib_job_value *inputs, job_value **given,
                            sib_error *err)
{
    const job_doc *d = j->doc;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < d->n_inputs && strcmp(d->inputs[k].name, inputs[i].name))
            k++;
        if (k == d->n_inputs)
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s' has no input '%s'", d->name, inputs[i].name);
        if (!job_type_takes(d->inputs[k].type, inputs[i].value.type))
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': input '%s' is of type %s, but %s is given",
                           d->name, inputs[i].name, job_type_name(d->inputs[k].type),
                           job_type_name(inputs[i].value.type));
        if (given[k])
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': input '%s' is given twice", d->name,
                           inputs[i].name);
        if (!points_somewhere(&inputs[i].value))
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s': input '%s' is NULL", d->name, inputs[i].name);
        job_value *borrowed = job_value_borrow(&inputs[i].value);
        given[k] = borrowed ? job_value_as(borrowed, d->inputs[k].type) : NULL;
        job_value_release(borrowed);
        if (!given[k])
            return err_memory(err, sizeof **given, "an input");
    }
    return SIB_OK;
}

/* Indices of the requested outputs. */
static sib_code find_outputs(const sib_job *j, size_t n, const char *const *names, size_t *numbers,
                             sib_error *err)
{
    const job_doc *d = j->doc;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = i;
        if (!names)
            continue;
        size_t k = 0;
        while (k < d->n_outputs && strcmp(d->outputs[k].name, names[i]))
            k++;
        if (k == d->n_outputs)
            return err_set(err, SIB_ERR_ARGUMENT, "job '%s' has no output '%s'", d->name, names[i]);
        numbers[i] = k;
    }
    return SIB_OK;
}

/* Allocates names and n values in one block. */
static sib_code make_result(const sib_job *j, size_t n, const size_t *numbers, sib_job_result **out,
                            sib_error *err)
{
    size_t bytes = sizeof(sib_job_result) + n * sizeof(struct result_item);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(j->doc->outputs[numbers[i]].name) + 1;
    sib_job_result *r = *out = mem_calloc(1, bytes);
    if (!r)
        return err_memory(err, bytes, "a job's result");
    char *at = (char *)&r->items[n];
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        r->items[i].name = strcpy(at, j->doc->outputs[numbers[i]].name);
        at += strlen(at) + 1;
    }
    return SIB_OK;
}

/* The runs, whose inputs and outputs are in order. */
static sib_code run_all(const sib_job *j, size_t n_runs, job_value **given, size_t n, const size_t *outputs,
                        const sib_job_run_options *o, job_value **made, sib_error *err)
{
    const job_watch watch = watch_of(o);
    const job_shared shared = {o->batch, o->prefix_cache, o->speculation};
    const uint64_t max_steps = o->max_steps ? o->max_steps : 1000000,
                   span = o->profile ? sib_profile_begin(o->profile, SIB_SPAN_JOB, j->doc->name) : 0;
    sib_code code = n_runs == 1
                        ? job_run(&j->parts, given, n, outputs, max_steps, &watch, &shared, made, err)
                        : job_run_many(&j->parts, n_runs, given, n, outputs, max_steps, &watch, made, err);
    if (o->profile)
        sib_profile_end(o->profile, span);
    return code;
}

sib_code sib_job_run_many(const sib_job *j, size_t n_runs, size_t n_inputs, const sib_job_value *inputs,
                          size_t n_outputs, const char *const *outputs, const sib_job_run_options *options,
                          sib_job_result **out, sib_error *err)
{
    const sib_job_run_options none = {0}, *o = options ? options : &none;
    if (!j || !out || (n_runs && n_inputs && !inputs))
        return err_set(err, SIB_ERR_ARGUMENT, "job, inputs or out is NULL");
    if (n_runs > SIB_JOB_MAX_RUNS)
        return err_set(err, SIB_ERR_ARGUMENT, "%zu runs are more than %d", n_runs, SIB_JOB_MAX_RUNS);
    if (options && options->prefix_cache && prefix_cache_doc(options->prefix_cache) != j->doc)
        return err_set(err, SIB_ERR_ARGUMENT, "job '%s': the prefix cache was made for another job",
                       j->doc->name);
    if (options && options->speculation && options->speculation->d != j->doc)
        return err_set(err, SIB_ERR_ARGUMENT, "job '%s': the speculation was made for another job",
                       j->doc->name);
    const size_t n = outputs ? n_outputs : j->doc->n_outputs, n_given = n_runs * j->doc->n_inputs;
    for (size_t i = 0; i < n_runs; i++)
        out[i] = NULL;
    job_value **given = mem_calloc(n_given + 1, sizeof *given),
              **made = mem_calloc(n_runs * n + 1, sizeof *made);
    size_t *numbers = mem_calloc(n + 1, sizeof *numbers);
    sib_code code = given && made && numbers ? SIB_OK : err_memory(err, n * sizeof *given, "ports of a job");
    if (code == SIB_OK)
        code = find_outputs(j, n, outputs, numbers, err);
    for (size_t i = 0; i < n_runs && code == SIB_OK; i++) {
        code = take_inputs(j, n_inputs, inputs + i * n_inputs, given + i * j->doc->n_inputs, err);
        if (code == SIB_OK)
            code = make_result(j, n, numbers, &out[i], err);
    }
    if (code == SIB_OK)
        code = run_all(j, n_runs, given, n, numbers, o, made, err);
    for (size_t i = 0; i < n_runs * n && code == SIB_OK; i++)
        out[i / n]->items[i % n].value = made[i];
    for (size_t i = 0; given && i < n_given; i++)
        job_value_release(given[i]);
    for (size_t i = 0; i < n_runs && code != SIB_OK; i++)
        sib_job_result_free(&out[i]);
    mem_free(given);
    mem_free(made);
    mem_free(numbers);
    return code;
}

sib_code sib_job_run(const sib_job *j, size_t n_inputs, const sib_job_value *inputs, size_t n_outputs,
                     const char *const *outputs, const sib_job_run_options *options, sib_job_result **out,
                     sib_error *err)
{
    return sib_job_run_many(j, 1, n_inputs, inputs, n_outputs, outputs, options, out, err);
}

bool sib_job_result_get(const sib_job_result *r, size_t i, sib_job_value *out)
{
    if (i >= r->n)
        return false;
    *out = (sib_job_value){r->items[i].name, r->items[i].value->v};
    return true;
}

const sib_port_value *sib_job_result_find(const sib_job_result *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->items[i].name, name))
            return &r->items[i].value->v;
    return NULL;
}

void sib_job_result_free(sib_job_result **r)
{
    if (!r || !*r)
        return;
    for (size_t i = 0; i < (*r)->n; i++)
        job_value_release((*r)->items[i].value);
    mem_free(*r);
    *r = NULL;
}

sib_code sib_batch_create(const sib_job *j, const sib_batch_options *options, sib_batch **out, sib_error *err)
{
    if (!j || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", j ? "out" : "the job");
    const sib_session_options sessions = {.backends = j->backends, .pool = j->parts.pool, .log = j->log};
    return job_batch_create(j->parts.plans, j->doc->n_calls, options, &sessions, out, err);
}

sib_code sib_prefix_cache_create(const sib_job *j, size_t max_entries, sib_prefix_cache **out, sib_error *err)
{
    return j && out ? prefix_cache_create(j->doc, max_entries, out, err)
                    : err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", j ? "out" : "the job");
}
