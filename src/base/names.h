/* Names to numbers. */
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
    name_entry *entries; /* (n) in the order in which they were put */
    uint32_t *slots;     /* (n_slots) number of an entry plus 1, or 0; a power of two, at most half full */
    size_t n, capacity, n_slots;
} name_map;

/* True and the number where the name is there. */
bool name_map_find(const name_map *m, sib_str name, uint32_t *number);
/* Puts a name that is not there, or replaces its number. False where memory cannot be had. */
bool name_map_put(name_map *m, sib_str name, uint32_t number);
void name_map_clear(name_map *m);

#endif
