/* Watches: a list under a lock, which is not held while callbacks run. */
#include "run/execute/watch.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <fnmatch.h>
#include <pthread.h>
#include <string.h>

/* A callback that runs; on the stack of its thread. */
typedef struct watch_call {
    pthread_t thread;
    struct watch_call *next;
} watch_call;

struct sib_watch {
    watch_set *set;
    sib_watch_options o; /* names: owned copies */
    uint64_t serial;     /* in the order in which watches were added */
    watch_call *calls;   /* that run now */
    bool removed;        /* by its own callback: freed when that returns */
    double debt;         /* nanoseconds of runs until it is called again; 0: it is awake */
    double credit;       /* nanoseconds that it may take before its share counts */
    uint64_t skipped;    /* runs that it was not called for */
};

struct watch_set {
    watch_counts counts;
    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t finished; /* a call ended */
    size_t references;
    sib_pool *pool; /* of the session, for digests; NULL once it is freed */
    uint64_t serial;
    uint64_t unseen; /* nanoseconds of the newest run of which no value was seen; 0: there was none */
    size_t n, capacity;
    sib_watch **items; /* (n) by serial */
};

/* ---- Sets -------------------------------------------------------------------------------------------- */

sib_code watch_set_create(sib_pool *pool, watch_set **out, sib_error *err)
{
    watch_set *s = mem_calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return err_memory(err, sizeof *s, "the watches of a session");
    s->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    s->finished = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    s->pool = pool;
    s->references = 1;
    return SIB_OK;
}

/* The lock is held, and released here. */
static void unlock_and_release(watch_set *s)
{
    const bool last = --s->references == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    pthread_cond_destroy(&s->finished);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->items);
    mem_free(s);
}

void watch_set_release(watch_set **sp)
{
    if (*sp) {
        pthread_mutex_lock(&(*sp)->lock);
        (*sp)->pool = NULL;
        unlock_and_release(*sp);
        *sp = NULL;
    }
}

static bool sees_values(const sib_watch *w)
{
    return w->o.on_value || w->o.on_digest;
}

/* Here and below the lock is held. */
static void count_active(watch_set *s)
{
    unsigned active = 0, listening = 0, seeing = 0, inside = 0, sharing = 0;
    for (size_t i = 0; i < s->n; i++) {
        const sib_watch_options *o = &s->items[i]->o;
        const bool awake = s->items[i]->debt <= 0, sees = awake && sees_values(s->items[i]);
        active += awake;
        listening += awake && o->on_event;
        seeing += sees;
        inside += sees && o->inside;
        sharing += sees && o->share > 0;
    }
    atomic_store_explicit(&s->counts.listening, listening, memory_order_relaxed);
    atomic_store_explicit(&s->counts.seeing, seeing, memory_order_relaxed);
    atomic_store_explicit(&s->counts.inside, inside, memory_order_relaxed);
    atomic_store_explicit(&s->counts.sharing, sharing, memory_order_relaxed);
    atomic_store_explicit(&s->counts.active, active, memory_order_relaxed);
    atomic_store_explicit(&s->counts.all, (unsigned)s->n, memory_order_relaxed);
}

/* What the watches of a run cost: the time of their calls, or what it took longer than one of which nothing was seen,
   since plans that show every value are slower. */
static double cost_of(const watch_set *s, uint64_t ns, uint64_t spent)
{
    const uint64_t longer = s->unseen && ns > s->unseen ? ns - s->unseen : 0;
    return (double)(longer > spent ? longer : spent);
}

/* Accounts a run that w saw. */
static void pay(sib_watch *w, double cost)
{
    const double owed = cost > w->credit ? cost - w->credit : 0;
    w->credit -= cost - owed;
    w->debt = owed / w->o.share;
}

