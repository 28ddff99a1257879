#include "job/call.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "job/batch.h"

#include <sibyl/watch.h>

#include <stdio.h>
#include <string.h>

typedef struct port_list {
    call_port *items; /* (n) */
    size_t n, capacity;
} port_list;

struct call_plan {
    const job_doc *d;
    const job_call_doc *call;
    sib_model *model;
    sib_session *session;
    port_list inputs, outputs;
    port_list state;    /* port: the model's input, value: its output; info of the input */
    port_list context;  /* port: the model's input, value: the output of call `of` */
    port_list held;     /* value: outputs that other calls take as context */
    sib_value **fixed;  /* (call->n_fixed) */
    const char **names; /* (outputs, state, held) names of the session's outputs */
};

/* ---- Patterns ------------------------------------------------------------------------------------------ */

/* The part of `name` for which * stands, where `name` fits `pattern`; a pattern has one * or none. */
static bool star_of(const char *pattern, const char *name, sib_str *star)
{
    const char *at = strchr(pattern, '*');
    *star = (sib_str){"", 0};
    if (!at)
        return !strcmp(pattern, name);
    size_t front = (size_t)(at - pattern), back = strlen(at + 1), length = strlen(name);
    if (length < front + back || strncmp(pattern, name, front) || strcmp(name + length - back, at + 1))
        return false;
    *star = (sib_str){name + front, length - front - back};
    return true;
}

