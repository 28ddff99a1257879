/* The driver of products of bytes. All of B is packed first (once, where it is constant); A is converted tile
   by tile. */
#include "kernel/gemm/gemm_int.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "kernel/kernel.h"

#include <string.h>

#define DONE_MIN      1024 /* min elements per call of `done`, where there are that many */
#define WORTH_THREADS 2e7  /* multiplications below which threads are not worth waking */

struct gemm_int_packed {
    size_t k, n, stride; /* stride: bytes of one matrix with its sums */
    bool is_signed;
    _Alignas(64) char data[];
};

/* B of one product. */
typedef struct int_right {
    const int8_t *panels; /* (n / nr rounded up, groups, nr, group) */
    const int32_t *sums;  /* (n) sums of the columns */
} int_right;

/* ---- Packing of B ------------------------------------------------------------------------------------- */

static size_t groups_of(const gemm_int_kernels *t, size_t k)
{
    return size_ceil_div(k, t->group);
}

/* Bytes of panels; the sums follow them. */
static size_t panel_bytes(const gemm_int_kernels *t, size_t k, size_t n)
{
    return groups_of(t, k) * t->group * size_ceil_div(n, t->nr) * t->nr;
}

/* Bytes of a tile's rows of A. */
static size_t rows_bytes(const gemm_int_kernels *t, size_t k)
{
    return (t->mr * groups_of(t, k) * t->group * t->element + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static size_t packed_bytes(const gemm_int_kernels *t, size_t k, size_t n)
{
    return (panel_bytes(t, k, n) + n * sizeof(int32_t) + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static int_right right_at(const gemm_int_kernels *t, const char *data, size_t k, size_t n)
{
    return (int_right){(const int8_t *)data, (const int32_t *)(const void *)(data + panel_bytes(t, k, n))};
}

/* Packs panel i of B, less 128 where B is unsigned, and its sums. flip: 0x80 turns 0 .. 255 into -128 ..
   127. */
static void pack_panel(const gemm_int_kernels *t, const uint8_t *b, uint8_t flip, size_t row, size_t column,
                       size_t k, size_t n, size_t i, char *data)
{
    size_t size = groups_of(t, k) * t->group * t->nr, first = i * t->nr, columns = size_min(t->nr, n - first);
    int8_t *dst = (int8_t *)data + i * size;
    int32_t *sums = (int32_t *)(void *)(data + panel_bytes(t, k, n)) + first;
    memset(dst, 0, size);
    memset(sums, 0, columns * sizeof *sums);
    b += first * column;
    for (size_t p = 0; p < k; p++) {
        int8_t *to = dst + p / t->group * t->group * t->nr + p % t->group;
        const uint8_t *from = b + p * row;
        for (size_t j = 0; j < columns; j++) {
            int8_t value = (int8_t)(from[j * column] ^ flip);
            to[j * t->group] = value;
            sums[j] += value;
        }
    }
}

bool gemm_int_packed_bytes(size_t k, size_t n, size_t count, size_t *bytes)
{
    size_t elements, all;
    return size_mul(k + GEMM_INT_MAX_NR, n + GEMM_INT_MAX_NR, &elements) && elements <= PTRDIFF_MAX / 8 &&
           size_mul(packed_bytes(&kernel_table_get()->gemm_int, k, n), count, &all) &&
           size_add(all, sizeof(gemm_int_packed), bytes);
}

void gemm_int_pack(const void *b, bool is_signed, size_t row, size_t column, size_t k, size_t n, size_t count,
                   size_t apart, void *out)
{
    const gemm_int_kernels *t = &kernel_table_get()->gemm_int;
    gemm_int_packed *p = out;
    *p = (gemm_int_packed){.k = k, .n = n, .stride = packed_bytes(t, k, n), .is_signed = is_signed};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j * t->nr < n; j++)
            pack_panel(t, (const uint8_t *)b + i * apart, is_signed ? 0 : 0x80, row, column, k, n, j,
                       p->data + i * p->stride);
}

/* ---- Conversion of A ---------------------------------------------------------------------------------- */

/* Converts n bytes of a row, plus 128 where they are signed; returns their sum, where that is wanted. */
static int32_t left_bytes(const uint8_t *a, size_t step, uint8_t flip, size_t n, bool wants_sum, uint8_t *dst)
{
    uint32_t sum = 0;
    if (step == 1 && !flip)
        memcpy(dst, a, n);
    else if (step == 1)
        for (size_t p = 0; p < n; p++)
            dst[p] = (uint8_t)(a[p] ^ flip);
    else
        for (size_t p = 0; p < n; p++)
            dst[p] = (uint8_t)(a[p * step] ^ flip);
    for (size_t p = 0; wants_sum && p < n; p++)
        sum += dst[p];
    return (int32_t)sum;
}

static int32_t left_words(const uint8_t *a, size_t step, uint8_t flip, size_t n, int16_t *dst)
{
    uint32_t sum = 0;
    for (size_t p = 0; p < n; p++) {
        dst[p] = (int16_t)(uint8_t)(a[p * step] ^ flip);
        sum += (uint32_t)dst[p];
    }
    return (int32_t)sum;
}

/* b's zero point relative to B as tiles take it. */
static uint32_t less_of(const gemm_int *g)
{
    return (g->packed ? g->packed->is_signed : g->b_signed) ? 0 : 128;
}

/* Whether sums of A's rows are needed. */
static bool wants_sums(const gemm_int *g)
{
    return g->b_zero && g->b_zero_each ? true : (uint32_t)(g->b_zero ? *g->b_zero : 0) != less_of(g);
}

/* Converts m rows from row i on to `left`, rows lda elements apart, with their sums. */
static void make_left(const gemm_int_kernels *t, const gemm_int *g, size_t i, size_t m, char *left,
                      size_t lda, int32_t *sums)
{
    const uint8_t *a = (const uint8_t *)g->a + i * g->a_row;
    uint8_t flip = g->a_signed ? 0x80 : 0;
    bool wanted = wants_sums(g);
    for (size_t r = 0; r < m; r++, a += g->a_row, left += lda * t->element) {
        size_t rest = (lda - g->k) * t->element;
        sums[r] = t->element == 1 ? left_bytes(a, g->a_column, flip, g->k, wanted, (uint8_t *)left)
                                  : left_words(a, g->a_column, flip, g->k, (int16_t *)(void *)left);
        memset(left + g->k * t->element, 0, rest);
    }
}

/* ---- Products ----------------------------------------------------------------------------------------- */

typedef struct int_part {
    size_t row, rows, column, columns; /* column: a multiple of nr */
} int_part;

static uint32_t a_zero_of(const gemm_int *g, size_t i)
{
    return (uint32_t)(g->a_zero ? g->a_zero[g->a_zero_each ? i : 0] : 0) + (g->a_signed ? 128 : 0);
}

/* c -= zb * (sum of a's row - k * za) + za * (sums of b's columns), mod 2^32. column: the second term where
   all rows share it, else NULL. */
static void take_zeros(const gemm_int *g, const int_right *b, size_t i, int32_t sum, size_t j0, size_t n,
                       const uint32_t *column, int32_t *c)
{
    uint32_t za = a_zero_of(g, i), less = less_of(g), by = (uint32_t)sum - (uint32_t)g->k * za;
    const int32_t *sums = b->sums + j0;
    if (g->b_zero && g->b_zero_each) {
        const int32_t *zb = g->b_zero + j0;
        for (size_t j = 0; j < n; j++)
            c[j] = (int32_t)((uint32_t)c[j] - ((uint32_t)zb[j] - less) * by - za * (uint32_t)sums[j]);
        return;
    }
    uint32_t same = ((uint32_t)(g->b_zero ? *g->b_zero : 0) - less) * by;
    for (size_t j = 0; column && za && j < n; j++)
        c[j] = (int32_t)((uint32_t)c[j] - same - column[j]);
    for (size_t j = 0; !column && za && j < n; j++)
        c[j] = (int32_t)((uint32_t)c[j] - same - za * (uint32_t)sums[j]);
    for (size_t j = 0; !za && same && j < n; j++)
        c[j] = (int32_t)((uint32_t)c[j] - same);
}

/* Computes m rows from row i on. scratch: (mr, lda) elements. */
static void run_tiles(const gemm_int_kernels *t, const gemm_int *g, const int_right *b, const int_part *p,
                      size_t i, size_t m, const uint32_t *column, char *left)
{
    size_t groups = groups_of(t, g->k), lda = groups * t->group;
    int32_t sums[GEMM_INT_MAX_MR], *c = g->c + i * g->c_row + p->column;
    gemm_int_tile tile = {.groups = groups, .a = left, .lda = lda, .ldc = g->c_row};
    make_left(t, g, i, m, left, lda, sums);
    for (size_t j = 0; j < p->columns; j += t->nr) {
        tile.b = b->panels + (p->column + j) * lda;
        tile.c = c + j;
        t->tile[m](&tile, size_min(t->nr, p->columns - j));
    }
    for (size_t r = 0; r < m; r++)
        take_zeros(g, b, i + r, sums[r], p->column, p->columns, column, c + r * g->c_row);
}

static void run_part(const gemm_int_kernels *t, const gemm_int *g, const int_right *b, const int_part *part,
                     char *scratch)
{
    size_t depth = size_max(1, groups_of(t, g->k) * t->group);
    size_t columns = size_max(1, t->block / depth / t->nr) * t->nr, end = part->column + part->columns;
    for (size_t j = part->column; j < end; j += columns) {
        int_part p = {part->row, part->rows, j, size_min(columns, end - j)};
        size_t waiting = 0, last = p.row + p.rows;
        uint32_t *column = NULL, za = a_zero_of(g, 0);
        if (!g->a_zero_each && za && p.rows > 2) {
            column = (uint32_t *)(void *)(scratch + rows_bytes(t, g->k));
            for (size_t c = 0; c < p.columns; c++)
                column[c] = za * (uint32_t)b->sums[j + c];
        }
        for (size_t i = p.row, m; i < last && !cancel_is_set(g->cancel); i += m) {
            m = size_min(t->mr, last - i);
            run_tiles(t, g, b, &p, i, m, column, scratch);
            waiting += m;
            if (g->done && (waiting * p.columns >= DONE_MIN || i + m == last)) {
                g->done(g->context, g->c + (i + m - waiting) * g->c_row + j, waiting, p.columns);
                waiting = 0;
            }
        }
    }
}

/* ---- Many products, over threads ----------------------------------------------------------------------- */

typedef struct int_job {
    const gemm_int_kernels *t;
    const gemm_int *g;
    const gemm_int_place *places;
    unsigned threads;
    size_t row_blocks, column_blocks, rows, columns;
    size_t shared_bytes, left_bytes; /* of one packed B, 0 where it is packed already; per thread */
    char *shared, *left;
} int_job;

static void plan(int_job *job, const gemm_int *g, size_t count, const sib_pool *pool)
{
    const gemm_int_kernels *t = &kernel_table_get()->gemm_int;
    *job = (int_job){
        .t = t, .g = g, .threads = 1, .row_blocks = 1, .column_blocks = 1, .rows = g->m, .columns = g->n};
    job->left_bytes = rows_bytes(t, g->k) + (g->n * sizeof(uint32_t) + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    job->shared_bytes = g->packed ? 0 : packed_bytes(t, g->k, g->n);
    if (!pool || (double)g->m * (double)g->n * (double)g->k * (double)count < WORTH_THREADS)
        return;
    job->threads = sib_pool_threads(pool);
    size_t wanted = size_ceil_div(4 * (size_t)job->threads, count);
    size_t rows = size_max(4 * t->mr, size_ceil_div(size_ceil_div(g->m, wanted), t->mr) * t->mr);
    job->rows = size_min(rows, g->m);
    job->row_blocks = size_ceil_div(g->m, rows);
    wanted = size_ceil_div(wanted, job->row_blocks);
    if (wanted > 1 && g->n > 4 * t->nr) {
        job->columns = size_max(4 * t->nr, size_ceil_div(size_ceil_div(g->n, wanted), t->nr) * t->nr);
        job->column_blocks = size_ceil_div(g->n, job->columns);
    }
}

static gemm_int product_of(const int_job *job, size_t i)
{
    gemm_int g = *job->g;
    if (job->places) {
        const gemm_int_place *at = &job->places[i];
        g.a = (const char *)g.a + at->a;
        g.c += at->c;
        if (g.packed)
            g.which += at->b;
        else
            g.b = (const char *)g.b + at->b;
    }
    return g;
}

static void pack_shared(void *context, size_t begin, size_t count, unsigned worker)
{
    const int_job *job = context;
    size_t panels = size_ceil_div(job->g->n, job->t->nr);
    (void)worker;
    for (size_t item = begin; item < begin + count; item++) {
        gemm_int g = product_of(job, item / panels);
        pack_panel(job->t, g.b, g.b_signed ? 0 : 0x80, g.b_row, g.b_column, g.k, g.n, item % panels,
                   job->shared + item / panels * job->shared_bytes);
    }
}

static void run_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const int_job *job = context;
    size_t each = job->row_blocks * job->column_blocks;
    for (size_t item = begin; item < begin + count; item++) {
        gemm_int g = product_of(job, item / each);
        const char *data = g.packed ? g.packed->data + g.which * g.packed->stride
                                    : job->shared + item / each * job->shared_bytes;
        int_right b = right_at(job->t, data, g.k, g.n);
        size_t row = item % each / job->column_blocks * job->rows;
        size_t column = item % job->column_blocks * job->columns;
        int_part p = {row, size_min(job->rows, g.m - row), column, size_min(job->columns, g.n - column)};
        run_part(job->t, &g, &b, &p, job->left + worker * job->left_bytes);
    }
}

size_t gemm_int_scratch(const gemm_int *g, size_t count, const sib_pool *pool)
{
    int_job job;
    plan(&job, g, count, pool);
    return job.shared_bytes * count + job.left_bytes * job.threads;
}

void gemm_int_run_all(const gemm_int *g, size_t count, const gemm_int_place *places, sib_pool *pool,
                      void *scratch)
{
    int_job job;
    if (!g->m || !g->n || !count)
        return;
    SIB_ASSERT(places || count == 1);
    SIB_ASSERT(g->packed || g->b || !g->k);
    SIB_ASSERT(mem_is_aligned(g->packed, MEM_ALIGN) && mem_is_aligned(g->c, sizeof *g->c));
    SIB_ASSERT(g->c_row >= g->n || g->m == 1);
    SIB_ASSERT(!gemm_int_scratch(g, count, pool) || (scratch && mem_is_aligned(scratch, MEM_ALIGN)));
    plan(&job, g, count, pool);
    job.places = places;
    job.shared = scratch;
    job.left = job.shared + job.shared_bytes * count;
    sib_pool *used = job.threads > 1 ? pool : NULL;
    if (job.shared_bytes)
        pool_run(used, count * size_ceil_div(g->n, job.t->nr), 4, pack_shared, &job);
    size_t parts = count * job.row_blocks * job.column_blocks;
    pool_run(used, parts, used ? 1 : parts, run_parts, &job);
}
