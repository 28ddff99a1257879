#include "kernel/layout/layout_frame.h"

#include "base/size.h"

#include <string.h>

/* Below this many bytes the calling thread works alone. */
#define THREADS_FROM ((size_t)256 << 10)

void layout_frame_plan(layout_frame *f, size_t rank, const int64_t *dims, const int64_t *before,
                       const int64_t *after, size_t item)
{
    *f = (layout_frame){.size = layout_size(item), .bytes = item};
    for (size_t i = 0; i < rank; i++) {
        size_t last = f->n - 1;
        f->bytes *= (size_t)(before[i] + dims[i] + after[i]);
        if (f->n > 0 && !before[i] && !after[i]) { /* merged with the axis before it */
            f->dims[last] *= dims[i];
            f->before[last] *= dims[i];
            f->after[last] *= dims[i];
            continue;
        }
        f->dims[f->n] = dims[i];
        f->before[f->n] = before[i];
        f->after[f->n++] = after[i];
    }
    if (f->n == 0)
        f->dims[f->n++] = 1;
    for (size_t i = f->n, to = 1, from = 1; i-- > 0;) {
        f->inner[i] = to;
        f->source[i] = from;
        to *= (size_t)(f->before[i] + f->dims[i] + f->after[i]);
        from *= (size_t)f->dims[i];
    }
}

typedef struct frame_work {
    const layout_frame *frame;
    char *dst;
    const char *src, *border;
    const struct sib_cancel *cancel;
} frame_work;

static char *put_border(const frame_work *w, char *dst, size_t items)
{
    layout_fill(dst, w->border, w->frame->size, items, w->cancel);
    return dst + (items << w->frame->size);
}

/* The axes from `axis` on, at most LAYOUT_MAX_RANK. Returns the end of the written range. */
static char *put_axis(const frame_work *w, size_t axis, char *dst, const char *src)
{
    const layout_frame *f = w->frame;
    size_t dims = (size_t)f->dims[axis];
    dst = put_border(w, dst, (size_t)f->before[axis] * f->inner[axis]);
    if (axis + 1 == f->n) {
        layout_copy(dst, src, dims << f->size, w->cancel);
        dst += dims << f->size;
    } else {
        for (size_t i = 0; i < dims && !cancel_is_set(w->cancel); i++, src += f->source[axis] << f->size)
            dst = put_axis(w, axis + 1, dst, src);
    }
    return put_border(w, dst, (size_t)f->after[axis] * f->inner[axis]);
}

/* Steps along the first axis. */
static void put_steps(void *context, size_t begin, size_t count, unsigned worker)
{
    const frame_work *w = context;
    const layout_frame *f = w->frame;
    (void)worker;
    for (size_t i = begin; i < begin + count && !cancel_is_set(w->cancel); i++)
        put_axis(w, 1, w->dst + (((size_t)f->before[0] + i) * f->inner[0] << f->size),
                 w->src + (i * f->source[0] << f->size));
}

void layout_frame_copy(const layout_frame *f, char *dst, const char *src, const char *border, sib_pool *pool,
                       const struct sib_cancel *cancel)
{
    frame_work w = {f, dst, src, border, cancel};
    size_t steps = (size_t)f->dims[0], before = (size_t)f->before[0] * f->inner[0];
    if (f->bytes == 0)
        return;
    if (f->n == 1 || !pool || f->bytes < THREADS_FROM) {
        put_axis(&w, 0, dst, src);
        return;
    }
    put_border(&w, dst, before);
    put_border(&w, dst + ((before + steps * f->inner[0]) << f->size), (size_t)f->after[0] * f->inner[0]);
    pool_run(pool, steps, size_max(1, steps / (4 * (size_t)sib_pool_threads(pool))), put_steps, &w);
}
