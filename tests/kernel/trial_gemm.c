/* Tiles of products of floats, of narrow weights, of doubles and of wide integers, against sums in double. */
#include "base/size.h"
#include "check_blocks.h"
#include "product.h"
#include "trial.h"

#include <math.h>

/* Checks alpha * sum of a[p] b[p] + from within the rounding error of float sums in any order. */
static void expect_product(const trial *t, size_t at, float got, const float *a, size_t a_step,
                           const float *b, size_t b_step, size_t k, double alpha, double from)
{
    double bound, expected = product_of(a, a_step, b, b_step, k, alpha, from, &bound);
    trial_expect(t, at, got, expected, bound);
}

static trial_fill product_fill(trial *t)
{
    return t->bench || trial_pick(t, 0, 3) ? FILL_UNIFORM : FILL_NAN + trial_pick(t, 0, 2);
}

/* A (m, k), C (m, n) and the addend: none, a row, or C itself. */
static gemm_tile tile_of(trial *t, size_t m, size_t n, size_t k)
{
    gemm_tile tile = {.k = k, .lda = k + trial_pick(t, 0, 3), .ldc = n + trial_pick(t, 0, 7)};
    size_t from = trial_pick(t, 0, 2);
    tile.a = trial_floats(t, (m - 1) * tile.lda + k, product_fill(t));
    tile.c = trial_out(t, sizeof *tile.c, m, n, tile.ldc, TRIAL_ALONE);
    tile.alpha = trial_pick(t, 0, 1) ? 1.0f : -0.75f;
    tile.ahead[0] = trial_pick(t, 0, 1) ? tile.a : NULL;
    if (from == 1)
        tile.from = trial_floats(t, n, FILL_UNIFORM);
    if (from == 2) {
        tile.from = tile.c;
        tile.ldfrom = tile.ldc;
        for (size_t i = 0; i < m; i++)
            trial_fill_floats(t, tile.c + i * tile.ldc, n, FILL_UNIFORM);
    }
    return tile;
}

static void expect_tile(const trial *t, const gemm_tile *tile, size_t m, size_t n, const float *b,
                        size_t b_row, size_t b_column)
{
    const float *from = tile->from ? trial_before(t, tile->from) : NULL;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            expect_product(t, i * n + j, tile->c[i * tile->ldc + j], tile->a + i * tile->lda, 1,
                           b + j * b_column, b_row, tile->k, tile->alpha,
                           from ? (double)from[i * tile->ldfrom + j] : 0);
}

static size_t depth(trial *t)
{
    return t->bench ? 256 : t->round < 40 ? t->round : trial_pick(t, 40, 400);
}

/* Each tile[m] of a level; n takes all widths. */
static void tile(trial *t)
{
    size_t m = t->slot, n = t->bench ? t->k->gemm.nr : 1 + t->round % t->k->gemm.nr, k = depth(t);
    gemm_tile g = tile_of(t, m, n, k);
    g.ldb = n + trial_pick(t, 0, 5);
    const float *b = g.b = trial_floats(t, k ? (k - 1) * g.ldb + n : 0, product_fill(t));
    CALL(t, m * n * k, gemm.tile[m](&g, n));
    expect_tile(t, &g, m, n, b, g.ldb, 1);
}

static void row(trial *t)
{
    size_t n = t->bench ? 1024 : 1 + t->round % (20 * t->k->gemm.lanes), k = depth(t);
    gemm_tile g = tile_of(t, 1, n, k);
    g.ldb = n + trial_pick(t, 0, 5);
    const float *b = g.b = trial_floats(t, k ? (k - 1) * g.ldb + n : 0, product_fill(t));
    CALL(t, n * k, gemm.row(&g, n));
    expect_tile(t, &g, 1, n, b, g.ldb, 1);
}

static void dot(trial *t)
{
    size_t m = t->bench ? 1 : trial_pick(t, 1, 18), n = t->bench ? 16 : trial_pick(t, 1, 20), k = depth(t);
    gemm_tile g = tile_of(t, m, n, k);
    g.ldb = k + trial_pick(t, 0, 5);
    const float *b = g.b = trial_floats(t, (n - 1) * g.ldb + k, product_fill(t));
    CALL(t, m * n * k, gemm.dot(&g, m, n));
    expect_tile(t, &g, m, n, b, 1, g.ldb);
}

static void pack(trial *t)
{
    size_t k = t->bench ? 64 : trial_pick(t, 1, 50), n = t->bench ? 64 : 1 + t->round % 60,
           width = n + trial_pick(t, 0, 2) * 7;
    size_t form = trial_pick(t, 0, 2), row = form == 0 ? n + 3 : form, column = form == 0 ? 1 : 2 * k;
    const float *b = trial_floats(t, (k - 1) * row + (n - 1) * column + 1, trial_fill_of(t));
    float *dst = trial_out(t, sizeof *dst, k, width, width, 0);
    CALL(t, k * n, gemm.pack(b, row, column, k, n, width, dst));
    for (size_t i = 0; i < k * width; i++)
        trial_expect(t, i, dst[i], i % width < n ? b[i / width * row + i % width * column] : 0, 0);
}

