/* The tiles of gemm.h over the vector operations of simd/f32_*.h and these sizes of kernel/levels:

       GEMM_MR, GEMM_NV       tile rows (6 or 12), vectors in a tile row
       GEMM_KC, GEMM_BLOCK    kc and block of the table

   A tile of few rows has few sums, too few to keep the multipliers busy; it has several sums for each element
   instead, one for every term p % SPLIT(m). */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/gemm/gemm.h"
#include "kernel/kernel.h"

#include <string.h>

#define GEMM_NR  (GEMM_NV * VF_LANES)
#define UNROLL   _Pragma("GCC unroll 32")
#define INLINE   static inline __attribute__((always_inline))
#define SPLIT(m) ((m) == 1 ? 4 : (m) <= 3 ? 2 : 1)

_Static_assert(GEMM_MR <= 12 && GEMM_NR <= GEMM_MAX_NR, "the tile is within what callers hold");

/* ---- Tiles --------------------------------------------------------------------------------------------

   m rows, nv vectors; the last vector is full, or has `last` lanes where `edge`. m, nv and edge are constants
   where these are inlined. */

INLINE vf tile_load(const float *at, const bool part, size_t last)
{
    return part ? vf_load_n(at, last) : vf_load(at);
}

/* Applies alpha and `from`, and stores. */
INLINE void tile_out(const gemm_tile *t, const int m, const int nv, const bool edge, size_t last,
                     vf sum[GEMM_MR][GEMM_NV])
{
    if (t->alpha != 1.0f) {
        vf alpha = vf_set1(t->alpha);
        UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[i][j] =
            vf_mul(alpha, sum[i][j]);
    }
    if (t->from) {
        const float *from = t->from;
        UNROLL for (int i = 0; i < m; i++, from += t->ldfrom) UNROLL for (int j = 0; j < nv; j++) sum[i][j] =
            vf_add(sum[i][j], tile_load(from + j * VF_LANES, edge && j == nv - 1, last));
    }
    float *c = t->c;
    UNROLL for (int i = 0; i < m; i++, c += t->ldc)
    {
        UNROLL for (int j = 0; j < nv; j++)
        {
            if (edge && j == nv - 1)
                vf_store_n(c + j * VF_LANES, sum[i][j], last);
            else
                vf_store(c + j * VF_LANES, sum[i][j]);
        }
    }
}

/* Rows of A in groups of three, so that each is addressed by one register plus a multiple of another. */
typedef struct tile_rows {
    const float *group[(GEMM_MR + 2) / 3];
    size_t lda;
} tile_rows;

/* One term of every sum. b: the term's row; s: the column relative to the pointers of `rows`. */
INLINE void tile_term(vf sum[GEMM_MR][GEMM_NV], const tile_rows *rows, int s, const float *b, const int m,
                      const int nv, const bool edge, size_t last)
{
    vf right[GEMM_NV];
    UNROLL for (int j = 0; j < nv; j++) right[j] = tile_load(b + j * VF_LANES, edge && j == nv - 1, last);
    UNROLL for (int i = 0; i < m; i++)
    {
        vf left = vf_set1(rows->group[i / 3][(size_t)(i % 3) * rows->lda + (size_t)s]);
        UNROLL for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(left, right[j], sum[i][j]);
    }
}

/* Long tiles begin with prefetches of the memory that they write, and of what the next tiles read: B from the
   L2 cache, A from memory into the L2 cache. With few rows B streams by once, from whichever level it is in:
   there the processor's own prefetches do better. */
#define LINE_FLOATS 16
#define LONG_TILE   64
#define FEW_ROWS    4

INLINE void fetch_result(const gemm_tile *t, const int m, const int nv)
{
    const float *c = t->c;
    _Pragma("GCC unroll 1") for (int i = 0; i < m; i++, c += t->ldc)
        UNROLL for (int j = 0; j < nv * VF_LANES; j += LINE_FLOATS) __builtin_prefetch(c + j, 1, 3);
}

