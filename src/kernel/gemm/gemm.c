/* The driver of products. Blocks stay in the caches, nested in this order:

       a block of columns of B and of terms, which stays in the L2 cache (packed here where it is not yet)
         mr rows of A, which stay in the L1 cache
           the panels of the block: one tile each

   so that rows of C are complete one after another. */
#include "kernel/gemm/gemm.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "kernel/gemm/gemm_plan.h"

#define WIDEN_TERMS     128
#define DIRECT_FLOATS   8192  /* of B, which then stays in the L1 cache unpacked */
#define CLASHING_FLOATS 512   /* 2 KB; addresses 4 KB apart share a set of the L1 cache */
#define STREAM_FLOATS   65536 /* of A, which fit in the L2 cache while B streams through */
#define DOT_ROWS        4     /* max rows of A for which B is not transposed */
#define THIN_TILES      2     /* max tiles, one below the other, for which B is not widened first */
#define DONE_MIN        1024  /* min elements per call of `done`, where there are that many */
#define ROW_BLOCK       16    /* vertical tiles that are computed before the next terms */
#define ROW_PANELS      8     /* min panels of a B in place by which a single row is not cut into tiles */

/* ---- Methods ------------------------------------------------------------------------------------------- */

typedef enum gemm_way {
    WAY_PANELS, /* B is packed */
    WAY_DIRECT, /* B is read in place, its columns contiguous */
    WAY_DOT,    /* B is transposed, and read in place */
    WAY_THIN,   /* B is narrow, and is not widened in memory */
    WAY_PACK    /* B is packed, or widened, block by block */
} gemm_way;

typedef struct gemm_blocks {
    size_t kc, nc;
} gemm_blocks;

bool gemm_can(const gemm *g, gemm_choice choice)
{
    bool rows_run = g->a_column == 1 || g->k == 1;
    if (g->packed || choice == GEMM_BY_SIZE)
        return false;
    return choice == GEMM_DIRECT ? g->b_column == 1 : choice == GEMM_DOTS ? g->b_row == 1 && rows_run : true;
}

static gemm_way way_of(const gemm_kernels *t, const gemm *g)
{
    bool rows_run = g->a_column == 1 || g->k == 1;
    if (g->packed && !gemm_is_wide(g->packed))
        return g->m <= THIN_TILES * t->thin && rows_run && gemm_thin_of(t, g->packed) ? WAY_THIN : WAY_PACK;
    if (g->packed)
        return g->packed->form == GEMM_PANELS ? WAY_PANELS : WAY_DOT;
    if (gemm_can(g, g->choice))
        return g->choice == GEMM_DIRECT ? WAY_DIRECT : g->choice == GEMM_DOTS ? WAY_DOT : WAY_PACK;
    if (g->b_row == 1 && rows_run && (g->m <= DOT_ROWS || gemm_is_narrow(t, g->n)))
        return WAY_DOT;
    if (g->b_column == 1 && (g->m <= 2 * t->mr || g->k * g->n <= DIRECT_FLOATS))
        return WAY_DIRECT;
    return WAY_PACK;
}

/* Terms of a block of files are decoded together. */
static size_t kc_of(const gemm *g, size_t kc)
{
    size_t each = g->packed && g->packed->form == GEMM_BLOCKED ? g->packed->block : 2;
    return size_ceil_div(kc, each) * each;
}

/* Blocks of equal size. */
static gemm_blocks blocks_of(const gemm_kernels *t, const gemm *g, gemm_way way)
{
    gemm_blocks b = {.kc = g->k, .nc = g->n};
    if (g->m <= t->mr && g->m * g->k <= STREAM_FLOATS && way != WAY_PACK)
        return b;                                      /* B is read only once, maybe from memory: no blocks */
    if (g->m <= t->mr && g->packed && way == WAY_PACK) /* widened block by block in the L1 cache */
        return (gemm_blocks){size_min(g->k, kc_of(g, WIDEN_TERMS)), size_min(g->n, t->nr)};
    if (b.kc > t->kc)
        b.kc = kc_of(g, size_ceil_div(g->k, size_ceil_div(g->k, t->kc)));
    size_t max = size_max(1, t->block / size_max(1, b.kc) / t->nr) * t->nr;
    if (b.nc > max)
        b.nc = size_ceil_div(size_ceil_div(g->n, size_ceil_div(g->n, max)), t->nr) * t->nr;
    return b;
}

/* Whether tiles read a copy of A's rows: where those are not contiguous, or are long and so far apart that
   they compete for few sets of the L1 cache. (Where sums are cut into blocks of terms, a copy costs more than
   it saves.) */
