#include "server/runs/live_places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a name is, or the empty slot where it would be. Some slots are always empty. */
static size_t slot_of(const live_places *p, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    size_t i = (size_t)(hash ^ hash >> 32) & (p->capacity - 1);
    while (p->slots[i] && strcmp(p->names[p->slots[i] - 1], name) != 0)
        i = (i + 1) & (p->capacity - 1);
    return i;
}

static char *name_of(const sib_graph *g, size_t i)
{
    sib_node_info n;
    char text[32];
    if (!sib_graph_node(g, i, &n))
        return NULL;
    snprintf(text, sizeof text, "node%zu", i);
    return strdup(n.name && n.name[0] ? n.name : text);
}

bool places_make(live_places *p, const sib_graph *g)
{
    sib_graph_info info;
    sib_graph_get_info(g, &info);
    *p = (live_places){.capacity = 16};
    while (p->capacity < 2 * info.n_nodes)
        p->capacity *= 2;
    p->slots = calloc(p->capacity, sizeof *p->slots);
    p->names = calloc(info.n_nodes + 1, sizeof *p->names);
    while (p->slots && p->names && p->n < info.n_nodes) {
        char *name = p->names[p->n] = name_of(g, p->n);
        if (!name)
            return false;
        size_t at = slot_of(p, name);
        p->n++;
        if (!p->slots[at])
            p->slots[at] = (uint32_t)p->n;
    }
    return p->slots && p->names;
}

void places_clear(live_places *p)
{
    for (size_t i = 0; p->names && i < p->n; i++)
        free(p->names[i]);
    free(p->names);
    free(p->slots);
    *p = (live_places){0};
}

bool places_find(const live_places *p, const char *name, size_t *place)
{
    uint32_t at = p->capacity ? p->slots[slot_of(p, name)] : 0;
    *place = at ? at - 1 : 0;
    return at;
}
