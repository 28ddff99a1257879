#include "kernel/layout/layout_box.h"

#include "base/assert.h"
#include "base/size.h"
#include "kernel/kernel.h"

#include <string.h>

/* Below this many bytes the calling thread works alone: waking others takes as long. */
#define THREADS_FROM ((size_t)256 << 10)
/* Bytes of a part; rows and columns of a part that is transposed: both sides stay in the L2 cache. */
#define PART_BYTES     ((size_t)64 << 10)
#define PART_TRANSPOSE 128
/* Parts of so many items begin where cache lines do, where the result's rows do. */
#define PART_ITEMS 128
/* Bytes of a long row between two looks at the cancel. */
#define HEED_BYTES ((size_t)4 << 20)

unsigned layout_size(size_t item)
{
    for (unsigned i = 0; i < LAYOUT_SIZES; i++)
        if (item == (size_t)1 << i)
            return i;
    return LAYOUT_SIZES;
}

void layout_strides(size_t rank, const int64_t *dims, size_t item, int64_t *strides)
{
    uint64_t stride = item;
    for (size_t i = rank; i-- > 0;) {
        strides[i] = (int64_t)stride;
        stride *= (uint64_t)dims[i];
    }
}

/* ---- Planning ---------------------------------------------------------------------------------------- */

/* Drops axes of size 1 and merges axes that are contiguous on both sides. */
static void merge(layout_box *b, size_t rank, const int64_t *dims, const int64_t *dst, const int64_t *src)
{
    b->n = 0;
    for (size_t i = 0; i < rank; i++) {
        size_t last = b->n - 1;
        if (dims[i] == 1)
            continue;
        if (b->n > 0 && b->dst[last] == dst[i] * dims[i] && b->src[last] == src[i] * dims[i])
            b->dims[last] *= dims[i];
        else
            b->dims[last = b->n++] = dims[i];
        b->dst[last] = dst[i];
        b->src[last] = src[i];
    }
}

static void drop_axis(layout_box *b, size_t axis)
{
    int64_t *lists[] = {b->dims, b->dst, b->src};
    for (size_t k = 0; k < 3; k++)
        memmove(lists[k] + axis, lists[k] + axis + 1, (b->n - 1 - axis) * sizeof *lists[k]);
    b->n--;
}

/* Joins items that always move together to one of a larger size. */
static size_t widen(layout_box *b, size_t item)
{
    while (b->n > 1) {
        size_t last = b->n - 1, wide = item * (size_t)b->dims[last];
        if (b->dst[last] != (int64_t)item || b->src[last] != (int64_t)item || b->dims[last] > 16 ||
            layout_size(wide) == LAYOUT_SIZES)
            break;
        item = wide;
        b->n--;
    }
    return item;
}

/* Removes the axis `at` from those outside the planes. */
static void take_axis(layout_box *b, size_t at, size_t *count, int64_t *dst, int64_t *src)
{
    *count = (size_t)b->dims[at];
    *dst = b->dst[at];
    *src = b->src[at];
    drop_axis(b, at);
}

/* The axis along which the source is contiguous, or n. */
static size_t neighbours(const layout_box *b, size_t item)
{
    for (size_t i = b->n; i-- > 0;)
        if (b->src[i] == (int64_t)item)
            return i;
    return b->n;
}

static void choose_way(layout_box *b, size_t item)
{
    b->rows = b->columns = 1;
    b->dst_column = b->src_column = (int64_t)item;
    b->dst_row = b->src_row = 0;
    b->way = LAYOUT_RUNS;
    if (b->n == 0)
        return;
    size_t last = b->n - 1, unit_axis = neighbours(b, item);
    if (b->dst[last] == (int64_t)item && b->src[last] != (int64_t)item && unit_axis < last) {
        b->way = LAYOUT_TRANSPOSE;
        take_axis(b, last, &b->rows, &b->dst_row, &b->src_row);
        take_axis(b, unit_axis, &b->columns, &b->dst_column, &b->src_column);
        return;
    }
    take_axis(b, last, &b->columns, &b->dst_column, &b->src_column);
    if (b->n > 0)
        take_axis(b, b->n - 1, &b->rows, &b->dst_row, &b->src_row);
    bool dense = b->dst_column == (int64_t)item;
    if (!dense || b->src_column != (int64_t)item)
        b->way = dense && b->src_column == 0 ? LAYOUT_FILL : LAYOUT_STRIDED;
}

