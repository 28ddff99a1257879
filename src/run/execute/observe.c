#include "run/execute/observe.h"

#include "base/alloc.h"
#include "base/error.h"
#include "run/execute/profile.h"

#include <sibyl/timing.h>

#include <fnmatch.h>
#include <string.h>

/* ---- Cancelling ------------------------------------------------------------------------------------- */

sib_code sib_cancel_create(sib_cancel **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a flag");
    atomic_init(&(*out)->set, false);
    return SIB_OK;
}

void sib_cancel_free(sib_cancel **c)
{
    if (c) {
        mem_free(*c);
        *c = NULL;
    }
}

void sib_cancel_set(sib_cancel *c)
{
    atomic_store(&c->set, true);
}

sib_code observe_cancel(const sib_cancel *c, sib_error *err)
{
    return cancel_is_set(c) ? err_set(err, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

/* ---- Values ----------------------------------------------------------------------------------------- */

/* Whether the run's tap wants values called `name`; marks the matching names. */
static bool tap_wants(const sib_run_options *o, const char *name)
{
    bool wanted = o->n_taps == 0;
    for (size_t i = 0; i < o->n_taps; i++) {
        if (strcmp(o->tap_names[i], name) && fnmatch(o->tap_names[i], name, 0))
            continue;
        wanted = true;
        if (o->tap_matched)
            o->tap_matched[i] = true;
    }
    return wanted;
}

bool observer_sees(const observer *o, bool inside)
{
    if (o->blind)
        return false;
    return (o->options && o->options->tap && (!inside || o->options->tap_inside)) ||
           watch_set_wants(o->watches, inside);
}

static const atomic_uint never = 0;
const observer observer_none = {.lookers = &never};

bool observer_open_any(observer *o)
{
    static const atomic_uint always = 1;
    if (o->options && (o->options->tap || o->options->profile))
        o->lookers = &always;
    return observer_looks(o) || watch_set_all(o->watches);
}

plan_view observer_view(const observer *o, bool *whole)
{
    const sib_run_options *run = o->options;
    const plan_view view = watch_set_view(o->watches, whole);
    if (!run || !run->tap)
        return view;
    *whole |= !run->tap_optimised;
    return run->tap_inside || view == PLAN_INSIDE ? PLAN_INSIDE : PLAN_OPEN;
}

void observer_begin(observer *o)
{
    o->begin = sib_time_ns();
}

void observer_end(observer *o)
{
    watch_set_ran(o->watches, sib_time_ns() - o->begin, o->spent);
}

sib_code observer_show(observer *o, const sib_tap_event *event, sib_error *err)
{
    const sib_run_options *run = o->options;
    sib_code code = SIB_OK;
    if (run && run->tap && (!event->milli || run->tap_inside) && tap_wants(run, event->name))
        code = run->tap(run->tap_context, event, err);
    if (code == SIB_OK && watch_set_active(o->watches)) {
        code = watch_set_value(o->watches, event, err);
        if (watch_set_shares(o->watches))
            o->spent += sib_time_ns() - event->time_ns;
    }
    return code;
}

/* ---- Spans ------------------------------------------------------------------------------------------ */

static void complete(observer *o, sib_time_span *s)
{
    const char **texts[] = {&s->name, &s->op_type, &s->backend, &s->kernel};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = *texts[i] ? *texts[i] : "";
    if (!o->thread)
        o->thread = profile_thread();
    s->run = o->run;
    s->thread = o->thread;
    s->depth = o->depth;
    s->parent = SIB_NONE;
}

bool observer_hears(const observer *o)
{
    return (o->options && o->options->profile) || watch_set_listening(o->watches);
}

void span_open(observer *o, open_span *s, sib_time_span about)
{
    if (!observer_hears(o)) {
        s->is = false;
        return;
    }
    *s = (open_span){.about = about, .is = true};
    complete(o, &s->about);
    s->about.begin = sib_time_ns();
    if (o->options && o->options->profile)
        s->in_profile = profile_open(o->options->profile, &s->about);
    if (watch_set_listening(o->watches))
        watch_set_event(o->watches, &s->about, true);
    o->depth++;
}

void span_close_opened(observer *o, open_span *s)
{
    s->is = false;
    o->depth--;
    if (!s->about.end)
        s->about.end = sib_time_ns();
    if (o->options && o->options->profile)
        profile_close(o->options->profile, s->in_profile, &s->about);
    if (watch_set_listening(o->watches))
        watch_set_event(o->watches, &s->about, false);
}

void span_put(observer *o, sib_time_span about)
{
    if (!observer_hears(o))
        return;
    complete(o, &about);
    if (o->options && o->options->profile)
        profile_put(o->options->profile, &about);
    if (watch_set_listening(o->watches)) {
        watch_set_event(o->watches, &about, true);
        watch_set_event(o->watches, &about, false);
    }
}
