/* Followers, their subscriptions, and what is sent to all of them. */
#include "server/runs/live_inner.h"

#include "server/http/state.h"
#include "server/models/openings.h"
#include "server/runs/run_json.h"
#include "server/runs/runs.h"

#include <stdlib.h>
#include <string.h>

#define LOSS_NSEC     (500 * UINT64_C(1000000)) /* between two messages of losses */
#define OPENINGS_NSEC (100 * UINT64_C(1000000)) /* of models that are being opened */

live *live_create(struct server *s)
{
    live *all = calloc(1, sizeof *all);
    if (all) {
        all->server = s;
        pthread_mutex_init(&all->lock, NULL);
    }
    return all;
}

void live_free(live **all)
{
    if (!*all)
        return;
    SERVER_CHECK(!(*all)->followers && !(*all)->runs && !(*all)->subscriptions);
    pthread_mutex_destroy(&(*all)->lock);
    free(*all);
    *all = NULL;
}

/* ---- Messages ---- */

/* Takes the message; NULL: memory failed. */
static char *dump(json_t *message)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    json_decref(message);
    return text;
}

/* Takes the message. */
static void tell(peer *p, json_t *message)
{
    char *text = dump(message);
    if (text)
        peer_send(p, false, PEER_MUST, text, strlen(text));
    free(text);
}

static json_t *state_message(run *r)
{
    json_t *message = run_json(r);
    if (message)
        json_object_set_new(message, "op", json_string("run"));
    return message;
}

/* ---- Subscriptions ---- */

/* Has the runs that match look again. The caller holds the lock. */
static void change(live *all, const subscription *s)
{
    for (live_run *l = all->runs; l; l = l->next)
        if (!s || subscription_matches(s, l->run))
            live_run_change(l);
}

/* Whether the follower had what the run tells before this subscription. */
static bool has_past(const live *all, const subscription *s, const run *r)
{
    const subscription *other = all->subscriptions;
    while (other &&
           (other == s || other->values_only || other->peer != s->peer || !subscription_matches(other, r)))
        other = other->next;
    return other;
}

/* What the run has told so far, but for what was too much. */
static void tell_past(const live_run *l, peer *p)
{
    size_t i;
    json_t *text;
    json_array_foreach(l->told, i, text)
    {
        peer_send(p, false, PEER_MUST, json_string_value(text), json_string_length(text));
    }
}

/* Tells a new subscriber the state of its run, or of those that go on, and what these have told. named: NULL for any. The
   caller holds the lock. */
static void tell_states(live *all, const follower *f, const subscription *s, run *named)
{
    if (named)
        tell(f->peer, state_message(named));
    for (live_run *l = all->runs; l; l = l->next)
        if (subscription_matches(s, l->run)) {
            if (l->run != named)
                tell(f->peer, state_message(l->run));
            if (!s->values_only && !has_past(all, s, l->run))
                tell_past(l, f->peer);
        }
}

sib_code live_subscribe(live *all, follower *f, subscription *s, sib_error *err)
{
    sib_code code = SIB_OK;
    char id[32];
    snprintf(id, sizeof id, "r%llu", (unsigned long long)s->run);
    run *named = s->run ? runs_hold(all->server->runs, id) : NULL;
    pthread_mutex_lock(&all->lock);
    for (subscription *other = all->subscriptions; other && code == SIB_OK; other = other->next)
        if (other->peer == f->peer && other->id == s->id)
            code = server_fail(err, SIB_ERR_ARGUMENT, "this connection has a subscription %llu already",
                               (unsigned long long)s->id);
    if (code == SIB_OK && (f->n == MAX_LIVE_SUBSCRIPTIONS || all->n_subscriptions == MAX_LIVE_ALL))
        code = server_fail(err, SIB_ERR_SIZE, "a connection may have %d subscriptions, all together %d",
                           MAX_LIVE_SUBSCRIPTIONS, MAX_LIVE_ALL);
    if (code == SIB_OK) {
        s->by = f;
        s->next = all->subscriptions;
        all->subscriptions = s;
        all->n_subscriptions++;
        f->n++;
        tell(f->peer, json_pack("{s:s, s:I}", "op", "subscribed", "id", (json_int_t)s->id));
        tell_states(all, f, s, named);
        change(all, s);
    }
    pthread_mutex_unlock(&all->lock);
    run_release(named);
    if (code != SIB_OK)
        subscription_release(s);
    return code;
}

