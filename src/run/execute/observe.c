#include "run/execute/observe.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- Taps ------------------------------------------------------------------------------------------- */

bool observe_wants(const sib_run_options *o, const char *name)
{
    if (!o || !o->tap)
        return false;
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

/* ---- Profiles --------------------------------------------------------------------------------------- */

/* The calls of one node, operator or milli-op. */
typedef struct profile_entry {
    char *node, *type, *backend;
    uint64_t calls;
    double seconds;
} profile_entry;

typedef struct profile_list {
    profile_entry *items; /* (n) */
    size_t n, capacity;
    bool sorted;
} profile_list;

#define PROFILE_VIEWS (SIB_PROFILE_BY_MILLI + 1)

struct sib_profile {
    pthread_mutex_t lock;
    profile_list views[PROFILE_VIEWS];
};

sib_code sib_profile_create(sib_profile **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a profile");
    (*out)->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return SIB_OK;
}

void sib_profile_free(sib_profile **p)
{
    if (!p || !*p)
        return;
    for (int v = 0; v < PROFILE_VIEWS; v++) {
        for (size_t i = 0; i < (*p)->views[v].n; i++) {
            mem_free((*p)->views[v].items[i].node);
            mem_free((*p)->views[v].items[i].type);
            mem_free((*p)->views[v].items[i].backend);
        }
        mem_free((*p)->views[v].items);
    }
    pthread_mutex_destroy(&(*p)->lock);
    mem_free(*p);
    *p = NULL;
}

/* Adds to the entry with these names, made if missing. Where memory fails nothing is counted. */
static void count(profile_list *list, const char *name, const char *type, const char *backend, uint64_t calls,
                  double seconds)
{
    /* entries repeat in the same order, so the search starts from the newest */
    for (size_t i = list->n; i-- > 0;) {
        profile_entry *e = &list->items[i];
        if (!strcmp(e->node, name) && !strcmp(e->type, type) && !strcmp(e->backend, backend)) {
            e->calls += calls;
            e->seconds += seconds;
            return;
        }
    }
    if (ARRAY_RESERVE(list->items, list->capacity, list->n + 1, "a profile", NULL) != SIB_OK)
        return;
    profile_entry e = {mem_strdup(name), mem_strdup(type), mem_strdup(backend), calls, seconds};
    if (e.node && e.type && e.backend) {
        list->items[list->n++] = e;
        return;
    }
    mem_free(e.node);
    mem_free(e.type);
    mem_free(e.backend);
}

void profile_add(sib_profile *p, const graph *g, const node *n, const char *milli, bool begins,
                 const char *backend, double seconds)
{
    char name[200];
    const char *type = n->type.data ? n->type.data : "";
    if (n->name.length)
        snprintf(name, sizeof name, "%.*s", (int)n->name.length, n->name.data);
    else
        snprintf(name, sizeof name, "node%u", (unsigned)(n - g->nodes));
    pthread_mutex_lock(&p->lock);
    for (int v = 0; v < PROFILE_VIEWS; v++)
        p->views[v].sorted = false;
    count(&p->views[SIB_PROFILE_BY_NODE], name, type, backend, begins, seconds);
    count(&p->views[SIB_PROFILE_BY_OPERATOR], "", type, backend, begins, seconds);
    count(&p->views[SIB_PROFILE_BY_MILLI], "", milli ? milli : type, backend, 1, seconds);
    pthread_mutex_unlock(&p->lock);
}

static int longer_first(const void *a, const void *b)
{
    const profile_entry *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

bool sib_profile_get(const sib_profile *p, sib_profile_by by, size_t i, sib_profile_row *out)
{
    sib_profile *mine = (sib_profile *)p; /* the order of the rows is not observable state */
    if ((unsigned)by >= PROFILE_VIEWS)
        return false;
    profile_list *list = &mine->views[by];
    pthread_mutex_lock(&mine->lock);
    if (!list->sorted) {
        if (list->n)
            qsort(list->items, list->n, sizeof *list->items, longer_first);
        list->sorted = true;
    }
    bool there = i < list->n;
    if (there) {
        const profile_entry *e = &list->items[i];
        *out = (sib_profile_row){e->node, e->type, e->backend, e->calls, e->seconds};
    }
    pthread_mutex_unlock(&mine->lock);
    return there;
}
