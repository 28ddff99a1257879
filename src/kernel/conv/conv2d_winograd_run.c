/* The run of a convolution by transforms; see conv2d_winograd_plan.h. */
#include "base/assert.h"
#include "base/cancel.h"
#include "base/size.h"
#include "kernel/conv/conv2d_winograd_plan.h"
#include "kernel/gemm/gemm.h"

#include <string.h>

#define MAX_LANES 16

/* A block of tiles of one plane, with its scratch. */
typedef struct block {
    const conv2d_winograd *i;
    const conv2d_call *c;
    const conv2d_plan *p;
    size_t batch;
    size_t tile0[2], tiles[2], count; /* the first tile; rows and columns of tiles; their product */
    size_t pixel0[2], pixels[2];      /* of y: the first; rows and columns */
    size_t width, row;                /* pixels of a row of `image`; floats of a row of `in` */
    size_t n_direct;
    float *image;          /* (tiles[0] * m + 2, width, lanes) */
    float *sizes;          /* (tiles[0] * m + 2, width) */
    unsigned char *direct; /* (count): tiles that are computed directly */
    float *in;             /* (places, count, row) */
    float *sums;           /* (places, count, columns of a group) */
    float *windows;        /* (m * m, 9 c) of one tile */
    float *out;            /* (m, tiles[1] * m, lanes) */
} block;

/* ---- The image ----------------------------------------------------------------------------------------- */

/* Position in x along axis k of row or column `at` of the block's image; x.in or more: out of range. */
static size_t place_of(const block *b, int k, size_t at)
{
    return b->pixel0[k] + at - b->p->s.axis[1 + k].before;
}

/* Copies channels c .. c + channels - 1 of what the block reads; padding is already set. */
static void fill_image(const block *b, size_t c, size_t channels)
{
    const conv2d_plan *p = b->p;
    const conv2d_winograd_kernels *k = &p->table->conv2d_winograd;
    const conv2d_axis *h = &p->s.axis[1], *w = &p->s.axis[2];
    size_t left = b->pixel0[1] < w->before ? w->before - b->pixel0[1] : 0;
    size_t end = size_min(b->width, w->before + w->in > b->pixel0[1] ? w->before + w->in - b->pixel0[1] : 0);
    const float *x = (const float *)b->c->x + (b->batch * p->s.c + c) * p->in_plane;
    for (size_t r = 0; r < b->tiles[0] * b->i->m + 2 && left < end; r++) {
        size_t row = place_of(b, 0, r), at = r * b->width + left;
        if (row < h->in)
            k->to_channels_last(x + row * w->in + place_of(b, 1, left), p->in_plane, channels, end - left,
                                b->image + at * k->lanes, b->sizes + at);
    }
}

/* Whether transforms are accurate for a tile: see conv2d_winograd_plan.h. sizes: at its first pixel; rows,
   columns: of y */