/* ---- Narrow weights ------------------------------------------------------------------------------------ */

enum { FORM_F16, FORM_BF16, FORM_8, FORM_4 };

static float *scales_of(trial *t, size_t n, bool zeros)
{
    float *x = trial_in(t, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = zeros ? (float)trial_pick(t, 0, 19) - 9.5f : (float)check_uniform(&t->r);
    return x;
}

/* Weights of few bits (k, width), and the same as floats in b. */
static int8_t *few_bits(trial *t, int form, size_t k, size_t width, size_t block, const float *scale,
                        const float *zero, float *b)
{
    size_t bytes = (form == FORM_8 ? k : (k + 1) / 2) * width;
    int8_t *q = trial_in(t, bytes, 1);
    memset(q, 0, bytes);
    for (size_t i = 0; i < k * width; i++) {
        size_t p = i / width, at = p / block * width + i % width;
        int max = form == FORM_8 ? 256 : 16, number = (int)trial_pick(t, 0, (size_t)max - 1) - max / 2;
        int8_t *byte = q + (form == FORM_8 ? i : p / 2 * width + i % width);
        *byte |= (int8_t)(form == FORM_8 ? number : (number & 15) << p % 2 * 4);
        b[i] = ((float)number - (zero ? zero[at] : 0)) * scale[at];
    }
    return q;
}

static void widen_bits(trial *t, int form)
{
    size_t lanes = t->k->gemm.lanes, width = lanes * trial_pick(t, 1, 4), k = t->bench ? 64 : t->round;
    const float *scale = scales_of(t, width, false), *zero = scales_of(t, width, true);
    float *want = trial_in(t, k * width, sizeof *want),
          *dst = trial_out(t, sizeof *dst, 1, k * width, k * width, TRIAL_ALONE);
    const int8_t *q = few_bits(t, form, k, width, k + 1, scale, zero, want);
    if (form == FORM_8)
        CALL(t, k * width, gemm.widen_8(q, zero, scale, k, width, dst));
    else
        CALL(t, k * width, gemm.widen_4(q, zero, scale, k, width, dst));
    for (size_t i = 0; i < k * width; i++)
        trial_expect(t, i, dst[i], want[i], 0);
}

static void widen_8(trial *t)
{
    widen_bits(t, FORM_8);
}

static void widen_4(trial *t)
{
    widen_bits(t, FORM_4);
}

/* A tile of narrow weights against the same weights as floats. */
static void thin(trial *t, int form, gemm_thin_tile *call)
{
    size_t m = t->bench ? 1 : 1 + t->round % t->k->gemm.thin,
           n = t->bench ? t->k->gemm.nr : 1 + t->round / t->k->gemm.thin % t->k->gemm.nr;
    size_t k = t->bench ? 256 : trial_pick(t, 1, 101), block = (size_t)2 << trial_pick(t, 0, 6);
    size_t width = size_ceil_div(n, t->k->gemm.lanes) * t->k->gemm.lanes, blocks = size_ceil_div(k, block);
    bool centred = trial_pick(t, 0, 1);
    gemm_tile g = tile_of(t, m, n, k);
    if (g.from == g.c)
        g.from = NULL;
    float *b = trial_floats(t, k * width, FILL_UNIFORM);
    gemm_thin w = {.block = block};
    if (form <= FORM_BF16) {
        uint16_t *q = trial_in(t, k * width, sizeof *q);
        (form == FORM_F16 ? t->k->narrow_f16 : t->k->narrow_bf16)(b, q, k * width);
        (form == FORM_F16 ? t->k->widen_f16 : t->k->widen_bf16)(q, b, k * width);
        w.q = q;
    } else {
        w.scale = scales_of(t, blocks * width, false);
        w.zero = centred ? NULL : scales_of(t, blocks * width, true);
        w.q = few_bits(t, form, k, width, block, w.scale, w.zero, b);
    }
    TIMED(t, m * n * k, call(&g, &w, m, n));
    expect_tile(t, &g, m, n, b, width, 1);
}

static void thin_f16(trial *t)
{
    thin(t, FORM_F16, t->k->gemm.thin_f16);
}

static void thin_bf16(trial *t)
{
    thin(t, FORM_BF16, t->k->gemm.thin_bf16);
}

static void thin_s8(trial *t)
{
    thin(t, FORM_8, t->k->gemm.thin_s8);
}

static void thin_s4(trial *t)
{
    thin(t, FORM_4, t->k->gemm.thin_s4);
}

/* A tile of a file's blocks against the decoded weights. */
static void thin_blocks(trial *t)
{
    const block_kind kind = (block_kind)t->slot;
    const block_format *f = block_format_at(kind);
    size_t m = t->bench ? 1 : 1 + t->round % t->k->gemm.thin,
           n = t->bench ? t->k->gemm.nr : trial_pick(t, 1, t->k->gemm.nr);
    size_t blocks = t->bench ? 1024 / f->block : trial_pick(t, 1, 3), k = blocks * f->block;
    gemm_tile g = tile_of(t, m, n, k);
    if (g.from == g.c)
        g.from = NULL;
    uint8_t *q = trial_in(t, n * blocks * f->bytes, 1);
    float *b = trial_in(t, n * k, sizeof *b);
    check_blocks(&t->r, kind, q, n * blocks);
    f->decode(q, n * blocks, b);
    const gemm_thin w = {.q = q, .block = f->block, .row = blocks * f->bytes};
    CALL(t, m * n * k, gemm.thin_blocks[kind](&g, &w, m, n));
    expect_tile(t, &g, m, n, b, 1, k);
}

static void name_blocks(size_t slot, char *text, size_t size)
{
    snprintf(text, size, " %s", block_format_at((block_kind)slot)->name);
}

static const trial_row rows[] = {
    DATA(gemm.mr),
    DATA(gemm.nr),
    DATA(gemm.lanes),
    DATA(gemm.kc),
    DATA(gemm.block),
    DATA(gemm.thin),
    ENTRY(gemm.tile, tile),
    ENTRY(gemm.row, row),
    ENTRY(gemm.dot, dot),
    ENTRY(gemm.pack, pack),
    ENTRY(gemm.widen_8, widen_8),
    ENTRY(gemm.widen_4, widen_4),
    OFTEN(1024, gemm.thin_f16, thin_f16, NULL),
    OFTEN(1024, gemm.thin_bf16, thin_bf16, NULL),
    OFTEN(1024, gemm.thin_s8, thin_s8, NULL),
    OFTEN(1024, gemm.thin_s4, thin_s4, NULL),
    OFTEN(64, gemm.thin_blocks, thin_blocks, name_blocks),
};
const trial_family family_gemm = {"gemm", rows, COUNT(rows)};

/* ---- Doubles and wide integers ------------------------------------------------------------------------- */

typedef enum wide_kind { WIDE_F64, WIDE_U64, WIDE_U32 } wide_kind;

/* One panel of a product of small integers, exact in every type. */
static void wide(trial *t, wide_kind kind, gemm_wide_panel call)
{
    size_t bytes = kind == WIDE_U32 ? 4 : 8, width = t->k->gemm_wide.bytes / bytes;
    size_t m = t->bench ? 8 : trial_pick(t, 1, 9), k = t->bench ? 64 : trial_pick(t, 0, 33),
           n = t->bench ? width : 1 + t->round % 70;
    size_t panel = trial_pick(t, 0, (n - 1) / width), first = panel * width,
           columns = size_min(width, n - first);
    bool transposed = trial_pick(t, 0, 1);
    char *x[2] = {trial_in(t, m * k, bytes), trial_in(t, k * n, bytes)};
    for (size_t i = 0; i < (m + n) * k; i++) {
        int64_t number = (int64_t)trial_pick(t, 0, 2000) - 1000;
        double real = (double)number;
        memcpy(i < m * k ? x[0] + i * bytes : x[1] + (i - m * k) * bytes,
               kind == WIDE_F64 ? (void *)&real : (void *)&number, bytes);
    }
    /* C is one array whose other columns must not change: rows are n apart from the start of the panel */
    char *c = trial_out(t, bytes, m, columns, n, TRIAL_ALONE);
    char *scratch = trial_out(t, t->k->gemm_wide.bytes, 1, k, k, TRIAL_ALONE);
    gemm_wide g = {m, n, k, x[0], k, 1, x[1], transposed ? 1 : n, transposed ? k : 1, c - first * bytes};
    TIMED(t, m * k * columns, call(&g, panel, scratch));
    for (size_t i = 0; i < m * columns; i++) {
        uint64_t whole = 0;
        double sum = 0.0;
        for (size_t p = 0; p < k; p++) {
            uint64_t u = 0, v = 0;
            double a, b;
            memcpy(&u, x[0] + (i / columns * k + p) * bytes, bytes);
            memcpy(&v, x[1] + (p * g.b_row + (first + i % columns) * g.b_column) * bytes, bytes);
            memcpy(&a, &u, sizeof a);
            memcpy(&b, &v, sizeof b);
            whole += u * v;
            sum += kind == WIDE_F64 ? a * b : 0.0;
        }
        trial_expect_bits(t, "product", c + (i / columns * n + i % columns) * bytes,
                          kind == WIDE_F64 ? (void *)&sum : (void *)&whole, 1, bytes);
    }
}

static void wide_f64(trial *t)
{
    wide(t, WIDE_F64, t->k->gemm_wide.f64);
}

static void wide_u64(trial *t)
{
    wide(t, WIDE_U64, t->k->gemm_wide.u64);
}

static void wide_u32(trial *t)
{
    wide(t, WIDE_U32, t->k->gemm_wide.u32);
}

static const trial_row wide_rows[] = {
    DATA(gemm_wide.bytes),
    ENTRY(gemm_wide.f64, wide_f64),
    ENTRY(gemm_wide.u64, wide_u64),
    ENTRY(gemm_wide.u32, wide_u32),
};
const trial_family family_gemm_wide = {"gemm_wide", wide_rows, COUNT(wide_rows)};
