#include "server/runs/live_inner.h"

#include <stdlib.h>
#include <string.h>

subscription *subscription_hold(subscription *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void subscription_release(subscription *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->n_names; i++)
        free(s->names[i]);
    free(s->names);
    free(s->model);
    free(s->call);
    free(s->slice);
    peer_release(s->peer);
    free(s);
}

/* Whether the run uses this call: of a job it may be any of its own. */
static bool uses_call(const run *r, const char *call)
{
    const char *name;
    bool found = !r->is_job && !strcmp(call, r->call ? r->call : "");
    for (size_t i = 0; !found && r->is_job && sib_job_session(r->model->job, i, &name); i++)
        found = !strcmp(call, name);
    return found;
}

bool subscription_matches(const subscription *s, const run *r)
{
    return (!s->run || s->run == r->number) && (!s->model || !strcmp(s->model, r->model->id)) &&
           (!s->call || uses_call(r, s->call));
}

bool live_mark_events(live *all, const run *r)
{
    bool any = false;
    for (follower *f = all->followers; f; f = f->next)
        f->marked = false;
    for (subscription *s = all->subscriptions; s; s = s->next)
        if (s->events && subscription_matches(s, r))
            any = s->by->marked = true;
    return any;
}

bool live_mark(live *all, const run *r, bool all_runs)
{
    bool any = false;
    for (follower *f = all->followers; f; f = f->next)
        any |= f->marked = all_runs && f->runs;
    for (subscription *s = all->subscriptions; s; s = s->next)
        if (!s->by->marked && (all_runs || !s->values_only) && subscription_matches(s, r))
            any = s->by->marked = true;
    return any;
}

void live_tell_marked(live *all, peer_class class, char *text)
{
    for (follower *f = all->followers; f && text; f = f->next)
        if (f->marked)
            peer_send(f->peer, false, class, text, strlen(text));
    free(text);
}
