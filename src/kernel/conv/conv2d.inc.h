/* The loops of conv2d_entries.h over the vector operations of simd/f32_*.h and these sizes of kernel/levels:

       CONV2D_MR                max rows of a panel
       CONV2D_TILES(T)          T(m, vectors) for m = 1 .. CONV2D_MR: vectors of pixels for m rows
       CONV2D_SPOTS(T)          T(n) for n = 1, 2, ...: pixels at once with features in the lanes
       SPOT_VECTORS             1 .. 3: vectors of features at once */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/conv/conv2d_entries.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#define UNROLL _Pragma("GCC unroll 32")
#define MAX_NV 8
#define AHEAD  64 /* terms whose weights are brought into the cache meanwhile */

/* Operands of a tile. */
typedef struct tile_args {
    size_t k;
    const float *a;        /* (k, m) */
    const float *x;        /* the image at the tile's first pixel */
    const int32_t *offset; /* (k) */
    const float *bias;     /* (m) or NULL */
    bool more;             /* sums are added to the previous y */
    float *y;
    size_t ldy;
    size_t last; /* floats of the last vector */
} tile_args;

/* Brings y, which is read and written once the sums are there, into the cache meanwhile. */
static inline __attribute__((always_inline)) void fetch_result(const tile_args *t, int m, int nv)
{
    UNROLL for (int i = 0; i < m; i++)
    {
        UNROLL for (int j = 0; j < nv; j++) __builtin_prefetch(t->y + (size_t)i * t->ldy + j * VF_LANES, 1);
    }
}

/* m rows by nv vectors, the last of which has t->last floats where `cut`. All three are constants. */
static inline __attribute__((always_inline)) void tile(const tile_args *t, int m, int nv, bool cut)
{
    fetch_result(t, m, nv);
    vf sum[CONV2D_MR][MAX_NV];
    const float *a = t->a, *x = t->x;
    size_t last = t->last;
    UNROLL for (int i = 0; i < m; i++)
    {
        vf first = t->bias ? vf_set1(t->bias[i]) : vf_zero();
        UNROLL for (int j = 0; j < nv; j++) sum[i][j] = first;
    }
    for (size_t p = 0; p < t->k; p++, a += m) {
        __builtin_prefetch(a + AHEAD * m); /* at its end what follows, which mostly is the next panel's */
        const float *row = x + t->offset[p];
        vf right[MAX_NV];
        UNROLL for (int j = 0; j < nv; j++) right[j] =
            cut && j == nv - 1 ? vf_load_n(row + j * VF_LANES, last) : vf_load(row + j * VF_LANES);
        UNROLL for (int i = 0; i < m; i++)
        {
            vf left = vf_broadcast(a, i);
            UNROLL for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(left, right[j], sum[i][j]);
        }
    }
    UNROLL for (int i = 0; i < m; i++)
    {
        float *y = t->y + (size_t)i * t->ldy;
        UNROLL for (int j = 0; j < nv; j++, y += VF_LANES)
        {
            bool tail = cut && j == nv - 1;
            vf all = sum[i][j];
            if (t->more)
                all = vf_add(tail ? vf_load_n(y, last) : vf_load(y), all);
            if (tail)
                vf_store_n(y, all, last);
            else
                vf_store(y, all);
        }
    }
}

/* All pixels of a panel of m rows, nv vectors at a time. */
static inline __attribute__((always_inline)) void pixels(tile_args t, size_t n, int m, int nv)
{
    size_t step = (size_t)nv * VF_LANES;
    for (; n >= step; n -= step, t.x += step, t.y += step)
        tile(&t, m, nv, false);
    if (!n)
        return;
    int vectors = (int)((n + VF_LANES - 1) / VF_LANES);
    t.last = n - (size_t)(vectors - 1) * VF_LANES;
    UNROLL for (int v = 1; v <= nv; v++) if (v == vectors)
    {
        if (t.last == VF_LANES)
            tile(&t, m, v, false);
        else
            tile(&t, m, v, true);
    }
}

#define TILE(m, nv)                                                                                          \
    static void pixels_##m(const tile_args *t, size_t n)                                                     \
    {                                                                                                        \
        pixels(*t, n, m, nv);                                                                                \
    }
CONV2D_TILES(TILE)
#undef TILE

static void conv2d_panel(size_t m, size_t n, size_t k, const float *a, const float *x, const int32_t *offset,
                         const float *bias, bool more, float *y, size_t ldy)
{
#define TILE(m, nv) pixels_##m,
    static void (*const by_rows[])(const tile_args *t, size_t n) = {CONV2D_TILES(TILE)};
#undef TILE
    tile_args t = {k, a, x, offset, more ? NULL : bias, more, y, ldy, 0};
    by_rows[m - 1](&t, n);
}

static void conv2d_every(const float *src, size_t step, size_t n, float *dst)
{
    size_t i = 0;
    if (step == 1) {
        memcpy(dst, src, n * sizeof *dst);
        return;
    }
    if (step == 2)
        for (; i + VF_LANES <= n; i += VF_LANES)
            vf_store(dst + i, vf_load_even(src + 2 * i));
    for (; i < n; i++)
        dst[i] = src[i * step];
}

/* Zeros from `at` on, until `end` or up to VF_LANES - 1 floats further. */
static inline void zeros(float *at, const float *end)
{
    for (; at < end; at += VF_LANES)
        vf_store(at, vf_zero());
}

/* Vectors may end behind their row: what follows is written later. So a short row is one load and one store, and the
   zeros of its last vector are those between it and the next row. */
