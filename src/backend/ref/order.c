#include "backend/ref/order.h"
#include "backend/ref/elements.h"

#include <string.h>

#define SIGN_BIT (UINT64_C(1) << 63)

static uint64_t code_of_double(double x)
{
    uint64_t bits;
    if (x != x)
        return UINT64_MAX;
    if (x == 0)
        return SIGN_BIT;
    memcpy(&bits, &x, sizeof bits);
    return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

static void codes_of_block(ref_path path, const ref_block *block, size_t n, uint64_t *codes)
{
    for (size_t i = 0; i < n; i++) {
        if (path == REF_PATH_DOUBLE) {
            codes[i] = code_of_double(block->f[i]);
        } else if (path == REF_PATH_COMPLEX) {
            codes[2 * i] = code_of_double(block->c[i][0]);
            codes[2 * i + 1] = code_of_double(block->c[i][1]);
        } else {
            codes[i] = path == REF_PATH_INT ? block->u[i] ^ SIGN_BIT : block->u[i];
        }
    }
}

sib_code ref_codes_make(const ref_call *c, const sib_tensor *t, ref_codes *out)
{
    ref_path path = ref_path_of(t->dtype);
    *out = (ref_codes){.width = path == REF_PATH_COMPLEX ? 2 : 1};
    if (path == REF_PATH_STRING) {
        out->strings = (const sib_str *)t->data;
        return SIB_OK;
    }
    out->codes = mem_alloc(t->count, out->width * sizeof *out->codes);
    if (!out->codes)
        return ref_no_memory(c, t->count * out->width * sizeof *out->codes);
    for (uint64_t done = 0; done < t->count && !cancel_is_set(c->cancel); done += REF_BLOCK) {
        ref_block block;
        size_t n = t->count - done < REF_BLOCK ? (size_t)(t->count - done) : REF_BLOCK;
        ref_load(t->dtype, t->data, done, n, &block, 0);
        codes_of_block(path, &block, n, out->codes + done * out->width);
    }
    return ref_cancelled(c);
}

void ref_codes_free(ref_codes *codes)
{
    mem_free(codes->codes);
    *codes = (ref_codes){0};
}

int ref_codes_compare(const ref_codes *x, uint64_t i, const ref_codes *y, uint64_t k)
{
    if (x->strings)
        return str_compare(x->strings[i], y->strings[k]);
    for (size_t part = 0; part < x->width; part++) {
        uint64_t a = x->codes[i * x->width + part], b = y->codes[k * y->width + part];
        if (a != b)
            return a < b ? -1 : 1;
    }
    return 0;
}

/* Merges sorted runs from[0..middle) and from[middle..n) into `to`. */
static sib_code merge_runs(const ref_call *c, const int64_t *from, size_t middle, size_t n, int64_t *to,
                           ref_compare compare, const void *context)
{
    size_t left = 0, right = middle;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        if (i % (1 << 16) == 0)
            code = ref_cancelled(c);
        bool takes_left = right == n || (left < middle && compare(context, from[left], from[right]) <= 0);
        to[i] = from[takes_left ? left++ : right++];
    }
    return code;
}

sib_code ref_sort_items(const ref_call *c, size_t n, int64_t *items, int64_t *scratch, ref_compare compare,
                        const void *context)
{
    int64_t *from = items, *to = scratch;
    for (size_t i = 0; i < n && !cancel_is_set(c->cancel); i++)
        items[i] = (int64_t)i;
    sib_code code = ref_cancelled(c);
    for (size_t run = 1; run < n && code == SIB_OK; run *= 2) {
        for (size_t at = 0; at < n && code == SIB_OK; at += 2 * run)
            code = merge_runs(c, from + at, size_min(run, n - at), size_min(2 * run, n - at), to + at,
                              compare, context);
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items && code == SIB_OK)
        memcpy(items, from, n * sizeof *items);
    return code;
}

ref_lines ref_lines_of(const sib_tensor *t, size_t axis)
{
    ref_lines l = {1, (uint64_t)t->dims[axis], 1};
    for (size_t i = 0; i < t->rank; i++) {
        if (i < axis)
            l.outer *= (uint64_t)t->dims[i];
        else if (i > axis)
            l.inner *= (uint64_t)t->dims[i];
    }
    return l;
}
