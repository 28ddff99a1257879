#include "server/models/openings.h"

#include "server/values/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct opening {
    openings *all;
    uint64_t number; /* unique in the process */
    const char *tier;
    double fraction;
    char file[256], what[256];
    opening *next; /* the one that began after it */
};

struct openings {
    pthread_mutex_t lock; /* of all below */
    opening *list;
    uint64_t n_begun;
    atomic_ullong version; /* changes under the lock */
};

openings *openings_create(void)
{
    openings *all = calloc(1, sizeof *all);
    if (all)
        pthread_mutex_init(&all->lock, NULL);
    return all;
}

void openings_free(openings **all)
{
    if (!*all)
        return;
    pthread_mutex_destroy(&(*all)->lock);
    free(*all);
    *all = NULL;
}

opening *openings_begin(openings *all, const char *file)
{
    opening *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->all = all;
    o->tier = "";
    o->fraction = -1;
    snprintf(o->file, sizeof o->file, "%.*s", (int)sizeof o->file - 1, file);
    pthread_mutex_lock(&all->lock);
    opening **at = &all->list;
    while (*at)
        at = &(*at)->next;
    *at = o;
    o->number = ++all->n_begun;
    atomic_fetch_add(&all->version, 1);
    pthread_mutex_unlock(&all->lock);
    return o;
}

void opening_tell(opening *o, const char *tier, double fraction, const char *what)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->all->lock);
    o->tier = tier;
    o->fraction = fraction;
    snprintf(o->what, sizeof o->what, "%.*s", (int)sizeof o->what - 1, what);
    atomic_fetch_add(&o->all->version, 1);
    pthread_mutex_unlock(&o->all->lock);
}

void openings_end(opening **op)
{
    opening *o = *op;
    if (!o)
        return;
    pthread_mutex_lock(&o->all->lock);
    opening **at = &o->all->list;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    atomic_fetch_add(&o->all->version, 1);
    pthread_mutex_unlock(&o->all->lock);
    free(o);
    *op = NULL;
}

uint64_t openings_version(openings *all)
{
    return atomic_load(&all->version);
}

json_t *openings_json(openings *all)
{
    json_t *list = json_array();
    pthread_mutex_lock(&all->lock);
    for (const opening *o = all->list; o; o = o->next)
        json_array_append_new(list, json_pack("{s:I, s:o, s:s, s:o, s:o}", "number", (json_int_t)o->number,
                                              "file", text_json(o->file, MAX_NAME), "tier", o->tier, "done",
                                              o->fraction < 0 ? json_null() : json_real(o->fraction), "what",
                                              text_json(o->what, MAX_NAME)));
    pthread_mutex_unlock(&all->lock);
    return list;
}