/* Ends the follower's subscription `id`, or all of them. The caller holds the lock. */
static bool end_subscriptions(live *all, follower *f, const uint64_t *id)
{
    bool found = false;
    for (subscription **at = &all->subscriptions; *at;) {
        subscription *s = *at;
        if (s->peer != f->peer || (id && s->id != *id)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        f->n--;
        all->n_subscriptions--;
        atomic_store(&s->ended, true);
        change(all, s);
        subscription_release(s);
        found = true;
    }
    return found;
}

bool live_unsubscribe(live *all, follower *f, uint64_t id)
{
    pthread_mutex_lock(&all->lock);
    bool found = end_subscriptions(all, f, &id);
    pthread_mutex_unlock(&all->lock);
    return found;
}

/* ---- Followers ---- */

follower *live_follow(live *all, peer *p)
{
    follower *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->peer = p;
    pthread_mutex_lock(&all->lock);
    f->next = all->followers;
    all->followers = f;
    atomic_fetch_add(&all->n_followers, 1);
    pthread_mutex_unlock(&all->lock);
    return f;
}

void live_unfollow(live *all, follower **fp)
{
    follower *f = *fp;
    if (!f)
        return;
    pthread_mutex_lock(&all->lock);
    end_subscriptions(all, f, NULL);
    follower **at = &all->followers;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    atomic_fetch_sub(&all->n_followers, 1);
    change(all, NULL);
    pthread_mutex_unlock(&all->lock);
    free(f);
    *fp = NULL;
}

bool live_follow_runs(live *all, follower *f)
{
    run *list[MAX_RUNS];
    size_t n = 0;
    pthread_mutex_lock(&all->lock);
    bool first = !f->runs;
    pthread_mutex_unlock(&all->lock);
    while (first && n < MAX_RUNS && (list[n] = runs_hold_at(all->server->runs, n)))
        n++;
    pthread_mutex_lock(&all->lock);
    f->runs = true;
    for (size_t i = n; i-- > 0;)
        tell(f->peer, state_message(list[i]));
    if (first)
        change(all, NULL);
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < n; i++)
        run_release(list[i]);
    return first;
}

static json_t *openings_message(const live *all)
{
    return json_pack("{s:s, s:o}", "op", "opening", "models", openings_json(all->server->openings));
}

bool live_follow_models(live *all, follower *f)
{
    pthread_mutex_lock(&all->lock);
    bool first = !f->models;
    f->models = true;
    if (first) {
        f->openings_sent = openings_version(all->server->openings);
        tell(f->peer, openings_message(all));
    }
    pthread_mutex_unlock(&all->lock);
    return first;
}

/* Tells followers of models that know an earlier version of them what there is now, all of it at once: the last message is
   true whichever of those before it were dropped. The caller holds the lock. */
static void tell_openings(live *all, uint64_t now)
{
    if (now - all->openings_at < OPENINGS_NSEC)
        return;
    const uint64_t version = openings_version(all->server->openings);
    bool any = false;
    for (follower *f = all->followers; f; f = f->next) {
        any |= f->marked = f->models && f->openings_sent != version;
        f->openings_sent = version;
    }
    if (!any)
        return;
    all->openings_at = now;
    live_tell_marked(all, PEER_DROPPABLE, dump(openings_message(all)));
}

/* Made and sent under the lock, so that states arrive in their order. */
void live_state(live *all, run *r)
{
    if (!atomic_load(&all->n_followers))
        return;
    pthread_mutex_lock(&all->lock);
    if (live_mark(all, r, true))
        live_tell_marked(all, PEER_MUST, dump(state_message(r)));
    pthread_mutex_unlock(&all->lock);
}

/* Sends the client a count of what it has lost since the last one. The caller holds the lock. */
static void tell_losses(follower *f, uint64_t now)
{
    uint64_t lost = now - f->loss_sent < LOSS_NSEC ? 0 : peer_take_dropped(f->peer);
    if (!lost)
        return;
    f->loss_sent = now;
    tell(f->peer, json_pack("{s:s, s:I}", "op", "lost", "count", (json_int_t)lost));
}

void live_tick(live *all)
{
    if (!atomic_load(&all->n_followers))
        return;
    uint64_t now = sib_time_ns();
    pthread_mutex_lock(&all->lock);
    for (live_run *l = all->runs; l; l = l->next) {
        json_t *message = live_run_progress(l, now);
        if (message && live_mark(all, l->run, true))
            live_tell_marked(all, PEER_DROPPABLE, dump(json_incref(message)));
        json_decref(message);
        live_tell_events(l);
    }
    tell_openings(all, now);
    for (follower *f = all->followers; f; f = f->next)
        tell_losses(f, now);
    pthread_mutex_unlock(&all->lock);
}
