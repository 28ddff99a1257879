/* Sorting and search: sort, lookup, nonzero. */
#include "backend/ref/elements.h"
#include "backend/ref/order.h"
#include "backend/ref/plane.h"

#include <string.h>

/* ---- sort ---------------------------------------------------------------------------------------------- */

typedef struct sort_line {
    const ref_codes *codes;
    uint64_t first, inner; /* element of item 0; stride between items */
    bool descending;
} sort_line;

static int compare_on_line(const void *context, int64_t i, int64_t k)
{
    const sort_line *l = context;
    int order = ref_codes_compare(l->codes, l->first + (uint64_t)i * l->inner, l->codes,
                                  l->first + (uint64_t)k * l->inner);
    return l->descending ? -order : order;
}

/* Sorts every line along the axis. values: items to write, NULL data where the output is unused. */
static sib_code sort_lines(const ref_call *c, ref_lines l, sort_line line, const ref_plane *from,
                           const ref_plane *values, int64_t *indices, int64_t *items)
{
    sib_code code = SIB_OK;
    for (uint64_t k = 0; k < l.outer * l.inner && code == SIB_OK; k++) {
        line.first = k / l.inner * l.size * l.inner + k % l.inner;
        code = ref_sort_items(c, (size_t)l.size, items, items + l.size, compare_on_line, &line);
        for (uint64_t i = 0; i < l.size && code == SIB_OK; i++) {
            if (i % REF_BLOCK == 0)
                code = ref_cancelled(c);
            uint64_t to = line.first + i * l.inner, at = line.first + (uint64_t)items[i] * l.inner;
            if (values->data)
                memcpy(values->data + to * from->item, from->data + at * from->item, from->item);
            if (indices)
                indices[to] = items[i];
        }
    }
    return code;
}

sib_code ref_sort(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *values = ref_out(c, 0), *indices = ref_out(c, 1);
    top_k_spec spec = spec_top_k(c->node);
    ref_lines l = ref_lines_of(a, (size_t)spec.axis);
    ref_codes codes = {0};
    ref_plane from = {0}, to = {0};
    if (a->count == 0)
        return SIB_OK;
    int64_t *items = mem_alloc(2 * (size_t)l.size, sizeof *items);
    sib_code code =
        items ? ref_codes_make(c, a, &codes) : ref_no_memory(c, 2 * (size_t)l.size * sizeof *items);
    if (code == SIB_OK)
        code = ref_plane_read(c, a, &from);
    if (code == SIB_OK && values)
        code = ref_plane_write(c, values, &to);
    if (code == SIB_OK) {
        sort_line line = {&codes, 0, l.inner, spec.largest};
        code = sort_lines(c, l, line, &from, &to, indices ? (int64_t *)indices->data : NULL, items);
        if (values)
            code = ref_plane_done(c, &to, code);
    }
    ref_plane_free(&from);
    ref_codes_free(&codes);
    mem_free(items);
    return code;
}

/* ---- lookup -------------------------------------------------------------------------------------------- */

static int compare_in_list(const void *context, int64_t i, int64_t k)
{
    const ref_codes *list = context;
    return ref_codes_compare(list, (uint64_t)i, list, (uint64_t)k);
}

/* The first item in the sorted list that equals element i of x, or -1. items: (n) in sorted order, equal
   ones by ascending index. */
static int64_t find(const ref_codes *x, uint64_t i, const ref_codes *list, const int64_t *items, size_t n)
{
    size_t low = 0, high = n; /* items before low are smaller, those from high on are not */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ref_codes_compare(list, (uint64_t)items[middle], x, i) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ref_codes_compare(list, (uint64_t)items[low], x, i) == 0 ? items[low] : -1;
}

sib_code ref_lookup(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0), *b = ref_in(c, 1);
    sib_tensor *out = ref_out(c, 0);
    size_t n = (size_t)b->count;
    ref_codes wanted = {0}, list = {0};
    if (!out)
        return SIB_OK;
    int64_t *items = mem_alloc(n, 2 * sizeof *items);
    sib_code code = items ? ref_codes_make(c, a, &wanted) : ref_no_memory(c, n * 2 * sizeof *items);
    if (code == SIB_OK)
        code = ref_codes_make(c, b, &list);
    if (code == SIB_OK) {
        code = ref_sort_items(c, n, items, items + n, compare_in_list, &list);
        for (uint64_t i = 0; i < a->count && code == SIB_OK; i++) {
            if (i % REF_BLOCK == 0)
                code = ref_cancelled(c);
            ((int64_t *)out->data)[i] = find(&wanted, i, &list, items, n);
        }
    }
    ref_codes_free(&wanted);
    ref_codes_free(&list);
    mem_free(items);
    return code;
}

/* ---- nonzero ------------------------------------------------------------------------------------------- */

/* Sets flags to 1 where elements first .. first + n - 1 are not zero. */
static void flag_nonzero(const sib_tensor *a, uint64_t first, size_t n, unsigned char *flags)
{
    if (a->dtype == SIB_STRING)
        for (size_t i = 0; i < n; i++)
            flags[i] = ((const sib_str *)a->data)[first + i].length > 0;
    else
        convert_block(a->dtype, a->data, first, SIB_BOOL, flags, 0, n, SIB_OVERFLOW_IEEE);
}

sib_code ref_nonzero(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = NULL;
    unsigned char flags[REF_BLOCK];
    int64_t dims[2] = {(int64_t)a->rank, 0};
    uint64_t found = 0;
    for (uint64_t done = 0; done < a->count && !cancel_is_set(c->cancel); done += REF_BLOCK) {
        size_t n = a->count - done < REF_BLOCK ? (size_t)(a->count - done) : REF_BLOCK;
        flag_nonzero(a, done, n, flags);
        for (size_t i = 0; i < n; i++)
            dims[1] += flags[i];
    }
    sib_code code = ref_make(c, 0, SIB_I64, 2, dims, &out);
    if (code != SIB_OK || !out)
        return code;
    for (uint64_t done = 0; done < a->count && !cancel_is_set(c->cancel); done += REF_BLOCK) {
        size_t n = a->count - done < REF_BLOCK ? (size_t)(a->count - done) : REF_BLOCK;
        flag_nonzero(a, done, n, flags);
        for (size_t i = 0; i < n; i++) {
            uint64_t at = done + i;
            for (size_t axis = a->rank; flags[i] && axis-- > 0; at /= (uint64_t)a->dims[axis])
                ((int64_t *)out->data)[axis * (uint64_t)dims[1] + found] =
                    (int64_t)(at % (uint64_t)a->dims[axis]);
            found += flags[i];
        }
    }
    return ref_cancelled(c);
}
