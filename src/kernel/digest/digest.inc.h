/* The kernels of digests over the vector operations of simd/f32_*.h. Sums run in two chains. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* The state of a scan, by lane. */
typedef struct lanes {
    vf min, max, sum, squares, zeros;
} lanes;

INLINE void scan_vector(lanes *l, vf v)
{
    l->min = vf_min(l->min, v);
    l->max = vf_max(l->max, v);
    l->sum = vf_add(l->sum, v);
    l->squares = vf_fma(v, v, l->squares);
    l->zeros = vf_count_zeros(l->zeros, v);
}

/* Columns i .. i + n - 1 of rows of `step` elements; n below VF_LANES. */
INLINE void scan_last(lanes *l, const float *x, size_t rows, size_t step, size_t n, float *to)
{
    const vf first = vf_set1(*x), none = vf_zero();
    const vf_mask in = vf_lanes(0, (ptrdiff_t)n);
    vf sum = to ? vf_load_n(to, n) : none;
    for (size_t r = 0; r < rows; r++, x += step) {
        const vf v = vf_load_lanes(x, in, none), w = vf_load_lanes(x, in, first);
        l->min = vf_min(l->min, w);
        l->max = vf_max(l->max, w);
        l->sum = vf_add(l->sum, v);
        l->squares = vf_fma(v, v, l->squares);
        l->zeros = vf_count_zeros(l->zeros, v);
        sum = vf_add(sum, v);
    }
    if (to)
        vf_store_n(to, sum, n);
}

/* Sums of four vectors at a time stay in registers: each element costs a load alone. */
INLINE void scan_columns(lanes *a, lanes *b, const float *x, size_t rows, size_t n, float *to)
{
    size_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        vf sums[4];
        const float *from = x + i;
        for (int k = 0; k < 4 && to; k++)
            sums[k] = vf_load(to + i + k * VF_LANES);
        for (size_t r = 0; r < rows; r++, from += n)
            for (int k = 0; k < 4; k++) {
                const vf v = vf_load(from + k * VF_LANES);
                scan_vector(k & 1 ? b : a, v);
                if (to)
                    sums[k] = vf_add(sums[k], v);
            }
        for (int k = 0; k < 4 && to; k++)
            vf_store(to + i + k * VF_LANES, sums[k]);
    }
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf sum = to ? vf_load(to + i) : vf_zero();
        for (size_t r = 0; r < rows; r++) {
            const vf v = vf_load(x + r * n + i);
            scan_vector(a, v);
            sum = vf_add(sum, v);
        }
        if (to)
            vf_store(to + i, sum);
    }
    if (i < n)
        scan_last(a, x + i, rows, n, n - i, to ? to + i : NULL);
}

static void vector_scan(const float *x, size_t rows, size_t n, float *to, digest_scan *out)
{
    const lanes none = {vf_set1(INFINITY), vf_set1(-INFINITY), vf_zero(), vf_zero(), vf_zero()};
    const size_t beyond = rows * ((VF_LANES - n % VF_LANES) % VF_LANES); /* lanes of the last vectors */
    lanes a = none, b = none;
    if (to)
        scan_columns(&a, &b, x, rows, n, to);
    else
        scan_columns(&a, &b, x, 1, rows * n, NULL);
    digest_scan s = {.min = 0.0f - vf_max_lane(vf_sub(vf_zero(), vf_min(a.min, b.min))),
                     .max = vf_max_lane(vf_max(a.max, b.max)),
                     .sum = vf_sum(vf_add(a.sum, b.sum)),
                     .squares = vf_sum(vf_add(a.squares, b.squares)),
                     .zeros = (size_t)vf_sum(vf_add(a.zeros, b.zeros))};
    s.zeros -= to ? beyond : (VF_LANES - rows * n % VF_LANES) % VF_LANES;
    s.finite = isfinite(s.sum);
    *out = s;
}

static float vector_squares(const float *x, size_t n, float mean)
{
    const vf m = vf_set1(mean);
    vf a = vf_zero(), b = vf_zero();
    float rest = 0.0f;
    for (; n >= 2 * VF_LANES; n -= 2 * VF_LANES, x += 2 * VF_LANES) {
        vf u = vf_sub(vf_load(x), m), v = vf_sub(vf_load(x + VF_LANES), m);
        a = vf_fma(u, u, a);
        b = vf_fma(v, v, b);
    }
    for (; n; n--, x++)
        rest += (*x - mean) * (*x - mean);
    return rest + vf_sum(vf_add(a, b));
}

static float vector_sum(const float *x, size_t n)
{
    vf a = vf_zero(), b = vf_zero();
    for (; n >= 2 * VF_LANES; n -= 2 * VF_LANES, x += 2 * VF_LANES) {
        a = vf_add(a, vf_load(x));
        b = vf_add(b, vf_load(x + VF_LANES));
    }
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES)
        a = vf_add(a, vf_load(x));
    return vf_sum(vf_add(vf_add(a, b), vf_load_n(x, n)));
}

