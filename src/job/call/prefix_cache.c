#include "job/call/prefix_cache.h"

#include "base/alloc.h"
#include "base/error.h"

#include <pthread.h>
#include <string.h>

struct sib_prefix_cache {
    const job_doc *d;
    pthread_mutex_t lock; /* of all below */
    size_t n, max;
    uint64_t clock, reused;
    prefix_entry entries[]; /* (max) */
};

sib_code prefix_cache_create(const job_doc *d, size_t max_entries, sib_prefix_cache **out, sib_error *err)
{
    const size_t max = max_entries ? max_entries : 1;
    *out = NULL;
    if (max > SIB_PREFIX_CACHE_MAX)
        return err_set(err, SIB_ERR_ARGUMENT, "a prefix cache of %zu entries: at most %d", max,
                       SIB_PREFIX_CACHE_MAX);
    const size_t bytes = sizeof(sib_prefix_cache) + max * sizeof(prefix_entry);
    sib_prefix_cache *c = mem_calloc(1, bytes);
    if (!c)
        return err_memory(err, bytes, "a prefix cache");
    c->d = d;
    c->max = max;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return SIB_OK;
}

void prefix_entry_drop(prefix_entry *e)
{
    for (size_t i = 0; e->state && i < e->plan->state.n; i++)
        sib_value_free(&e->state[i]);
    mem_free(e->state);
    mem_free(e->ids);
    *e = (prefix_entry){0};
}

void sib_prefix_cache_free(sib_prefix_cache **c)
{
    if (!c || !*c)
        return;
    for (size_t i = 0; i < (*c)->n; i++)
        prefix_entry_drop(&(*c)->entries[i]);
    pthread_mutex_destroy(&(*c)->lock);
    mem_free(*c);
    *c = NULL;
}

const job_doc *prefix_cache_doc(const sib_prefix_cache *c)
{
    return c->d;
}

void sib_prefix_cache_get_info(sib_prefix_cache *c, sib_prefix_cache_info *out)
{
    pthread_mutex_lock(&c->lock);
    *out = (sib_prefix_cache_info){.entries = c->n, .reused = c->reused};
    for (size_t i = 0; i < c->n; i++)
        out->tokens += c->entries[i].n;
    pthread_mutex_unlock(&c->lock);
}

/* ---- Cutting ------------------------------------------------------------------------------------------- */

/* Length of an axis before the first call. */
static int64_t first_length(const call_port *s, size_t axis)
{
    return s->pair->n_dims ? s->pair->dims[axis] : s->info.dims[axis] >= 0 ? s->info.dims[axis] : axis == 0;
}

/* The one axis along which a cache has a row for each of n tokens; NO_INDEX: the state is none. */
static size_t row_axis(const call_port *s, const sib_tensor *t, size_t n)
{
    size_t found = NO_INDEX, empty = 0;
    for (size_t i = 0; i < s->info.rank && s->info.ranked; i++)
        if (first_length(s, i) == 0) {
            found = i;
            empty++;
        }
    return t && empty == 1 && (size_t)sib_tensor_dims(t)[found] == n ? found : NO_INDEX;
}

/* How many of the first `common` tokens of an entry a call can go on from. */
static size_t usable(const prefix_entry *e, size_t common)
{
    const call_plan *p = e->plan;
    bool can = true;
    for (size_t i = 0; i < p->state.n && !p->buffered && common < e->n; i++)
        can = can && row_axis(&p->state.items[i], sib_value_tensor(e->state[i]), e->n) != NO_INDEX;
    return can ? common : 0;
}

static sib_code cut(sib_value **state, size_t axis, size_t keep, sib_error *err)
{
    sib_tensor *rows = NULL, *own = NULL;
    sib_value *made = NULL;
    sib_code code = sib_value_fetch(*state, err);
    if (code == SIB_OK)
        code = sib_tensor_slice(sib_value_tensor(*state), (int64_t)axis, 0, (int64_t)keep, 1, &rows, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(rows, &own, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(own, &made, err);
    sib_tensor_free(&own);
    sib_tensor_free(&rows);
    if (code == SIB_OK) {
        sib_value_free(state);
        *state = made;
    }
    return code;
}

sib_code prefix_cut(const call_plan *p, sib_value **state, size_t n, size_t keep, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->state.n && !p->buffered && keep < n && code == SIB_OK; i++)
        code = cut(&state[i], row_axis(&p->state.items[i], sib_value_tensor(state[i]), n), keep, err);
    return code;
}

/* ---- Taking and giving --------------------------------------------------------------------------------- */

static size_t common_tokens(const prefix_entry *e, const int32_t *ids, size_t n)
{
    size_t i = 0;
    while (i < n && i < e->n && ids[i] == e->ids[i])
        i++;
    return i;
}

void prefix_cache_take(sib_prefix_cache *c, const call_plan *p, const int32_t *ids, size_t n,
                       prefix_entry *out, size_t *keep)
{
    size_t best = NO_INDEX;
    *out = (prefix_entry){0};
    *keep = 0;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++) {
        const prefix_entry *e = &c->entries[i];
        /* the last token is always read, since its logits are wanted */
        const size_t common = e->plan == p && n > 0 ? usable(e, common_tokens(e, ids, n - 1)) : 0;
        /* while there is room, a state of which less than half would stay is left to those who go on with it */
        if (common > *keep && (c->n == c->max || 2 * common >= e->n)) {
            *keep = common;
            best = i;
        }
    }
    if (best != NO_INDEX) {
        *out = c->entries[best];
        c->entries[best] = c->entries[--c->n];
        c->reused += *keep;
    }
    pthread_mutex_unlock(&c->lock);
}

void prefix_cache_give(sib_prefix_cache *c, const prefix_entry *e)
{
    prefix_entry old = {0};
    size_t at = 0;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 1; i < c->n; i++)
        at = c->entries[i].used < c->entries[at].used ? i : at;
    if (c->n == c->max)
        old = c->entries[at];
    else
        at = c->n++;
    c->entries[at] = *e;
    c->entries[at].used = ++c->clock;
    pthread_mutex_unlock(&c->lock);
    prefix_entry_drop(&old);
}
