/* TensorScatter: new rows of a cache, written where the cache is if the output has taken over its memory. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/layout/layout.h"

#include <inttypes.h>
#include <string.h>

enum { IN_CACHE, IN_ROWS, IN_PLACES };

/* The cache is [n, room, row], the rows [n, fresh, row]; n / batch of either have one place. */
typedef struct rows_state {
    size_t n, batch, room, fresh, row; /* row in bytes */
    bool circular, has_places, wide;   /* wide: places are int64, else int32 */
} rows_state;

static bool read_rows(const node_view *n, rows_state *s)
{
    const tensor_scatter_spec spec = spec_tensor_scatter(n->node);
    cpu_box cache, rows, places;
    size_t axis;
    *s = (rows_state){.n = 1, .circular = spec.mode == CACHE_CIRCULAR};
    s->has_places = n->n_in > IN_PLACES && n->in[IN_PLACES];
    if (!n->out[0] || !cpu_box_of(n, n->in[IN_CACHE], &cache) || !cpu_box_of(n, n->in[IN_ROWS], &rows) ||
        cpu_dtype(n->in[IN_ROWS]) != cpu_dtype(n->in[IN_CACHE]) || rows.rank != cache.rank ||
        !spec_axis(spec.axis, cache.rank, &axis) || !axis || !cache.count || !rows.count)
        return false;
    for (size_t i = 0; i < cache.rank; i++)
        if (i != axis && rows.dims[i] != cache.dims[i])
            return false;
    s->batch = (size_t)cache.dims[0];
    s->room = (size_t)cache.dims[axis];
    s->fresh = (size_t)rows.dims[axis];
    for (size_t i = 0; i < axis; i++)
        s->n *= (size_t)cache.dims[i];
    s->row = cache.item * (cache.count / s->n / s->room);
    s->wide = s->has_places && cpu_dtype(n->in[IN_PLACES]) == SIB_I64;
    return s->fresh <= s->room && (!s->has_places || ((s->wide || cpu_dtype(n->in[IN_PLACES]) == SIB_I32) &&
                                                      cpu_box_of(n, n->in[IN_PLACES], &places) &&
                                                      places.rank == 1 && places.dims[0] == cache.dims[0]));
}

static bool claims(const cpu_self *self, const node_view *n)
{
    rows_state s;
    (void)self;
    return read_rows(n, &s);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    rows_state *s = mem_alloc(1, sizeof *s);
    (void)self;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    cpu_claimed(read_rows(n, s));
    *state = s;
    return SIB_OK;
}

/* Where the rows of batch b begin. Errors: SIB_ERR_VALUE where they do not fit. */
static sib_code place_of(const cpu_call *c, const rows_state *s, size_t b, size_t *out)
{
    const void *places = s->has_places ? cpu_in(c, IN_PLACES)->data : NULL;
    int64_t at = !places ? 0 : s->wide ? ((const int64_t *)places)[b] : ((const int32_t *)places)[b];
    const int64_t room = (int64_t)s->room;
    if (s->circular)
        at = (at % room + room) % room;
    if (at < 0 || (!s->circular && at > room - (int64_t)s->fresh))
        return cpu_fail(c, SIB_ERR_VALUE, "%zu rows from row %" PRId64 " on do not fit in a cache of %zu",
                        s->fresh, at, s->room);
    *out = (size_t)at;
    return SIB_OK;
}

static sib_code run(const cpu_call *c)
{
    const rows_state *s = c->state;
    const char *cache = cpu_in(c, IN_CACHE)->data, *rows = cpu_in(c, IN_ROWS)->data;
    char *out = cpu_out(c, 0)->data;
    size_t at = 0, each = s->n / s->batch;
    sib_code code = SIB_OK;
    for (size_t b = 0; b < s->batch && code == SIB_OK; b++) /* before anything is written */
        code = place_of(c, s, b, &at);
    if (code == SIB_OK && out != cache)
        layout_copy(out, cache, s->n * s->room * s->row, c->cancel);
    if (code == SIB_OK)
        code = cpu_cancelled(c);
    for (size_t i = 0; i < s->n && code == SIB_OK; i++) {
        code = i % each ? SIB_OK : place_of(c, s, i / each, &at);
        const size_t first = size_min(s->fresh, s->room - at);
        memcpy(out + (i * s->room + at) * s->row, rows + i * s->fresh * s->row, first * s->row);
        memcpy(out + i * s->room * s->row, rows + (i * s->fresh + first) * s->row,
               (s->fresh - first) * s->row);
    }
    return code;
}

const cpu_kernel cpu_tensor_scatter = {.claims = claims, .prepare = prepare, .run = run};