INLINE void tile_of(const gemm_tile *t, const int m, const int nv, const bool edge, size_t last)
{
    const bool whole = nv == GEMM_NV && !edge, fetches = whole && m > FEW_ROWS;
    const int split = SPLIT(m), steps = whole ? 4 : split, groups = (m + 2) / 3;
    vf sum[4][GEMM_MR][GEMM_NV];
    UNROLL for (int s = 0; s < split; s++) UNROLL for (int i = 0; i < m; i++)
        UNROLL for (int j = 0; j < nv; j++) sum[s][i][j] = vf_zero();
    tile_rows rows = {.lda = t->lda};
    UNROLL for (int g = 0; g < groups; g++) rows.group[g] = t->a + (size_t)(3 * g) * t->lda;
    const float *b = t->b;
    const size_t ldb = t->ldb;
    size_t k = t->k;
    uintptr_t ahead[GEMM_AHEAD]; /* bytes from the first row of A, which alone is incremented */
    UNROLL for (int i = 0; i < GEMM_AHEAD; i++) ahead[i] =
        t->ahead[i] ? (uintptr_t)t->ahead[i] - (uintptr_t)t->a : 0;
    if (whole && k >= LONG_TILE)
        fetch_result(t, m, nv);
    for (; k >= (size_t)steps; k -= (size_t)steps) {
        UNROLL for (int i = 0; i < GEMM_AHEAD && fetches; i++)
        {
            __builtin_prefetch((const void *)((uintptr_t)rows.group[0] + ahead[i]), 0, 2);
        }
        UNROLL for (int s = 0; s < steps; s++, b += ldb)
        {
            if (fetches)
                UNROLL for (int j = 0; j < nv * VF_LANES; j += LINE_FLOATS)
                    __builtin_prefetch(b + 32 * GEMM_NR + j);
            tile_term(sum[s % split], &rows, s, b, m, nv, edge, last);
        }
        UNROLL for (int g = 0; g < groups; g++) rows.group[g] += steps;
    }
    for (; steps > 1 && k; k--, b += ldb) {
        tile_term(sum[0], &rows, 0, b, m, nv, edge, last);
        UNROLL for (int g = 0; g < groups; g++) rows.group[g]++;
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++)
    {
        if (split == 4)
            sum[0][i][j] = vf_add(vf_add(sum[0][i][j], sum[1][i][j]), vf_add(sum[2][i][j], sum[3][i][j]));
        else if (split == 2)
            sum[0][i][j] = vf_add(sum[0][i][j], sum[1][i][j]);
    }
    tile_out(t, m, nv, edge, last, sum[0]);
}

INLINE void tile_any(const gemm_tile *t, size_t n, const int m)
{
    size_t last = n % VF_LANES;
    int vectors = (int)((n + VF_LANES - 1) / VF_LANES);
    UNROLL for (int nv = GEMM_NV; nv > 0; nv--)
    {
        if (vectors != nv)
            continue;
        if (last)
            tile_of(t, m, nv, true, last);
        else
            tile_of(t, m, nv, false, 0);
    }
}

