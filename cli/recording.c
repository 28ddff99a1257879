#include "recording.h"

#include "words.h"

#include <stdlib.h>
#include <string.h>

static sib_code copy_tensor(const sib_tensor *t, sib_value **out, sib_error *err)
{
    sib_tensor *copy = NULL;
    sib_code code = sib_tensor_copy(t, &copy, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(copy, out, err);
    sib_tensor_free(&copy);
    return code;
}

/* Items of sequences and optionals are tensors or, at most, sequences of them. */
static sib_code copy_at(const sib_value *v, int depth, sib_value **out, sib_error *err)
{
    if (sib_value_tensor(v))
        return copy_tensor(sib_value_tensor(v), out, err);
    if (sib_value_get_kind(v) == SIB_VALUE_MAP || depth > 4)
        return sib_value_copy(v, out, err);
    size_t n = sib_value_count(v);
    sib_value **items = cli_take(n + 1, sizeof *items);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = copy_at(sib_value_item(v, i), depth + 1, &items[i], err);
    if (code == SIB_OK && sib_value_get_kind(v) == SIB_VALUE_SEQUENCE)
        code = sib_value_sequence(n, (const sib_value *const *)items, out, err);
    else if (code == SIB_OK)
        code = sib_value_optional(items[0], out, err);
    for (size_t i = 0; i < n; i++)
        sib_value_free(&items[i]);
    free(items);
    return code;
}

sib_code value_copy_deep(const sib_value *v, sib_value **out, sib_error *err)
{
    return copy_at(v, 0, out, err);
}

static size_t hash_of(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ (h >> 31));
}

/* The slot of a name: where it stands or would. */
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
    recorded *items = cli_take(more, sizeof *items);
    if (r->n)
        memcpy(items, r->items, r->n * sizeof *items);
    free(r->items);
    free(r->slots);
    r->items = items;
    r->capacity = more;
    r->n_slots = 4 * more;
    r->slots = cli_take(r->n_slots, sizeof *r->slots);
    for (size_t i = 0; i < r->n; i++)
        r->slots[slot_of(r, items[i].name)] = i + 1;
}

sib_code recording_tap(void *context, const sib_tap_event *event, sib_error *err)
{
    recording *r = context;
    sib_value *copy = NULL;
    sib_code code = value_copy_deep(event->value, &copy, err);
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
