/* Planes turned with vectors, one shape for every instruction set. The file that includes this one has defined

       lv, LV_PIECES                 a vector of bytes, of so many pieces of 16
       lv_rows(p, apart)             the pieces at p, p + apart ... (bytes)
       lv_store(p, v)
       lv_lo_S(a, b) lv_hi_S(a, b)   in each piece items of S bytes of a and b by turns, from its lower or upper half
       LAYOUT_SMALLER                the table for planes narrower than a vector
       LAYOUT_TABLE                  the table's own name
       LAYOUT_INIT                   the function that fills the entries

   A piece holds `side` items. `side` vectors, the pieces of each `side` rows apart, are turned piece by piece and become
   `side` rows of the result, a vector long. What is left at an edge is turned with some of what stands before it. */
#include "kernel/kernel.h"

#include <string.h>

#define UNROLL _Pragma("GCC unroll 16")

typedef lv (*lv_mix)(lv a, lv b);

/* side: items of a piece, a constant where this is inlined. */
static inline __attribute__((always_inline)) void
turn_block(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row, int side, lv_mix lo, lv_mix hi)
{
    lv a[16], b[16];
    UNROLL for (int i = 0; i < side; i++) a[i] = lv_rows(src + i * src_row, side * src_row);
    UNROLL for (int width = side; width > 1; width /= 2)
    {
        UNROLL for (int i = 0; i < side / 2; i++)
        {
            b[2 * i] = lo(a[i], a[i + side / 2]);
            b[2 * i + 1] = hi(a[i], a[i + side / 2]);
        }
        UNROLL for (int i = 0; i < side; i++) a[i] = b[i];
    }
    UNROLL for (int i = 0; i < side; i++) lv_store(dst + i * dst_row, a[i]);
}

/* Columns a cache line at a time, so that each line of the source is read once. */
static inline __attribute__((always_inline)) void turn(const char *src, ptrdiff_t src_row, char *dst,
                                                       ptrdiff_t dst_row, size_t rows, size_t columns,
                                                       int side, lv_mix lo, lv_mix hi)
{
    const size_t wide = (size_t)side, tall = wide * LV_PIECES, line = 4 * wide, item = 16 / wide;
    for (size_t begin = 0; begin < columns; begin += line) {
        size_t end = begin + line < columns ? begin + line : columns;
        for (size_t i = 0; i < rows; i += tall) {
            size_t row = i + tall <= rows ? i : rows - tall;
            for (size_t j = begin; j < end; j += wide) {
                size_t column = j + wide <= columns ? j : columns - wide;
                turn_block(src + (ptrdiff_t)row * src_row + column * item, src_row,
                           dst + (ptrdiff_t)column * dst_row + row * item, dst_row, side, lo, hi);
            }
        }
    }
}

#define TURN(index, side, lo, hi)                                                                            \
    static void turn_##index(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row, size_t rows,  \
                             size_t columns)                                                                 \
    {                                                                                                        \
        if (rows < (side)*LV_PIECES || columns < (side))                                                     \
            LAYOUT_SMALLER[index](src, src_row, dst, dst_row, rows, columns);                                \
        else                                                                                                 \
            turn(src, src_row, dst, dst_row, rows, columns, side, lo, hi);                                   \
    }
TURN(0, 16, lv_lo_1, lv_hi_1)
TURN(1, 8, lv_lo_2, lv_hi_2)
TURN(2, 4, lv_lo_4, lv_hi_4)
TURN(3, 2, lv_lo_8, lv_hi_8)
TURN(4, 1, lv_lo_8, lv_hi_8)

extern const layout_turn LAYOUT_TABLE[LAYOUT_SIZES];
const layout_turn LAYOUT_TABLE[LAYOUT_SIZES] = {turn_0, turn_1, turn_2, turn_3, turn_4};

void LAYOUT_INIT(layout_kernels *k)
{
    memcpy(k->turn, LAYOUT_TABLE, sizeof k->turn);
}
