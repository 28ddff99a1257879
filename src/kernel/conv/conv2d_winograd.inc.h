/* The transforms of conv2d_winograd_entries.h over the vector operations of simd/f32_*.h. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/conv/conv2d_winograd_entries.h"
#include "kernel/kernel.h"

#define UNROLL _Pragma("GCC unroll 32")
#define INLINE static inline __attribute__((always_inline))
#define MAX_N  CONV2D_WINOGRAD_N

/* ---- Two pixels: points 0, 1, -1, infinity ------------------------------------------------------------- */

INLINE void in_2(const vf *d, vf *v)
{
    v[0] = vf_sub(d[0], d[2]);
    v[1] = vf_add(d[2], d[1]);
    v[2] = vf_sub(d[2], d[1]);
    v[3] = vf_sub(d[3], d[1]);
}

INLINE void out_2(const vf *v, vf *y)
{
    y[0] = vf_add(v[0], vf_add(v[1], v[2]));
    y[1] = vf_add(vf_sub(v[1], v[2]), v[3]);
}

/* ---- Four pixels: points 0, a, -a, b, -b, infinity ----------------------------------------------------- */

#define A 0.75f
#define B 1.5f

INLINE void in_4(const vf *d, vf *v)
{
    const vf a = vf_set1(A), b = vf_set1(B), minus_aa = vf_set1(-A * A), minus_bb = vf_set1(-B * B);
    const vf both = vf_set1(A * A * B * B), minus_sum = vf_set1(-A * A - B * B);
    vf even_a = vf_fma(minus_bb, d[2], d[4]), odd_a = vf_mul(a, vf_fma(minus_bb, d[1], d[3]));
    vf even_b = vf_fma(minus_aa, d[2], d[4]), odd_b = vf_mul(b, vf_fma(minus_aa, d[1], d[3]));
    v[0] = vf_fma(both, d[0], vf_fma(minus_sum, d[2], d[4]));
    v[1] = vf_add(even_a, odd_a);
    v[2] = vf_sub(even_a, odd_a);
    v[3] = vf_add(even_b, odd_b);
    v[4] = vf_sub(even_b, odd_b);
    v[5] = vf_fma(both, d[1], vf_fma(minus_sum, d[3], d[5]));
}

INLINE void out_4(const vf *v, vf *y)
{
    const vf a = vf_set1(A), b = vf_set1(B), aa = vf_set1(A * A), bb = vf_set1(B * B);
    const vf aaa = vf_set1(A * A * A), bbb = vf_set1(B * B * B);
    vf even_a = vf_add(v[1], v[2]), odd_a = vf_sub(v[1], v[2]);
    vf even_b = vf_add(v[3], v[4]), odd_b = vf_sub(v[3], v[4]);
    y[0] = vf_add(vf_add(v[0], even_a), even_b);
    y[1] = vf_fma(b, odd_b, vf_mul(a, odd_a));
    y[2] = vf_fma(bb, even_b, vf_mul(aa, even_a));
    y[3] = vf_fma(bbb, odd_b, vf_fma(aaa, odd_a, v[5]));
}

#undef A
#undef B

/* ---- Transforms in two dimensions ---------------------------------------------------------------------- */

typedef void line(const vf *from, vf *to);

/* Columns first, then rows; n is a constant. */
INLINE void tile_in(const float *from, size_t row, float *to, size_t apart, const size_t n, line *line_in)
{
    vf half[MAX_N][MAX_N];
    UNROLL for (size_t j = 0; j < n; j++)
    {
        vf column[MAX_N], done[MAX_N];
        UNROLL for (size_t i = 0; i < n; i++) column[i] = vf_load(from + i * row + j * VF_LANES);
        line_in(column, done);
        UNROLL for (size_t i = 0; i < n; i++) half[i][j] = done[i];
    }
    UNROLL for (size_t i = 0; i < n; i++)
    {
        vf done[MAX_N];
        line_in(half[i], done);
        UNROLL for (size_t j = 0; j < n; j++) vf_store(to + (i * n + j) * apart, done[j]);
    }
}

