/* The kernels of rows over the vector operations of simd/f32_*.h. ROWS_TYPES of kernel/levels: the function
   that gives those for every element type, where it is not the level's own. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"
#include "simd/fits.h"

#include <math.h>

#define UNROLL _Pragma("GCC unroll 8")
#define INLINE static inline __attribute__((always_inline))

#define CHAINS 4
#define WIDE   (CHAINS * VF_LANES)
#define BLOCK  (32 * WIDE) /* floats that are summed separately */

/* ---- Vector operations of this file -------------------------------------------------------------- */

/* The first n < VF_LANES of p, and `rest` in the other lanes. */
INLINE vf load_or(const float *p, size_t n, vf rest)
{
    return vf_load_lanes(p, vf_lanes(0, (ptrdiff_t)n), rest);
}

/* e^x for x <= 0; NaN is kept. */
INLINE vf exp_below(vf x)
{
#if VF_LANES == 1
    return expf(x);
#else
    /* scaling reaches 0 where it is one instruction; elsewhere subnormal results become 0 */
    const float min = VF_LANES == 16 ? -105.0f : -87.0f;
    vf held = vf_max(vf_set1(min), x);
    vf shifted = vf_fma(held, vf_set1(EXP_LOG2E), vf_set1(EXP_MAGIC)),
       n = vf_sub(shifted, vf_set1(EXP_MAGIC));
    vf f = vf_fma(n, vf_set1(-EXP_LN2_LOW), vf_fma(n, vf_set1(-EXP_LN2_HIGH), held));
    vf e = vf_set1(exp_fit[EXP_COUNT - 1]);
    UNROLL for (int i = EXP_COUNT - 2; i >= 0; i--) e = vf_fma(e, f, vf_set1(exp_fit[i]));
    e = vf_fma(vf_fma(e, f, vf_set1(1.0f)), f, vf_set1(1.0f));
    if (VF_LANES == 16)
        return vf_scale(e, n);
    return vf_select_less(x, vf_set1(min), vf_zero(), vf_mul(e, vf_power_of_2(shifted)));
#endif
}

/* ---- Maps and joins of reductions ------------------------------------------------------------------ */

typedef vf (*lane_of)(vf v, vf k);
typedef vf (*lane_join)(vf sum, vf v);

INLINE vf of_itself(vf v, vf k)
{
    (void)k;
    return v;
}

INLINE vf of_size(vf v, vf k)
{
    (void)k;
    return vf_abs(v);
}

INLINE vf of_square(vf v, vf k)
{
    (void)k;
    return vf_mul(v, v);
}

/* e^(v - k) */
INLINE vf of_exp(vf v, vf k)
{
    return exp_below(vf_sub(v, k));
}

INLINE vf join_sum(vf sum, vf v)
{
    return vf_add(sum, v);
}

INLINE vf join_product(vf sum, vf v)
{
    return vf_mul(sum, v);
}

/* The operations give NaN where v is NaN; NaN in sum is kept here. */
INLINE vf join_min(vf sum, vf v)
{
    return vf_select_nan(sum, sum, vf_min(sum, v));
}

INLINE vf join_max(vf sum, vf v)
{
    return vf_select_nan(sum, sum, vf_max(sum, v));
}

/* Ignores NaN, for the softmax, whose sum propagates it anyway. */
INLINE vf join_largest(vf sum, vf v)
{
    return vf_max(v, sum);
}

INLINE float fold(vf v, lane_join join)
{
    if (join == join_sum)
        return vf_sum(v);
    if (join == join_product) {
        float lanes[VF_LANES], all = 1.0f;
        vf_store(lanes, v);
        for (int i = 0; i < VF_LANES; i++)
            all *= lanes[i];
        return all;
    }
    if (join == join_largest)
        return vf_max_lane(v);
    if (vf_sum(vf_select_nan(v, vf_set1(1.0f), vf_zero())) > 0.0f)
        return NAN;
    return join == join_max ? vf_max_lane(v) : 0.0f - vf_max_lane(vf_sub(vf_zero(), v));
}

