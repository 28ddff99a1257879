/* Matrix products at this machine's level against sums in double: strides, addends, blocks, packed and narrow
   weights, batches of products and threads. */
#include "base/alloc.h"
#include "base/pool.h"
#include "base/size.h"
#include "check.h"
#include "check_blocks.h"
#include "kernel/gemm/gemm.h"
#include "kernel/kernel.h"
#include "product.h"

#include <math.h>

/* ---- Numbers ------------------------------------------------------------------------------------------ */

static const float hostile[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-42f, -1e-42f, 1e-30f, 1e15f, 0.0f};

CHECK_UNWATCHED static float *numbers(check_random *r, size_t n, unsigned strange)
{
    float *x = malloc((n + !n) * sizeof *x); /* the exact size, so that the sanitizer sees a read beyond */
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)check_uniform(r);
    for (unsigned h = 0; n && h < strange; h++)
        x[check_u64(r) % n] = hostile[check_u64(r) % COUNT(hostile)];
    return x;
}

/* Checks that got is alpha * sum a[p] b[p] + from, within the rounding error of float sums in any order. */
static void check_element(const char *what, float got, const float *a, size_t a_step, const float *b,
                          size_t b_step, size_t k, double alpha, double from)
{
    double bound, e = product_of(a, a_step, b, b_step, k, alpha, from, &bound), off = fabs((double)got - e);
    bool fits = isnan(e) ? isnan(got) : isinf(e) ? (double)got == e : off <= bound;
    if (!fits)
        fail_msg("%s: %.9g, expected %.9g within %g", what, (double)got, e, bound);
}

/* ---- The driver ---------------------------------------------------------------------------------------- */

typedef struct seen {
    const float *c;
    size_t row;
    unsigned char *times; /* how often each element is visited */
} seen;

static void mark(void *context, float *c, size_t rows, size_t columns)
{
    seen *s = context;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            s->times[(size_t)(c - s->c) + i * s->row + j]++;
}

typedef struct example {
    size_t m, n, k, count;
    bool trans_a, trans_b, packed;
    int from; /* 0: nothing, 1: a row, 2: all of C */
} example;

/* Checks some elements of every product of an example: sums in double are slow. */
static void check_products(const example *e, const gemm *g, const float *a, const float *b, const float *c,
                           const float *before, const float *bias, check_random *r)
{
    char what[160];
    size_t all = e->m * e->n;
    for (size_t s = 0; s < e->count * size_min(all, 400); s++) {
        size_t which = s % e->count, at = all <= 400 ? s / e->count : check_u64(r) % all;
        size_t i = at / e->n, j = at % e->n;
        double from = e->from == 1 ? bias[j] : e->from == 2 ? before[which * all + at] : 0.0;
        snprintf(what, sizeof what, "%zu products %zu x %zu x %zu (%d %d %d %d) at %zu, %zu", e->count, e->m,
                 e->k, e->n, e->trans_a, e->trans_b, e->packed, e->from, i, j);
        check_element(what, c[which * all + at], a + which * e->m * e->k + i * g->a_row, g->a_column,
                      b + which * e->k * e->n + j * g->b_column, g->b_row, e->k, g->alpha, from);
    }
}

static void *room(size_t bytes)
{
    void *block = mem_alloc(bytes, 1);
    assert_non_null(block);
    return block;
}

/* Matrices (k, n), or (n, k) if `transposed`, as they are packed, a few rows at a time. */
typedef struct rows_at {
    const void *b;
    size_t item, k, n;
    bool transposed;
    size_t first, rows; /* the current rows, which begin at `from` */
    const void *from;
} rows_at;

/* Moves to the next rows, a random number of them. Returns false at the end. */
static bool next_rows(rows_at *at, size_t count, check_random *r)
{
    size_t block = at->transposed ? at->n : at->k, row = at->transposed ? at->k : at->n;
    at->first += at->rows;
    if (!block || !row || at->first >= count * block)
        return false;
    at->rows =
        size_min(block - at->first % block, (1 + check_u64(r) % 9) * gemm_pack_multiple(at->transposed));
    at->from = (const char *)at->b + at->first * row * at->item;
    return true;
}