static bool copies_rows(const gemm_kernels *t, const gemm *g)
{
    if (g->a_column != 1)
        return g->k > 1;
    return g->a_row % CLASHING_FLOATS == 0 && g->k > 2 * t->kc && g->m > 8 && g->m <= t->mr &&
           g->n >= 4 * t->nr;
}

/* Floats between the rows of the copy. */
static size_t copy_row(size_t kc)
{
    return (kc + 15) / 16 * 16 + 16;
}

static size_t scratch_of(const gemm_kernels *t, const gemm *g, gemm_way way)
{
    if (way == WAY_THIN || (way == WAY_DOT && g->a_column == 1))
        return 0;
    gemm_blocks b = blocks_of(t, g, way);
    size_t right = way == WAY_PACK ? b.kc * size_ceil_div(b.nc, t->nr) * t->nr : 0;
    size_t left = way == WAY_DOT ? g->m * g->k : copies_rows(t, g) ? t->mr * copy_row(b.kc) : 0;
    return right + left;
}

size_t gemm_scratch(const gemm *g)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    return scratch_of(t, g, way_of(t, g));
}

/* ---- Blocks -------------------------------------------------------------------------------------------- */

/* State of one GEMM call. */
typedef struct gemm_work {
    const gemm_kernels *t;
    const gemm *g;
    gemm_blocks blocks;
    float *left; /* (mr, copy_row(kc)) where copies_rows, else NULL */
} gemm_work;

/* The rows of A that follow in a block of terms, to be prefetched during the current ones. */
typedef struct gemm_coming {
    const float *at; /* of row 0 */
    size_t row, rows;
    size_t each; /* per tile */
} gemm_coming;

static gemm_coming coming_of(const gemm_work *w, const gemm_part *p, size_t i, size_t m, size_t k0, size_t kc)
{
    const gemm *g = w->g;
    size_t end = p->row + p->rows, tiles = size_ceil_div(p->columns, w->t->nr);
    gemm_coming c = {.row = g->a_row, .each = size_min(GEMM_AHEAD, size_ceil_div(w->t->mr, tiles))};
    if (g->a_column != 1)
        return c;
    if (i + m < end) {
        c.at = g->a + (i + m) * g->a_row + k0;
        c.rows = size_min(w->t->mr, end - i - m);
    } else if (k0 + kc < g->k) {
        c.at = g->a + p->row * g->a_row + k0 + kc;
        c.rows = size_min(w->t->mr, p->rows);
    }
    return c;
}

static const float *take_coming(gemm_coming *c)
{
    const float *row = c->at;
    if (!c->rows)
        return NULL;
    c->rows--;
    c->at += c->row;
    return row;
}

/* Computes m rows of C from row i on, the columns of a part, over terms k0 .. k0 + kc - 1. */
static void run_rows(const gemm_work *w, const gemm_part *p, const gemm_panels *b, size_t i, size_t m,
                     size_t k0, size_t kc)
{
    const gemm_kernels *t = w->t;
    const gemm *g = w->g;
    gemm_tile tile = {.k = kc, .alpha = g->alpha, .ldc = g->c_row, .lda = g->a_row};
    tile.a = g->a + i * g->a_row + k0 * g->a_column;
    if (w->left) {
        t->pack(tile.a, g->a_row, g->a_column, m, kc, copy_row(kc), w->left);
        tile.a = w->left;
        tile.lda = copy_row(kc);
    }
    float *c = g->c + i * g->c_row;
    const float *from = k0 ? c : g->from ? g->from + i * g->from_row : NULL;
    tile.ldfrom = k0 ? g->c_row : g->from_row;
    if (b->ldb && g->m == 1 && g->n >= ROW_PANELS * t->nr) {
        tile.b = b->at + k0 * b->ldb + p->column;
        tile.ldb = b->ldb;
        tile.c = c + p->column;
        tile.from = from ? from + p->column : NULL;
        t->row(&tile, p->columns);
        return;
    }
    const float *panel = b->at + (p->column - b->column) / t->nr * b->step;
    gemm_coming coming = coming_of(w, p, i, m, k0, kc);
    for (size_t j = p->column, end = p->column + p->columns; j < end; j += t->nr, panel += b->step) {
        tile.ldb = b->ldb ? b->ldb : gemm_width(t, g->n, j);
        tile.b = panel + (k0 - b->term) * tile.ldb;
        tile.c = c + j;
        tile.from = from ? from + j : NULL;
        for (size_t r = 0; r < coming.each; r++)
            tile.ahead[r] = take_coming(&coming);
        t->tile[m](&tile, size_min(t->nr, end - j));
    }
}

