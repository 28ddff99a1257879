#include "base/names.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/hash.h"
#include "base/str.h"

#include <string.h>

/* Returns the slot of the name, or the free slot where it belongs. */
static size_t find_slot(const name_map *m, sib_str name, uint64_t hash)
{
    size_t mask = m->n_slots - 1, slot = (size_t)hash & mask;
    for (; m->slots[slot]; slot = (slot + 1) & mask) {
        const name_entry *e = &m->entries[m->slots[slot] - 1];
        if (e->hash == hash && str_same(e->name, name))
            break;
    }
    return slot;
}

bool name_map_find(const name_map *m, sib_str name, uint32_t *number)
{
    if (m->n == 0)
        return false;
    size_t slot = find_slot(m, name, hash_bytes(name.data, name.length));
    if (!m->slots[slot])
        return false;
    *number = m->entries[m->slots[slot] - 1].number;
    return true;
}

/* Makes room for one more entry. */
static bool grow(name_map *m)
{
    if (m->n >= UINT32_MAX - 1)
        return false;
    if (ARRAY_RESERVE(m->entries, m->capacity, m->n + 1, "names", NULL) != SIB_OK)
        return false;
    if ((m->n + 1) * 2 <= m->n_slots)
        return true;
    size_t n_slots = m->n_slots ? m->n_slots * 2 : 32;
    uint32_t *slots = mem_calloc(n_slots, sizeof *slots);
    if (!slots)
        return false;
    mem_free(m->slots);
    m->slots = slots;
    m->n_slots = n_slots;
    for (size_t i = 0; i < m->n; i++)
        slots[find_slot(m, m->entries[i].name, m->entries[i].hash)] = (uint32_t)i + 1;
    return true;
}

bool name_map_put(name_map *m, sib_str name, uint32_t number)
{
    uint64_t hash = hash_bytes(name.data, name.length);
    if (!grow(m))
        return false;
    size_t slot = find_slot(m, name, hash);
    if (!m->slots[slot]) {
        m->entries[m->n] = (name_entry){.name = name, .hash = hash};
        m->slots[slot] = (uint32_t)++m->n;
    }
    m->entries[m->slots[slot] - 1].number = number;
    return true;
}

void name_map_clear(name_map *m)
{
    mem_free(m->entries);
    mem_free(m->slots);
    memset(m, 0, sizeof *m);
}
