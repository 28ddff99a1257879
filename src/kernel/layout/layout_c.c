/* Planes turned in plain C: what the entries mean. */
#include "kernel/kernel.h"

#include <string.h>

/* Inlined with a constant item, which makes each move one load and one store. */
static inline __attribute__((always_inline)) void turn(const char *src, ptrdiff_t src_row, char *dst,
                                                       ptrdiff_t dst_row, size_t rows, size_t columns,
                                                       size_t item)
{
    if (columns > rows) { /* the longer loop inside */
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

#define TURN(item)                                                                                           \
    static void turn_##item(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row, size_t rows,   \
                            size_t columns)                                                                  \
    {                                                                                                        \
        turn(src, src_row, dst, dst_row, rows, columns, item);                                               \
    }
TURN(1)
TURN(2)
TURN(4)
TURN(8)
TURN(16)

const layout_turn layout_turn_c[LAYOUT_SIZES] = {turn_1, turn_2, turn_4, turn_8, turn_16};

static void repeat(const char *src, char *dst, size_t n, size_t times, size_t item)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < times; k++)
            memcpy(dst + (i * times + k) * item, src + i * item, item);
}

#define REPEAT(item)                                                                                         \
    static void repeat_##item(const char *src, char *dst, size_t n, size_t times)                            \
    {                                                                                                        \
        repeat(src, dst, n, times, item);                                                                    \
    }
REPEAT(1)
REPEAT(2)
REPEAT(4)
REPEAT(8)

void layout_init_c(layout_kernels *k)
{
    const layout_repeat repeats[LAYOUT_REPEATS] = {repeat_1, repeat_2, repeat_4, repeat_8};
    memcpy(k->turn, layout_turn_c, sizeof k->turn);
    memcpy(k->repeat, repeats, sizeof k->repeat);
}
