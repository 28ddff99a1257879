/* Observers of a run: taps, watches, the profile, and the cancel flag. */
#ifndef RUN_EXECUTE_OBSERVE_H
#define RUN_EXECUTE_OBSERVE_H

#include "base/cancel.h"
#include "graph/graph.h"
#include "run/execute/watch.h"

/* Who observes a run, and where in it we are. */
typedef struct observer {
    const sib_run_options *options; /* may be NULL */
    watch_set *watches;             /* of the session; NULL: none */
    uint64_t run, thread;           /* see sib_time_span; thread: 0 until it is needed */
    uint32_t depth;                 /* of the next span */
    bool blind;                     /* to values */
    uint64_t begin, spent;          /* of the run; in calls of watches and taps, in ns */
} observer;

/* A span that goes on. `is` alone is set false before: clearing the rest would cost runs that nobody
   observes. */
typedef struct open_span {
    sib_time_span about;
    uint64_t in_profile;
    bool is; /* it was opened */
} open_span;

/* Whether the run has a tap or profile. */
static inline bool observer_must_look(const observer *o)
{
    return o->options && (o->options->tap || o->options->profile);
}
/* The number of watches that are called now. */
static inline const atomic_uint *observer_watches(const observer *o)
{
    static const atomic_uint none;
    return o->watches ? &((const watch_counts *)o->watches)->active : &none;
}
/* Whether anybody observes now. Cheap: asked at each step. */
static inline bool observer_looks(const observer *o)
{
    return observer_must_look(o) || watch_count(observer_watches(o));
}
/* Whether anybody sees values; inside: those of milli-ops. */
bool observer_sees_values(const observer *o, bool inside);
/* The same, at once where nobody looks. */
static inline bool observer_sees(const observer *o, bool inside)
{
    return observer_looks(o) && observer_sees_values(o, inside);
}
/* Calls those that want to see a value. Errors: those of callbacks. */
sib_code observer_show(observer *o, const sib_tap_event *event, sib_error *err);

/* Around a run: accounts for its watches. */
void observer_begin(observer *o);
void observer_end(observer *o);
static inline bool observer_accounts(const observer *o)
{
    return watch_set_all(o->watches);
}

/* Begins a span: kind, name and the like of `about` are set. */
void span_open(observer *o, open_span *s, sib_time_span about);
/* Ends it, at s->about.end if that is set, otherwise now. */
void span_close_opened(observer *o, open_span *s);
/* The same; does nothing for one that was not opened. */
static inline void span_close(observer *o, open_span *s)
{
    if (s->is)
        span_close_opened(o, s);
}
/* A span that has passed. */
void span_put(observer *o, sib_time_span about);

/* SIB_OK, or SIB_ERR_CANCELLED once c is set. c may be NULL. */
sib_code observe_cancel(const sib_cancel *c, sib_error *err);

#endif