#define TILE(m)                                                                                              \
    static void tile_##m(const gemm_tile *t, size_t n)                                                       \
    {                                                                                                        \
        tile_any(t, n, m);                                                                                   \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
#if GEMM_MR >= 6
TILE(5)
TILE(6)
#endif
#if GEMM_MR >= 8
TILE(7)
TILE(8)
#endif
#if GEMM_MR >= 12
TILE(9)
TILE(10)
TILE(11)
TILE(12)
#endif

#if VF_LANES > 1
#include "kernel/gemm/gemm_thin.inc.h"

#include "kernel/gemm/gemm_blocks.inc.h"
#endif

/* ---- One row ------------------------------------------------------------------------------------------- */

#define ROW_VECTORS 8 /* side by side: as many sums as keep the multiplier busy */

/* nv vectors from column j on, as in the tiles. */
INLINE void row_of(const gemm_tile *t, size_t j, const int nv, const bool edge, size_t last)
{
    vf sum[ROW_VECTORS], alpha = vf_set1(t->alpha);
    const float *b = t->b + j;
    UNROLL for (int i = 0; i < nv; i++) sum[i] = vf_zero();
    for (size_t p = 0; p < t->k; p++, b += t->ldb) {
        vf left = vf_set1(t->a[p]);
        UNROLL for (int i = 0; i < nv; i++) sum[i] =
            vf_fma(left, tile_load(b + i * VF_LANES, edge && i == nv - 1, last), sum[i]);
    }
    UNROLL for (int i = 0; i < nv; i++, j += VF_LANES)
    {
        const bool part = edge && i == nv - 1;
        vf all = vf_mul(alpha, sum[i]);
        if (t->from)
            all = vf_add(all, tile_load(t->from + j, part, last));
        if (part)
            vf_store_n(t->c + j, all, last);
        else
            vf_store(t->c + j, all);
    }
}

static void row(const gemm_tile *t, size_t n)
{
    size_t j = 0, last = n % VF_LANES;
    for (; j + ROW_VECTORS * VF_LANES <= n; j += ROW_VECTORS * VF_LANES)
        row_of(t, j, ROW_VECTORS, false, 0);
    int vectors = (int)size_ceil_div(n - j, VF_LANES);
    UNROLL for (int nv = ROW_VECTORS; nv > 0; nv--)
    {
        if (vectors != nv)
            continue;
        if (last)
            row_of(t, j, nv, true, last);
        else
            row_of(t, j, nv, false, 0);
    }
}

/* ---- B transposed -------------------------------------------------------------------------------------- */

#define DOT_TALL 8 /* rows of one column: as many sums as keep the multiplier busy */

/* rows x columns sums of products along k; both operands are contiguous along it. */
INLINE void dot_of(const gemm_tile *t, size_t i0, size_t j0, const int rows, const int columns)
{
    const float *a = t->a + i0 * t->lda, *b = t->b + j0 * t->ldb;
    vf sum[DOT_TALL][4];
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < columns; j++) sum[i][j] = vf_zero();
    size_t p = 0;
    for (; p + VF_LANES <= t->k; p += VF_LANES) {
        vf right[4];
        UNROLL for (int j = 0; j < columns; j++) right[j] = vf_load(b + (size_t)j * t->ldb + p);
        UNROLL for (int i = 0; i < rows; i++)
        {
            vf left = vf_load(a + (size_t)i * t->lda + p);
            UNROLL for (int j = 0; j < columns; j++) sum[i][j] = vf_fma(left, right[j], sum[i][j]);
        }
    }
    if (p < t->k)
        UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < columns; j++) sum[i][j] =
            vf_fma(vf_load_n(a + (size_t)i * t->lda + p, t->k - p),
                   vf_load_n(b + (size_t)j * t->ldb + p, t->k - p), sum[i][j]);
    float tall[DOT_TALL];
    UNROLL for (int i = 0; i < rows && rows == DOT_TALL; i += 4)
    {
        const vf four[4] = {sum[i][0], sum[i + 1][0], sum[i + 2][0], sum[i + 3][0]};
        vf_sum_4(four, tall + i);
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        size_t row = i0 + (size_t)i;
        float sums[4], *c = t->c + row * t->ldc + j0;
        if (columns == 4 && t->alpha == 1.0f && !t->from) {
            vf_sum_4(sum[i], c);
            continue;
        }
        if (columns == 4)
            vf_sum_4(sum[i], sums);
        else
            sums[0] = rows == DOT_TALL ? tall[i] : vf_sum(sum[i][0]);
        UNROLL for (int j = 0; j < columns; j++)
        {
            float all = t->alpha * sums[j];
            c[j] = t->from ? all + t->from[row * t->ldfrom + j0 + (size_t)j] : all;
        }
    }
}

static void dot(const gemm_tile *t, size_t m, size_t n)
{
    for (size_t j = 0; j < n;) {
        size_t columns = n - j >= 4 ? 4 : 1;
        for (size_t i = 0; i < m;) {
            size_t rows = columns == 1 && m - i >= DOT_TALL ? DOT_TALL : m - i >= 2 ? 2 : 1;
            if (rows == DOT_TALL)
                dot_of(t, i, j, DOT_TALL, 1);
            else if (rows == 2 && columns == 4)
                dot_of(t, i, j, 2, 4);
            else if (rows == 2)
                dot_of(t, i, j, 2, 1);
            else if (columns == 4)
                dot_of(t, i, j, 1, 4);
            else
                dot_of(t, i, j, 1, 1);
            i += rows;
        }
        j += columns;
    }
}

/* ---- Packing ------------------------------------------------------------------------------------------- */

static void pack_row(const float *b, size_t n, size_t width, float *dst)
{
    size_t j = 0;
    for (; j + VF_LANES <= n; j += VF_LANES)
        vf_store(dst + j, vf_load(b + j));
    for (; j < n; j++)
        dst[j] = b[j];
    for (; j < width; j++)
        dst[j] = 0.0f;
}