/* Splits n into equal parts of at most `max`, rounded up to a multiple of `multiple`. */
static size_t share(size_t n, size_t max, size_t multiple, size_t *parts)
{
    size_t part = size_ceil_div(n, size_max(1, size_ceil_div(n, size_max(1, max))));
    part = size_ceil_div(part, multiple) * multiple;
    *parts = size_ceil_div(n, part);
    return part;
}

void layout_box_plan(layout_box *b, size_t rank, const int64_t *dims, const int64_t *dst, const int64_t *src,
                     size_t item)
{
    *b = (layout_box){0};
    for (size_t i = 0; i < rank; i++)
        if (dims[i] == 0)
            return;
    merge(b, rank, dims, dst, src);
    item = widen(b, item);
    b->size = layout_size(item);
    choose_way(b, item);
    b->planes = 1;
    for (size_t i = 0; i < b->n; i++)
        b->planes *= (size_t)b->dims[i];
    size_t line = b->columns * item;
    SIB_ASSERT(line);
    b->bytes = b->planes * b->rows * line;
    if (b->way == LAYOUT_TRANSPOSE) {
        b->transpose = kernel_table_get()->layout.transpose[b->size];
        size_t area = PART_TRANSPOSE * PART_TRANSPOSE;
        b->part_rows = share(b->rows, size_max(PART_TRANSPOSE, area / b->columns), PART_ITEMS, &b->down);
        b->part_columns = share(b->columns, size_max(PART_TRANSPOSE, area / b->rows), PART_ITEMS, &b->across);
        return;
    }
    b->part_columns =
        share(b->columns, line > 4 * PART_BYTES ? 4 * PART_BYTES / item : b->columns, 1, &b->across);
    b->part_rows = share(b->rows, b->across > 1 ? 1 : PART_BYTES / line, 1, &b->down);
}

/* ---- Moving ------------------------------------------------------------------------------------------ */

/* Two moves of `half` bytes that may overlap in the middle. */
static inline __attribute__((always_inline)) void move_ends(char *dst, const char *src, size_t bytes,
                                                            size_t half)
{
    char low[32], high[32];
    memcpy(low, src, half);
    memcpy(high, src + bytes - half, half);
    memcpy(dst, low, half);
    memcpy(dst + bytes - half, high, half);
}

#define ROWS(move)                                                                                           \
    for (size_t i = 0; i < rows; i++, dst += dst_row, src += src_row)                                        \
    move

static void copy_rows(char *dst, int64_t dst_row, const char *src, int64_t src_row, size_t rows, size_t bytes)
{
    if (bytes > 64)
        ROWS(memcpy(dst, src, bytes));
    else if (bytes > 32)
        ROWS(move_ends(dst, src, bytes, 32));
    else if (bytes > 16)
        ROWS(move_ends(dst, src, bytes, 16));
    else if (bytes >= 8)
        ROWS(move_ends(dst, src, bytes, 8));
    else if (bytes >= 4)
        ROWS(move_ends(dst, src, bytes, 4));
    else if (bytes >= 2)
        ROWS(move_ends(dst, src, bytes, 2));
    else
        ROWS(*dst = *src);
}

/* Inlined with a constant item. */
static inline __attribute__((always_inline)) void fill_items(char *dst, const char *src, size_t n,
                                                             size_t item)
{
    char value[16];
    memcpy(value, src, item);
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i * item, value, item);
}