INLINE float join_two(float a, float b, lane_join join)
{
    float lanes[VF_LANES];
    vf_store(lanes, join(vf_set1(a), vf_set1(b)));
    return lanes[0];
}

/* The total over blocks. For sums the rounding error is kept too (compensated summation), so that the error
   does not grow with the number of blocks. */
typedef struct block_total {
    vf all, lost;
} block_total;

INLINE void join_block(block_total *t, vf v, lane_join join)
{
    if (join != join_sum) {
        t->all = join(t->all, v);
        return;
    }
    vf sum = vf_add(t->all, v), added = vf_sub(sum, t->all);
    vf lost = vf_add(vf_sub(t->all, vf_sub(sum, added)), vf_sub(v, added));
    t->lost = vf_add(t->lost, lost);
    t->all = sum;
}

/* The compensation of an infinite sum is NaN, so it is left out. */
INLINE vf total_of(const block_total *t, lane_join join)
{
    return join == join_sum ? vf_select_nan(t->lost, t->all, vf_add(t->all, t->lost)) : t->all;
}

/* ---- Reductions along a row ---------------------------------------------------------------------- */

/* Reduces n floats, by lane. rest: the neutral value for missing lanes. */
INLINE vf gather(const float *x, size_t n, lane_of of, lane_join join, float nothing, vf k, vf rest)
{
    block_total blocks = {vf_set1(nothing), vf_zero()};
    bool many = n >= BLOCK;
    while (n >= WIDE) {
        size_t part = size_min(n - n % WIDE, BLOCK);
        vf chain[CHAINS];
        UNROLL for (int c = 0; c < CHAINS; c++) chain[c] = of(vf_load(x + c * VF_LANES), k);
        for (size_t i = WIDE; i < part; i += WIDE)
            UNROLL for (int c = 0; c < CHAINS; c++) chain[c] =
                join(chain[c], of(vf_load(x + i + c * VF_LANES), k));
        vf four = join(join(chain[0], chain[1]), join(chain[2], chain[3]));
        if (many)
            join_block(&blocks, four, join);
        else
            blocks.all = four;
        x += part;
        n -= part;
    }
    vf total = many ? total_of(&blocks, join) : blocks.all;
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES)
        total = join(total, of(vf_load(x), k));
    if (n)
        total = join(total, of(load_or(x, n, rest), k));
    return total;
}

INLINE void across(const float *x, size_t rows, size_t n, float *y, bool more, lane_of of, lane_join join,
                   float nothing)
{
    for (size_t r = 0; r < rows; r++, x += n) {
        float v = fold(gather(x, n, of, join, nothing, vf_zero(), vf_set1(nothing)), join);
        y[r] = more ? join_two(y[r], v, join) : v;
    }
}

/* ---- Reductions down columns ----------------------------------------------------------------------- */

#define DOWN_BLOCK 64 /* rows that are summed separately */

/* `count` <= VF_LANES columns of each of `vectors` vectors; lanes beyond hold unspecified values. */
INLINE void down_tile(const float *x, size_t n, size_t stride, int vectors, size_t count, float *y, bool more,
                      lane_of of, lane_join join, float nothing)
{
    block_total blocks[CHAINS];
    vf k = vf_zero();
    UNROLL for (int v = 0; v < vectors; v++) blocks[v] = (block_total){vf_set1(nothing), vf_zero()};
    for (size_t done = 0; done < n; done += DOWN_BLOCK) {
        size_t part = size_min(n - done, DOWN_BLOCK);
        vf sum[CHAINS];
        UNROLL for (int v = 0; v < vectors; v++) sum[v] = vf_set1(nothing);
        for (size_t i = 0; i < part; i++, x += stride)
            UNROLL for (int v = 0; v < vectors; v++)
            {
                const float *at = x + v * VF_LANES;
                sum[v] = join(sum[v], of(count < VF_LANES ? vf_load_n(at, count) : vf_load(at), k));
            }
        UNROLL for (int v = 0; v < vectors; v++) join_block(&blocks[v], sum[v], join);
    }
    UNROLL for (int v = 0; v < vectors; v++)
    {
        float *at = y + v * VF_LANES;
        vf total = total_of(&blocks[v], join);
        if (more)
            total = join(count < VF_LANES ? vf_load_n(at, count) : vf_load(at), total);
        if (count < VF_LANES)
            vf_store_n(at, total, count);
        else
            vf_store(at, total);
    }
}

