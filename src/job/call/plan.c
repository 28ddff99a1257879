#include "job/call/buffers.h"
#include "job/call/count.h"
#include "job/call/rows.h"
#include "job/document/pattern.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A failure at the call's place in the document. */
static __attribute__((format(printf, 3, 4))) sib_code call_fault(const call_plan *p, sib_error *err,
                                                                 const char *format, ...)
{
    char path[256], words[256];
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    snprintf(path, sizeof path, "/calls/%s", p->call->name);
    return doc_fault(p->d, err, SIB_ERR_FORMAT, path, "%s", words);
}

/* ---- Ports --------------------------------------------------------------------------------------------- */

static void port_list_free(port_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        mem_free(l->items[i].port);
        mem_free(l->items[i].value);
    }
    mem_free(l->items);
    *l = (port_list){0};
}

static sib_code port_list_add(port_list *l, const job_pair *pair, sib_str star, const sib_value_info *info,
                              sib_error *err)
{
    call_port p = {
        .port = pattern_fill(pair->from, star), .value = pattern_fill(pair->to, star), .pair = pair};
    if (info)
        p.info = *info;
    sib_code code = ARRAY_PUSH(l->items, l->n, l->capacity, "ports of a call", err, p);
    if (code != SIB_OK) {
        mem_free(p.port);
        mem_free(p.value);
        return code;
    }
    return p.port && p.value ? SIB_OK : err_memory(err, strlen(pair->to), "names of a call");
}

typedef bool (*model_border)(const sib_model *m, size_t i, sib_value_info *out);

/* Expands every pair to the model's inputs or outputs that it names. by_to: the pairs' `to` are the model's
   names. */
static sib_code put_out(const call_plan *p, const job_pairs *pairs, const sib_model *m, model_border border,
                        bool by_to, port_list *out, sib_error *err)
{
    for (size_t k = 0; k < pairs->n; k++) {
        const job_pair *pair = &pairs->items[k];
        const char *pattern = by_to ? pair->to : pair->from;
        size_t before = out->n;
        sib_value_info info;
        sib_str star;
        for (size_t i = 0; border(m, i, &info); i++)
            if (pattern_fits(pattern, info.name, &star)) {
                sib_code code = port_list_add(out, pair, star, &info, err);
                if (code != SIB_OK)
                    return code;
            }
        if (out->n == before)
            return call_fault(p, err, "model '%s' has no %s '%s'", p->d->models[p->call->model].name,
                              border == sib_model_input ? "input" : "output", pattern);
    }
    return SIB_OK;
}

static const call_port *named_port(const port_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].port, name))
            return &l->items[i];
    return NULL;
}

static bool has_value(const port_list *l, const char *value)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].value, value))
            return true;
    return false;
}

/* ---- Plans --------------------------------------------------------------------------------------------- */

/* Keeps one port of those with the same value. */
static void drop_repeated(port_list *l)
{
    size_t n = l->n;
    l->n = 0;
    for (size_t i = 0; i < n; i++)
        if (has_value(l, l->items[i].value)) {
            mem_free(l->items[i].port);
            mem_free(l->items[i].value);
        } else
            l->items[l->n++] = l->items[i];
}

/* Expands all pairs of the call, and finds the outputs that other calls take. */
static sib_code find_ports(call_plan *p, size_t number, sib_model *const *models, sib_error *err)
{
    const sib_model *m = models[p->call->model];
    sib_code code = put_out(p, &p->call->inputs, m, sib_model_input, true, &p->inputs, err);
    if (code == SIB_OK)
        code = put_out(p, &p->call->outputs, m, sib_model_output, true, &p->outputs, err);
    if (code == SIB_OK)
        code = put_out(p, &p->call->state, m, sib_model_input, false, &p->state, err);
    if (code == SIB_OK)
        code = put_out(p, &p->call->context, m, sib_model_input, false, &p->context, err);
    for (size_t i = 0; i < p->d->n_calls && code == SIB_OK; i++)
        if (p->d->calls[i].of == number)
            code = put_out(p, &p->d->calls[i].context, m, sib_model_output, true, &p->held, err);
    if (code == SIB_OK)
        drop_repeated(&p->held); /* several calls may take the same output */
    return code;
}