void watch_set_ran(watch_set *s, uint64_t ns, uint64_t spent)
{
    pthread_mutex_lock(&s->lock);
    const double cost = cost_of(s, ns, spent);
    for (size_t i = 0; i < s->n; i++) {
        sib_watch *w = s->items[i];
        w->skipped += w->debt > 0;
        if (w->debt > 0)
            w->debt = w->debt > (double)ns ? w->debt - (double)ns : 0;
        else if (w->o.share > 0 && spent)
            pay(w, cost);
    }
    if (!spent)
        s->unseen = ns;
    count_active(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- Watches ----------------------------------------------------------------------------------------- */

static void watch_free(sib_watch *w)
{
    for (size_t i = 0; w->o.names && i < w->o.n_names; i++)
        mem_free((char *)w->o.names[i]);
    mem_free((void *)w->o.names);
    mem_free(w);
}

static sib_code copy_names(sib_watch *w, const sib_watch_options *o, sib_error *err)
{
    char **names = mem_calloc(o->n_names + 1, sizeof *names);
    w->o.names = (const char *const *)names;
    for (size_t i = 0; names && i < o->n_names; i++)
        if (!(names[i] = mem_strdup(o->names[i])))
            return err_memory(err, strlen(o->names[i]), "the names of a watch");
    return names ? SIB_OK : err_memory(err, o->n_names * sizeof *names, "the names of a watch");
}

sib_code watch_set_add(watch_set *s, const sib_watch_options *o, sib_watch **out, sib_error *err)
{
    *out = NULL;
    if (!o->on_value && !o->on_digest && !o->on_event)
        return err_set(err, SIB_ERR_ARGUMENT, "the watch has no callback");
    if (!(o->share >= 0 && o->share <= 1))
        return err_set(err, SIB_ERR_ARGUMENT, "the share is %g, expected 0 to 1", o->share);
    if (o->share > 0 && o->every_run)
        return err_set(err, SIB_ERR_ARGUMENT, "the watch has a share, %g, and wants every run", o->share);
    sib_watch *w = mem_calloc(1, sizeof *w);
    if (!w)
        return err_memory(err, sizeof *w, "a watch");
    w->o = *o;
    w->set = s;
    if (o->on_digest && !o->on_value && o->share == 0 && !o->every_run) {
        w->o.share = SIB_WATCH_SHARE;
        w->credit = SIB_WATCH_SECONDS * 1e9;
    }
    sib_code code = copy_names(w, o, err);
    if (code == SIB_OK) {
        pthread_mutex_lock(&s->lock);
        w->serial = ++s->serial;
        code = ARRAY_PUSH(s->items, s->n, s->capacity, "the watches of a session", err, w);
        s->references += code == SIB_OK;
        count_active(s);
        pthread_mutex_unlock(&s->lock);
    }
    if (code == SIB_OK)
        *out = w;
    else
        watch_free(w);
    return code;
}

/* Whether all calls of w that run are of this thread. The lock is held. */
static bool only_own_calls(const sib_watch *w)
{
    for (const watch_call *c = w->calls; c; c = c->next)
        if (!pthread_equal(c->thread, pthread_self()))
            return false;
    return true;
}

void sib_watch_remove(sib_watch **wp)
{
    sib_watch *w = wp ? *wp : NULL;
    if (!w)
        return;
    *wp = NULL;
    watch_set *s = w->set;
    pthread_mutex_lock(&s->lock);
    size_t at = 0;
    while (s->items[at] != w)
        at++;
    memmove(&s->items[at], &s->items[at + 1], (s->n - at - 1) * sizeof *s->items);
    s->n--;
    count_active(s);
    while (!only_own_calls(w))
        pthread_cond_wait(&s->finished, &s->lock);
    if (w->calls)
        w->removed = true;
    else
        watch_free(w);
    unlock_and_release(s);
}

uint64_t sib_watch_skipped(const sib_watch *w)
{
    if (!w)
        return 0;
    pthread_mutex_lock(&w->set->lock);
    const uint64_t skipped = w->skipped;
    pthread_mutex_unlock(&w->set->lock);
    return skipped;
}

/* ---- Calls ------------------------------------------------------------------------------------------- */

/* The call of c ends. The lock is held. */
static void end_call(watch_set *s, sib_watch *w, watch_call *c)
{
    watch_call **at = &w->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (w->removed && !w->calls)
        watch_free(w);
    else
        pthread_cond_broadcast(&s->finished);
}

/* Ends the call of `last`, unless that is NULL, and begins one of the next watch after *serial that `wants`. NULL at
   the end. */
static sib_watch *next_call(watch_set *s, sib_watch *last, uint64_t *serial, watch_call *c,
                            bool (*wants)(const sib_watch *w, const void *what), const void *what)
{
    sib_watch *found = NULL;
    pthread_mutex_lock(&s->lock);
    if (last)
        end_call(s, last, c);
    for (size_t i = 0; i < s->n && wants && !found; i++)
        if (s->items[i]->serial > *serial && s->items[i]->debt <= 0 && wants(s->items[i], what))
            found = s->items[i];
    if (found) {
        *serial = found->serial;
        *c = (watch_call){pthread_self(), found->calls};
        found->calls = c;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static bool wants_value(const sib_watch *w, const void *what)
{
    const sib_tap_event *e = what;
    bool wanted = w->o.n_names == 0;
    if (!sees_values(w) || (e->milli && !w->o.inside))
        return false;
    for (size_t i = 0; i < w->o.n_names && !wanted; i++)
        wanted = !strcmp(w->o.names[i], e->name) || !fnmatch(w->o.names[i], e->name, 0);
    return wanted;
}

static bool wants_events(const sib_watch *w, const void *what)
{
    (void)what;
    return w->o.on_event;
}

/* A digest is made once for all watches, and again where one wants it exact. */
sib_code watch_set_value(watch_set *s, const sib_tap_event *event, sib_error *err)
{
    sib_watch *w = NULL;
    watch_call call;
    uint64_t serial = 0;
    sib_digest digest;
    bool made = false;
    sib_digest_options how = {.pool = s->pool};
    sib_code code = SIB_OK;
    while ((w = next_call(s, w, &serial, &call, code == SIB_OK ? wants_value : NULL, event))) {
        const sib_watch_options o = w->o; /* the callback may remove w */
        if (o.on_digest && (!made || (o.exact && !how.exact))) {
            how.exact = o.exact;
            code = sib_digest_of(event->value, &how, &digest, err);
            made = code == SIB_OK;
        }
        if (code == SIB_OK && o.on_value)
            code = o.on_value(o.context, event, err);
        if (code == SIB_OK && o.on_digest)
            code = o.on_digest(o.context, event, &digest, err);
    }
    return code;
}

void watch_set_event(watch_set *s, const sib_time_span *span, bool begins)
{
    sib_watch *w = NULL;
    watch_call call;
    uint64_t serial = 0;
    while ((w = next_call(s, w, &serial, &call, wants_events, NULL)))
        w->o.on_event(w->o.context, span, begins);
}

plan_view watch_set_view(watch_set *s, bool *whole)
{
    plan_view view = PLAN_CLOSED;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n; i++) {
        const sib_watch_options *o = &s->items[i]->o;
        if (!sees_values(s->items[i]) || o->optimised || s->items[i]->debt > 0)
            continue;
        *whole = true;
        view = o->inside ? PLAN_INSIDE : view == PLAN_CLOSED ? PLAN_OPEN : view;
    }
    pthread_mutex_unlock(&s->lock);
    return view;
}