INLINE void down(const float *x, size_t n, size_t stride, size_t columns, float *y, bool more, lane_of of,
                 lane_join join, float nothing)
{
    for (; columns >= WIDE; columns -= WIDE, x += WIDE, y += WIDE)
        down_tile(x, n, stride, CHAINS, VF_LANES, y, more, of, join, nothing);
    for (; columns >= VF_LANES; columns -= VF_LANES, x += VF_LANES, y += VF_LANES)
        down_tile(x, n, stride, 1, VF_LANES, y, more, of, join, nothing);
    if (columns)
        down_tile(x, n, stride, 1, columns, y, more, of, join, nothing);
}

/* ---- Entries of reductions --------------------------------------------------------------------------- */

/* clang-format off */
#define GATHERED(name, of, join, nothing)                                                                    \
    static void across_##name(const float *x, size_t rows, size_t n, float *y, bool more)                    \
    {                                                                                                        \
        across(x, rows, n, y, more, of, join, nothing);                                                            \
    }                                                                                                        \
    static void down_##name(const float *x, size_t n, size_t stride, size_t columns, float *y, bool more)    \
    {                                                                                                        \
        down(x, n, stride, columns, y, more, of, join, nothing);                                             \
    }
/* clang-format on */

GATHERED(sum, of_itself, join_sum, 0.0f)
GATHERED(sizes, of_size, join_sum, 0.0f)
GATHERED(squares, of_square, join_sum, 0.0f)
GATHERED(product, of_itself, join_product, 1.0f)
GATHERED(min, of_itself, join_min, INFINITY)
GATHERED(max, of_itself, join_max, -INFINITY)

/* ---- Softmax ------------------------------------------------------------------------------------------ */

INLINE float largest(const float *x, size_t n)
{
    return fold(gather(x, n, of_itself, join_largest, -INFINITY, vf_zero(), vf_set1(-INFINITY)),
                join_largest);
}

/* y = e^(x - top); returns the sum. */
INLINE float exps(const float *x, size_t n, float top, float *y)
{
    vf k = vf_set1(top);
    block_total blocks = {vf_zero(), vf_zero()};
    while (n >= 2 * VF_LANES) {
        size_t part = size_min(n - n % (2 * VF_LANES), BLOCK);
        vf even = vf_zero(), odd = vf_zero();
        for (size_t i = 0; i < part; i += 2 * VF_LANES) {
            vf a = of_exp(vf_load(x + i), k), b = of_exp(vf_load(x + i + VF_LANES), k);
            vf_store(y + i, a);
            vf_store(y + i + VF_LANES, b);
            even = vf_add(even, a);
            odd = vf_add(odd, b);
        }
        join_block(&blocks, vf_add(even, odd), join_sum);
        x += part;
        y += part;
        n -= part;
    }
    vf total = total_of(&blocks, join_sum);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES) {
        vf e = of_exp(vf_load(x), k);
        vf_store(y, e);
        total = vf_add(total, e);
    }
    if (n) {
        vf e = of_exp(load_or(x, n, vf_set1(-INFINITY)), k);
        vf_store_n(y, e, n);
        total = vf_add(total, e);
    }
    return vf_sum(total);
}

INLINE void scale(float *y, size_t n, float by)
{
    vf k = vf_set1(by);
    for (; n >= VF_LANES; n -= VF_LANES, y += VF_LANES)
        vf_store(y, vf_mul(vf_load(y), k));
    if (n)
        vf_store_n(y, vf_mul(vf_load_n(y, n), k), n);
}

/* Rows that take each step together, so that none waits for another's sum; they stay in the L1 cache. */
#define TOGETHER 8
#define CACHED   4096 /* floats */

