/* Observers of a run: taps, watches, the profile, and the cancel flag. */
#ifndef RUN_EXECUTE_OBSERVE_H
#define RUN_EXECUTE_OBSERVE_H

#include "base/cancel.h"
#include "graph/graph.h"
#include "run/execute/watch.h"

/* Who observes a run, and where in it we are. */
typedef struct observer {
    const sib_run_options *options; /* may be NULL */
    watch_set *watches;             /* of the session; NULL in observer_none alone */
    const atomic_uint *lookers;     /* 0 while nobody observes: the run's tap or profile, else its watches */
    uint64_t run, thread;           /* see sib_time_span; thread: 0 until it is needed */
    uint32_t depth;                 /* of the next span */
    bool blind;                     /* to values */
    uint64_t begin, spent;          /* of the run; in calls of watches and taps, in ns */
} observer;

/* A span that goes on. Where span_open may be left out, `is` alone is set false before: clearing the rest
   would cost runs that nobody observes. */
typedef struct open_span {
    sib_time_span about;
    uint64_t in_profile;
    bool is; /* it was opened */
} open_span;

/* Of a run that no one can observe. */
extern const observer observer_none;
static inline observer observer_of(const sib_run_options *options, watch_set *watches)
{
    return (observer){
        .options = options, .watches = watches, .lookers = &((const watch_counts *)watches)->active};
}
/* Opens the observer of a run that has options or watches. Returns whether it has a tap, profile or watch, be it
   one that is not called now. */
bool observer_open_any(observer *o);
/* The same for every run. Those for which it returns false do without observer_view, observer_begin and
   observer_end. */
static inline bool observer_open(observer *o)
{
    return (o->options || watch_set_all(o->watches)) && observer_open_any(o);
}
/* Whether anybody observes now: the one question that graphs, nodes and steps ask, since watches come and go
   within a run. What follows from it stands in functions of its own, out of the way of the others. */
static inline bool observer_looks(const observer *o)
{
    return watch_count(o->lookers);
}
/* Whether anybody sees values; inside: those of milli-ops. */
bool observer_sees(const observer *o, bool inside);
/* What the plans of the run must show; sets *whole if it must be of the graph as in the file. */
plan_view observer_view(const observer *o, bool *whole);
/* Calls those that want to see a value. Errors: those of callbacks. */
sib_code observer_show(observer *o, const sib_tap_event *event, sib_error *err);

/* Around a run: accounts for its watches. */
void observer_begin(observer *o);
void observer_end(observer *o);

/* Whether anybody wants spans or rows of a profile. */
bool observer_hears(const observer *o);
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
