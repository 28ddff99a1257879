/* The places of a graph's nodes by their names, as spans of runs name them. */
#ifndef SIB_SERVER_LIVE_PLACES_H
#define SIB_SERVER_LIVE_PLACES_H

#include <sibyl/sibyl.h>

/* All zero: not made. */
typedef struct live_places {
    size_t n, capacity; /* capacity: a power of two */
    uint32_t *slots;    /* (capacity) place + 1, or 0 */
    char **names;       /* (n) */
} live_places;

/* Returns false where memory fails. places_clear in both cases. */
bool places_make(live_places *p, const sib_graph *g);
void places_clear(live_places *p);
/* Returns false where no node has the name. */
bool places_find(const live_places *p, const char *name, size_t *place);

#endif
