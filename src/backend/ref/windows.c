/* Unfolds sliding windows: out[lead..., k..., p...] = a[lead..., p * stride + k * dilation - before]. */
#include "backend/ref/plane.h"

#include <string.h>

typedef struct window_axes {
    size_t n;
    const int64_t *kernel, *stride, *dilation, *before; /* (n) */
    const int64_t *size, *places;                       /* (n) of the input and of the result */
    int64_t own[SIB_MAX_RANK];                          /* (n) strides of the input in bytes */
} window_axes;

/* ceil(a / b) for b > 0. */
static int64_t ceil_div(int64_t a, int64_t b)
{
    return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

/* Writes one line along the last axis at offset k in the window. line: of the input, NULL where another
   axis is out of range. */
static void fill_line(const window_axes *w, int64_t k, const char *line, const ref_plane *outside, char *to,
                      size_t item)
{
    size_t last = w->n - 1;
    int64_t n = w->places[last], shift = k * w->dilation[last] - w->before[last]; /* input index of p = 0 */
    int64_t begin = ceil_div(-shift, w->stride[last]), end = ceil_div(w->size[last] - shift, w->stride[last]);
    begin = begin < 0 ? 0 : begin > n ? n : begin;
    end = !line || end < begin ? begin : end > n ? n : end;
    if (!line)
        begin = end = n;
    ref_copy_run(to, (int64_t)item, outside->data, 0, (size_t)begin, item);
    /* with one item the stride is unused and may be any number */
    int64_t apart = end - begin > 1 ? w->stride[last] * (int64_t)item : 0;
    if (end > begin)
        ref_copy_run(to + (size_t)begin * item, (int64_t)item,
                     line + (begin * w->stride[last] + shift) * (int64_t)item, apart, (size_t)(end - begin),
                     item);
    ref_copy_run(to + (size_t)end * item, (int64_t)item, outside->data, 0, (size_t)(n - end), item);
}

/* Increments index, limited by limits (n); returns false after the last. */
static bool next_index(size_t n, int64_t *index, const int64_t *limits)
{
    for (size_t i = n; i-- > 0;) {
        if (++index[i] < limits[i])
            return true;
        index[i] = 0;
    }
    return false;
}

/* The input line at place p and offset k of the axes before the last; NULL where out of range. */
static const char *line_at(const window_axes *w, const char *from, const int64_t *k, const int64_t *p)
{
    for (size_t i = 0; i + 1 < w->n; i++) {
        int64_t at = p[i] * w->stride[i] + k[i] * w->dilation[i] - w->before[i];
        if (at < 0 || at >= w->size[i])
            return NULL;
        from += at * w->own[i];
    }
    return from;
}

static sib_code run_windows(const ref_call *c, const window_axes *w, const ref_plane *from,
                            const ref_plane *outside, const ref_plane *to, int64_t lead, size_t volume)
{
    size_t last = w->n - 1, line = (size_t)w->places[last] * to->item;
    char *at = to->data;
    sib_code code = SIB_OK;
    for (int64_t item = 0; item < lead && code == SIB_OK; item++) {
        const char *base = from->data + (size_t)item * volume * from->item;
        int64_t k[SIB_MAX_RANK] = {0};
        do {
            int64_t p[SIB_MAX_RANK] = {0};
            code = ref_cancelled(c);
            do {
                fill_line(w, k[last], line_at(w, base, k, p), outside, at, to->item);
                at += line;
            } while (next_index(last, p, w->places));
        } while (code == SIB_OK && next_index(w->n, k, w->kernel));
    }
    return code;
}

sib_code ref_windows(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    window_axes w = {0};
    ref_plane from = {0}, outside = {0}, to = {0};
    if (!out || out->count == 0)
        return SIB_OK;
    milli_windows_spec spec = spec_milli_windows(c->node);
    w.n = spec.kernel.n;
    w.kernel = spec.kernel.v;
    w.stride = spec.stride.v;
    w.dilation = spec.dilation.v;
    w.before = spec.before.v;
    size_t lead = a->rank - w.n;
    if (w.n < 1 || w.n > a->rank || spec.stride.n != w.n || spec.dilation.n != w.n || spec.before.n != w.n ||
        out->rank != a->rank + w.n)
        return ref_fail(c, SIB_ERR_ARGUMENT, "windows over %zu axes of an input of rank %zu", w.n, a->rank);
    w.size = a->dims + lead;
    w.places = out->dims + a->rank;
    sib_code code = ref_plane_read(c, a, &from);
    if (code == SIB_OK)
        code = ref_plane_read(c, ref_in(c, 1), &outside);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        int64_t leads = 1, volume = 1;
        for (size_t i = 0; i < lead; i++)
            leads *= a->dims[i];
        for (size_t i = 0; i < w.n; i++)
            volume *= w.size[i];
        ref_strides(w.n, w.size, from.item, w.own);
        code = run_windows(c, &w, &from, &outside, &to, leads, (size_t)volume);
        code = ref_plane_done(c, &to, code);
    }
    ref_plane_free(&from);
    ref_plane_free(&outside);
    return code;
}
