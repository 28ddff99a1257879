#include "recording.h"

#include "messages.h"

#include <stdlib.h>
#include <string.h>

static size_t hash_of(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ (h >> 31));
}

/* The slot that holds a name, or the free one for it. */
static size_t slot_of(const recording *r, const char *name)
{
    size_t at = hash_of(name) & (r->n_slots - 1);
    while (r->slots[at] && strcmp(r->items[r->slots[at] - 1].name, name) != 0)
        at = (at + 1) & (r->n_slots - 1);
    return at;
}

static void make_room(recording *r)
{
    if (r->n < r->capacity)
        return;
    size_t more = r->capacity ? 2 * r->capacity : 256;
    recorded *items = cli_alloc(more, sizeof *items);
    if (r->n)
        memcpy(items, r->items, r->n * sizeof *items);
    free(r->items);
    free(r->slots);
    r->items = items;
    r->capacity = more;
    r->n_slots = 4 * more;
    r->slots = cli_alloc(r->n_slots, sizeof *r->slots);
    for (size_t i = 0; i < r->n; i++)
        r->slots[slot_of(r, items[i].name)] = i + 1;
}

sib_code recording_tap(void *context, const sib_tap_event *event, sib_error *err)
{
    recording *r = context;
    sib_value *copy = NULL;
    sib_code code = sib_value_clone(event->value, &copy, err);
    if (code != SIB_OK)
        return code;
    make_room(r);
    recorded item = {cli_format("%s", event->name), cli_format("%s", event->node),
                     cli_format("%s", event->op_type), event->milli, copy};
    r->items[r->n++] = item;
    r->slots[slot_of(r, item.name)] = r->n;
    return SIB_OK;
}

const recorded *recording_find(const recording *r, const char *name)
{
    size_t at = r->n_slots ? r->slots[slot_of(r, name)] : 0;
    return at ? &r->items[at - 1] : NULL;
}

void recording_free(recording *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].name);
        free(r->items[i].node);
        free(r->items[i].op_type);
        sib_value_free(&r->items[i].value);
    }
    free(r->items);
    free(r->slots);
    *r = (recording){0};
}
