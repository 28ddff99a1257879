#include "layers.h"

#include "messages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SWEEPS     12 /* over all rows, to order them and to align boxes */
#define GAP_X      18 /* between boxes of a row */
#define GAP_Y      34 /* between rows */
#define BEND_WIDTH 6  /* of an edge that passes a row */
#define BENDS_MAX  200000

/* A box, or the bend of an edge that passes a row. */
typedef struct item {
    double x, width;
    double wanted;    /* mean position of its neighbours */
    uint32_t row, at; /* its row and its place there */
    uint32_t edge;    /* of a bend; UINT32_MAX for a box */
} item;

/* Neighbours of the items in the rows above and below. */
typedef struct link {
    uint32_t upper, lower;
} link;

typedef struct drawing {
    size_t n, n_items, n_links, n_rows;
    item *items;                   /* (n_items) boxes first */
    link *links;                   /* (n_links) between adjacent rows */
    uint32_t *by_upper, *by_lower; /* (n_links) links in order of their upper or lower item */
    uint32_t *upper_at, *lower_at; /* (n_items + 1) where those of an item begin */
    uint32_t **rows;               /* (n_rows) items of a row from left to right */
    size_t *row_n;                 /* (n_rows) */
} drawing;

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* The row of each box: below all boxes that lead to it; as low as what follows allows where no fewer edges leave
   than enter, so that inputs and constants are next to what reads them. */
static void choose_rows(drawing *d, size_t n_edges, const layers_edge *edges)
{
    uint32_t *in = cli_alloc(d->n + 1, sizeof *in), *out = cli_alloc(d->n + 1, sizeof *out);
    uint32_t *lowest = cli_alloc(d->n + 1, sizeof *lowest);
    for (size_t changed = 1; changed;) { /* edges are not sorted; from < to bounds the rounds by the depth */
        changed = 0;
        for (size_t e = 0; e < n_edges; e++) {
            item *to = &d->items[edges[e].to];
            uint32_t row = d->items[edges[e].from].row + 1;
            changed += to->row < row;
            to->row = to->row < row ? row : to->row;
        }
    }
    for (size_t e = 0; e < n_edges; e++) {
        out[edges[e].from]++;
        in[edges[e].to]++;
    }
    for (int round = 0; round < SWEEPS; round++) {
        for (size_t i = 0; i < d->n; i++)
            lowest[i] = UINT32_MAX;
        for (size_t e = 0; e < n_edges; e++) {
            uint32_t limit = d->items[edges[e].to].row - 1;
            if (limit < lowest[edges[e].from])
                lowest[edges[e].from] = limit;
        }
        for (size_t i = d->n; i-- > 0;)
            if (out[i] >= in[i] && lowest[i] != UINT32_MAX)
                d->items[i].row = lowest[i];
    }
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i].row + 1 > d->n_rows)
            d->n_rows = d->items[i].row + 1;
    free(in);
    free(out);
    free(lowest);
}

/* ---- Bends and links ------------------------------------------------------------------------------- */

static size_t bends_of(const drawing *d, const layers_edge *e)
{
    return d->items[e->to].row - d->items[e->from].row - 1;
}

/* Cuts edges into links between adjacent rows. Where there would be too many bends, long edges go without. */
static void add_bends(drawing *d, size_t n_edges, const layers_edge *edges)
{
    size_t bends = 0, limit = SIZE_MAX;
    for (size_t e = 0; e < n_edges; e++)
        bends += bends_of(d, &edges[e]);
    if (bends > BENDS_MAX)
        limit = BENDS_MAX / n_edges;
    d->items = realloc(d->items, (d->n + bends + 1) * sizeof *d->items);
    d->links = cli_alloc(n_edges + bends + 1, sizeof *d->links);
    if (!d->items)
        exit(cli_fail("no memory for a drawing of %zu boxes", d->n));
    d->n_items = d->n;
    for (size_t e = 0; e < n_edges; e++) {
        uint32_t above = edges[e].from;
        size_t between = bends_of(d, &edges[e]);
        if (between > limit)
            continue;
        for (size_t k = 0; k < between; k++) {
            uint32_t bend = (uint32_t)d->n_items++;
            d->items[bend] = (item){.width = BEND_WIDTH, .row = d->items[above].row + 1, .edge = (uint32_t)e};
            d->links[d->n_links++] = (link){above, bend};
            above = bend;
        }
        d->links[d->n_links++] = (link){above, edges[e].to};
    }
}

