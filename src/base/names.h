/* A hash map from names to numbers. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <sibyl/tensor.h>

typedef struct name_entry {
    sib_str name; /* borrowed */
    uint64_t hash;
    uint32_t number;
} name_entry;

/* All zero is an empty map. Names are borrowed and must outlive it. */
typedef struct name_map {
    name_entry *entries; /* (n) in order of insertion */
    /* (n_slots) index of an entry plus 1, or 0; n_slots is a power of two, at most half of them used */
    uint32_t *slots;
    size_t n, capacity, n_slots;
} name_map;

/* True, with the number, where the name is present. */
bool name_map_find(const name_map *m, sib_str name, uint32_t *number);
/* Adds a name, or replaces its number. Returns false where memory fails. */
bool name_map_put(name_map *m, sib_str name, uint32_t number);
void name_map_clear(name_map *m);

#endif
