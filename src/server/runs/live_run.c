/* A run that goes on: its watches, which its own thread adds and removes between two nodes, and its progress. */
#include "server/http/state.h"
#include "server/runs/live_frame.h"
#include "server/runs/live_inner.h"
#include "server/values/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_NSEC (100 * UINT64_C(1000000)) /* between two messages of a run */

static bool own_thread(const live_run *l)
{
    return pthread_equal(l->thread, pthread_self());
}

/* ---- Values ---- */

/* A hash (FNV-1a) of the name, the same in all iterations: "loops[3]/d" counts as "loops[]/d". */
static uint64_t hash_without_iterations(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    bool iteration = false;
    for (; *name; name++) {
        iteration = *name == '[' || (iteration && *name >= '0' && *name <= '9');
        if (!iteration || *name == '[')
            hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Whether another iteration's value was sent less than the interval ago: a loop makes more than anybody reads. */
static bool too_soon(watched *w, const char *name, uint64_t now)
{
    const double interval = w->subscription->interval;
    if (!(interval > 0))
        return false;
    const uint64_t hash = hash_without_iterations(name), place = hash % LIVE_SENT;
    if (w->sent[place].hash == hash && (double)(now - w->sent[place].at) < interval * 1e9)
        return true;
    w->sent[place].hash = hash;
    w->sent[place].at = now;
    return false;
}

static sib_code on_value(void *context, const sib_tap_event *e, sib_error *err)
{
    watched *w = context;
    live_run *l = w->at->of;
    (void)err;
    if (!own_thread(l) || atomic_load(&w->subscription->ended) || peer_gone(w->subscription->peer))
        return SIB_OK;
    uint64_t began = sib_time_ns();
    if (!too_soon(w, e->name, began))
        live_frame_send(w->at, w->subscription, e);
    w->spent += sib_time_ns() - began;
    return SIB_OK;
}

/* Whether a session is of the call that s wants, and has no watch for it yet. */
static bool needs_watch(const live_session *at, const subscription *s)
{
    const watched *w = at->of->watched;
    while (w && (w->subscription != s || w->at != at))
        w = w->next;
    return !w && !(s->call && at->call && strcmp(s->call, at->call) != 0);
}

static void add_watch(live_session *at, subscription *s)
{
    live_run *l = at->of;
    watched *w = calloc(1, sizeof *w);
    if (!w)
        return;
    *w = (watched){.at = at, .subscription = subscription_hold(s), .next = l->watched};
    sib_watch_options o = {.names = (const char *const *)s->names,
                           .n_names = s->n_names,
                           .inside = s->inside,
                           .optimised = s->optimised,
                           .context = w,
                           .on_value = on_value};
    if (sib_watch_add(at->session, &o, &w->watch, NULL) == SIB_OK)
        l->watched = w;
    else {
        subscription_release(s);
        free(w);
    }
}

/* Another run's thread may be in a callback, but there it waits for nothing. */
static void remove_watch(watched *w)
{
    sib_watch_remove(&w->watch);
    subscription_release(w->subscription);
    free(w);
}

/* Adds and removes watches as subscriptions have come and gone. */
static void look_again(live_run *l)
{
    pthread_mutex_lock(&l->all->lock);
    for (watched **at = &l->watched; *at;) {
        watched *w = *at;
        if (!atomic_load(&w->subscription->ended)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        remove_watch(w);
    }
    bool events = false;
    for (subscription *s = l->all->subscriptions; s; s = s->next) {
        bool matches = subscription_matches(s, l->run);
        events = events || (matches && s->events);
        for (size_t i = 0; matches && i < l->n_sessions && s->n_names && s->debt <= 0; i++)
            if (needs_watch(&l->sessions[i], s))
                add_watch(&l->sessions[i], s);
    }
    atomic_store(&l->wants_events, events);
    pthread_mutex_unlock(&l->all->lock);
}

/* ---- Events ---- */

static void note_place(live_run *l, const sib_time_span *span)
{
    if (!l->places.capacity &&
        !places_make(&l->places, sib_model_graph(sib_session_model(l->sessions[0].session), 0)))
        places_clear(&l->places);
    size_t place;
    bool found = places_find(&l->places, span->name, &place);
    pthread_mutex_lock(&l->lock);
    l->tier = "nodes";
    l->total = (double)l->places.n;
    if (found && (double)place > l->done)
        l->done = (double)place;
    strncpy(l->node, span->name, sizeof l->node - 1);
    strncpy(l->op_type, span->op_type, sizeof l->op_type - 1);
    l->moved = true;
    pthread_mutex_unlock(&l->lock);
}

static void on_event(void *context, const sib_time_span *span, bool begins)
{
    live_session *at = context;
    live_run *l = at->of;
    if (!own_thread(l))
        return;
    if (atomic_exchange(&l->changed, false))
        look_again(l);
    if (begins && span->kind == SIB_SPAN_NODE && !at->call)
        note_place(l, span);
    if (!begins && atomic_load(&l->wants_events))
        live_note_event(at, span);
}

void live_run_change(live_run *l)
{
    for (size_t i = 0; i < l->n_sessions; i++) {
        live_session *at = &l->sessions[i];
        sib_watch_options o = {.context = at, .optimised = true, .on_event = on_event};
        if (!at->control)
            sib_watch_add(at->session, &o, &at->control, NULL);
    }
    atomic_store(&l->changed, true);
    pthread_mutex_lock(&l->lock);
    l->moved = l->tier; /* who joins gets the present state */
    pthread_mutex_unlock(&l->lock);
}

/* A whole number where it is one. */
static json_t *amount_json(double amount)
{
    return amount == floor(amount) && amount < 1e15 ? json_integer((json_int_t)amount) : json_real(amount);
}

json_t *live_run_progress(live_run *l, uint64_t now)
{
    json_t *message = NULL;
    char id[32];
    snprintf(id, sizeof id, "r%llu", (unsigned long long)l->run->number);
    pthread_mutex_lock(&l->lock);
    if (l->moved && now - l->progress_sent >= PROGRESS_NSEC) {
        message = json_pack("{s:s, s:s, s:s, s:o, s:o}", "op", "progress", "run", id, "tier", l->tier, "done",
                            amount_json(l->done), "total", amount_json(l->total));
        if (message && !l->run->is_job)
            json_object_set_new(message, "node",
                                json_pack("{s:o, s:o}", "name", text_json(l->node, MAX_NAME), "op_type",
                                          text_json(l->op_type, MAX_NAME)));
        l->moved = false;
        l->progress_sent = now;
    }
    pthread_mutex_unlock(&l->lock);
    return message;
}

/* ---- Begin and end ---- */

/* Lists the session of a graph, or those of the calls of the run's job, each once. Returns false where memory fails. */
static bool list_sessions(live_run *l, sib_session *session)
{
    const sib_job *job = session ? NULL : l->run->model->job;
    size_t n = 0;
    while (job && sib_job_session(job, n, NULL))
        n++;
    l->sessions = calloc(n + 1, sizeof *l->sessions);
    if (l->sessions && session)
        l->sessions[l->n_sessions++] = (live_session){.of = l, .session = session};
    for (size_t i = 0; l->sessions && i < n; i++) {
        live_session *at = &l->sessions[l->n_sessions++];
        at->of = l;
        at->session = sib_job_session(job, i, &at->call);
    }
    return l->sessions;
}

live_run *live_begin(live *all, run *r, sib_session *session)
{
    live_run *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->all = all;
    l->run = r;
    if (!list_sessions(l, session)) {
        free(l);
        return NULL;
    }
    l->thread = pthread_self();
    l->began = sib_time_ns();
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_lock(&all->lock);
    bool followed = live_mark(all, r, true);
    if (followed)
        live_run_change(l);
    l->next = all->runs;
    all->runs = l;
    pthread_mutex_unlock(&all->lock);
    if (followed)
        look_again(l); /* before the run chooses its graph and plan */
    return l;
}

/* What subscriptions with a share have spent of this run keeps them from looking at the next ones. */
static void settle(live_run *l)
{
    double seconds = (double)(sib_time_ns() - l->began) / 1e9;
    for (subscription *s = l->all->subscriptions; s; s = s->next) {
        if (!(s->share > 0) || !subscription_matches(s, l->run))
            continue;
        uint64_t spent = 0;
        for (const watched *w = l->watched; w; w = w->next)
            spent += w->subscription == s ? w->spent : 0;
        if (s->debt > 0)
            s->debt = s->debt > seconds ? s->debt - seconds : 0;
        else
            s->debt = (double)spent / 1e9 / s->share;
    }
}

void live_end(live_run **lp)
{
    live_run *l = *lp;
    if (!l)
        return;
    pthread_mutex_lock(&l->all->lock);
    live_run **at = &l->all->runs;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    settle(l);
    live_tell_events(l);
    json_decref(l->told);
    pthread_mutex_unlock(&l->all->lock);
    for (size_t i = 0; i < l->n_sessions; i++)
        sib_watch_remove(&l->sessions[i].control);
    for (watched *w = l->watched, *next; w; w = next) {
        next = w->next;
        remove_watch(w);
    }
    places_clear(&l->places);
    buffer_free(&l->events);
    free(l->sessions);
    pthread_mutex_destroy(&l->lock);
    free(l);
    *lp = NULL;
}