static void check_example(const example *e, sib_pool *pool, check_random *r)
{
    size_t all = e->m * e->n, bytes;
    unsigned strange = all < 3000 ? (unsigned)(check_u64(r) % 3) : 0;
    float *a = numbers(r, e->count * e->m * e->k, strange), *b = numbers(r, e->count * e->k * e->n, strange);
    float *c = numbers(r, e->count * all, 0), *before = malloc(e->count * all * sizeof *before);
    float *bias = numbers(r, e->n, 0);
    gemm_place *places = malloc(e->count * sizeof *places);
    size_t *at = malloc(e->count * sizeof *at);
    unsigned char *times = calloc(e->count * all, 1);
    assert_true(before && places && times && at);
    memcpy(before, c, e->count * all * sizeof *c);
    for (size_t i = 0; i < e->count; i++) {
        at[i] = i * e->k * e->n;
        places[i] = (gemm_place){i * e->m * e->k, e->packed ? i : at[i], i * all};
    }
    seen s = {c, e->n, times};
    gemm g = {.m = e->m, .n = e->n, .k = e->k, .a = a, .b = b, .c = c, .c_row = e->n, .alpha = 1.0f};
    g.a_row = e->trans_a ? 1 : e->k;
    g.a_column = e->trans_a ? e->m : 1;
    g.b_row = e->trans_b ? 1 : e->n;
    g.b_column = e->trans_b ? e->k : 1;
    g.alpha = e->from == 1 ? 1.0f : 0.5f;
    g.from = e->from == 1 ? bias : e->from == 2 ? c : NULL;
    g.from_row = e->from == 2 ? e->n : 0;
    g.done = mark;
    g.context = &s;
    gemm_packed *packed = NULL;
    if (e->packed) {
        assert_true(gemm_packed_bytes(e->k, e->n, e->count, &bytes));
        packed = room(bytes);
        if (check_u64(r) % 2)
            gemm_pack(b, g.b_row, g.b_column, e->k, e->n, e->count, e->k * e->n, packed);
        else {
            rows_at piece = {.b = b, .item = sizeof *b, .transposed = e->trans_b, .k = e->k, .n = e->n};
            gemm_pack_begin(e->k, e->n, packed);
            while (next_rows(&piece, e->count, r))
                gemm_pack_rows(piece.from, piece.transposed, piece.first, piece.rows, packed);
        }
        g.packed = packed;
    }
    float *scratch = mem_alloc(gemm_scratch_all(&g, e->count, pool), sizeof *scratch);
    assert_non_null(scratch);
    gemm_run_all(&g, e->count, places, pool, scratch);
    check_products(e, &g, a, b, c, before, bias, r);
    for (size_t i = 0; i < e->count * all; i++)
        assert_int_equal(times[i], 1);
    mem_free(scratch), mem_free(packed);
    free(a), free(b), free(c), free(before), free(bias), free(places), free(times), free(at);
}

TEST(products)
{
    static const size_t sizes[][3] = {{1, 1, 1},      {1, 7, 5},      {1, 128, 257},  {2, 512, 128},
                                      {9, 8, 8},      {3, 1, 64},     {5, 3, 40},     {17, 33, 0},
                                      {13, 65, 19},   {40, 40, 40},   {64, 100, 400}, {100, 37, 800},
                                      {30, 700, 390}, {130, 400, 900}};
    check_random r = {13};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (unsigned form = 0; form < 48; form++) {
            if (getenv("SIBYL_QUICK") && i >= 10 && form % 7 != i % 7)
                continue; /* each large size has its own forms */
            example e = {sizes[i][0], sizes[i][1], sizes[i][2], form >= 24 ? 3 : 1,
                         form & 1,    form & 2,    form & 4,    (int)(form / 8 % 3)};
            e.from = e.count > 1 && e.from == 2 ? 0 : e.from; /* products of a batch share one `from` */
            if (i % 2)
                pool_hold(pool); /* threads that are awake also take smaller work */
            check_example(&e, form % 5 ? pool : NULL, &r);
            if (i % 2)
                pool_release(pool);
        }
    sib_pool_free(&pool);
}

/* ---- Narrow weights ------------------------------------------------------------------------------------ */

