#include "server/runs/runs.h"

#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>

struct runs {
    struct server *server;
    pthread_mutex_t lock;
    run *all[MAX_RUNS]; /* in the order in which they began */
    size_t n;
    uint64_t last_number;
};

runs *runs_create(struct server *s)
{
    runs *all = calloc(1, sizeof *all);
    if (all) {
        all->server = s;
        pthread_mutex_init(&all->lock, NULL);
    }
    return all;
}

void runs_free(runs **all)
{
    if (!*all)
        return;
    for (size_t i = 0; i < (*all)->n; i++)
        run_release((*all)->all[i]);
    pthread_mutex_destroy(&(*all)->lock);
    free(*all);
    *all = NULL;
}

/* Whether the run has ended, and when it began to run. */
static bool has_ended(run *r, double *started)
{
    pthread_mutex_lock(&r->lock);
    bool ended = r->state > RUN_RUNNING;
    *started = r->started;
    pthread_mutex_unlock(&r->lock);
    return ended;
}

/* Whether the client that waits for it has gone. */
static bool is_left(run *r)
{
    pthread_mutex_lock(&r->lock);
    bool left = r->by && exchange_cancelled(r->by);
    pthread_mutex_unlock(&r->lock);
    return left;
}

void runs_tick(runs *all, bool every)
{
    double at = run_clock(), started;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n; i++) {
        run *r = all->all[i];
        bool ended = has_ended(r, &started), over = started && at - started > all->server->options.time_limit;
        if (ended || !(over || every || is_left(r)))
            continue;
        atomic_store(&r->timed_out, over);
        sib_cancel_set(r->cancel);
    }
    pthread_mutex_unlock(&all->lock);
}

/* Takes run i out of the list. The caller holds the lock and gets the list's reference. */
static run *take_out(runs *all, size_t i)
{
    run *r = all->all[i];
    memmove(&all->all[i], &all->all[i + 1], (--all->n - i) * sizeof(run *));
    return r;
}

sib_code runs_add(runs *all, run *r, sib_error *err)
{
    run *gone = NULL;
    double started;
    sib_code code = SIB_OK;
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; all->n == MAX_RUNS && i < all->n; i++)
        if (has_ended(all->all[i], &started))
            gone = take_out(all, i);
    if (all->n == MAX_RUNS)
        code = server_fail(err, SIB_ERR_SIZE, "%d runs wait or go on, as many as may be", MAX_RUNS);
    else {
        r->number = ++all->last_number;
        all->all[all->n++] = run_hold(r);
    }
    pthread_mutex_unlock(&all->lock);
    run_release(gone);
    return code;
}

/* The place of run "r12", all->n where there is none. The caller holds the lock. */
static size_t find(runs *all, const char *id)
{
    size_t i = 0, digits = strlen(id) > 1 ? strlen(id) - 1 : 0;
    bool good =
        id[0] == 'r' && digits && digits < 19 && strspn(id + 1, "0123456789") == digits && id[1] != '0';
    uint64_t number = good ? strtoull(id + 1, NULL, 10) : 0;
    while (i < all->n && all->all[i]->number != number)
        i++;
    return i;
}

run *runs_hold(runs *all, const char *id)
{
    pthread_mutex_lock(&all->lock);
    size_t i = find(all, id);
    run *r = i < all->n ? run_hold(all->all[i]) : NULL;
    pthread_mutex_unlock(&all->lock);
    return r;
}

run *runs_hold_at(runs *all, size_t i)
{
    pthread_mutex_lock(&all->lock);
    run *r = i < all->n ? run_hold(all->all[all->n - 1 - i]) : NULL;
    pthread_mutex_unlock(&all->lock);
    return r;
}

void runs_forget(runs *all, run *r)
{
    run *gone = NULL;
    sib_cancel_set(r->cancel);
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->n && !gone; i++)
        if (all->all[i] == r)
            gone = take_out(all, i);
    pthread_mutex_unlock(&all->lock);
    run_release(gone);
}