/* Extracts the part of the model that computes all of them, and opens its session. */
static sib_code open_session(call_plan *p, sib_model *whole, const sib_session_options *options,
                             sib_error *err)
{
    const port_list *lists[] = {&p->outputs, &p->state, &p->held};
    size_t n = 0;
    p->names = mem_alloc(p->outputs.n + p->state.n + p->held.n, sizeof *p->names);
    p->stay = mem_alloc(p->outputs.n + p->state.n + p->held.n, sizeof *p->stay);
    if (!p->names || !p->stay)
        return err_memory(err, sizeof *p->names, "names of outputs");
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < lists[k]->n; i++) {
            p->stay[n] = true;
            p->names[n++] = lists[k]->items[i].value;
        }
    sib_code code = sib_model_part(whole, p->names, n, &p->model, err);
    return code == SIB_OK ? sib_session_create(p->model, options, &p->session, err) : code;
}

/* Numbers as a tensor of a type and rank, all along the last axis. */
static sib_code numbers_value(const double *data, size_t n, const sib_value_info *like, sib_value **out,
                              sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank = like->ranked ? like->rank : 1;
    for (size_t i = 0; i < rank; i++)
        dims[i] = i + 1 == rank ? (int64_t)n : 1;
    if (rank == 0 && n != 1)
        return err_set(err, SIB_ERR_ARGUMENT, "input '%s' takes one number, not %zu", like->name, n);
    sib_tensor *t;
    sib_code code = sib_tensor_create(like->dtype, rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    code = sib_convert(SIB_F64, data, like->dtype, sib_tensor_data(t), n, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

static sib_code make_fixed(call_plan *p, sib_error *err)
{
    size_t n = p->call->n_fixed;
    if (!(p->fixed = mem_calloc(n ? n : 1, sizeof *p->fixed)))
        return err_memory(err, n * sizeof *p->fixed, "fixed inputs");
    for (size_t i = 0; i < n; i++) {
        const job_fixed *f = &p->call->fixed[i];
        sib_value_info info;
        size_t k = 0;
        while (sib_model_input(p->model, k, &info) && strcmp(info.name, f->name))
            k++;
        if (!sib_model_input(p->model, k, &info))
            return call_fault(p, err, "the model has no input '%s'", f->name);
        sib_code code = numbers_value(f->data, f->n, &info, &p->fixed[i], err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

size_t call_plan_fixed(const call_plan *p, const char *name)
{
    for (size_t i = 0; i < p->call->n_fixed; i++)
        if (!strcmp(p->call->fixed[i].name, name))
            return i;
    return NO_INDEX;
}

/* How many ports, states, contexts and counts feed an input of the model. */
static size_t feeds_of(const call_plan *p, const char *input)
{
    size_t n = 0;
    for (size_t i = 0; i < p->inputs.n; i++)
        n += !strcmp(p->inputs.items[i].value, input);
    for (size_t i = 0; i < p->state.n; i++)
        n += !strcmp(p->state.items[i].port, input);
    for (size_t i = 0; i < p->context.n; i++)
        n += !strcmp(p->context.items[i].port, input);
    for (size_t i = 0; i < p->n_counts; i++)
        n += !strcmp(p->counts[i].info.name, input);
    return n;
}

/* Checks that each input of the part has one source; a port may override a fixed value. */
static sib_code check_fed(call_plan *p, sib_error *err)
{
    sib_value_info info;
    for (size_t i = 0; sib_model_input(p->model, i, &info); i++) {
        size_t n = feeds_of(p, info.name);
        bool fixed = call_plan_fixed(p, info.name) != NO_INDEX;
        if (n > 1 || (n && fixed && !has_value(&p->inputs, info.name)))
            return call_fault(p, err, "the model's input '%s' is given more than once", info.name);
        if (!n && !fixed && !info.optional_input)
            return call_fault(p, err, "the model's input '%s' is missing", info.name);
    }
    return SIB_OK;
}

/* A call that may be one of a batch takes tokens alone, as [B, N]. */
static sib_code check_batch(const call_plan *p, sib_error *err)
{
    for (size_t i = 0; p->call->batch.allowed && i < p->inputs.n; i++) {
        const sib_value_info *in = &p->inputs.items[i].info;
        const bool integers = in->dtype == SIB_I64 || in->dtype == SIB_I32;
        if (!integers || !in->ranked || in->rank != 2 || p->inputs.items[i].pair->n_transpose)
            return call_fault(p, err, "it has 'batch', but its input '%s' takes no integers [B, N]",
                              p->inputs.items[i].port);
    }
    return SIB_OK;
}

static sib_code find_counts(call_plan *p, const sib_model *whole, sib_error *err)
{
    const call_port *of = p->call->count.of ? named_port(&p->inputs, p->call->count.of) : NULL;
    p->count_of = of ? (size_t)(of - p->inputs.items) : NO_INDEX;
    return of ? call_counts_open(p, whole, err) : SIB_OK;
}

sib_code call_plan_make(const job_doc *d, size_t number, sib_model *const *models,
                        const sib_session_options *options, call_plan **out, sib_error *err)
{
    *out = NULL;
    call_plan *p = mem_calloc(1, sizeof *p);
    if (!p)
        return err_memory(err, sizeof *p, "a call");
    p->d = d;
    p->call = &d->calls[number];
    sib_code code = find_ports(p, number, models, err);
    if (code == SIB_OK)
        code = open_session(p, models[p->call->model], options, err);
    if (code == SIB_OK)
        code = make_fixed(p, err);
    if (code == SIB_OK)
        code = find_counts(p, models[p->call->model], err);
    if (code == SIB_OK)
        code = check_fed(p, err);
    if (code == SIB_OK)
        code = check_batch(p, err);
    if (code == SIB_OK)
        code = call_buffers_open(p, options, err);
    if (code == SIB_OK)
        code = call_rows_open(&p->state, options, &p->rows, err);
    if (code == SIB_OK)
        *out = p;
    else
        call_plan_free(&p);
    return code;
}

void call_plan_free(call_plan **p)
{
    if (!p || !*p)
        return;
    port_list *lists[] = {&(*p)->inputs, &(*p)->outputs, &(*p)->state, &(*p)->context, &(*p)->held};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        port_list_free(lists[i]);
    for (size_t i = 0; (*p)->fixed && i < (*p)->call->n_fixed; i++)
        sib_value_free(&(*p)->fixed[i]);
    mem_free((*p)->fixed);
    mem_free((*p)->counts);
    mem_free((*p)->names);
    mem_free((*p)->stay);
    sib_session_free(&(*p)->session);
    sib_session_free(&(*p)->buffered);
    sib_model_free(&(*p)->form.model);
    sib_session_free(&(*p)->rows);
    sib_model_free(&(*p)->model);
    mem_free(*p);
    *p = NULL;
}

static const call_port *port_at(const port_list *l, size_t i)
{
    return i < l->n ? &l->items[i] : NULL;
}

static size_t port_number(const port_list *l, const char *name)
{
    const call_port *p = named_port(l, name);
    return p ? (size_t)(p - l->items) : NO_INDEX;
}

const call_port *call_plan_input(const call_plan *p, size_t i)
{
    return port_at(&p->inputs, i);
}

const call_port *call_plan_output(const call_plan *p, size_t i)
{
    return port_at(&p->outputs, i);
}

size_t call_plan_input_named(const call_plan *p, const char *port)
{
    return port_number(&p->inputs, port);
}

size_t call_plan_output_named(const call_plan *p, const char *port)
{
    return port_number(&p->outputs, port);
}

const sib_value_info *call_plan_state(const call_plan *p, size_t i)
{
    const call_port *s = port_at(&p->state, i);
    return s ? &s->info : NULL;
}

const char *call_plan_next(const call_plan *p, size_t i)
{
    const call_port *s = port_at(&p->state, i);
    return s ? s->value : NULL;
}

const char *call_plan_name(const call_plan *p)
{
    return p->call->name;
}

bool call_plan_has_history(const call_plan *p)
{
    return p->call->count.history;
}

bool call_plan_is_apart(const call_plan *p)
{
    bool given = false; /* a state has its own beginning */
    for (size_t i = 0; i < p->state.n; i++)
        given = given || p->state.items[i].pair->n_dims;
    return !p->context.n && !p->held.n && !given && !p->call->count.of;
}

sib_session *call_plan_session(const call_plan *p)
{
    return p->session;
}

sib_session *call_plan_unwatched(const call_plan *p)
{
    return p->buffered ? p->buffered : p->session;
}

const char *call_plan_metadata(const call_plan *p, const char *key)
{
    const char *name, *value;
    for (size_t i = 0; sib_model_metadata(p->model, i, &name, &value); i++)
        if (!strcmp(name, key))
            return value;
    return NULL;
}
