/* The cells of a digest: means over the last two axes. */
#ifndef KERNEL_DIGEST_CELLS_H
#define KERNEL_DIGEST_CELLS_H

#include "kernel/kernel.h"

#include <sibyl/digest.h>

#define SIDE SIB_DIGEST_SIDE
_Static_assert(SIDE == DIGEST_SIDE, "cells of a row");

/* The last two axes of a tensor and their cells. */
typedef struct grid {
    size_t height, width, plane; /* plane: height * width */
    size_t rows, columns;
    size_t first_row[SIDE + 1], first_column[SIDE + 1]; /* of each cell */
} grid;
void grid_of(grid *g, size_t rank, const int64_t *dims);

/* Sums of the finite elements of each cell, and what is missing in them. */
typedef struct cells {
    double sums[SIDE][SIDE];
    uint32_t missing[SIDE][SIDE], not_finite[SIDE];
} cells;
/* Adds element `at` of the tensor in row-major order. */
void add_to_cell(const grid *g, cells *c, uint64_t at, double x);
void clear_cells(const grid *g, cells *c);
/* Adds what b has. */
void join_cells(const grid *g, cells *c, const cells *b);
/* count: elements of the tensor. */
void finish_cells(const grid *g, const cells *c, uint64_t count, sib_digest *out);

/* ---- Statistics and sums by cell of contiguous floats ------------------------------------------------ */

/* How elements are added up before they are sorted into cells. */
typedef enum gathering {
    GATHER_PLANES, /* planes of up to 4,096 elements on top of each other */
    GATHER_BANDS,  /* rows of the same cells, of up to 512 elements */
    GATHER_ROWS    /* each row, cell by cell */
} gathering;

#define GATHER_ROOM (SIDE * 512)

/* Adds to the cells *c when it ends. */
typedef struct gatherer {
    const grid *g;
    const digest_kernels *k;
    cells *c;
    gathering how;
    bool careful;  /* looks at each run before it is added up, so that what is not finite spoils nothing */
    size_t period; /* PLANES: elements; BANDS: elements of a band's sums */
    float sums[GATHER_ROOM];
} gatherer;

/* Elements that are best taken at once: calls from multiples of it on have no parts of periods. At most DIGEST_BLOCK. */
size_t gather_block(const grid *g, uint64_t count);

/* count: elements of the tensor. */
void gather_begin(gatherer *a, const grid *g, uint64_t count, const digest_kernels *k, cells *c,
                  bool careful);
/* Scans elements from `at` on in row-major order, up to n, and adds them to the sums. Returns how many. Where they do not
   fit (scan_fits) a careful gatherer adds none, and another's sums are spoilt. */
size_t gather(gatherer *a, uint64_t at, const float *x, size_t n, digest_scan *out);
void gather_end(gatherer *a);

/* All are finite, and so are the sums of cells. */
static inline bool scan_fits(const digest_scan *s)
{
    return s->finite && s->max <= 1e30f && s->min >= -1e30f;
}

#endif
