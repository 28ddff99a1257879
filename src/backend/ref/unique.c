/* ONNX Unique on elements, or on slices along an axis. */
#include "backend/ref/order.h"
#include "backend/ref/plane.h"

#include <string.h>

typedef struct unique_work {
    const ref_call *call;
    const sib_tensor *a;
    ref_lines lines; /* item i is a[:, i, :] */
    ref_codes codes;
    int64_t *items;   /* (size) sorted by value, equal ones in ascending order */
    int64_t *first;   /* (n) the first item of each group of equal items */
    int64_t *group;   /* (size) the group of each item */
    int64_t *counts;  /* (n) */
    int64_t *scratch; /* (size) */
    size_t n;         /* groups */
} unique_work;

static int compare_slices(const void *context, int64_t i, int64_t k)
{
    const unique_work *w = context;
    const ref_lines *l = &w->lines;
    for (uint64_t o = 0; o < l->outer && l->inner > 0; o++)
        for (uint64_t t = 0; t < l->inner; t++) {
            uint64_t line = o * l->size * l->inner + t;
            int order = ref_codes_compare(&w->codes, line + (uint64_t)i * l->inner, &w->codes,
                                          line + (uint64_t)k * l->inner);
            if (order || cancel_is_set(w->call->cancel))
                return order;
        }
    return 0;
}

static int compare_first(const void *context, int64_t i, int64_t k)
{
    const unique_work *w = context;
    return (w->first[i] > w->first[k]) - (w->first[i] < w->first[k]);
}

/* Numbers the groups by value, or by their first items. */
static sib_code make_groups(const ref_call *c, unique_work *w, bool sorted)
{
    size_t size = (size_t)w->lines.size;
    sib_code code = ref_sort_items(c, size, w->items, w->scratch, compare_slices, w);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < size && !cancel_is_set(c->cancel); i++) {
        if (i == 0 || compare_slices(w, w->items[i - 1], w->items[i]) != 0) {
            w->counts[w->n] = 0;
            w->first[w->n++] = w->items[i];
        }
        w->group[w->items[i]] = (int64_t)w->n - 1;
        w->counts[w->n - 1]++;
    }
    code = ref_cancelled(c);
    if (sorted || code != SIB_OK)
        return code;
    code = ref_sort_items(c, w->n, w->items, w->scratch, compare_first, w); /* now groups, not items */
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < w->n; i++)
        w->scratch[w->items[i]] = (int64_t)i; /* the new number of each group */
    for (size_t i = 0; i < size && !cancel_is_set(c->cancel); i++)
        w->group[i] = w->scratch[w->group[i]];
    for (size_t i = 0; i < w->n; i++)
        w->counts[i] = 0;
    for (size_t i = size; i-- > 0 && !cancel_is_set(c->cancel);) {
        w->counts[w->group[i]]++;
        w->first[w->group[i]] = (int64_t)i;
    }
    return SIB_OK;
}

static sib_code give_values(const ref_call *c, const unique_work *w, bool flat)
{
    const ref_lines *l = &w->lines;
    size_t axis = (size_t)spec_unique(c->node).axis, rank = flat ? 1 : w->a->rank;
    int64_t dims[SIB_MAX_RANK] = {0};
    sib_tensor *out = NULL;
    ref_plane from = {0}, to = {0};
    memcpy(dims, w->a->dims, w->a->rank * sizeof *dims);
    dims[flat ? 0 : axis] = (int64_t)w->n;
    sib_code code = ref_make(c, 0, w->a->dtype, rank, dims, &out);
    if (code != SIB_OK || !out)
        return code;
    code = ref_plane_read(c, w->a, &from);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        size_t run = (size_t)l->inner * to.item;
        for (uint64_t o = 0; o < l->outer && run > 0; o++)
            for (size_t i = 0; i < w->n && !cancel_is_set(c->cancel); i++)
                memcpy(to.data + (o * w->n + i) * run,
                       from.data + (o * l->size + (uint64_t)w->first[i]) * run, run);
        code = ref_plane_done(c, &to, code);
    }
    if (code == SIB_OK)
        code = ref_cancelled(c);
    ref_plane_free(&from);
    return code;
}

static sib_code give_indices(const ref_call *c, size_t i, const int64_t *from, size_t n)
{
    sib_tensor *out = NULL;
    sib_code code = ref_make(c, i, SIB_I64, 1, (int64_t[]){(int64_t)n}, &out);
    if (code == SIB_OK && out && n > 0)
        memcpy(out->data, from, n * sizeof *from);
    return code;
}

sib_code ref_unique(const ref_call *c)
{
    unique_spec spec = spec_unique(c->node);
    bool flat = spec.flat;
    unique_work w = {.call = c, .a = ref_in(c, 0)};
    w.lines = flat ? (ref_lines){1, w.a->count, 1} : ref_lines_of(w.a, (size_t)spec.axis);
    size_t size = (size_t)w.lines.size;
    int64_t *memory = mem_alloc(size, 5 * sizeof *memory);
    sib_code code = memory ? ref_codes_make(c, w.a, &w.codes) : ref_no_memory(c, size * 5 * sizeof *memory);
    if (code == SIB_OK) {
        w.items = memory;
        w.first = memory + size;
        w.group = memory + 2 * size;
        w.counts = memory + 3 * size;
        w.scratch = memory + 4 * size;
        code = make_groups(c, &w, spec.sorted);
    }
    if (code == SIB_OK)
        code = give_values(c, &w, flat);
    if (code == SIB_OK)
        code = give_indices(c, 1, w.first, w.n);
    if (code == SIB_OK)
        code = give_indices(c, 2, w.group, size);
    if (code == SIB_OK)
        code = give_indices(c, 3, w.counts, w.n);
    ref_codes_free(&w.codes);
    mem_free(memory);
    return code;
}