/* Computes a part of C over terms k0 .. k0 + kc - 1. */
static void run_block(const gemm_work *w, const gemm_part *p, const gemm_panels *b, size_t k0, size_t kc)
{
    const gemm *g = w->g;
    bool last = k0 + kc == g->k;
    size_t end = p->row + p->rows, waiting = 0;
    for (size_t i = p->row, m; i < end && !cancel_is_set(g->cancel); i += m) {
        m = size_min(w->t->mr, end - i);
        run_rows(w, p, b, i, m, k0, kc);
        waiting += m;
        if (last && g->done && (waiting * p->columns >= DONE_MIN || i + m == end)) {
            g->done(g->context, g->c + (i + m - waiting) * g->c_row + p->column, waiting, p->columns);
            waiting = 0;
        }
    }
}

/* A part of C whose B needs no packing. */
static void run_panels(const gemm_work *w, const gemm_part *part, const gemm_panels *b)
{
    const gemm *g = w->g;
    size_t rows = g->k > w->blocks.kc ? ROW_BLOCK * w->t->mr : part->rows;
    size_t last_row = part->row + part->rows, last_column = part->column + part->columns;
    for (size_t i = part->row; i < last_row; i += rows)
        for (size_t j = part->column; j < last_column; j += w->blocks.nc) {
            gemm_part p = {i, size_min(rows, last_row - i), j, size_min(w->blocks.nc, last_column - j)};
            size_t k = 0, kc;
            do {
                if (cancel_is_set(g->cancel))
                    return;
                kc = size_min(w->blocks.kc, g->k - k);
                run_block(w, &p, b, k, kc);
                k += kc;
            } while (k < g->k);
        }
}

/* A part of C; B is packed or widened block by block into `right`. */
static void run_packing(const gemm_work *w, const gemm_part *part, float *right)
{
    const gemm *g = w->g;
    size_t nr = w->t->nr, end = part->column + part->columns;
    for (size_t j = part->column; j < end; j += w->blocks.nc) {
        gemm_part p = {part->row, part->rows, j, size_min(w->blocks.nc, end - j)};
        size_t k = 0, kc, panels = size_ceil_div(p.columns, nr);
        do {
            if (cancel_is_set(g->cancel))
                return;
            kc = size_min(w->blocks.kc, g->k - k);
            gemm_panels b = {right, kc * nr, 0, j, k};
            if (g->packed)
                gemm_widen_panels(kernel_table_get(), g->packed, g->which, k, kc, j / nr, panels, right);
            else
                gemm_pack_panels(w->t, g->b + k * g->b_row, g->b_row, g->b_column, kc, g->n, j / nr, panels,
                                 right);
            run_block(w, &p, &b, k, kc);
            k += kc;
        } while (k < g->k);
    }
}

/* A part of C from B transposed. */
static void run_dot(const gemm_kernels *t, const gemm *g, const gemm_part *p, float *scratch)
{
    gemm_tile tile = {.k = g->k, .lda = g->a_row, .ldfrom = g->from_row, .ldc = g->c_row, .alpha = g->alpha};
    tile.a = g->a + p->row * g->a_row;
    if (g->a_column != 1 && g->k > 1) {
        t->pack(tile.a, g->a_row, g->a_column, p->rows, g->k, g->k, scratch);
        tile.a = scratch;
        tile.lda = g->k;
    }
    tile.ldb = g->packed ? g->k : g->b_column;
    tile.b = (g->packed ? g->packed->data + g->which * g->packed->stride : g->b) + p->column * tile.ldb;
    tile.c = g->c + p->row * g->c_row + p->column;
    tile.from = g->from ? g->from + p->row * g->from_row + p->column : NULL;
    t->dot(&tile, p->rows, p->columns);
    if (g->done)
        g->done(g->context, tile.c, p->rows, p->columns);
}

/* A part of C from narrow weights. */
static void run_thin(const gemm_kernels *t, const gemm *g, const gemm_part *p)
{
    gemm_thin_tile *tile_of = gemm_thin_of(t, g->packed);
    gemm_tile tile = {.k = g->k, .lda = g->a_row, .ldfrom = g->from_row, .ldc = g->c_row, .alpha = g->alpha};
    size_t end = p->column + p->columns, last = p->row + p->rows, waiting = 0;
    for (size_t j = p->column, n; j < end && !cancel_is_set(g->cancel); j += n) {
        gemm_thin w = gemm_thin_panel(g->packed, g->which, j);
        n = size_min(t->nr, end - j);
        for (size_t i = p->row, m; i < last; i += m) {
            m = size_min(t->thin, last - i);
            tile.a = g->a + i * g->a_row;
            tile.c = g->c + i * g->c_row + j;
            tile.from = g->from ? g->from + i * g->from_row + j : NULL;
            tile_of(&tile, &w, m, n);
        }
        waiting += n;
        if (g->done && (waiting >= DONE_MIN || j + n == end)) {
            g->done(g->context, g->c + p->row * g->c_row + (j + n - waiting), p->rows, waiting);
            waiting = 0;
        }
    }
}

