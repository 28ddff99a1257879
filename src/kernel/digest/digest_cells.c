#include "kernel/digest/digest_cells.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define PLANE_MAX  4096
#define PERIOD_MIN 256 /* of planes */
#define BAND_MIN   128

/* The first of `length` indices in each of n cells, and their end from there on. */
static void first_of(size_t length, size_t n, size_t first[SIDE + 1])
{
    for (size_t i = 0; i <= SIDE; i++)
        first[i] = n < SIDE ? size_min(i, n) : size_ceil_div(i * length, SIDE);
}

void grid_of(grid *g, size_t rank, const int64_t *dims)
{
    g->height = rank > 1 ? (size_t)dims[rank - 2] : 1;
    g->width = rank > 0 ? (size_t)dims[rank - 1] : 1;
    g->plane = g->height * g->width;
    g->rows = size_min(g->height, SIDE);
    g->columns = size_min(g->width, SIDE);
    first_of(g->height, g->rows, g->first_row);
    first_of(g->width, g->columns, g->first_column);
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

void clear_cells(const grid *g, cells *c)
{
    memset(c->sums, 0, g->rows * sizeof *c->sums);
    memset(c->missing, 0, g->rows * sizeof *c->missing);
    memset(c->not_finite, 0, g->rows * sizeof *c->not_finite);
}

void join_cells(const grid *g, cells *c, const cells *b)
{
    for (size_t i = 0; i < g->rows; i++) {
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
    double width[SIDE] = {0}, inverse[SIDE] = {0};
    out->rows = (uint32_t)g->rows;
    out->columns = (uint32_t)g->columns;
    for (size_t j = 0; j < g->columns; j++) {
        width[j] = (double)(g->first_column[j + 1] - g->first_column[j]);
        inverse[j] = 1 / width[j];
    }
    for (size_t i = 0; i < g->rows; i++) {
        const double high = planes * (double)(g->first_row[i + 1] - g->first_row[i]), by = 1 / high;
        out->not_finite[i] = c->not_finite[i];
        for (size_t j = 0; j < g->columns && !c->not_finite[i]; j++)
            out->cells[i][j] = (float)(c->sums[i][j] * (by * inverse[j]));
        for (size_t j = 0; j < g->columns && c->not_finite[i]; j++)
            out->cells[i][j] = (float)(c->sums[i][j] / (high * width[j] - c->missing[i][j]));
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
                                        : g->width * size_ceil_div(BAND_MIN, size_max(g->width, 1));
    if (a->how != GATHER_ROWS)
        memset(a->sums, 0, (a->how == GATHER_BANDS ? g->rows : 1) * a->period * sizeof *a->sums);
}

/* Adds up to n elements, whose first belongs to sums[place] of a period, in whole periods where it can. Returns how
   many. */
static size_t add_periods(const gatherer *a, float *sums, size_t place, const float *x, size_t n)
{
    const size_t rows = place ? 0 : n / a->period;
    const size_t row = rows ? a->period : size_min(n, a->period - place);
    a->k->add(x, size_max(rows, 1), row, sums + place);
    return size_max(rows, 1) * row;
}

void gather(gatherer *a, uint64_t at, const float *x, size_t n)
{
    const grid *g = a->g;
    while (n) {
        size_t many, in_plane = (size_t)(at % g->plane);
        if (a->how == GATHER_PLANES) {
            many = add_periods(a, a->sums, (size_t)(at % a->period), x, n);
        } else if (a->how == GATHER_BANDS) {
            const size_t band = in_plane / g->width * g->rows / g->height,
                         place = (in_plane - g->first_row[band] * g->width) % a->period;
            many = add_periods(a, a->sums + band * a->period, place, x,
                               size_min(n, g->first_row[band + 1] * g->width - in_plane));
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
    if (n > 1)
        a->k->add(x + length, n - 1, length, x);
}

/* Sorts `rows` rows of sums into the cells of row `row`. */
static void fold(const gatherer *a, float *x, size_t rows, size_t row)
{
    const grid *g = a->g;
    gather_lists(a, x, rows, g->width);
    for (size_t j = 0; j < g->width && g->columns == g->width; j++)
        a->c->sums[row][j] += (double)x[j];
    for (size_t j = 0; j < g->columns && g->columns < g->width; j++) {
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
            fold(a, a->sums + row * a->period, a->period / g->width, row);
}