/* Sums of four vectors at a time stay in registers: each element costs a load alone. */
static void vector_add(const float *x, size_t rows, size_t n, float *to)
{
    size_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        vf a = vf_load(to + i), b = vf_load(to + i + VF_LANES);
        vf c = vf_load(to + i + 2 * VF_LANES), d = vf_load(to + i + 3 * VF_LANES);
        const float *from = x + i;
        for (size_t r = 0; r < rows; r++, from += n) {
            a = vf_add(a, vf_load(from));
            b = vf_add(b, vf_load(from + VF_LANES));
            c = vf_add(c, vf_load(from + 2 * VF_LANES));
            d = vf_add(d, vf_load(from + 3 * VF_LANES));
        }
        vf_store(to + i, a);
        vf_store(to + i + VF_LANES, b);
        vf_store(to + i + 2 * VF_LANES, c);
        vf_store(to + i + 3 * VF_LANES, d);
    }
    for (; i < n; i += VF_LANES) {
        const size_t count = size_min(n - i, VF_LANES);
        vf a = vf_load_n(to + i, count);
        for (size_t r = 0; r < rows; r++)
            a = vf_add(a, vf_load_n(x + r * n + i, count));
        vf_store_n(to + i, a, count);
    }
}

/* Sums of the cells of VF_LANES rows, one row per lane. */
INLINE void fold_lanes(const float *const *x, const size_t *first, size_t n_cells, vf *cells)
{
    const size_t n = first[n_cells];
    size_t cell = 0;
    vf sum = vf_zero();
    for (size_t i = 0; i < n; i += VF_LANES) {
        const size_t count = size_min(n - i, VF_LANES);
        vf v[VF_LANES];
        for (size_t r = 0; r < VF_LANES; r++)
            v[r] = count == VF_LANES ? vf_load(x[r] + i) : vf_load_n(x[r] + i, count);
        vf_transpose(v);
        for (size_t k = 0; k < VF_LANES; k++) { /* columns beyond the last are 0 */
            if (i + k == first[cell + 1] && cell + 1 < n_cells) {
                cells[cell++] = sum;
                sum = vf_zero();
            }
            sum = vf_add(sum, v[k]);
        }
    }
    cells[cell] = sum;
}

static void vector_fold(const float *x, const size_t *at, size_t rows, const size_t *first, size_t n_cells,
                        double (*sums)[DIGEST_SIDE])
{
    for (size_t row = 0; row < rows; row += VF_LANES) {
        const float *from[VF_LANES];
        vf cells[DIGEST_SIDE + VF_LANES];
        float own[VF_LANES];
        for (size_t r = 0; r < VF_LANES; r++)
            from[r] = x + at[size_min(row + r, rows - 1)];
        for (size_t j = n_cells; j < DIGEST_SIDE + VF_LANES; j++)
            cells[j] = vf_zero();
        fold_lanes(from, first, n_cells, cells);
        for (size_t j = 0; j < n_cells; j += VF_LANES) {
            vf_transpose(cells + j);
            for (size_t r = 0; r < VF_LANES && row + r < rows; r++) {
                vf_store(own, cells[j + r]);
                for (size_t k = 0; k < VF_LANES && j + k < n_cells; k++)
                    sums[row + r][j + k] += (double)own[k];
            }
        }
    }
}

#define BINS_BLOCK  256
#define BINS_TABLES 8

/* Elements that follow each other often share a bin: several tables keep their counts from waiting for each
   other. */
static void vector_bins(const float *x, size_t n, float low, float scale, uint32_t *counts)
{
    uint32_t table[BINS_TABLES][64];
    uint8_t at[BINS_BLOCK + VF_LANES];
    const size_t n_tables = n < BINS_BLOCK ? 1 : BINS_TABLES;
    const vf begin = vf_set1(low), factor = vf_set1(scale), last = vf_set1(63.0f);
    memset(table, 0, n_tables * sizeof *table);
    while (n) {
        size_t count = size_min(n, BINS_BLOCK), i = 0;
        for (; i < count; i += VF_LANES) {
            vf v = i + VF_LANES <= count ? vf_load(x + i) : vf_load_n(x + i, count - i);
            vf place = vf_trunc(vf_mul(vf_sub(v, begin), factor));
            vf_store_u8(at + i, vf_min(last, vf_max(vf_zero(), place)));
        }
        for (i = 0; i + BINS_TABLES <= count && n_tables > 1; i += BINS_TABLES)
            for (size_t k = 0; k < BINS_TABLES; k++)
                table[k][at[i + k]]++;
        for (; i < count; i++)
            table[0][at[i]]++;
        x += count;
        n -= count;
    }
    for (size_t k = 0; k < n_tables; k++)
        for (size_t i = 0; i < 64; i++)
            counts[i] += table[k][i];
}

void SIMD_NAME(digest_init)(digest_kernels *k)
{
    k->scan = vector_scan;
    k->squares = vector_squares;
    k->sum = vector_sum;
    k->add = vector_add;
    k->fold = vector_fold;
    k->bins = vector_bins;
}