/* Panels of a B that is packed, or read in place. */
static gemm_panels panels_of(const gemm_kernels *t, const gemm *g)
{
    if (g->packed && gemm_is_wide(g->packed))
        return (gemm_panels){g->packed->data + g->which * g->packed->stride, g->k * t->nr, 0, 0, 0};
    return (gemm_panels){g->b, t->nr, g->b_row, 0, 0};
}

/* One part, from panels where there are any. */
static void run_part(const gemm_kernels *t, const gemm *g, gemm_way way, const gemm_part *p, gemm_panels b,
                     float *scratch)
{
    if (way == WAY_DOT) {
        run_dot(t, g, p, scratch);
        return;
    }
    if (way == WAY_THIN) {
        run_thin(t, g, p);
        return;
    }
    gemm_work w = {.t = t, .g = g, .blocks = blocks_of(t, g, way)};
    float *right = scratch;
    if (way == WAY_PACK)
        scratch += w.blocks.kc * size_ceil_div(w.blocks.nc, t->nr) * t->nr;
    w.left = copies_rows(t, g) ? scratch : NULL;
    if (way == WAY_PACK) {
        run_packing(&w, p, right);
        return;
    }
    run_panels(&w, p, &b);
}

/* Asserts the preconditions of gemm.h. */
static void check_call(const gemm *g)
{
    size_t c_floats = g->m && g->n ? (g->m - 1) * g->c_row + g->n : 0;
    size_t a_floats = g->m && g->k ? (g->m - 1) * g->a_row + (g->k - 1) * g->a_column + 1 : 0;
    SIB_ASSERT(g->packed || g->b || !g->k || !c_floats);
    SIB_ASSERT(mem_is_aligned(g->packed, MEM_ALIGN));
    SIB_ASSERT(mem_is_aligned(g->a, sizeof *g->a) && mem_is_aligned(g->c, sizeof *g->c));
    SIB_ASSERT(g->c_row >= g->n || g->m <= 1);
    SIB_ASSERT(!g->from || g->from_row == 0 || g->from_row >= g->n || g->m <= 1);
    SIB_ASSERT(mem_are_apart(g->a, a_floats * sizeof *g->a, g->c, c_floats * sizeof *g->c));
}

void gemm_run(const gemm *g, float *scratch)
{
    check_call(g);
    SIB_ASSERT(!g->m || !g->n || !gemm_scratch(g) || (scratch && mem_is_aligned(scratch, MEM_ALIGN)));
    const gemm_kernels *t = &kernel_table_get()->gemm;
    gemm_part all = {0, g->m, 0, g->n};
    if (g->m && g->n)
        run_part(t, g, way_of(t, g), &all, panels_of(t, g), scratch);
}

/* ---- Many products, over threads ----------------------------------------------------------------------- */

/* Threads are not worth waking below this many multiplications, or floats of B that are read once; below the
   last limit they get no work even where they are awake. */
#define WORTH_THREADS 6e6
#define WORTH_READING 5e5
#define WORTH_GIVING  1.2e5

typedef struct gemm_job {
    const gemm_kernels *t;
    const gemm *g;
    size_t count;
    const gemm_place *places; /* (count) or NULL */
    unsigned threads;
    gemm_way way;
    size_t row_blocks, column_blocks, rows, columns; /* per product, and of a part */
    size_t shared_floats;                            /* per B that is packed for all threads, else 0 */
    size_t scratch_floats;                           /* per thread */
    float *shared, *scratch;                         /* (count, shared_floats), (threads, scratch_floats) */
} gemm_job;

static gemm product_of(const gemm_job *job, size_t i)
{
    gemm g = *job->g;
    if (job->places) {
        const gemm_place *at = &job->places[i];
        g.a += at->a;
        g.c += at->c;
        if (g.packed)
            g.which += at->b;
        else
            g.b += at->b;
    }
    return g;
}