/* Terms p0 to p1 of columns j0 to j1, in squares of 16, whose cache lines stay in the cache meanwhile. */
static void pack_squares(const float *b, size_t row, size_t column, size_t p0, size_t p1, size_t j0,
                         size_t j1, size_t width, float *dst)
{
    for (size_t p2 = p0; p2 < p1; p2 += 16)
        for (size_t j2 = j0; j2 < j1; j2 += 16)
            for (size_t p = p2; p < size_min(p1, p2 + 16); p++)
                for (size_t j = j2; j < size_min(j1, j2 + 16); j++)
                    dst[p * width + j] = b[p * row + j * column];
}

static void pack_transposed(const float *b, size_t row, size_t column, size_t k, size_t n, size_t width,
                            float *dst)
{
    size_t full_k = 0, full_n = 0;
#if VF_LANES > 1
    if (row == 1) { /* columns of B are rows of memory: squares of vectors */
        full_k = k / VF_LANES * VF_LANES;
        full_n = n / VF_LANES * VF_LANES;
        for (size_t j = 0; j < full_n; j += VF_LANES) {
            const float *rows[VF_LANES];
            for (size_t i = 0; i < VF_LANES; i++)
                rows[i] = b + (j + i) * column;
            for (size_t p = 0; p < full_k; p += VF_LANES)
                vf_transpose_rows(rows, p, dst + p * width + j, width);
        }
    }
#endif
    pack_squares(b, row, column, full_k, k, 0, full_n, width, dst);
    pack_squares(b, row, column, 0, k, full_n, n, width, dst);
    for (size_t p = 0; p < k && n < width; p++)
        for (size_t j = n; j < width; j++)
            dst[p * width + j] = 0.0f;
}

static void pack(const float *b, size_t row, size_t column, size_t k, size_t n, size_t width, float *dst)
{
    if (column != 1)
        pack_transposed(b, row, column, k, n, width, dst);
    else
        for (size_t p = 0; p < k; p++)
            pack_row(b + p * row, n, width, dst + p * width);
}

/* ---- Weights of few bits ------------------------------------------------------------------------------- */

static void widen_8(const int8_t *q, const float *zero, const float *scale, size_t k, size_t width,
                    float *dst)
{
    for (size_t j = 0; j < width; j += VF_LANES) {
        vf z = vf_load(zero + j), s = vf_load(scale + j);
        for (size_t p = 0; p < k; p++)
            vf_store(dst + p * width + j, vf_mul(vf_sub(vf_load_s8(q + p * width + j), z), s));
    }
}

static void widen_4(const int8_t *q, const float *zero, const float *scale, size_t k, size_t width,
                    float *dst)
{
    for (size_t j = 0; j < width; j += VF_LANES) {
        vf z = vf_load(zero + j), s = vf_load(scale + j);
        const int8_t *from = q + j;
        float *to = dst + j;
        for (size_t p = 0; p < k; p += 2, from += width, to += 2 * width) {
            vf high, low = vf_load_s4(from, &high);
            vf_store(to, vf_mul(vf_sub(low, z), s));
            if (p + 1 < k)
                vf_store(to + width, vf_mul(vf_sub(high, z), s));
        }
    }
}

void SIMD_NAME(gemm_init)(gemm_kernels *k)
{
    *k = (gemm_kernels)
    {
        .mr = GEMM_MR, .nr = GEMM_NR, .lanes = VF_LANES, .kc = GEMM_KC, .block = GEMM_BLOCK,
        .tile =
        { NULL,
          tile_1,
          tile_2,
          tile_3,
          tile_4,
#if GEMM_MR >= 6
          tile_5,
          tile_6,
#endif
#if GEMM_MR >= 8
          tile_7,
          tile_8,
#endif
#if GEMM_MR >= 12
          tile_9,
          tile_10,
          tile_11,
          tile_12,
#endif
        },
        .row = row, .dot = dot, .pack = pack, .widen_8 = widen_8, .widen_4 = widen_4,
#if VF_LANES > 1
        .thin = THIN_MAX, .thin_f16 = thin_f16, .thin_bf16 = thin_bf16, .thin_s8 = thin_s8,
        .thin_s4 = thin_s4,
#define ROW(name, block, bytes) [BLOCK_##name] = blocks_##name,
        .thin_blocks = {BLOCK_FORMATS(ROW)},
#undef ROW
#endif
    };
}
