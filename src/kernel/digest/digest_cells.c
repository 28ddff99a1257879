#include "kernel/digest/digest_cells.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define PLANE_MAX  4096
#define PERIOD_MIN 256 /* of planes */

void grid_of(grid *g, size_t rank, const int64_t *dims)
{
    g->height = rank > 1 ? (size_t)dims[rank - 2] : 1;
    g->width = rank > 0 ? (size_t)dims[rank - 1] : 1;
    g->plane = g->height * g->width;
    g->rows = size_min(g->height, SIDE);
    g->columns = size_min(g->width, SIDE);
    for (size_t i = 0; i <= SIDE; i++) {
        g->first_row[i] = g->rows ? size_ceil_div(size_min(i, g->rows) * g->height, g->rows) : 0;
        g->first_column[i] = g->columns ? size_ceil_div(size_min(i, g->columns) * g->width, g->columns) : 0;
    }
}

void add_to_cell(const grid *g, cells *c, uint64_t at, double x)
{
    const size_t in_plane = (size_t)(at % g->plane), row = in_plane / g->width * g->rows / g->height,
                 column = in_plane % g->width * g->columns / g->width;
    if (isfinite(x))
        c->sums[row][column] += x;
    else {
        c->missing[row][column]++;
        c->not_finite[row] |= UINT32_C(1) << column;
    }
}

void join_cells(cells *c, const cells *b)
{
    for (size_t i = 0; i < SIDE; i++) {
        c->not_finite[i] |= b->not_finite[i];
        for (size_t j = 0; j < SIDE; j++) {
            c->sums[i][j] += b->sums[i][j];
            c->missing[i][j] += b->missing[i][j];
        }
    }
}

void finish_cells(const grid *g, const cells *c, uint64_t count, sib_digest *out)
{
    const double planes = g->plane ? (double)(count / g->plane) : 0;
    out->rows = (uint32_t)g->rows;
    out->columns = (uint32_t)g->columns;
    for (size_t i = 0; i < g->rows; i++) {
        out->not_finite[i] = c->not_finite[i];
        for (size_t j = 0; j < g->columns; j++) {
            double n = planes * (double)(g->first_row[i + 1] - g->first_row[i]) *
                           (double)(g->first_column[j + 1] - g->first_column[j]) -
                       c->missing[i][j];
            out->cells[i][j] = (float)(c->sums[i][j] / n);
        }
    }
}

/* ---- Sums by cell of contiguous floats --------------------------------------------------------------- */

void gather_begin(gatherer *a, const grid *g, const digest_kernels *k, cells *c)
{
    a->g = g;
    a->k = k;
    a->c = c;
    a->how = g->plane <= PLANE_MAX            ? GATHER_PLANES
             : g->width <= GATHER_ROOM / SIDE ? GATHER_BANDS
                                              : GATHER_ROWS;
    a->period = a->how == GATHER_PLANES ? g->plane * size_ceil_div(PERIOD_MIN, g->plane)
                                        : g->width * (GATHER_ROOM / SIDE / g->width);
    if (a->how == GATHER_PLANES)
        memset(a->sums, 0, a->period * sizeof *a->sums);
    else if (a->how == GATHER_BANDS)
        memset(a->sums, 0, sizeof a->sums);
}

void gather(gatherer *a, uint64_t at, const float *x, size_t n)
{
    const grid *g = a->g;
    while (n) {
        size_t many, in_plane = (size_t)(at % g->plane);
        if (a->how == GATHER_PLANES) {
            const size_t place = (size_t)(at % a->period);
            many = size_min(n, a->period - place);
            a->k->add(x, many, a->sums + place);
        } else if (a->how == GATHER_BANDS) {
            const size_t band = in_plane / g->width * g->rows / g->height,
                         place = (in_plane - g->first_row[band] * g->width) % a->period;
            many = size_min(size_min(n, a->period - place), g->first_row[band + 1] * g->width - in_plane);
            a->k->add(x, many, a->sums + band * (GATHER_ROOM / SIDE) + place);
        } else {
            const size_t column = in_plane % g->width, cell = column * g->columns / g->width;
            many = size_min(n, g->first_column[cell + 1] - column);
            a->c->sums[in_plane / g->width * g->rows / g->height][cell] += (double)a->k->sum(x, many);
        }
        x += many;
        at += many;
        n -= many;
    }
}

/* Adds x[1 .. n - 1], lists of `length` sums each, to x[0]. */
static void gather_lists(const gatherer *a, float *x, size_t n, size_t length)
{
    for (size_t i = 1; i < n; i++)
        a->k->add(x + i * length, length, x);
}

/* Sorts `rows` rows of sums into the cells of row `row`. */
static void fold(const gatherer *a, float *x, size_t rows, size_t row)
{
    const grid *g = a->g;
    gather_lists(a, x, rows, g->width);
    for (size_t j = 0; j < g->columns; j++) {
        float sum = 0;
        for (size_t i = g->first_column[j]; i < g->first_column[j + 1]; i++)
            sum += x[i];
        a->c->sums[row][j] += (double)sum;
    }
}

void gather_end(gatherer *a)
{
    const grid *g = a->g;
    if (a->how == GATHER_PLANES)
        gather_lists(a, a->sums, a->period / g->plane, g->plane);
    for (size_t row = 0; row < g->rows && a->how != GATHER_ROWS; row++)
        if (a->how == GATHER_PLANES)
            fold(a, a->sums + g->first_row[row] * g->width, g->first_row[row + 1] - g->first_row[row], row);
        else
            fold(a, a->sums + row * (GATHER_ROOM / SIDE), a->period / g->width, row);
}