static void pack_shared(void *context, size_t begin, size_t count, unsigned worker)
{
    const gemm_job *job = context;
    size_t nr = job->t->nr, panels = size_ceil_div(job->g->n, nr);
    (void)worker;
    for (size_t item = begin; item < begin + count && !cancel_is_set(job->g->cancel); item++) {
        gemm g = product_of(job, item / panels);
        float *to = job->shared + item / panels * job->shared_floats + item % panels * g.k * nr;
        gemm_pack_panels(job->t, g.b, g.b_row, g.b_column, g.k, g.n, item % panels, 1, to);
    }
}

static void run_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const gemm_job *job = context;
    size_t each = job->row_blocks * job->column_blocks;
    for (size_t item = begin; item < begin + count; item++) {
        gemm g = product_of(job, item / each);
        gemm_panels b = panels_of(job->t, &g);
        if (job->shared_floats)
            b = (gemm_panels){job->shared + item / each * job->shared_floats, g.k * job->t->nr, 0, 0, 0};
        size_t row = item % each / job->column_blocks * job->rows;
        size_t column = item % job->column_blocks * job->columns;
        gemm_part p = {row, size_min(job->rows, g.m - row), column, size_min(job->columns, g.n - column)};
        run_part(job->t, &g, job->way, &p, b, job->scratch + worker * job->scratch_floats);
    }
}

/* Cuts products into parts of full tiles so that every thread has several. */
static void cut(gemm_job *job)
{
    const gemm *g = job->g;
    size_t wanted = size_ceil_div(4 * (size_t)job->threads, job->count), mr = job->t->mr, nr = job->t->nr;
    size_t rows = size_max(4 * mr, size_ceil_div(size_ceil_div(g->m, wanted), mr) * mr);
    job->rows = size_min(rows, g->m);
    job->row_blocks = size_ceil_div(g->m, rows);
    wanted = size_ceil_div(wanted, job->row_blocks);
    if (wanted > 1 && g->n > 4 * nr) {
        job->columns = size_max(4 * nr, size_ceil_div(size_ceil_div(g->n, wanted), nr) * nr);
        job->column_blocks = size_ceil_div(g->n, job->columns);
    }
}

static bool worth_threads(const gemm *g, size_t count, bool awake)
{
    double read = (double)g->n * (double)g->k * (double)count;
    return (double)g->m * read >= WORTH_THREADS || read >= (awake ? WORTH_GIVING : WORTH_READING);
}

static void plan(gemm_job *job, const gemm *g, size_t count, const sib_pool *pool)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    *job = (gemm_job){.t = t, .g = g, .count = count, .threads = 1, .way = way_of(t, g)};
    job->row_blocks = job->column_blocks = 1;
    job->rows = g->m;
    job->columns = g->n;
    if (pool && worth_threads(g, count, true)) /* scratch must not depend on which threads are awake */
        job->threads = sib_pool_threads(pool);
    if (job->threads > 1 && job->way == WAY_PACK && !g->packed && count < 4 * (size_t)job->threads) {
        job->way = WAY_PANELS;
        job->shared_floats = g->k * size_ceil_div(g->n, t->nr) * t->nr;
    }
    if (job->threads > 1 && (job->way != WAY_PACK || g->packed))
        cut(job);
    job->scratch_floats = (scratch_of(t, g, job->way) + 15) / 16 * 16;
}

size_t gemm_scratch_all(const gemm *g, size_t count, const sib_pool *pool)
{
    gemm_job job;
    plan(&job, g, count, pool);
    return job.shared_floats * count + job.scratch_floats * job.threads;
}

void gemm_run_all(const gemm *g, size_t count, const gemm_place *places, sib_pool *pool, float *scratch)
{
    gemm_job job;
    if (!g->m || !g->n || !count)
        return;
    check_call(g);
    SIB_ASSERT(places || count == 1);
    plan(&job, g, count, pool);
    SIB_ASSERT(!gemm_scratch_all(g, count, pool) || (scratch && mem_is_aligned(scratch, MEM_ALIGN)));
    float none = 0; /* avoids arithmetic on NULL where no scratch is needed */
    job.places = places;
    job.shared = scratch ? scratch : &none;
    job.scratch = job.shared + job.shared_floats * count;
    sib_pool *used = job.threads > 1 && worth_threads(g, count, pool_is_awake(pool)) ? pool : NULL;
    if (job.shared_floats)
        pool_run(used, count * size_ceil_div(g->n, job.t->nr), 4, pack_shared, &job);
    size_t parts = count * job.row_blocks * job.column_blocks;
    pool_run(used, parts, used ? 1 : parts, run_parts, &job);
}