/* A (m, k) times `packed`, against the same weights as floats b: (k, n). */
static void check_narrow(const gemm_packed *packed, const float *b, size_t m, size_t k, size_t n,
                         sib_pool *pool, const char *what, check_random *r)
{
    float *a = numbers(r, m * k, m % 2), *c = numbers(r, m * n, 0), *bias = numbers(r, n, 0);
    gemm g = {.m = m, .n = n, .k = k, .a = a, .a_row = k, .a_column = 1, .packed = packed, .from = bias};
    g.c = c;
    g.c_row = n;
    g.alpha = 1.0f;
    float *scratch = mem_alloc(gemm_scratch_all(&g, 1, pool), sizeof *scratch);
    assert_non_null(scratch);
    gemm_run_all(&g, 1, NULL, pool, scratch);
    for (size_t s = 0; s < size_min(m * n, 300); s++) {
        size_t at = m * n <= 300 ? s : check_u64(r) % (m * n);
        check_element(what, c[at], a + at / n * k, 1, b + at % n, n, k, 1.0, bias[at % n]);
    }
    mem_free(scratch);
    free(a), free(c), free(bias);
}

static const size_t narrow_sizes[][3] = {
    {1, 1, 1},       {1, 33, 5},    {3, 129, 70}, {12, 300, 33}, {13, 64, 16},  {40, 500, 100}, {2, 4100, 67},
    {100, 700, 500}, {4, 32, 1500}, {5, 31, 40},  {6, 65, 17},   {7, 161, 129}, {8, 97, 2100},  {9, 96, 50}};

TEST(halves)
{
    const kernel_table *t = kernel_table_get();
    sib_error err = SIB_ERROR_INIT;
    check_random r = {14};
    sib_pool *pool = NULL;
    CHECK_OK(sib_pool_create(2, &pool, &err), err);
    for (size_t i = 0; i < COUNT(narrow_sizes); i++)
        for (unsigned form = 0; form < 4; form++) {
            size_t m = narrow_sizes[i][0], k = narrow_sizes[i][1], n = narrow_sizes[i][2], bytes;
            bool bf16 = form & 1, transposed = form & 2;
            float *b = numbers(&r, k * n, 0), *wide = numbers(&r, k * n, 0);
            uint16_t *half = malloc(k * n * sizeof *half);
            gemm_packed *packed;
            assert_non_null(half);
            (bf16 ? t->narrow_bf16 : t->narrow_f16)(b, half, k * n);
            (bf16 ? t->widen_bf16 : t->widen_f16)(half, b, k * n);
            for (size_t p = 0; p < k; p++)
                for (size_t j = 0; j < n; j++)
                    wide[p * n + j] = transposed ? b[j * k + p] : b[p * n + j];
            assert_true(gemm_packed_half_bytes(k, n, 1, &bytes));
            gemm_pack_half(bf16, half, transposed ? 1 : n, transposed ? k : 1, k, n, 1, 0,
                           packed = room(bytes));
            check_narrow(packed, wide, m, k, n, i % 2 ? pool : NULL, bf16 ? "bf16" : "f16", &r);
            mem_free(packed);
            rows_at at = {.b = half, .item = sizeof *half, .transposed = transposed, .k = k, .n = n};
            gemm_pack_half_begin(bf16, k, n, packed = room(bytes));
            while (next_rows(&at, 1, &r))
                gemm_pack_half_rows(at.from, transposed, at.first, at.rows, packed);
            check_narrow(packed, wide, m, k, n, NULL, bf16 ? "bf16 by rows" : "f16 by rows", &r);
            mem_free(packed);
            free(b), free(wide), free(half);
        }
    sib_pool_free(&pool);
}

TEST_ALONE(few_bits)
{
    check_random r = {15};
    for (size_t i = 0; i < COUNT(narrow_sizes); i++)
        for (unsigned form = 0; form < 9; form++) {
            size_t m = narrow_sizes[i][0], k = narrow_sizes[i][1], n = narrow_sizes[i][2], bytes;
            size_t block = form / 3 == 0 ? 16 : form / 3 == 1 ? 32 : 128, blocks = size_ceil_div(k, block);
            unsigned bits = 2u << form % 3;
            size_t row = blocks * (block * bits / 8);
            float *scale = numbers(&r, n * blocks, 0), *zero = numbers(&r, n * blocks, 0),
                  *b = numbers(&r, k * n, 0);
            uint8_t *q = malloc(n * row);
            gemm_packed *packed;
            assert_non_null(q);
            for (size_t j = 0; j < n * row; j++)
                q[j] = (uint8_t)check_u64(&r);
            for (size_t j = 0; j < n * blocks; j++)
                zero[j] = i % 3 ? (float)(check_u64(&r) % (1u << bits)) : (float)(1u << (bits - 1));
            for (size_t p = 0; p < k; p++)
                for (size_t j = 0; j < n; j++) {
                    unsigned number = q[j * row + p * bits / 8] >> p * bits % 8 & ((1u << bits) - 1);
                    b[p * n + j] =
                        ((float)number - zero[j * blocks + p / block]) * scale[j * blocks + p / block];
                }
            gemm_bits given = {k, n, block, bits, q, scale, zero};
            assert_true(gemm_packed_bits_bytes(&given, &bytes));
            gemm_pack_bits(&given, packed = room(bytes));
            check_narrow(packed, b, m, k, n, NULL, "bits", &r);
            mem_free(packed);
            free(scale), free(zero), free(b), free(q);
        }
}

