#include "run/execute/spares.h"

#include "base/assert.h"

#include <string.h>

/* Whether nobody else holds v or its memory. */
static bool is_free(const sib_value *v)
{
    SIB_ASSERT(v->tensor);
    const tensor_storage *memory = v->tensor->storage; /* NULL: a detached view */
    return value_is_alone(v) &&
           (!memory || atomic_load_explicit(&memory->references, memory_order_acquire) == 1);
}

static bool is_like(const sib_tensor *t, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    return t->dtype == dtype && t->rank == rank && (!rank || !memcmp(t->dims, dims, rank * sizeof *dims));
}

static void drop(spares *s, unsigned i)
{
    SIB_ASSERT(i < s->n && s->n <= SPARES_MAX);
    sib_value_free(&s->items[i]);
    s->items[i] = s->items[--s->n];
    s->items[s->n] = NULL;
}

void spares_add(spares *s, unsigned max, const sib_value *v)
{
    SIB_ASSERT(max >= 1 && max <= SPARES_MAX);
    SIB_ASSERT(s->n <= max);
    if (s->n < max) {
        s->items[s->n++] = value_share(v);
        return;
    }
    unsigned i = s->lost++ % max;
    sib_value_free(&s->items[i]);
    s->items[i] = value_share(v);
}

/* A free one like this, shared, or NULL. */
static sib_value *find(spares *s, bool away, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    for (unsigned i = s->n; i-- > 0;) {
        if (!is_free(s->items[i]))
            continue;
        const sib_tensor *t = s->items[i]->tensor;
        if (is_like(t, dtype, rank, dims) && away == (t->storage && t->storage->away)) {
            SIB_ASSERT(value_is_alone(s->items[i]));
            return value_share(s->items[i]);
        }
        drop(s, i); /* of other dims: a leftover of earlier runs */
    }
    return NULL;
}

sib_code spares_take_away(spares *s, unsigned max, const opened_backend *device, size_t bytes,
                          sib_dtype dtype, size_t rank, const int64_t *dims, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    tensor_away *memory = NULL;
    *out = find(s, true, dtype, rank, dims);
    if (*out) {
        tensor_send_away((*out)->tensor);
        return SIB_OK;
    }
    sib_code code = device->backend->keep(device->self, bytes, &memory, err);
    if (code == SIB_OK)
        code = tensor_create_away(dtype, rank, dims, memory, &t, err);
    if (code == SIB_OK)
        code = value_take_tensor(t, out, err);
    if (code == SIB_OK)
        spares_add(s, max, *out);
    return code;
}

sib_code spares_take(spares *s, unsigned max, sib_dtype dtype, size_t rank, const int64_t *dims,
                     sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    *out = find(s, false, dtype, rank, dims);
    if (*out)
        return SIB_OK;
    sib_code code = tensor_create_raw(dtype, rank, dims, &t, err);
    if (code == SIB_OK)
        code = value_take_tensor(t, out, err);
    if (code == SIB_OK && dtype != SIB_STRING)
        spares_add(s, max, *out);
    return code;
}

bool spares_are_many(const spares *s, unsigned keep)
{
    unsigned in_use = 0;
    for (unsigned i = 0; i < s->n; i++)
        in_use += !is_free(s->items[i]);
    return in_use > keep || (s->lost && s->n > 1);
}

void spares_trim(spares *s, unsigned keep)
{
    unsigned in_use = 0;
    for (unsigned i = s->n; i-- > 0;)
        if ((!is_free(s->items[i]) && in_use++ >= keep) || (s->lost && s->n > 1))
            drop(s, i);
    s->lost = 0;
}

void spares_clear(spares *s)
{
    while (s->n)
        drop(s, s->n - 1);
}
