/* Sums over windows of an image of bytes, exact in int32 (overflow wraps): the inner loops of conv2d_int.h.

   Terms are taken in groups, as many as one instruction multiplies and adds. The image is interleaved into
   lines for them: for every pixel the bytes that a group reads there, adjacent, so (pixels, group) bytes.
   Bytes of the image are taken as 0 .. 255, weights as signed numbers of `element` bytes. */
#ifndef KERNEL_BYTES_H
#define KERNEL_BYTES_H

#include <stddef.h>
#include <stdint.h>

#define BYTES_MAX_MR 12
#define BYTES_SLACK  16 /* pixels after the last of a line that are read and written */

/* sums[i * ld + j] = sum over groups p and their terms q of a[p][i][q] * b[at[p] + j * group + q] */
typedef struct bytes_tile {
    size_t groups;
    const void *a;     /* (groups, m, group) */
    const uint8_t *b;  /* lines */
    const int32_t *at; /* (groups) bytes from b */
    int32_t *sums;     /* (m, n), rows ld apart, each with room for BYTES_SLACK more */
    size_t ld;
} bytes_tile;

/* dst[(i * apart + j) * group + q] = image[from[q] + i * pitch + j] ^ flip for i < rows, j < columns */
typedef struct bytes_join {
    const uint8_t *image, *end; /* end: nothing is read from there on */
    const int32_t *from;        /* (group) */
    size_t rows, columns, pitch, apart;
    uint8_t flip;
    uint8_t *dst; /* (rows, apart, group), with room for BYTES_SLACK pixels more */
} bytes_join;

/* Rows row0 .. row0 + rows - 1 of the sums over windows of one plane: sums (rows, out[1]) of a (size, taps)
   times x, whose bytes are x ^ flip, and zero ^ flip out of range. */
typedef struct bytes_plane {
    size_t in[2], out[2], before[2], row0, rows;
    uint8_t zero, flip;
    const void *a; /* (size, a row's taps rounded up to groups) */
    const uint8_t *x;
    int32_t *sums;
} bytes_plane;

typedef struct bytes_plane_row {
    size_t size, stride; /* of windows, on both axes; no dilation */
    void (*run)(const bytes_plane *g);
} bytes_plane_row;

typedef struct bytes_kernels {
    size_t mr, lanes; /* max features of a tile; pixels of a vector */
    size_t group;     /* terms, a power of 2 */
    size_t element;   /* bytes of a weight: 1: -128 .. 127, 2: int16 */

    /* tile[m]: for m features, 1 <= m <= mr. */
    void (*tile[BYTES_MAX_MR + 1])(const bytes_tile *t, size_t n);
    void (*join)(const bytes_join *j);
    const bytes_plane_row *planes; /* (n_planes); for outputs of at least `lanes` columns */
    size_t n_planes;
} bytes_kernels;

#endif