/* The pattern with * replaced. NULL where memory cannot be allocated. */
static char *put_star(const char *pattern, sib_str star)
{
    const char *at = strchr(pattern, '*');
    if (!at)
        return mem_strdup(pattern);
    size_t size = strlen(pattern) + star.length;
    char *out = mem_alloc(size, 1);
    if (out)
        snprintf(out, size, "%.*s%.*s%s", (int)(at - pattern), pattern, (int)star.length, star.data, at + 1);
    return out;
}

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
    call_port p = {.port = put_star(pair->from, star), .value = put_star(pair->to, star), .pair = pair};
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
            if (star_of(pattern, info.name, &star)) {
                sib_code code = port_list_add(out, pair, star, &info, err);
                if (code != SIB_OK)
                    return code;
            }
        if (out->n == before)
            return err_set(err, SIB_ERR_FORMAT, "job '%s', call '%s': model '%s' has no %s '%s'", p->d->name,
                           p->call->name, p->d->models[p->call->model].name,
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
    if (!p->names)
        return err_memory(err, sizeof *p->names, "names of outputs");
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < lists[k]->n; i++)
            p->names[n++] = lists[k]->items[i].value;
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
            return err_set(err, SIB_ERR_FORMAT, "job '%s', call '%s': the model has no input '%s'",
                           p->d->name, p->call->name, f->name);
        sib_code code = numbers_value(f->data, f->n, &info, &p->fixed[i], err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static size_t fixed_named(const call_plan *p, const char *name)
{
    for (size_t i = 0; i < p->call->n_fixed; i++)
        if (!strcmp(p->call->fixed[i].name, name))
            return i;
    return NO_INDEX;
}

/* How many ports, states and contexts feed an input of the model. */
static size_t feeds_of(const call_plan *p, const char *input)
{
    size_t n = 0;
    for (size_t i = 0; i < p->inputs.n; i++)
        n += !strcmp(p->inputs.items[i].value, input);
    for (size_t i = 0; i < p->state.n; i++)
        n += !strcmp(p->state.items[i].port, input);
    for (size_t i = 0; i < p->context.n; i++)
        n += !strcmp(p->context.items[i].port, input);
    return n;
}

/* Checks that each input of the part has one source; a port may override a fixed value. */
static sib_code check_fed(call_plan *p, sib_error *err)
{
    sib_value_info info;
    for (size_t i = 0; sib_model_input(p->model, i, &info); i++) {
        size_t n = feeds_of(p, info.name);
        bool fixed = fixed_named(p, info.name) != NO_INDEX;
        if (n > 1 || (n && fixed && !has_value(&p->inputs, info.name)))
            return err_set(err, SIB_ERR_FORMAT,
                           "job '%s', call '%s': the model's input '%s' is given more than once", p->d->name,
                           p->call->name, info.name);
        if (!n && !fixed && !info.optional_input)
            return err_set(err, SIB_ERR_FORMAT, "job '%s', call '%s': the model's input '%s' is missing",
                           p->d->name, p->call->name, info.name);
    }
    return SIB_OK;
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
        code = check_fed(p, err);
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
    mem_free((*p)->names);
    sib_session_free(&(*p)->session);
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

bool call_plan_is_apart(const call_plan *p)
{
    bool given = false; /* a state has its own beginning */
    for (size_t i = 0; i < p->state.n; i++)
        given = given || p->state.items[i].pair->n_dims;
    return !p->context.n && !p->held.n && !given;
}

sib_session *call_plan_session(const call_plan *p)
{
    return p->session;
}

const char *call_plan_metadata(const call_plan *p, const char *key)
{
    const char *name, *value;
    for (size_t i = 0; sib_model_metadata(p->model, i, &name, &value); i++)
        if (!strcmp(name, key))
            return value;
    return NULL;
}

/* ---- Live calls ---------------------------------------------------------------------------------------- */

struct job_call {
    const call_plan *plan;
    job_call *of;
    const job_watch *watch;
    uint64_t steps;         /* calls made in this run */
    sib_value **state;      /* (plan->state.n) NULL before the first call */
    sib_value **held;       /* (plan->held.n) of the last call, NULL before it */
    sib_value **made;       /* (all outputs) of the session, during its run */
    sib_named_value *feeds; /* (number of inputs) */
    sib_value **own;        /* (inputs) converted, during the session's run */
    char path[256];         /* of the current call, for taps */
    const sib_batch *batch; /* which makes the steps, or NULL */
    sequence *sequence;     /* in place of the state */
};

static size_t count_outputs(const call_plan *p)
{
    return p->outputs.n + p->state.n + p->held.n;
}

/* Whether nobody asks for values inside the model, which a batch does not show. */
static bool unwatched(const call_plan *p, const job_watch *w)
{
    char below[300];
    snprintf(below, sizeof below, "%s/step[", p->call->name);
    return !w || !w->tap || !w->wanted_below(w->context, below);
}

sib_code job_call_begin(const call_plan *p, job_call *of, const job_watch *watch, const sib_batch *batch,
                        job_call **out, sib_error *err)
{
    *out = NULL;
    job_call *c = mem_calloc(1, sizeof *c);
    if (!c)
        return err_memory(err, sizeof *c, "a call");
    size_t feeds = p->inputs.n + p->state.n + p->context.n + p->call->n_fixed;
    c->plan = p;
    c->of = of;
    c->watch = watch;
    c->state = mem_calloc(p->state.n + 1, sizeof *c->state);
    c->held = mem_calloc(p->held.n + 1, sizeof *c->held);
    c->made = mem_calloc(count_outputs(p) + 1, sizeof *c->made);
    c->feeds = mem_calloc(feeds + 1, sizeof *c->feeds);
    c->own = mem_calloc(p->inputs.n + p->state.n + 1, sizeof *c->own);
    sib_code code = c->state && c->held && c->made && c->feeds && c->own
                        ? SIB_OK
                        : err_memory(err, feeds * sizeof *c->feeds, "a call");
    if (code == SIB_OK && batch && batch->plan == p && unwatched(p, watch)) {
        c->batch = batch;
        code = batch_join(batch->steps, &c->sequence, err);
    }
    if (code == SIB_OK)
        *out = c;
    else
        job_call_end(&c);
    return code;
}

static void drop(sib_value **list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        sib_value_free(&list[i]);
}

void job_call_reset(job_call *c)
{
    drop(c->state, c->plan->state.n);
    if (c->sequence)
        sequence_rewind(c->sequence);
}

void job_call_end(job_call **c)
{
    if (!c || !*c)
        return;
    drop((*c)->state, (*c)->plan->state.n);
    drop((*c)->held, (*c)->plan->held.n);
    sequence_leave(&(*c)->sequence);
    mem_free((*c)->state);
    mem_free((*c)->held);
    mem_free((*c)->made);
    mem_free((*c)->feeds);
    mem_free((*c)->own);
    mem_free(*c);
    *c = NULL;
}

const call_plan *job_call_plan(const job_call *c)
{
    return c->plan;
}

/* ---- Feeding ------------------------------------------------------------------------------------------- */

static sib_code refused(const job_call *c, const char *port, const char *why, sib_error *err)
{
    return err_set(err, SIB_ERR_ARGUMENT, "job '%s', call '%s', port '%s': %s", c->plan->d->name,
                   c->plan->call->name, port, why);
}

/* A tensor view of a port's value. *out: owned by the caller. */
static sib_code port_tensor(const job_call *c, const call_port *p, const sib_port_value *v, sib_tensor **out,
                            sib_error *err)
{
    int64_t n;
    switch (v->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        return sib_tensor_reshape(v->tensor, sib_tensor_rank(v->tensor), sib_tensor_dims(v->tensor), out,
                                  err);
    case SIB_PORT_TOKENS:
        n = (int64_t)v->tokens.n;
        return sib_tensor_wrap(SIB_I32, 1, &n, NULL, (void *)v->tokens.ids, NULL, NULL, out, err);
    case SIB_PORT_NUMBER:
        return sib_tensor_wrap(SIB_F64, 0, NULL, NULL, (void *)&v->number, NULL, NULL, out, err);
    case SIB_PORT_NUMBERS:
        n = (int64_t)v->numbers.n;
        return sib_tensor_wrap(SIB_F64, 1, &n, NULL, (void *)v->numbers.data, NULL, NULL, out, err);
    default:
        return refused(c, p->port, "models have no inputs of this type", err);
    }
}

static void become(sib_tensor **t, sib_tensor *next)
{
    sib_tensor_free(t);
    *t = next;
}

/* Converts *t to the model's order of axes, type and rank (leading axes of 1), dense. */
static sib_code adapt(const job_call *c, const call_port *p, sib_tensor **t, sib_error *err)
{
    sib_tensor *next;
    sib_code code = SIB_OK;
    size_t rank = sib_tensor_rank(*t), n = p->pair->n_transpose;
    if (n && n != rank)
        return refused(c, p->port, "'transpose' must have as many axes as the model's dims", err);
    if (n && (code = sib_tensor_transpose(*t, p->pair->transpose, &next, err)) == SIB_OK)
        become(t, next);
    if (code == SIB_OK && !sib_tensor_is_dense(*t) && (code = sib_tensor_copy(*t, &next, err)) == SIB_OK)
        become(t, next);
    if (code == SIB_OK && p->info.dtype && sib_tensor_dtype(*t) != p->info.dtype &&
        (code = sib_tensor_convert(*t, p->info.dtype, SIB_OVERFLOW_IEEE, &next, err)) == SIB_OK)
        become(t, next);
    if (code != SIB_OK || !p->info.ranked || rank >= p->info.rank)
        return code;
    int64_t dims[SIB_MAX_RANK];
    size_t front = p->info.rank - rank;
    for (size_t i = 0; i < p->info.rank; i++)
        dims[i] = i < front ? 1 : sib_tensor_dims(*t)[i - front];
    code = sib_tensor_reshape(*t, p->info.rank, dims, &next, err);
    if (code == SIB_OK)
        become(t, next);
    return code;
}

static sib_code input_value(const job_call *c, const call_port *p, const sib_port_value *v, sib_value **out,
                            sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = port_tensor(c, p, v, &t, err);
    if (code != SIB_OK)
        return code;
    code = adapt(c, p, &t, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* The state before the first call. */
static sib_code first_state(const job_call *c, const call_port *s, sib_value **out, sib_error *err)
{
    const job_pair *pair = s->pair;
    int64_t dims[SIB_MAX_RANK];
    if (!s->info.ranked || (pair->n_dims && pair->n_dims != s->info.rank))
        return refused(c, s->port, "the 'dims' of a state must have the model's rank", err);
    for (size_t i = 0; i < s->info.rank; i++)
        dims[i] = pair->n_dims ? pair->dims[i] : s->info.dims[i] >= 0 ? s->info.dims[i] : i == 0;
    if (s->info.dtype == SIB_STRING || sib_dtype_bits(s->info.dtype) < 8)
        return refused(c, s->port, "a state cannot be of this type", err);
    sib_tensor *t;
    sib_code code = sib_tensor_create(s->info.dtype, s->info.rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    size_t size = sib_dtype_bits(s->info.dtype) / 8;
    char *at = sib_tensor_data(t);
    for (uint64_t i = 0; pair->fill != 0 && i < sib_tensor_count(t) && code == SIB_OK; i++, at += size)
        code = sib_convert(SIB_F64, &pair->fill, s->info.dtype, at, 1, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* Fills c->feeds; *n: how many. */
static sib_code feed(job_call *c, job_value *const *in, size_t *n, sib_error *err)
{
    const call_plan *p = c->plan;
    sib_code code = SIB_OK;
    *n = 0;
    for (size_t i = 0; i < p->inputs.n && code == SIB_OK; i++) {
        const call_port *port = &p->inputs.items[i];
        if (in[i] && (code = input_value(c, port, &in[i]->v, &c->own[i], err)) == SIB_OK)
            c->feeds[(*n)++] = (sib_named_value){port->value, c->own[i]};
        else if (!in[i] && !port->info.optional_input && fixed_named(p, port->value) == NO_INDEX)
            code = refused(c, port->port, "it has no value", err);
    }
    for (size_t i = 0; i < p->call->n_fixed; i++) {
        const call_port *port = NULL; /* the port that overrides it */
        for (size_t k = 0; k < p->inputs.n; k++)
            if (in[k] && !strcmp(p->inputs.items[k].value, p->call->fixed[i].name))
                port = &p->inputs.items[k];
        if (!port)
            c->feeds[(*n)++] = (sib_named_value){p->call->fixed[i].name, p->fixed[i]};
    }
    for (size_t i = 0; i < p->state.n && code == SIB_OK; i++) {
        if (!c->state[i])
            code = first_state(c, &p->state.items[i], &c->state[i], err);
        c->feeds[(*n)++] = (sib_named_value){p->state.items[i].port, c->state[i]};
    }
    for (size_t i = 0; i < p->context.n && code == SIB_OK; i++) {
        const call_port *port = &p->context.items[i];
        const port_list *held = &c->of->plan->held;
        size_t k = 0;
        while (k < held->n && strcmp(held->items[k].value, port->value))
            k++;
        if (k == held->n || !c->of->held[k])
            code = refused(c, port->port, "the call that it comes from has not run yet", err);
        else
            c->feeds[(*n)++] = (sib_named_value){port->port, c->of->held[k]};
    }
    return code;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* Taps of values inside the model, by the path of the call. */
static sib_code tap_inside(void *context, const sib_tap_event *event, sib_error *err)
{
    job_call *c = context;
    const sib_tensor *t = sib_value_tensor(event->value);
    char path[512];
    snprintf(path, sizeof path, "%s/model/%s", c->path, event->name);
    return t && c->watch->wanted(c->watch->context, path) ? c->watch->tap(c->watch->context, path, t, err)
                                                          : SIB_OK;
}

static sib_code tap_outputs(job_call *c, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->plan->outputs.n && code == SIB_OK; i++) {
        char path[512];
        const sib_tensor *t = sib_value_tensor(c->made[i]);
        snprintf(path, sizeof path, "%s/%s", c->path, c->plan->outputs.items[i].port);
        if (t && c->watch->wanted(c->watch->context, path))
            code = c->watch->tap(c->watch->context, path, t, err);
    }
    return code;
}

static void take_over(sib_value **to, sib_value **from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sib_value_free(&to[i]);
        to[i] = from[i];
        from[i] = NULL;
    }
}

/* The value of input i: the port's, or the fixed one; NULL where it has none. */
static sib_code batch_input(job_call *c, size_t i, job_value *const *in, const sib_value **out,
                            sib_error *err)
{
    const call_port *port = call_plan_input(c->plan, i);
    size_t fixed = fixed_named(c->plan, port->value);
    if (in[i]) {
        sib_code code = input_value(c, port, &in[i]->v, &c->own[i], err);
        *out = c->own[i];
        return code;
    }
    if (fixed == NO_INDEX)
        return refused(c, port->port, "it has no value", err);
    *out = c->plan->fixed[fixed];
    return SIB_OK;
}

/* The step of a sequence, which others share. */
static sib_code run_in_batch(job_call *c, job_value *const *in, sib_value **out, sib_error *err)
{
    const sib_value *tokens = NULL, *at = NULL;
    sib_profile *profile = c->watch ? c->watch->profile : NULL;
    sib_code code = batch_input(c, c->batch->tokens, in, &tokens, err);
    if (code == SIB_OK)
        code = batch_input(c, c->batch->at, in, &at, err);
    const uint64_t span = profile ? sib_profile_begin(profile, SIB_SPAN_CALL, c->path) : 0;
    if (code == SIB_OK)
        code = job_batch_feed(c->sequence, tokens, at, c->watch ? c->watch->cancel : NULL, out, err);
    if (profile)
        sib_profile_end(profile, span);
    drop(c->own, c->plan->inputs.n);
    if (code != SIB_OK || !c->watch || !c->watch->tap)
        return code;
    c->made[0] = out[0]; /* for the taps alone */
    code = tap_outputs(c, err);
    c->made[0] = NULL;
    if (code != SIB_OK)
        drop(out, 1);
    return code;
}

sib_code job_call_run(job_call *c, job_value *const *in, sib_value **out, sib_error *err)
{
    const call_plan *p = c->plan;
    const job_watch *w = c->watch;
    bool taps = w && w->tap;
    size_t n;
    sib_run_options options = {.cancel = w ? w->cancel : NULL, .profile = w ? w->profile : NULL};
    snprintf(c->path, sizeof c->path, "%s/step[%llu]", p->call->name, (unsigned long long)c->steps++);
    for (size_t i = 0; i < p->outputs.n; i++)
        out[i] = NULL;
    if (c->sequence)
        return run_in_batch(c, in, out, err);
    sib_code code = feed(c, in, &n, err);
    if (code == SIB_OK && taps) {
        char below[300];
        snprintf(below, sizeof below, "%s/model/", c->path);
        if (w->wanted_below(w->context, below)) {
            options.tap = tap_inside;
            options.tap_context = c;
        }
    }
    const uint64_t span = options.profile ? sib_profile_begin(options.profile, SIB_SPAN_CALL, c->path) : 0;
    if (code == SIB_OK)
        code = sib_session_run(p->session, n, c->feeds, count_outputs(p), p->names, c->made, &options, err);
    if (options.profile)
        sib_profile_end(options.profile, span);
    if (code == SIB_OK && taps)
        code = tap_outputs(c, err);
    drop(c->own, p->inputs.n);
    if (code != SIB_OK) {
        drop(c->made, count_outputs(p));
        return code;
    }
    take_over(out, c->made, p->outputs.n);
    take_over(c->state, c->made + p->outputs.n, p->state.n);
    take_over(c->held, c->made + p->outputs.n + p->state.n, p->held.n);
    return SIB_OK;
}

/* Gathers rows of t along its first axis. */
static sib_code gather_rows(const sib_tensor *t, size_t n, const size_t *from, sib_value **out,
                            sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank = sib_tensor_rank(t);
    memcpy(dims, sib_tensor_dims(t), rank * sizeof *dims);
    size_t rows = rank ? (size_t)dims[0] : 0;
    size_t row = rows ? (size_t)(sib_tensor_count(t) / rows) * (sib_dtype_bits(sib_tensor_dtype(t)) / 8) : 0;
    for (size_t i = 0; i < n; i++)
        if (from[i] >= rows)
            return err_set(err, SIB_ERR_ARGUMENT, "row %zu of a state is out of range, it has %zu", from[i],
                           rows);
    dims[0] = (int64_t)n;
    sib_tensor *made;
    sib_code code = sib_tensor_create(sib_tensor_dtype(t), rank, dims, &made, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < n && row; i++)
        memcpy((char *)sib_tensor_data(made) + i * row, (const char *)sib_tensor_data(t) + from[i] * row,
               row);
    code = sib_value_from_tensor(made, out, err);
    sib_tensor_free(&made);
    return code;
}

sib_code job_call_reorder(job_call *c, size_t n, const size_t *from, sib_error *err)
{
    for (size_t i = 0; i < c->plan->state.n; i++) {
        const sib_tensor *t = c->state[i] ? sib_value_tensor(c->state[i]) : NULL;
        sib_value *made;
        sib_code code = t ? gather_rows(t, n, from, &made, err) : SIB_OK;
        if (code != SIB_OK)
            return code;
        if (t) {
            sib_value_free(&c->state[i]);
            c->state[i] = made;
        }
    }
    return SIB_OK;
}
