/* The values of a pickle and the stack that names them. */
#include "base/alloc.h"
#include "base/array.h"
#include "import/read/pickle.h"

const char *pickle_kind_name(pickle_kind kind)
{
    static const char *const names[] = {"None",    "a bool",   "a number",  "a large number",
                                        "a float", "text",     "a tuple",   "a list",
                                        "a dict",  "a global", "a storage", "a tensor"};
    return names[kind];
}

sib_code pickle_no_memory(pickle *p)
{
    return err_memory(p->s->err, sizeof(pickle_value), "values of a pickle");
}

sib_code pickle_push_index(pickle *p, uint32_t value)
{
    if (ARRAY_RESERVE(p->stack, p->stack_capacity, p->n_stack + 1, "a checkpoint", NULL) != SIB_OK)
        return pickle_no_memory(p);
    p->stack[p->n_stack++] = value;
    return SIB_OK;
}

sib_code pickle_push(pickle *p, pickle_value v)
{
    if (ARRAY_RESERVE(p->values, p->values_capacity, p->n_values + 1, "a checkpoint", NULL) != SIB_OK)
        return pickle_no_memory(p);
    p->values[p->n_values] = v;
    return pickle_push_index(p, (uint32_t)p->n_values++);
}

sib_code pickle_append(pickle *p, uint32_t container, uint32_t item)
{
    pickle_value *v = &p->values[container];
    if (v->n == v->capacity) {
        size_t capacity = v->capacity ? 2 * v->capacity : 4;
        uint32_t *more = arena_alloc(p->arena, capacity, sizeof *more);
        if (!more)
            return pickle_no_memory(p);
        if (v->n)
            memcpy(more, v->items, v->n * sizeof *more);
        v->items = more;
        v->capacity = capacity;
    }
    v->items[v->n++] = item;
    return SIB_OK;
}

void pickle_clear(pickle *p)
{
    arena_free(&p->arena);
    mem_free(p->values);
    mem_free(p->stack);
    mem_free(p->marks);
    mem_free(p->memo);
    *p = (pickle){0};
}

bool pickle_find(const pickle *p, uint32_t dict, const char *key, uint32_t *out)
{
    const pickle_value *d = pickle_at(p, dict);
    for (uint32_t i = 0; d->kind == PICKLE_DICT && i + 1 < d->n; i += 2) {
        const pickle_value *k = pickle_at(p, d->items[i]);
        if (k->kind == PICKLE_STRING && str_is(k->text, key)) {
            *out = d->items[i + 1];
            return true;
        }
    }
    return false;
}
