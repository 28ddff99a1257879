/* Moving elements without change of their bits. Elements are items of 1, 2, 4, 8 or 16 bytes. */
#ifndef KERNEL_LAYOUT_ENTRIES_H
#define KERNEL_LAYOUT_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

/* Sizes of items: entry i is for 2^i bytes. */
#define LAYOUT_SIZES 5

/* A plane transposed: dst item (j, i) = src item (i, j) for i < rows, j < columns. Rows are src_row and
   dst_row bytes apart, which may be negative; items of a row are contiguous. src: (rows, columns); dst:
   (columns, rows). */
typedef void (*layout_transpose)(const char *src, ptrdiff_t src_row, char *dst, ptrdiff_t dst_row,
                                 size_t rows, size_t columns);

/* dst[((r * copies + c) * n + i) * times + k] = src[r * n + i] for r < rows, c < copies, i < n, k < times; copies
   >= 1. Entries for 1, 2, 4 and 8 bytes. */
typedef void (*layout_repeat)(const char *src, char *dst, size_t rows, size_t n, size_t times, size_t copies);
#define LAYOUT_REPEATS 4

/* Results of so many bytes leave the last cache before they are read again: stored past the caches they need
   not be read first, and take half of the time. */
#define LAYOUT_STREAM_BYTES ((size_t)8000000)

typedef struct layout_kernels {
    layout_transpose transpose[LAYOUT_SIZES];
    layout_repeat repeat[LAYOUT_REPEATS];
    /* memcpy past the caches, for pieces that are in the first one. Other threads may see the bytes only after
       stream_end, which takes as long as some KB: once for many pieces. */
    void (*stream)(char *dst, const char *src, size_t bytes);
    void (*stream_end)(void);
} layout_kernels;

/* Used by wider levels for planes narrower than their vectors. */
extern const layout_transpose layout_transpose_c[LAYOUT_SIZES];
extern const layout_transpose layout_transpose_avx2[LAYOUT_SIZES];

#endif
