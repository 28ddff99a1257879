/* Planes transposed with vectors, over these vector operations of simd/int_*.h:

       vb, VB_PIECES                 a vector of bytes, in that many pieces of 16
       vb_rows(p, apart)             the pieces at p, p + apart ... (bytes)
       vb_store(p, v)
       vb_halves(p)                  successive 8 bytes of p in the lower half of each piece; the upper halves
                                     are unspecified
       vb_lo_S(a, b) vb_hi_S(a, b)   in each piece items of S bytes of a and b alternating, from its lower or
                                     upper half

   and LAYOUT_SMALLER of kernel/levels, the table for planes narrower than a vector.

   A piece holds `side` items. `side` vectors, the pieces of each `side` rows apart, are transposed piece by
   piece and become `side` rows of the result, a vector long. The remainder at an edge is transposed together
   with some of what precedes it. */
#include "kernel/kernel.h"

#include <string.h>

#include "kernel/layout/layout_few.inc.h"

#define UNROLL _Pragma("GCC unroll 16")

typedef vb (*vb_mix)(vb a, vb b);

/* side: items of a piece, a constant where this is inlined. */
static inline __attribute__((always_inline)) void transpose_block(const char *src, ptrdiff_t src_row,
                                                                  char *dst, ptrdiff_t dst_row, int side,
                                                                  vb_mix lo, vb_mix hi)
{
    vb a[16], b[16];
    UNROLL for (int i = 0; i < side; i++) a[i] = vb_rows(src + i * src_row, side * src_row);
    UNROLL for (int width = side; width > 1; width /= 2)
    {
        UNROLL for (int i = 0; i < side / 2; i++)
        {
            b[2 * i] = lo(a[i], a[i + side / 2]);
            b[2 * i + 1] = hi(a[i], a[i + side / 2]);
        }
        UNROLL for (int i = 0; i < side; i++) a[i] = b[i];
    }
    UNROLL for (int i = 0; i < side; i++) vb_store(dst + i * dst_row, a[i]);
}

/* Columns one cache line at a time, so that each line of the source is read once. */
static inline __attribute__((always_inline)) void transpose(const char *src, ptrdiff_t src_row, char *dst,
                                                            ptrdiff_t dst_row, size_t rows, size_t columns,
                                                            int side, vb_mix lo, vb_mix hi)
{
    const size_t wide = (size_t)side, tall = wide * VB_PIECES, line = 4 * wide, item = 16 / wide;
    (void)line;
    for (size_t i = 0; i < rows; i += tall) {
        size_t row = i + tall <= rows ? i : rows - tall;
        for (size_t j = 0; j < columns; j += wide) {
            size_t column = j + wide <= columns ? j : columns - wide;
            transpose_block(src + (ptrdiff_t)row * src_row + column * item, src_row,
                            dst + (ptrdiff_t)column * dst_row + row * item, dst_row, side, lo, hi);
        }
    }
}

/* Returns true where it has handled the case: few contiguous rows or columns. */
#define FEW_TRANSPOSED(item)                                                                                 \
    static bool few_transposed_##item(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row,      \
                                      size_t rows, size_t columns)                                           \
    {                                                                                                        \
        if (columns >= 2 && columns <= 4 && src_row == (ptrdiff_t)columns * (item))                          \
            deal_##item(src, dst, dst_row, rows, columns);                                                   \
        else if (rows >= 2 && rows <= 4 && dst_row == (ptrdiff_t)rows * (item))                              \
            join_##item(src, src_row, dst, columns, rows);                                                   \
        else                                                                                                 \
            return false;                                                                                    \
        return true;                                                                                         \
    }
FEW_TRANSPOSED(1)
FEW_TRANSPOSED(2)
FEW_TRANSPOSED(4)
FEW_TRANSPOSED(8)

#define TRANSPOSE(index, item, side, lo, hi)                                                                 \
    static void transpose_##item(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row,           \
                                 size_t rows, size_t columns)                                                \
    {                                                                                                        \
        if (rows >= (side)*VB_PIECES && columns >= (side))                                                   \
            transpose(src, src_row, dst, dst_row, rows, columns, side, lo, hi);                              \
        else if (!few_transposed_##item(src, src_row, dst, dst_row, rows, columns))                          \
            LAYOUT_SMALLER[index](src, src_row, dst, dst_row, rows, columns);                                \
    }
TRANSPOSE(0, 1, 16, vb_lo_1, vb_hi_1)
TRANSPOSE(1, 2, 8, vb_lo_2, vb_hi_2)
TRANSPOSE(2, 4, 4, vb_lo_4, vb_hi_4)
TRANSPOSE(3, 8, 2, vb_lo_8, vb_hi_8)

static void transpose_16(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row, size_t rows,
                         size_t columns)
{
    if (rows >= VB_PIECES)
        transpose(src, src_row, dst, dst_row, rows, columns, 1, vb_lo_8, vb_hi_8);
    else
        LAYOUT_SMALLER[4](src, src_row, dst, dst_row, rows, columns);
}

/* Each item twice. */
static inline __attribute__((always_inline)) void twice(const char *src, char *dst, size_t bytes, vb_mix lo)
{
    const size_t step = 8 * VB_PIECES;
    for (size_t i = 0; i < bytes; i += step) {
        size_t at = i + step <= bytes ? i : bytes - step;
        vb v = vb_halves(src + at);
        vb_store(dst + 2 * at, lo(v, v));
    }
}

/* Copies are made from src again where that is short work: stores follow each other. */
#define TWICE(item)                                                                                          \
    static void repeated_##item(const char *src, char *dst, size_t rows, size_t n, size_t times,             \
                                size_t copies)                                                               \
    {                                                                                                        \
        size_t bytes = n * (item), line = bytes * times;                                                     \
        bool wide = times == 2 && bytes >= 8 * VB_PIECES;                                                    \
        for (size_t r = 0; r < rows; r++, src += bytes)                                                      \
            for (size_t c = 0; c < copies; c++, dst += line)                                                 \
                if (wide)                                                                                    \
                    twice(src, dst, bytes, vb_lo_##item);                                                    \
                else if (c)                                                                                  \
                    memcpy(dst, dst - line, line);                                                           \
                else                                                                                         \
                    repeat_##item(src, dst, n, times);                                                       \
    }
TWICE(1)
TWICE(2)
TWICE(4)
TWICE(8)

static void stream(char *dst, const char *src, size_t bytes)
{
    const size_t step = 16 * VB_PIECES;
    size_t at = (size_t)(-(uintptr_t)dst % step);
    at = at < bytes ? at : bytes;
    memcpy(dst, src, at);
    for (; at + step <= bytes; at += step)
        vb_stream(dst + at, src + at);
    memcpy(dst + at, src + at, bytes - at);
}

static void stream_end(void)
{
    vb_stream_end();
}

extern const layout_transpose SIMD_NAME(layout_transpose)[LAYOUT_SIZES];
const layout_transpose SIMD_NAME(layout_transpose)[LAYOUT_SIZES] = {transpose_1, transpose_2, transpose_4,
                                                                    transpose_8, transpose_16};

void SIMD_NAME(layout_init)(layout_kernels *k)
{
    const layout_repeat repeats[LAYOUT_REPEATS] = {repeated_1, repeated_2, repeated_4, repeated_8};
    memcpy(k->transpose, SIMD_NAME(layout_transpose), sizeof k->transpose);
    memcpy(k->repeat, repeats, sizeof k->repeat);
    k->stream = stream;
    k->stream_end = stream_end;
}
