/* Planes transposed in plain C, which defines the entries. */
#include "kernel/kernel.h"

#include <string.h>

/* Inlined with a constant item, which makes each move one load and one store. */
static inline __attribute__((always_inline)) void transpose(const char *src, ptrdiff_t src_row, char *dst,
                                                            ptrdiff_t dst_row, size_t rows, size_t columns,
                                                            size_t item)
{
    if (columns > rows) { /* the longer loop is the inner one */
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                memcpy(dst + (ptrdiff_t)j * dst_row + i * item, src + (ptrdiff_t)i * src_row + j * item,
                       item);
        return;
    }
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            memcpy(dst + (ptrdiff_t)j * dst_row + i * item, src + (ptrdiff_t)i * src_row + j * item, item);
}

#define TRANSPOSE(item)                                                                                      \
    static void transpose_##item(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row,           \
                                 size_t rows, size_t columns)                                                \
    {                                                                                                        \
        transpose(src, src_row, dst, dst_row, rows, columns, item);                                          \
    }
TRANSPOSE(1)
TRANSPOSE(2)
TRANSPOSE(4)
TRANSPOSE(8)
TRANSPOSE(16)

const layout_transpose layout_transpose_c[LAYOUT_SIZES] = {transpose_1, transpose_2, transpose_4, transpose_8,
                                                           transpose_16};

static void repeat(const char *src, char *dst, size_t rows, size_t n, size_t times, size_t copies,
                   size_t item)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < copies; c++)
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < times; k++)
                    memcpy(dst + (((r * copies + c) * n + i) * times + k) * item, src + (r * n + i) * item,
                           item);
}

#define REPEAT(item)                                                                                         \
    static void repeat_##item(const char *src, char *dst, size_t rows, size_t n, size_t times,               \
                              size_t copies)                                                                 \
    {                                                                                                        \
        repeat(src, dst, rows, n, times, copies, item);                                                      \
    }
REPEAT(1)
REPEAT(2)
REPEAT(4)
REPEAT(8)

static void stream(char *dst, const char *src, size_t bytes)
{
    memcpy(dst, src, bytes);
}

static void stream_end(void)
{
}

void layout_init_c(layout_kernels *k)
{
    const layout_repeat repeats[LAYOUT_REPEATS] = {repeat_1, repeat_2, repeat_4, repeat_8};
    memcpy(k->transpose, layout_transpose_c, sizeof k->transpose);
    memcpy(k->repeat, repeats, sizeof k->repeat);
    k->stream = stream;
    k->stream_end = stream_end;
}