INLINE size_t rows_together(size_t rows, size_t n)
{
    size_t fit = n < CACHED ? size_min(CACHED / size_max(n, 1), TOGETHER) : 1;
    return size_min(rows, fit);
}

static void rows_softmax(const float *x, size_t rows, size_t n, float *y)
{
    for (size_t part; rows; rows -= part, x += part * n, y += part * n) {
        float top[TOGETHER], sum[TOGETHER];
        part = rows_together(rows, n);
        for (size_t r = 0; r < part; r++)
            top[r] = largest(x + r * n, n);
        for (size_t r = 0; r < part; r++)
            sum[r] = exps(x + r * n, n, top[r], y + r * n);
        for (size_t r = 0; r < part; r++)
            scale(y + r * n, n, 1.0f / sum[r]);
    }
}

/* y = (x - a) - b */
INLINE void less_both(const float *x, size_t n, float a, float b, float *y)
{
    vf first = vf_set1(a), second = vf_set1(b);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES)
        vf_store(y, vf_sub(vf_sub(vf_load(x), first), second));
    if (n)
        vf_store_n(y, vf_sub(vf_sub(vf_load_n(x, n), first), second), n);
}

static void rows_log_softmax(const float *x, size_t rows, size_t n, float *y)
{
    for (size_t r = 0; r < rows; r++, x += n, y += n) {
        float top = largest(x, n);
        vf sum = gather(x, n, of_exp, join_sum, 0.0f, vf_set1(top), vf_set1(-INFINITY));
        less_both(x, n, top, logf(vf_sum(sum)), y);
    }
}

/* `count` columns, at most a vector. */
INLINE void softmax_tile(const float *x, size_t n, size_t stride, size_t count, float *y, bool logarithm)
{
#define LOAD(p) (count < VF_LANES ? vf_load_n(p, count) : vf_load(p))
    vf top = vf_set1(-INFINITY), sum = vf_zero();
    block_total blocks = {vf_zero(), vf_zero()};
    for (size_t i = 0; i < n; i++)
        top = vf_max(LOAD(x + i * stride), top);
    for (size_t i = 0; i < n; i++) {
        vf e = of_exp(LOAD(x + i * stride), top);
        sum = vf_add(sum, e);
        if (i % DOWN_BLOCK == DOWN_BLOCK - 1) {
            join_block(&blocks, sum, join_sum);
            sum = vf_zero();
        }
        if (logarithm)
            continue;
        if (count < VF_LANES)
            vf_store_n(y + i * stride, e, count);
        else
            vf_store(y + i * stride, e);
    }
    float lanes[VF_LANES];
    vf_store(lanes, vf_add(total_of(&blocks, join_sum), sum));
    for (int i = 0; i < VF_LANES; i++)
        lanes[i] = logarithm ? logf(lanes[i]) : 1.0f / lanes[i];
    vf by = vf_load(lanes);
    for (size_t i = 0; i < n; i++) {
        vf v = logarithm ? vf_sub(vf_sub(LOAD(x + i * stride), top), by) : vf_mul(LOAD(y + i * stride), by);
        if (count < VF_LANES)
            vf_store_n(y + i * stride, v, count);
        else
            vf_store(y + i * stride, v);
    }
#undef LOAD
}

INLINE void softmax_columns(const float *x, size_t n, size_t stride, size_t columns, float *y, bool logarithm)
{
    for (; columns >= VF_LANES; columns -= VF_LANES, x += VF_LANES, y += VF_LANES)
        softmax_tile(x, n, stride, VF_LANES, y, logarithm);
    if (columns)
        softmax_tile(x, n, stride, columns, y, logarithm);
}

static void rows_softmax_down(const float *x, size_t n, size_t stride, size_t columns, float *y)
{
    softmax_columns(x, n, stride, columns, y, false);
}

static void rows_log_softmax_down(const float *x, size_t n, size_t stride, size_t columns, float *y)
{
    softmax_columns(x, n, stride, columns, y, true);
}

/* ---- Normalization ---------------------------------------------------------------------------------- */

