#include "tensor/walk.h"

#include "base/assert.h"
#include "base/size.h"
#include "tensor/dtype.h"

#include <string.h>

void walk_begin(tensor_walk *w, const sib_tensor *t)
{
    tensor_ready(t);
    walk_begin_bytes(w, t);
}

void walk_begin_bytes(tensor_walk *w, const sib_tensor *t)
{
    memset(w, 0, sizeof *w);
    w->left = t->count;
    w->item_bits = dtype_info(t->dtype)->bits;
    w->at = tensor_address(t);
    w->dense = t->dense;
    if (w->dense)
        return;
    for (size_t i = 0; i < t->rank; i++) {
        int64_t stride = t->strides[i] * (int64_t)(w->item_bits / 8);
        if (t->dims[i] == 1)
            continue;
        size_t last = w->rank - 1;
        if (w->rank > 0 && w->strides[last] == stride * t->dims[i]) {
            w->dims[last] *= t->dims[i];
            w->strides[last] = stride;
        } else {
            w->dims[w->rank] = t->dims[i];
            w->strides[w->rank++] = stride;
        }
    }
}

/* The callers pass `item` as a constant, so that each size of element gets its own loop. */
static inline __attribute__((always_inline)) void gather(char *dst, const char *src, int64_t step, size_t n,
                                                         size_t item)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i * item, src + (int64_t)i * step, item);
}

static void copy_run(char *dst, const char *src, int64_t step, size_t n, size_t item)
{
    if (step == (int64_t)item) {
        memcpy(dst, src, n * item);
        return;
    }
    switch (item) {
    case 1:
        gather(dst, src, step, n, 1);
        break;
    case 2:
        gather(dst, src, step, n, 2);
        break;
    case 4:
        gather(dst, src, step, n, 4);
        break;
    case 8:
        gather(dst, src, step, n, 8);
        break;
    default:
        gather(dst, src, step, n, item);
    }
}

/* Advances by n elements, which must stay within the run. */
static void advance(tensor_walk *w, size_t n)
{
    SIB_ASSERT(w->rank > 0);
    size_t axis = w->rank - 1;
    SIB_ASSERT(w->index[axis] + (int64_t)n <= w->dims[axis]);
    w->index[axis] += (int64_t)n;
    w->at += (int64_t)n * w->strides[axis];
    while (axis > 0 && w->index[axis] == w->dims[axis]) {
        w->at -= w->dims[axis] * w->strides[axis];
        w->index[axis--] = 0;
        w->index[axis]++;
        w->at += w->strides[axis];
    }
}

void walk_copy(tensor_walk *w, void *dst, size_t n)
{
    char *to = dst;
    SIB_ASSERT(n <= w->left);
    w->left -= n;
    if (w->dense) {
        size_t bytes = size_ceil_div(n * w->item_bits, 8);
        if (bytes > 0)
            memcpy(to, w->at, bytes);
        w->at += bytes;
        return;
    }
    size_t item = w->item_bits / 8;
    SIB_ASSERT(item > 0); /* packed types are dense */
    while (n > 0) {
        size_t axis = w->rank - 1;
        size_t run = size_min(n, (size_t)(w->dims[axis] - w->index[axis]));
        copy_run(to, w->at, w->strides[axis], run, item);
        advance(w, run);
        to += run * item;
        n -= run;
    }
}

const void *walk_next(tensor_walk *w, void *scratch, size_t *n)
{
    *n = w->left < WALK_BLOCK ? (size_t)w->left : WALK_BLOCK;
    if (!w->dense) {
        walk_copy(w, scratch, *n);
        return scratch;
    }
    const void *here = w->at;
    w->left -= *n;
    w->at += size_ceil_div(*n * w->item_bits, 8);
    return here;
}