static bool is_even(const block *b, const float *sizes, size_t rows, size_t columns)
{
    float across[CONV2D_WINOGRAD_N][CONV2D_WINOGRAD_N], total = 0, min = __FLT_MAX__;
    size_t n = b->i->n;
    SIB_ASSERT(rows + 2 <= n && columns + 2 <= n && n <= CONV2D_WINOGRAD_N);
    for (size_t r = 0; r < n; r++, sizes += b->width) {
        for (size_t j = 0; j < n; j++)
            total += sizes[j];
        for (size_t j = 0; j < columns; j++)
            across[r][j] = sizes[j] + sizes[j + 1] + sizes[j + 2];
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < columns; j++) {
            /* rows + 2 <= n. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
            float size = across[r][j] + across[r + 1][j] + across[r + 2][j];
            min = size < min ? size : min;
        }
    return total <= b->c->w[0] &&
           (total == 0 || (total >= WINOGRAD_MIN && min * CONV2D_WINOGRAD_RATIO >= total));
}

static size_t tile_pixels(const block *b, int k, size_t tile)
{
    return size_min(b->i->m, b->pixels[k] - tile * b->i->m);
}

/* Transforms the image, tile by tile. */
static void transform(block *b)
{
    const conv2d_plan *p = b->p;
    size_t lanes = p->table->conv2d_winograd.lanes, m = b->i->m;
    memset(b->image, 0, b->i->image_floats * sizeof(float));
    memset(b->sizes, 0, b->i->sizes_floats * sizeof(float));
    for (size_t c = 0; c < p->s.c; c += lanes) {
        float *to = b->in + c;
        fill_image(b, c, size_min(lanes, p->s.c - c));
        for (size_t i = 0; i < b->tiles[0]; i++)
            for (size_t j = 0; j < b->tiles[1]; j++, to += b->row)
                b->i->form->in(b->image + (i * m * b->width + j * m) * lanes, b->width * lanes, to,
                               b->count * b->row);
    }
    b->n_direct = 0;
    for (size_t i = 0, t = 0; i < b->tiles[0]; i++)
        for (size_t j = 0; j < b->tiles[1]; j++, t++) {
            b->direct[t] =
                !is_even(b, b->sizes + i * m * b->width + j * m, tile_pixels(b, 0, i), tile_pixels(b, 1, j));
            b->n_direct += b->direct[t];
        }
}

/* ---- Products ------------------------------------------------------------------------------------------ */

/* A product of matrices: c (m, n) = a (m, k) times the panel b (k, width). */
static void multiply(const gemm_kernels *t, gemm_tile tile, size_t m, size_t n, size_t k)
{
    size_t depths = size_ceil_div(k, t->kc), parts = size_ceil_div(m, t->mr);
    const float *a = tile.a, *b = tile.b;
    float *c = tile.c;
    for (size_t depth = 0; depth < depths; depth++) {
        size_t k0 = k * depth / depths;
        tile.k = k * (depth + 1) / depths - k0;
        tile.b = b + k0 * tile.ldb;
        for (size_t part = 0; part < parts; part++) { /* of equal size: tiles of few rows are slow */
            size_t row = m * part / parts;
            tile.a = a + row * tile.lda + k0;
            tile.c = c + row * tile.ldc;
            tile.from = depth ? tile.c : NULL;
            tile.ldfrom = tile.ldc;
            t->tile[m * (part + 1) / parts - row](&tile, n);
        }
    }
}

/* Sums over channels for features begin .. end - 1. w: of the group */
static void products(const block *b, const float *w, size_t begin, size_t end)
{
    const gemm_kernels *t = &b->p->table->gemm;
    size_t c = b->p->s.c, columns = gemm_columns(t, end - begin);
    for (size_t e = 0; e < b->i->places; e++)
        for (size_t f = begin; f < end; f += t->nr, w += c * t->nr) {
            gemm_tile tile = {.a = b->in + e * b->count * b->row,
                              .lda = b->row,
                              .b = w,
                              .ldb = gemm_width(t, b->p->s.m, f),
                              .c = b->sums + e * b->count * columns + (f - begin),
                              .ldc = columns,
                              .alpha = 1};
            multiply(t, tile, b->count, tile.ldb, c);
            if (tile.ldb < t->nr)
                w -= c * (t->nr - tile.ldb);
        }
}

/* Copies the windows of a tile. */
static void take_windows(const block *b, size_t row, size_t column)
{
    const conv2d_plan *p = b->p;
    const conv2d_axis *h = &p->s.axis[1], *w = &p->s.axis[2];
    const float *x = (const float *)b->c->x + b->batch * p->s.c * p->in_plane;
    size_t m = b->i->m;
    for (size_t r = 0; r < b->i->n; r++)
        for (size_t j = 0; j < b->i->n; j++) {
            size_t y_at = place_of(b, 0, row * m + r), x_at = place_of(b, 1, column * m + j);
            bool inside = y_at < h->in && x_at < w->in;
            for (size_t k = 0; k < 9;
                 k++) { /* pixel (r, j) is tap k of the window at (r - k / 3, j - k % 3) */
                size_t to_row = r - k / 3, to_column = j - k % 3;
                if (to_row >= m || to_column >= m)
                    continue;
                float *to = b->windows + (to_row * m + to_column) * p->k + k;
                for (size_t c = 0; c < p->s.c; c++)
                    to[c * 9] = inside ? x[c * p->in_plane + y_at * w->in + x_at] : 0;
            }
        }
}

/* Computes the pixels of direct tiles, into the first m * m places of their sums. w: the original weights */
static void direct_sums(const block *b, const float *w, size_t begin, size_t end)
{
    const gemm_kernels *t = &b->p->table->gemm;
    size_t k = b->p->k, columns = gemm_columns(t, end - begin), pixels = b->i->m * b->i->m;
    for (size_t i = 0; i < b->count && b->n_direct; i++) {
        if (!b->direct[i])
            continue;
        take_windows(b, i / b->tiles[1], i % b->tiles[1]);
        for (size_t f = begin; f < end; f += t->nr) {
            gemm_tile tile = {.a = b->windows,
                              .lda = k,
                              .b = w + k * f,
                              .ldb = gemm_width(t, b->p->s.m, f),
                              .c = b->sums + i * columns + (f - begin),
                              .ldc = b->count * columns,
                              .alpha = 1};
            multiply(t, tile, pixels, tile.ldb, k);
        }
    }
}

/* ---- The output ---------------------------------------------------------------------------------------- */

/* Copies the pixels of a tile that exist in y, without bias. */
static void copy_out(const block *b, const float *from, size_t apart, const float *bias, float *to,
                     size_t row)
{
    size_t lanes = b->p->table->conv2d_winograd.lanes, m = b->i->m;
    for (size_t at = 0; at < m * m; at++)
        for (size_t f = 0; f < lanes; f++)
            to[at / m * row + at % m * lanes + f] = from[at * apart + f] + bias[f];
}

/* Writes `features` features from f on, whose sums are at `from`, to y. */
static void give(const block *b, const float *from, size_t columns, size_t f, size_t features)
{
    const conv2d_plan *p = b->p;
    const conv2d_winograd_kernels *k = &p->table->conv2d_winograd;
    size_t m = b->i->m, apart = b->count * columns, row = b->tiles[1] * m * k->lanes;
    size_t width = p->s.axis[2].out, first = b->pixel0[0] * width + b->pixel0[1];
    size_t at = (b->batch * p->s.m + f) * p->out_plane + first;
    float bias[MAX_LANES] = {0};
    if (b->c->bias)
        memcpy(bias, b->c->bias + f, features * sizeof *bias);
    for (size_t i = 0, t = 0; i < b->tiles[0]; i++) {
        for (size_t j = 0; j < b->tiles[1]; j++, t++, from += columns) {
            float *to = b->out + j * m * k->lanes;
            if (b->direct[t])
                copy_out(b, from, apart, bias, to, row);
            else
                b->i->form->out(from, apart, bias, to, row);
        }
        if (b->c->clamped)
            p->kernels->clamp(b->c->low, b->c->high, m * row, b->out);
        float *y = (float *)b->c->y + at + i * m * width;
        for (size_t r = 0; r < tile_pixels(b, 0, i); r++)
            k->gather(b->out + r * row, b->pixels[1], features, y + r * width, p->out_plane);
    }
    bool joined = b->pixels[1] == width;
    size_t rows = joined ? 1 : b->pixels[0], count = joined ? b->pixels[0] * width : b->pixels[1];
    for (size_t i = 0; i < features && b->c->finish; i++)
        for (size_t r = 0; r < rows; r++)
            b->c->finish(b->c->context, at + i * p->out_plane + r * width, count);
}

/* ---- Items --------------------------------------------------------------------------------------------- */

static block block_at(const conv2d_winograd *i, const conv2d_call *c, size_t index, float *scratch)
{
    block b = {.i = i, .c = c, .p = c->plan, .row = conv2d_winograd_row(c->plan)};
    size_t at[2] = {index / i->blocks[1] % i->blocks[0], index % i->blocks[1]};
    b.batch = index / i->blocks[1] / i->blocks[0];
    for (int k = 0; k < 2; k++) {
        b.tile0[k] = at[k] * i->block[k];
        b.tiles[k] = size_min(i->block[k], i->tiles[k] - b.tile0[k]);
        b.pixel0[k] = b.tile0[k] * i->m;
        b.pixels[k] = size_min(b.tiles[k] * i->m, b.p->s.axis[1 + k].out - b.pixel0[k]);
    }
    b.count = b.tiles[0] * b.tiles[1];
    b.width = b.tiles[1] * i->m + 2;
    b.image = scratch;
    b.sizes = b.image + i->image_floats;
    b.direct = (unsigned char *)(b.sizes + i->sizes_floats) - b.count;
    b.in = b.sizes + i->sizes_floats;
    b.sums = b.in + i->in_floats;
    b.windows = b.sums + i->sums_floats;
    b.out = b.windows + i->row_floats;
    return b;
}

static void run_item(const void *plan, const conv2d_call *c, size_t item, float *scratch)
{
    const conv2d_winograd *i = plan;
    const conv2d_plan *p = c->plan;
    const gemm_kernels *t = &p->table->gemm;
    size_t lanes = p->table->conv2d_winograd.lanes, part = item % i->m_blocks;
    size_t first = i->groups * part / i->m_blocks, last = i->groups * (part + 1) / i->m_blocks;
    block b = block_at(i, c, item / i->m_blocks, scratch);
    transform(&b);
    const float *w = c->w + WINOGRAD_HEAD, *direct = w + i->places * p->s.c * i->columns;
    for (size_t g = first; g < last && !cancel_is_set(c->cancel); g++) {
        size_t begin = conv2d_winograd_feature(i, p, g), end = conv2d_winograd_feature(i, p, g + 1);
        size_t columns = gemm_columns(t, end - begin);
        if (b.n_direct < b.count)
            products(&b, w + i->places * p->s.c * begin, begin, end);
        direct_sums(&b, direct, begin, end);
        for (size_t f = begin; f < end; f += lanes)
            give(&b, b.sums + (f - begin), columns, f, size_min(lanes, end - f));
    }
}

/* ---- The run ------------------------------------------------------------------------------------------- */

void conv2d_winograd_run(const conv2d_winograd *i, const conv2d_call *c, sib_pool *pool)
{
    const conv2d_items items = {c, i, run_item, i->items, i->scratch_floats, i->workers};
    SIB_ASSERT(i->form && i->workers >= 1);
    SIB_ASSERT(i->workers == 1 || i->workers <= sib_pool_threads(pool));
    SIB_ASSERT(c->w && c->scratch);
    conv2d_run_items(&items, 1, pool);
}