/* The sums of x - centre and of its square. */
INLINE void deviations(const float *x, size_t n, float centre, float *first, float *second)
{
    vf k = vf_set1(centre);
    block_total sums = {vf_zero(), vf_zero()}, squares = sums;
    while (n) {
        size_t part = size_min(n, BLOCK), i = 0;
        vf a[2] = {vf_zero(), vf_zero()}, b[2] = {vf_zero(), vf_zero()};
        for (; i + 2 * VF_LANES <= part; i += 2 * VF_LANES)
            UNROLL for (int c = 0; c < 2; c++)
            {
                vf d = vf_sub(vf_load(x + i + c * VF_LANES), k);
                a[c] = vf_add(a[c], d);
                b[c] = vf_fma(d, d, b[c]);
            }
        for (; i < part; i += VF_LANES) {
            size_t left = part - i;
            vf d = vf_sub(left < VF_LANES ? load_or(x + i, left, k) : vf_load(x + i), k);
            a[0] = vf_add(a[0], d);
            b[0] = vf_fma(d, d, b[0]);
        }
        join_block(&sums, vf_add(a[0], a[1]), join_sum);
        join_block(&squares, vf_add(b[0], b[1]), join_sum);
        x += part;
        n -= part;
    }
    *first = vf_sum(total_of(&sums, join_sum));
    *second = vf_sum(total_of(&squares, join_sum));
}

INLINE float first_mean(const float *x, size_t n)
{
    return vf_sum(gather(x, n, of_itself, join_sum, 0.0f, vf_zero(), vf_zero())) / (float)n;
}

/* The second pass corrects the error of the first mean. */
INLINE float second_moment(const float *x, size_t n, float mean[2])
{
    float rest, squares;
    deviations(x, n, mean[0], &rest, &squares);
    mean[1] = rest / (float)n;
    return (squares - rest * mean[1]) / (float)n;
}

INLINE float moments(const float *x, size_t n, float mean[2])
{
    mean[0] = first_mean(x, n);
    return second_moment(x, n, mean);
}

static float rows_moments(const float *x, size_t n, float mean[2])
{
    return moments(x, n, mean);
}

/* y = ((x - centre[0]) - centre[1]) * factor * scale + bias */
INLINE void standardize(const float *x, size_t n, const float centre[2], float factor, const float *scale,
                        const float *bias, float *y, bool centred)
{
    vf high = vf_set1(centre[0]), low = vf_set1(centre[1]), by = vf_set1(factor);
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf v = vf_load(x + i);
        v = vf_mul(centred ? vf_sub(vf_sub(v, high), low) : v, by);
        if (bias)
            v = vf_fma(v, vf_load(scale + i), vf_load(bias + i));
        else if (scale)
            v = vf_mul(v, vf_load(scale + i));
        vf_store(y + i, v);
    }
    if (i < n) {
        size_t left = n - i;
        vf v = vf_load_n(x + i, left);
        v = vf_mul(centred ? vf_sub(vf_sub(v, high), low) : v, by);
        if (scale)
            v = vf_mul(v, vf_load_n(scale + i, left));
        if (bias)
            v = vf_add(v, vf_load_n(bias + i, left));
        vf_store_n(y + i, v, left);
    }
}

/* One row whose moments are known. */
INLINE void norm_row(const rows_norm *p, const float *x, float *y, const float centre[2], float factor,
                     bool centred)
{
    if (p->scale && p->bias)
        standardize(x, p->n, centre, factor, p->scale, p->bias, y, centred);
    else if (p->scale)
        standardize(x, p->n, centre, factor, p->scale, NULL, y, centred);
    else
        standardize(x, p->n, centre, factor, NULL, NULL, y, centred);
}