/* Lists the links of each item: those below it, or those above. */
static void index_links(const drawing *d, bool below, uint32_t *at, uint32_t *list)
{
    for (size_t k = 0; k < d->n_links; k++)
        at[(below ? d->links[k].upper : d->links[k].lower) + 1]++;
    for (size_t i = 0; i < d->n_items; i++)
        at[i + 1] += at[i];
    for (size_t k = 0; k < d->n_links; k++)
        list[at[below ? d->links[k].upper : d->links[k].lower]++] = (uint32_t)k;
    for (size_t i = d->n_items; i-- > 0;)
        at[i + 1] = at[i];
    at[0] = 0;
}

static void fill_rows(drawing *d)
{
    d->by_upper = cli_alloc(d->n_links + 1, sizeof *d->by_upper);
    d->by_lower = cli_alloc(d->n_links + 1, sizeof *d->by_lower);
    d->upper_at = cli_alloc(d->n_items + 2, sizeof *d->upper_at);
    d->lower_at = cli_alloc(d->n_items + 2, sizeof *d->lower_at);
    index_links(d, true, d->upper_at, d->by_upper);
    index_links(d, false, d->lower_at, d->by_lower);
    d->rows = cli_alloc(d->n_rows + 1, sizeof *d->rows);
    d->row_n = cli_alloc(d->n_rows + 1, sizeof *d->row_n);
    for (size_t i = 0; i < d->n_items; i++)
        d->row_n[d->items[i].row]++;
    for (size_t r = 0; r < d->n_rows; r++) {
        d->rows[r] = cli_alloc(d->row_n[r] + 1, sizeof **d->rows);
        d->row_n[r] = 0;
    }
    for (uint32_t i = 0; i < d->n_items; i++) {
        item *it = &d->items[i];
        it->at = (uint32_t)d->row_n[it->row]++;
        d->rows[it->row][it->at] = i;
    }
}

/* ---- Order ----------------------------------------------------------------------------------------- */

/* The mean of `value` over the neighbours of an item above or below; its own where it has none there. */
static double neighbours_mean(const drawing *d, uint32_t i, bool below, double (*value)(const item *))
{
    const uint32_t *at = below ? d->upper_at : d->lower_at, *list = below ? d->by_upper : d->by_lower;
    double sum = 0;
    uint32_t n = at[i + 1] - at[i];
    for (uint32_t k = at[i]; k < at[i + 1]; k++) {
        const link *l = &d->links[list[k]];
        sum += value(&d->items[below ? l->lower : l->upper]);
    }
    return n ? sum / n : value(&d->items[i]);
}

static double place_of(const item *i)
{
    return i->at;
}

static double x_of(const item *i)
{
    return i->x;
}

/* An item of a row being sorted; equal means keep their order. */
typedef struct ranked {
    double mean;
    uint32_t at, id;
} ranked;

static int by_mean(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->mean != y->mean)
        return x->mean < y->mean ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void order_row(drawing *d, size_t r, bool below)
{
    size_t n = d->row_n[r];
    ranked *row = cli_alloc(n + 1, sizeof *row);
    for (size_t k = 0; k < n; k++) {
        uint32_t id = d->rows[r][k];
        row[k] = (ranked){neighbours_mean(d, id, below, place_of), d->items[id].at, id};
    }
    qsort(row, n, sizeof *row, by_mean);
    for (size_t k = 0; k < n; k++) {
        d->rows[r][k] = row[k].id;
        d->items[row[k].id].at = (uint32_t)k;
    }
    free(row);
}

/* ---- Positions ------------------------------------------------------------------------------------- */

static double least_distance(const drawing *d, uint32_t left, uint32_t right)
{
    return (d->items[left].width + d->items[right].width) / 2 + GAP_X;
}

/* Moves the items of a row toward where they are wanted, in their order and apart: the mean of pushing them right from
   the left end and left from the right end. */
static void align_row(drawing *d, size_t r, bool below)
{
    size_t n = d->row_n[r];
    const uint32_t *row = d->rows[r];
    double *from_left = cli_alloc(n + 1, sizeof *from_left),
           *from_right = cli_alloc(n + 1, sizeof *from_right);
    for (size_t k = 0; k < n; k++)
        d->items[row[k]].wanted = neighbours_mean(d, row[k], below, x_of);
    for (size_t k = 0; k < n; k++) {
        from_left[k] = d->items[row[k]].wanted;
        if (k)
            from_left[k] = fmax(from_left[k], from_left[k - 1] + least_distance(d, row[k - 1], row[k]));
    }
    for (size_t k = n; k-- > 0;) {
        from_right[k] = d->items[row[k]].wanted;
        if (k + 1 < n)
            from_right[k] = fmin(from_right[k], from_right[k + 1] - least_distance(d, row[k], row[k + 1]));
    }
    for (size_t k = 0; k < n; k++)
        d->items[row[k]].x = (from_left[k] + from_right[k]) / 2;
    free(from_left);
    free(from_right);
}

