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

bool subscription_matches(const subscription *s, const run *r)
{
    return (!s->run || s->run == r->number) && (!s->model || !strcmp(s->model, r->model->id)) &&
           (!s->call || !strcmp(s->call, r->call ? r->call : ""));
}

bool live_mark(live *all, const run *r, bool all_runs)
{
    bool any = false;
    for (follower *f = all->followers; f; f = f->next)
        any |= f->marked = all_runs && f->runs;
    for (subscription *s = all->subscriptions; s; s = s->next)
        if (!s->by->marked && subscription_matches(s, r))
            any = s->by->marked = true;
    return any;
}