static void fill(char *dst, const char *item, unsigned size, size_t n)
{
    switch (size) { /* a constant size makes each a loop of stores */
    case 0:
        memset(dst, *item, n);
        break;
    case 1:
        fill_items(dst, item, n, 2);
        break;
    case 2:
        fill_items(dst, item, n, 4);
        break;
    case 3:
        fill_items(dst, item, n, 8);
        break;
    default:
        fill_items(dst, item, n, 16);
    }
}

void layout_fill(char *dst, const char *item, unsigned size, size_t n, const struct sib_cancel *cancel)
{
    const size_t part = HEED_BYTES >> size;
    for (size_t i = 0; i < n && !cancel_is_set(cancel); i += part)
        fill(dst + (i << size), item, size, size_min(part, n - i));
}

void layout_copy(char *dst, const char *src, size_t bytes, const struct sib_cancel *cancel)
{
    for (size_t i = 0; i < bytes && !cancel_is_set(cancel); i += HEED_BYTES)
        memcpy(dst + i, src + i, size_min(HEED_BYTES, bytes - i));
}

static inline __attribute__((always_inline)) void move_items(char *dst, int64_t dst_apart, const char *src,
                                                             int64_t src_apart, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++, dst += dst_apart, src += src_apart)
        memcpy(dst, src, item);
}

static void copy_strided(const layout_box *b, char *dst, const char *src, size_t rows, size_t columns)
{
    int64_t to = b->dst_column, from = b->src_column;
    for (size_t i = 0; i < rows; i++, dst += b->dst_row, src += b->src_row)
        switch (b->size) {
        case 0:
            move_items(dst, to, src, from, columns, 1);
            break;
        case 1:
            move_items(dst, to, src, from, columns, 2);
            break;
        case 2:
            move_items(dst, to, src, from, columns, 4);
            break;
        case 3:
            move_items(dst, to, src, from, columns, 8);
            break;
        default:
            move_items(dst, to, src, from, columns, 16);
        }
}

/* Rows a large power of two apart share few sets of the caches: planes with such rows are transposed into a
   block on the stack first, from which full cache lines are copied. With fewer columns than ASIDE_MIN each row
   of the result has a way of its set. From ASIDE_STREAM bytes on these lines go past the caches, in which they
   displace each other before a row's next piece comes; a block is half as tall and twice as wide then, since the
   source's rows come from memory too. */
#define ASIDE_EVERY  1024
#define ASIDE_RUN    512
#define ASIDE_GAP    64
#define ASIDE_ROWS   64
#define ASIDE_MIN    12
#define ASIDE_STREAM (LAYOUT_STREAM_BYTES / 4 * 3)

static bool goes_aside(const layout_box *b, size_t rows, size_t columns)
{
    return rows << b->size >= ASIDE_RUN / 2 && columns >= ASIDE_MIN &&
           (b->bytes >= LAYOUT_STREAM_BYTES || b->dst_column % ASIDE_EVERY == 0 ||
            b->src_row % ASIDE_EVERY == 0);
}

static void copy_line(char *dst, const char *src, size_t bytes)
{
    memcpy(dst, src, bytes);
}

static void transpose_aside(const layout_box *b, char *dst, const char *src, size_t rows, size_t columns)
{
    _Alignas(64) char aside[ASIDE_ROWS * (ASIDE_RUN + 2 * ASIDE_GAP)];
    bool past = b->bytes >= ASIDE_STREAM;
    void (*put)(char *, const char *, size_t) = past ? kernel_table_get()->layout.stream : copy_line;
    size_t run = past ? ASIDE_RUN / 2 : ASIDE_RUN, broad = past ? 2 * ASIDE_ROWS : ASIDE_ROWS;
    size_t tall = run >> b->size, line = run + ASIDE_GAP;
    for (size_t i = 0; i < rows; i += tall)
        for (size_t j = 0; j < columns; j += broad) {
            size_t high = size_min(tall, rows - i), wide = size_min(broad, columns - j);
            const char *from = src + (int64_t)i * b->src_row + (int64_t)j * b->src_column;
            char *to = dst + (int64_t)i * b->dst_row + (int64_t)j * b->dst_column;
            b->transpose(from, (ptrdiff_t)b->src_row, aside, (ptrdiff_t)line, high, wide);
            for (size_t k = 0; k < wide; k++, to += b->dst_column)
                put(to, aside + k * line, high << b->size);
        }
}