static void conv2d_surround(const conv2d_border *t, const float *src, float *dst)
{
    const float *end = dst + t->all;
    float *at = dst, *row = dst + t->first;
    for (size_t r = 0; r < t->rows; r++, src += t->x_row, row += t->pitch) {
        zeros(at, row);
        size_t i = 0;
        for (; i + VF_LANES <= t->n; i += VF_LANES)
            vf_store(row + i, vf_load(src + i));
        at = row + i;
        if (i < t->n) {
            vf_store(at, vf_load_n(src + i, t->n - i));
            at += VF_LANES;
        }
    }
    zeros(at, end);
}

/* ---- Pools ------------------------------------------------------------------------------------------- */

typedef vf (*gather)(vf so_far, vf next);

static inline vf larger(vf so_far, vf next)
{
    return vf_select_nan(next, next, vf_max(next, so_far));
}

static inline vf sum_of(vf so_far, vf next)
{
    return vf_add(so_far, next);
}

/* nv vectors of pixels, the last of which has `last` floats where `cut`. */
static inline __attribute__((always_inline)) void gather_tile(size_t k, const float *x, const int32_t *offset,
                                                              float *y, int nv, bool cut, size_t last,
                                                              vf first, gather with)
{
    vf so_far[MAX_NV];
    UNROLL for (int j = 0; j < nv; j++) so_far[j] = first;
    for (size_t p = 0; p < k; p++) {
        const float *row = x + offset[p];
        UNROLL for (int j = 0; j < nv; j++) so_far[j] =
            with(so_far[j], cut ? vf_load_n(row, last) : vf_load(row + j * VF_LANES));
    }
    UNROLL for (int j = 0; j < nv; j++)
    {
        if (cut)
            vf_store_n(y, so_far[j], last);
        else
            vf_store(y + j * VF_LANES, so_far[j]);
    }
}

#define GATHER_NV 4

static inline __attribute__((always_inline)) void
gather_pixels(size_t n, size_t k, const float *x, const int32_t *offset, float *y, vf first, gather with)
{
    const size_t step = GATHER_NV * VF_LANES;
    for (; n >= step; n -= step, x += step, y += step)
        gather_tile(k, x, offset, y, GATHER_NV, false, 0, first, with);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES)
        gather_tile(k, x, offset, y, 1, false, 0, first, with);
    if (n)
        gather_tile(k, x, offset, y, 1, true, n, first, with);
}

static void conv2d_largest(size_t n, size_t k, const float *x, const int32_t *offset, float *y)
{
    gather_pixels(n, k, x, offset, y, vf_set1(-__builtin_inff()), larger);
}

static void conv2d_total(size_t n, size_t k, const float *x, const int32_t *offset, float *y)
{
    gather_pixels(n, k, x, offset, y, vf_zero(), sum_of);
}

static void conv2d_divide(const float *by, float factor, size_t n, float *y)
{
    vf times = vf_set1(factor);
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(y + i, vf_div(vf_load(y + i), vf_mul(vf_load(by + i), times)));
    if (i < n)
        vf_store_n(y + i, vf_div(vf_load_n(y + i, n - i), vf_mul(vf_load_n(by + i, n - i), times)), n - i);
}

static void conv2d_shift(float by, size_t n, float *y)
{
    vf all = vf_set1(by);
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(y + i, vf_add(vf_load(y + i), all));
    if (i < n)
        vf_store_n(y + i, vf_add(vf_load_n(y + i, n - i), all), n - i);
}

static void conv2d_clamp(float low, float high, size_t n, float *y)
{
    vf min = vf_set1(low), max = vf_set1(high);
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(y + i, vf_min(max, vf_max(min, vf_load(y + i))));
    if (i < n)
        vf_store_n(y + i, vf_min(max, vf_max(min, vf_load_n(y + i, n - i))), n - i);
}

#include "kernel/conv/conv2d_bytes.inc.h"
#include "kernel/conv/conv2d_features.inc.h"
#include "kernel/conv/conv2d_lanes.inc.h"
#include "kernel/conv/conv2d_plane.inc.h"

void SIMD_NAME(conv2d_init)(conv2d_kernels *k)
{
#define TILE(m, nv) nv,
    static const size_t vectors[] = {CONV2D_TILES(TILE)};
#undef TILE
    k->mr = CONV2D_MR;
    k->nr = vectors[CONV2D_MR - 1] * VF_LANES;
    k->lanes = VF_LANES;
    k->vectors = vectors;
    k->panel = conv2d_panel;
    k->spots = SPOTS;
    k->spot_vectors = SPOT_VECTORS;
    k->spot = conv2d_spot;
    k->store_features = conv2d_store_features;
    k->lanes_sum = conv2d_lanes_sum;
    k->lanes_largest = conv2d_lanes_largest;
    k->largest = conv2d_largest;
    k->total = conv2d_total;
    k->shift = conv2d_shift;
    k->clamp = conv2d_clamp;
    k->divide = conv2d_divide;
    k->from_u8 = conv2d_from_u8;
    k->from_s8 = conv2d_from_s8;
    k->add_integers = conv2d_add_integers;
    k->to_u8 = conv2d_to_u8;
    k->to_s8 = conv2d_to_s8;
    k->less_to_u8 = conv2d_less_to_u8;
    k->less_to_s8 = conv2d_less_to_s8;
    k->less_to_s32 = conv2d_less_to_s32;
    k->planes = plane_rows;
    k->n_planes = sizeof plane_rows / sizeof *plane_rows;
    k->every = conv2d_every;
    k->surround = conv2d_surround;
}