/* A few rows, step by step. */
INLINE void norm_some(const rows_norm *p, const float *x, size_t rows, float *y, float *mean, float *inverse,
                      bool centred)
{
    size_t n = p->n;
    float centre[TOGETHER][2] = {{0.0f, 0.0f}}, var[TOGETHER];
    for (size_t r = 0; r < rows && centred; r++)
        centre[r][0] = first_mean(x + r * n, n);
    for (size_t r = 0; r < rows; r++)
        var[r] = centred ? second_moment(x + r * n, n, centre[r])
                         : vf_sum(gather(x + r * n, n, of_square, join_sum, 0.0f, vf_zero(), vf_zero())) /
                               (float)n;
    for (size_t r = 0; r < rows; r++) {
        double inside = (double)var[r] + p->epsilon;
        if (!rows_in_range(var[r], inside)) {
            rows_norm_wide(p, x + r * n, y + r * n, mean ? mean + r : NULL, inverse ? inverse + r : NULL);
            continue;
        }
        float factor = (float)(1.0 / sqrt(inside));
        if (mean)
            mean[r] = centre[r][0] + centre[r][1];
        if (inverse)
            inverse[r] = factor;
        norm_row(p, x + r * n, y + r * n, centre[r], factor, centred);
    }
}

INLINE void norm_rows(const rows_norm *p, const float *x, size_t rows, float *y, float *mean, float *inverse,
                      bool centred)
{
    for (size_t done = 0, part; done < rows; done += part) {
        part = rows_together(rows - done, p->n);
        norm_some(p, x + done * p->n, part, y + done * p->n, mean ? mean + done : NULL,
                  inverse ? inverse + done : NULL, centred);
    }
}

static void rows_norm_(const rows_norm *p, const float *x, size_t rows, float *y, float *mean, float *inverse)
{
    if (p->centred)
        norm_rows(p, x, rows, y, mean, inverse, true);
    else
        norm_rows(p, x, rows, y, mean, inverse, false);
}

/* ---- Shifts, scales, sums ------------------------------------------------------------------------------ */

static void rows_shift_scale(const float *x, size_t n, const float centre[2], float factor, float offset,
                             float *y)
{
    vf high = vf_set1(centre[0]), low = vf_set1(centre[1]), by = vf_set1(factor), plus = vf_set1(offset);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES)
        vf_store(y, vf_fma(vf_sub(vf_sub(vf_load(x), high), low), by, plus));
    if (n)
        vf_store_n(y, vf_fma(vf_sub(vf_sub(vf_load_n(x, n), high), low), by, plus), n);
}

static void rows_shift_scale_each(const float *x, size_t rows, size_t n, const float *centre,
                                  const float *factor, const float *offset, float *y)
{
    for (size_t r = 0; r < rows; r++, x += n, y += n) {
        size_t i = 0;
        for (; i + VF_LANES <= n; i += VF_LANES)
            vf_store(y + i, vf_fma(vf_sub(vf_load(x + i), vf_load(centre + i)), vf_load(factor + i),
                                   vf_load(offset + i)));
        if (i < n)
            vf_store_n(y + i,
                       vf_fma(vf_sub(vf_load_n(x + i, n - i), vf_load_n(centre + i, n - i)),
                              vf_load_n(factor + i, n - i), vf_load_n(offset + i, n - i)),
                       n - i);
    }
}

static void rows_add(const float *a, const float *b, const float *c, size_t n, float *y)
{
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf v = vf_add(vf_load(a + i), vf_load(b + i));
        vf_store(y + i, c ? vf_add(v, vf_load(c + i)) : v);
    }
    if (i < n) {
        vf v = vf_add(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i));
        vf_store_n(y + i, c ? vf_add(v, vf_load_n(c + i, n - i)) : v, n - i);
    }
}

#ifndef ROWS_TYPES
#define ROWS_TYPES SIMD_NAME(rows_types)
#endif

void SIMD_NAME(rows_init)(rows_kernels *k)
{
    *k = (rows_kernels){
        .across = {across_sum, across_sizes, across_squares, across_product, across_min, across_max},
        .down = {down_sum, down_sizes, down_squares, down_product, down_min, down_max},
        .softmax = rows_softmax,
        .log_softmax = rows_log_softmax,
        .softmax_down = rows_softmax_down,
        .log_softmax_down = rows_log_softmax_down,
        .norm = rows_norm_,
        .moments = rows_moments,
        .shift_scale = rows_shift_scale,
        .shift_scale_each = rows_shift_scale_each,
        .add = rows_add,
    };
    ROWS_TYPES(&k->types);
}