/* Part (down, across) of a plane. */
static void copy_part(const layout_box *b, char *dst, const char *src, size_t down, size_t across)
{
    size_t row = down * b->part_rows, column = across * b->part_columns;
    if (row >= b->rows || column >= b->columns)
        return;
    size_t rows = size_min(b->part_rows, b->rows - row);
    size_t columns = size_min(b->part_columns, b->columns - column);
    dst += (int64_t)row * b->dst_row + (int64_t)column * b->dst_column;
    src += (int64_t)row * b->src_row + (int64_t)column * b->src_column;
    switch (b->way) {
    case LAYOUT_RUNS:
        copy_rows(dst, b->dst_row, src, b->src_row, rows, columns << b->size);
        break;
    case LAYOUT_TRANSPOSE:
        if (goes_aside(b, rows, columns))
            transpose_aside(b, dst, src, rows, columns);
        else
            b->transpose(src, (ptrdiff_t)b->src_row, dst, (ptrdiff_t)b->dst_column, rows, columns);
        break;
    case LAYOUT_FILL:
        for (size_t i = 0; i < rows; i++, dst += b->dst_row, src += b->src_row)
            fill(dst, src, b->size, columns);
        break;
    default:
        copy_strided(b, dst, src, rows, columns);
    }
}

/* Position of plane `at`. */
typedef struct place {
    int64_t index[LAYOUT_MAX_RANK]; /* (n) */
    char *dst;
    const char *src;
} place;

static void place_at(const layout_box *b, size_t at, place *p)
{
    for (size_t i = b->n; i-- > 0; at /= (size_t)b->dims[i]) {
        p->index[i] = (int64_t)(at % (size_t)b->dims[i]);
        p->dst += p->index[i] * b->dst[i];
        p->src += p->index[i] * b->src[i];
    }
}

static void place_next(const layout_box *b, place *p)
{
    for (size_t i = b->n; i-- > 0;) {
        p->dst += b->dst[i];
        p->src += b->src[i];
        if (++p->index[i] < b->dims[i])
            return;
        p->dst -= b->dst[i] * b->dims[i];
        p->src -= b->src[i] * b->dims[i];
        p->index[i] = 0;
    }
}

typedef struct box_work {
    const layout_box *box;
    char *dst;
    const char *src;
    const struct sib_cancel *cancel;
} box_work;

/* Parts are numbered plane by plane, within a plane along the result. */
static void copy_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const box_work *w = context;
    const layout_box *b = w->box;
    size_t each = b->down * b->across, part = begin % each;
    bool transposed = b->way == LAYOUT_TRANSPOSE;
    place p;
    (void)worker;
    p.dst = w->dst;
    p.src = w->src;
    place_at(b, begin / each, &p);
    for (; count > 0 && !cancel_is_set(w->cancel); place_next(b, &p), part = 0)
        for (; part < each && count > 0 && !cancel_is_set(w->cancel); part++, count--)
            copy_part(b, p.dst, p.src, transposed ? part % b->down : part / b->across,
                      transposed ? part / b->down : part % b->across);
    if (b->bytes >= ASIDE_STREAM)
        kernel_table_get()->layout.stream_end();
}

void layout_box_copy(const layout_box *b, char *dst, const char *src, sib_pool *pool,
                     const struct sib_cancel *cancel)
{
    size_t parts = b->planes * b->down * b->across;
    box_work w = {b, dst, src, cancel};
    if (parts == 1 && b->bytes < ASIDE_STREAM)
        copy_part(b, dst, src, 0, 0);
    else if (parts > 0 && (!pool || b->bytes < THREADS_FROM))
        copy_parts(&w, 0, parts, 0);
    else if (parts > 0)
        pool_run(pool, parts, size_max(1, parts / (8 * (size_t)sib_pool_threads(pool))), copy_parts, &w);
}