INLINE void tile_out(const float *from, size_t apart, const float *bias, float *to, size_t row,
                     const size_t m, const size_t n, line *line_out)
{
    vf half[MAX_N][MAX_N], plus = vf_load(bias);
    UNROLL for (size_t j = 0; j < n; j++)
    {
        vf column[MAX_N], done[MAX_N];
        UNROLL for (size_t i = 0; i < n; i++) column[i] = vf_load(from + (i * n + j) * apart);
        line_out(column, done);
        UNROLL for (size_t i = 0; i < m; i++) half[i][j] = done[i];
    }
    UNROLL for (size_t i = 0; i < m; i++)
    {
        vf done[MAX_N];
        line_out(half[i], done);
        UNROLL for (size_t j = 0; j < m; j++) vf_store(to + i * row + j * VF_LANES, vf_add(done[j], plus));
    }
}

#define FORM(m, n)                                                                                           \
    static void form_in_##m(const float *from, size_t row, float *to, size_t apart)                          \
    {                                                                                                        \
        tile_in(from, row, to, apart, n, in_##m);                                                            \
    }                                                                                                        \
    static void form_out_##m(const float *from, size_t apart, const float *bias, float *to, size_t row)      \
    {                                                                                                        \
        tile_out(from, apart, bias, to, row, m, n, out_##m);                                                 \
    }
FORM(2, 4)
FORM(4, 6)
#undef FORM

/* ---- Channels and lanes -------------------------------------------------------------------------------- */

/* n <= VF_LANES pixels of `channels` planes; both equal the number of lanes where `whole`. */
INLINE void transpose_square(const float *x, size_t plane, size_t channels, size_t n, float *to, float *sizes,
                             const bool whole)
{
    vf v[VF_LANES], size = whole ? vf_load(sizes) : vf_load_n(sizes, n);
    UNROLL for (size_t c = 0; c < VF_LANES; c++)
    {
        if (whole)
            v[c] = vf_load(x + c * plane);
        else
            v[c] = c >= channels   ? vf_zero()
                   : n == VF_LANES ? vf_load(x + c * plane)
                                   : vf_load_n(x + c * plane, n);
        size = vf_add(size, vf_abs(v[c]));
    }
    if (whole || n == VF_LANES)
        vf_store(sizes, size);
    else
        vf_store_n(sizes, size, n);
    vf_transpose(v);
    UNROLL for (size_t j = 0; j < VF_LANES; j++) if (whole || j < n) vf_store(to + j * VF_LANES, v[j]);
}

static void winograd_to_channels_last(const float *x, size_t plane, size_t channels, size_t n, float *to,
                                      float *sizes)
{
    size_t j = 0;
    for (; channels == VF_LANES && j + VF_LANES <= n; j += VF_LANES)
        transpose_square(x + j, plane, VF_LANES, VF_LANES, to + j * VF_LANES, sizes + j, true);
    for (; j < n; j += VF_LANES)
        transpose_square(x + j, plane, channels, size_min(VF_LANES, n - j), to + j * VF_LANES, sizes + j,
                         false);
}

static void winograd_gather(const float *from, size_t n, size_t features, float *y, size_t plane)
{
    for (size_t j = 0; j < n; j += VF_LANES, from += VF_LANES * VF_LANES, y += VF_LANES) {
        size_t count = size_min(VF_LANES, n - j);
        vf v[VF_LANES];
        UNROLL for (size_t i = 0; i < VF_LANES; i++) v[i] =
            i < count ? vf_load(from + i * VF_LANES) : vf_zero();
        vf_transpose(v);
        for (size_t f = 0; f < features; f++) {
            if (count == VF_LANES)
                vf_store(y + f * plane, v[f]);
            else
                vf_store_n(y + f * plane, v[f], count);
        }
    }
}

void SIMD_NAME(conv2d_winograd_init)(conv2d_winograd_kernels *k)
{
    static const conv2d_winograd_form forms[] = {{2, form_in_2, form_out_2}, {4, form_in_4, form_out_4}};
    k->lanes = VF_LANES;
    k->forms = forms;
    k->n_forms = sizeof forms / sizeof *forms;
    k->to_channels_last = winograd_to_channels_last;
    k->gather = winograd_gather;
}