/* Unpacked bytes, in rows. */
TEST_ALONE(bytes_by_rows)
{
    check_random r = {16};
    for (size_t i = 0; i < COUNT(narrow_sizes); i++)
        for (unsigned form = 0; form < 8; form++) {
            size_t m = narrow_sizes[i][0], k = narrow_sizes[i][1], n = narrow_sizes[i][2], bytes;
            size_t block = form < 4 ? 32 : (k + 1) / 2 * 2, blocks = size_ceil_div(k, block);
            bool is_signed = form & 1, transposed = form & 2;
            float *scale = numbers(&r, n * blocks, 0), *zero = numbers(&r, n * blocks, 0),
                  *b = numbers(&r, k * n, 0);
            uint8_t *q = malloc(k * n);
            gemm_packed *packed;
            assert_non_null(q);
            for (size_t j = 0; j < n * k; j++)
                q[j] = (uint8_t)check_u64(&r);
            for (size_t j = 0; j < n * blocks; j++)
                zero[j] = i % 3 ? (float)(check_u64(&r) % 256) : 128.0f;
            for (size_t p = 0; p < k; p++)
                for (size_t j = 0; j < n; j++) {
                    uint8_t stored = q[transposed ? j * k + p : p * n + j];
                    float number = is_signed ? (float)(int8_t)stored + 128.0f : (float)stored;
                    b[p * n + j] = (number - zero[j * blocks + p / block]) * scale[j * blocks + p / block];
                }
            gemm_bits given = {k, n, block, 8, NULL, scale, zero};
            rows_at at = {.b = q, .item = 1, .transposed = transposed, .k = k, .n = n};
            assert_true(gemm_packed_bits_bytes(&given, &bytes));
            gemm_pack_bytes_begin(&given, packed = room(bytes));
            while (next_rows(&at, 1, &r))
                gemm_pack_bytes_rows(at.from, is_signed, transposed, at.first, at.rows, packed);
            check_narrow(packed, b, m, k, n, NULL, "bytes by rows", &r);
            mem_free(packed);
            free(scale), free(zero), free(b), free(q);
        }
}

/* Blocks of a file, in place. */
TEST(blocks_in_place)
{
    static const size_t sizes[][3] = {{1, 1, 5},   {1, 2, 70},   {3, 3, 33},  {9, 1, 100},
                                      {17, 5, 64}, {40, 2, 130}, {2, 4, 1500}};
    check_random r = {17};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    CHECK_OK(sib_pool_create(2, &pool, &err), err);
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (block_kind kind = 0; kind < N_BLOCK_KINDS; kind++) {
            const block_format *f = block_format_at(kind);
            size_t m = sizes[i][0], blocks = sizes[i][1], k = blocks * f->block, n = sizes[i][2];
            uint8_t *q = malloc(n * blocks * f->bytes);
            float *rows = malloc(n * k * sizeof *rows), *b = malloc(n * k * sizeof *b);
            gemm_packed *packed = room(gemm_blocks_bytes());
            assert_true(q && rows && b);
            check_blocks(&r, kind, q, n * blocks);
            f->decode(q, n * blocks, rows);
            for (size_t p = 0; p < k; p++)
                for (size_t j = 0; j < n; j++)
                    b[p * n + j] = rows[j * k + p];
            gemm_blocks_in_place(kind, q, k, n, packed);
            check_narrow(packed, b, m, k, n, i % 2 ? pool : NULL, f->name, &r);
            mem_free(packed);
            free(q), free(rows), free(b);
        }
    sib_pool_free(&pool);
}