static void pack_row(drawing *d, size_t r)
{
    double x = 0;
    for (size_t k = 0; k < d->row_n[r]; k++) {
        item *i = &d->items[d->rows[r][k]];
        i->x = x + i->width / 2;
        x += i->width + GAP_X;
    }
    for (size_t k = 0; k < d->row_n[r]; k++)
        d->items[d->rows[r][k]].x -= x / 2;
}

/* Calls a step for all rows from the top down, then from the bottom up. */
static void sweep(drawing *d, void (*step)(drawing *, size_t, bool))
{
    for (int k = 0; k < SWEEPS; k++) {
        for (size_t r = 1; r < d->n_rows; r++)
            step(d, r, false);
        for (size_t r = d->n_rows; r-- > 1;)
            step(d, r - 1, true);
    }
}

/* ---- Result ---------------------------------------------------------------------------------------- */

/* The middle of each row. Returns the height of all. */
static double row_middles(const drawing *d, const layers_box *boxes, double *middle)
{
    double *height = cli_alloc(d->n_rows + 1, sizeof *height), y = GAP_Y / 2.0;
    for (size_t i = 0; i < d->n; i++)
        height[d->items[i].row] = fmax(height[d->items[i].row], boxes[i].height);
    for (size_t r = 0; r < d->n_rows; r++) {
        middle[r] = y + height[r] / 2;
        y += height[r] + GAP_Y;
    }
    free(height);
    return y - GAP_Y / 2.0;
}

static double width_of(drawing *d)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < d->n_items; i++) {
        low = fmin(low, d->items[i].x - d->items[i].width / 2);
        high = fmax(high, d->items[i].x + d->items[i].width / 2);
    }
    for (size_t i = 0; i < d->n_items; i++)
        d->items[i].x += GAP_X - low;
    return d->n_items ? high - low + 2 * GAP_X : 2 * GAP_X;
}

static void route(const drawing *d, const layers_box *boxes, const double *middle, size_t n_edges,
                  layers_edge *edges)
{
    for (size_t e = 0; e < n_edges; e++) {
        const layers_box *from = &boxes[edges[e].from], *to = &boxes[edges[e].to];
        edges[e].points = cli_alloc(bends_of(d, &edges[e]) + 2, sizeof *edges[e].points);
        edges[e].points[0] = (layers_point){from->x, from->y + from->height / 2};
        edges[e].points[1] = (layers_point){to->x, to->y - to->height / 2};
        edges[e].n = 2;
    }
    for (size_t i = d->n; i < d->n_items; i++) { /* bends of an edge follow each other from the top down */
        layers_edge *e = &edges[d->items[i].edge];
        e->points[e->n] = e->points[e->n - 1];
        e->points[e->n - 1] = (layers_point){d->items[i].x, middle[d->items[i].row]};
        e->n++;
    }
}

void layers_place(size_t n, layers_box *boxes, size_t n_edges, layers_edge *edges, double *width,
                  double *height)
{
    drawing d = {.n = n, .items = cli_alloc(n + 1, sizeof *d.items)};
    for (size_t i = 0; i < n; i++)
        d.items[i] = (item){.width = boxes[i].width, .edge = UINT32_MAX};
    choose_rows(&d, n_edges, edges);
    add_bends(&d, n_edges, edges);
    fill_rows(&d);
    sweep(&d, order_row);
    for (size_t r = 0; r < d.n_rows; r++)
        pack_row(&d, r);
    sweep(&d, align_row);
    double *middle = cli_alloc(d.n_rows + 1, sizeof *middle);
    *height = row_middles(&d, boxes, middle);
    *width = width_of(&d);
    for (size_t i = 0; i < n; i++) {
        boxes[i].x = d.items[i].x;
        boxes[i].y = middle[d.items[i].row];
    }
    route(&d, boxes, middle, n_edges, edges);
    for (size_t r = 0; r < d.n_rows; r++)
        free(d.rows[r]);
    free(middle);
    free(d.rows);
    free(d.row_n);
    free(d.by_upper);
    free(d.by_lower);
    free(d.upper_at);
    free(d.lower_at);
    free(d.links);
    free(d.items);
}
