#include "server/http/gate.h"

#include <time.h>

#define LOOK_NS 20000000 /* between two looks at whether a request was cancelled */

void gate_create(gate *g, unsigned room)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->left, &how);
    pthread_condattr_destroy(&how);
    g->room = room;
}

void gate_free(gate *g)
{
    pthread_cond_destroy(&g->left);
    pthread_mutex_destroy(&g->lock);
}

bool gate_enter(gate *g, const exchange *x)
{
    pthread_mutex_lock(&g->lock);
    while (!g->room && !exchange_cancelled(x)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&g->left, &g->lock, &until);
    }
    bool enters = g->room && !exchange_cancelled(x);
    g->room -= enters;
    pthread_mutex_unlock(&g->lock);
    return enters;
}

unsigned gate_enter_some(gate *g, unsigned wanted)
{
    pthread_mutex_lock(&g->lock);
    unsigned n = wanted < g->room ? wanted : g->room;
    g->room -= n;
    pthread_mutex_unlock(&g->lock);
    return n;
}

void gate_leave(gate *g, unsigned n)
{
    pthread_mutex_lock(&g->lock);
    g->room += n;
    pthread_cond_broadcast(&g->left);
    pthread_mutex_unlock(&g->lock);
}
