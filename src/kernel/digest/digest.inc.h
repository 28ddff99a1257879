/* The kernels of digests over the vector operations of simd/f32_*.h. Sums run in two chains. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* The state of a scan, by lane. */
typedef struct lanes {
    vf min, max, sum, zeros;
} lanes;

INLINE void scan_vector(lanes *l, vf v)
{
    const vf smallest = vf_set1(0x1p-149f);
    l->min = vf_min(l->min, v);
    l->max = vf_max(l->max, v);
    l->sum = vf_add(l->sum, v);
    l->zeros = vf_add(l->zeros, vf_select_less(vf_abs(v), smallest, vf_set1(1.0f), vf_zero()));
}

static void vector_scan(const float *x, size_t n, digest_scan *out)
{
    const lanes none = {vf_set1(INFINITY), vf_set1(-INFINITY), vf_zero(), vf_zero()};
    lanes a = none, b = none;
    float low[VF_LANES], high[VF_LANES];
    for (; n >= 2 * VF_LANES; n -= 2 * VF_LANES, x += 2 * VF_LANES) {
        scan_vector(&a, vf_load(x));
        scan_vector(&b, vf_load(x + VF_LANES));
    }
    vf_store(low, vf_min(a.min, b.min));
    vf_store(high, vf_max(a.max, b.max));
    digest_scan s = {.min = INFINITY,
                     .max = -INFINITY,
                     .sum = vf_sum(vf_add(a.sum, b.sum)),
                     .zeros = (size_t)vf_sum(vf_add(a.zeros, b.zeros))};
    for (size_t i = 0; i < VF_LANES; i++) {
        s.min = low[i] < s.min ? low[i] : s.min;
        s.max = high[i] > s.max ? high[i] : s.max;
    }
    for (; n; n--, x++) {
        s.min = *x < s.min ? *x : s.min;
        s.max = *x > s.max ? *x : s.max;
        s.sum += *x;
        s.zeros += *x == 0.0f;
    }
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

#define BINS_BLOCK 256

/* Elements that follow each other often share a bin: four tables keep their counts from waiting for each
   other. */
static void vector_bins(const float *x, size_t n, float low, float scale, uint32_t *counts)
{
    uint32_t table[4][64] = {{0}};
    uint8_t at[BINS_BLOCK + VF_LANES];
    const vf begin = vf_set1(low), factor = vf_set1(scale), last = vf_set1(63.0f);
    while (n) {
        size_t count = size_min(n, BINS_BLOCK);
        for (size_t i = 0; i < count; i += VF_LANES) {
            vf v = i + VF_LANES <= count ? vf_load(x + i) : vf_load_n(x + i, count - i);
            vf place = vf_trunc(vf_mul(vf_sub(v, begin), factor));
            vf_store_u8(at + i, vf_min(last, vf_max(vf_zero(), place)));
        }
        size_t i = 0;
        for (; i + 4 <= count; i += 4) {
            table[0][at[i]]++;
            table[1][at[i + 1]]++;
            table[2][at[i + 2]]++;
            table[3][at[i + 3]]++;
        }
        for (; i < count; i++)
            table[i & 3][at[i]]++;
        x += count;
        n -= count;
    }
    for (size_t i = 0; i < 64; i++)
        counts[i] += table[0][i] + table[1][i] + table[2][i] + table[3][i];
}

void SIMD_NAME(digest_init)(digest_kernels *k)
{
    k->scan = vector_scan;
    k->squares = vector_squares;
    k->sum = vector_sum;
    k->add = vector_add;
    k->bins = vector_bins;
}
