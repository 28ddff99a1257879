#include "kernel/digest/digest_cells.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define PLANE_MAX  4096
#define PERIOD_MIN 1024 /* of planes */
#define BAND_MIN   64

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

/* ---- Statistics and sums by cell of contiguous floats ------------------------------------------------ */

static gathering gathering_of(const grid *g)
{
    return g->plane <= PLANE_MAX            ? GATHER_PLANES
           : g->width <= GATHER_ROOM / SIDE ? GATHER_BANDS
                                            : GATHER_ROWS;
}

/* Of planes: elements of one or more, PERIOD_MIN at least where there are as many. */
static size_t period_of(const grid *g, uint64_t count)
{
    if (gathering_of(g) == GATHER_BANDS)
        return g->width * size_ceil_div(BAND_MIN, g->width);
    const size_t many = size_ceil_div(PERIOD_MIN, size_max(g->plane, 1)) * g->plane;
    return count < many ? (size_t)count : many;
}

size_t gather_block(const grid *g, uint64_t count)
{
    const size_t period = gathering_of(g) == GATHER_PLANES ? period_of(g, count) : 1;
    return DIGEST_BLOCK / period * period;
}

void gather_begin(gatherer *a, const grid *g, uint64_t count, const digest_kernels *k, cells *c, bool careful)
{
    a->g = g;
    a->k = k;
    a->c = c;
    a->how = gathering_of(g);
    a->careful = careful;
    a->period = period_of(g, count);
    if (a->how != GATHER_ROWS)
        memset(a->sums, 0, (a->how == GATHER_BANDS ? g->rows : 1) * a->period * sizeof *a->sums);
}

/* Scans up to n elements and adds them to `sums`, of which the first belongs to sums[place]; in periods where it
   can. Returns how many. */
static size_t scan_periods(const gatherer *a, float *sums, size_t place, const float *x, size_t n,
                           digest_scan *out)
{
    const size_t rows = place ? 0 : size_min(n, DIGEST_BLOCK) / a->period;
    const size_t row = rows ? a->period : size_min(n, a->period - place), many = size_max(rows, 1) * row;
    if (a->careful) {
        a->k->scan(x, 1, many, NULL, out);
        if (!scan_fits(out))
            return many;
    }
    a->k->scan(x, size_max(rows, 1), row, sums + place, out);
    return many;
}

/* Elements of one row. */
static size_t scan_row(const gatherer *a, size_t row, size_t column, const float *x, size_t n,
                       digest_scan *out)
{
    const grid *g = a->g;
    const size_t many = size_min(size_min(n, g->width - column), DIGEST_BLOCK);
    double *sums = a->c->sums[row * g->rows / g->height];
    a->k->scan(x, 1, many, NULL, out);
    for (size_t cell = column * g->columns / g->width, i = 0; i < many && scan_fits(out); cell++) {
        const size_t end = size_min(many, g->first_column[cell + 1] - column);
        sums[cell] += (double)a->k->sum(x + i, end - i);
        i = end;
    }
    return many;
}

size_t gather(gatherer *a, uint64_t at, const float *x, size_t n, digest_scan *out)
{
    const grid *g = a->g;
    if (a->how == GATHER_PLANES)
        return scan_periods(a, a->sums, (size_t)(at % a->period), x, n, out);
    const size_t in_plane = (size_t)(at % g->plane), row = in_plane / g->width;
    if (a->how == GATHER_ROWS)
        return scan_row(a, row, in_plane % g->width, x, n, out);
    const size_t band = row * g->rows / g->height,
                 place = (in_plane - g->first_row[band] * g->width) % a->period;
    return scan_periods(a, a->sums + band * a->period, place, x,
                        size_min(n, g->first_row[band + 1] * g->width - in_plane), out);
}

/* Adds x[1 .. n - 1], lists of `length` sums each, to x[0]. */
static void gather_lists(const gatherer *a, float *x, size_t n, size_t length)
{
    if (n > 1)
        a->k->add(x + length, n - 1, length, x);
}

/* Adds up the sums of cell row `row` into one row. Returns where that is in a->sums. */
static size_t gather_row(gatherer *a, size_t row)
{
    const grid *g = a->g;
    const bool planes = a->how == GATHER_PLANES;
    const size_t at = planes ? g->first_row[row] * g->width : row * a->period;
    gather_lists(a, a->sums + at, planes ? g->first_row[row + 1] - g->first_row[row] : a->period / g->width,
                 g->width);
    return at;
}

void gather_end(gatherer *a)
{
    const grid *g = a->g;
    size_t at[SIDE];
    if (a->how == GATHER_ROWS || !g->plane)
        return;
    if (a->how == GATHER_PLANES)
        gather_lists(a, a->sums, a->period / g->plane, g->plane);
    for (size_t row = 0; row < g->rows; row++)
        at[row] = gather_row(a, row);
    for (size_t j = 0; j < g->columns && g->rows == 1; j++) /* one lane of a vector would be slower */
        a->c->sums[0][j] +=
            (double)a->k->sum(a->sums + g->first_column[j], g->first_column[j + 1] - g->first_column[j]);
    if (g->rows > 1)
        a->k->fold(a->sums, at, g->rows, g->first_column, g->columns, a->c->sums);
}
