/* Resampling of rows, over the vector operations of simd/f32_*.h. */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"

typedef vf (*resize_fetch)(const float *p, const int32_t *index);

/* taps: a constant where this is inlined for small numbers. */
static inline __attribute__((always_inline)) void blend_rows(float *y, const float *const *rows,
                                                             const float *weight, size_t taps, size_t n)
{
    size_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf sum = vf_mul(vf_set1(weight[0]), vf_load(rows[0] + i));
        for (size_t t = 1; t < taps; t++)
            sum = vf_fma(vf_set1(weight[t]), vf_load(rows[t] + i), sum);
        vf_store(y + i, sum);
    }
    if (i < n) {
        vf sum = vf_mul(vf_set1(weight[0]), vf_load_n(rows[0] + i, n - i));
        for (size_t t = 1; t < taps; t++)
            sum = vf_fma(vf_set1(weight[t]), vf_load_n(rows[t] + i, n - i), sum);
        vf_store_n(y + i, sum, n - i);
    }
}

static void vector_blend(float *y, const float *const *rows, const float *weight, size_t taps, size_t n)
{
    if (taps == 2)
        blend_rows(y, rows, weight, 2, n);
    else if (taps == 4)
        blend_rows(y, rows, weight, 4, n);
    else
        blend_rows(y, rows, weight, taps, n);
}

static inline __attribute__((always_inline)) vf across_block(const resize_line *line, const float *x,
                                                             size_t b, size_t taps, resize_fetch fetch)
{
    const float *from = x + line->base[b], *weight = line->weight + b * taps * VF_LANES;
    const int32_t *index = line->index + b * taps * VF_LANES;
    vf sum = vf_mul(vf_load(weight), fetch(from, index));
    for (size_t t = 1; t < taps; t++)
        sum = vf_fma(vf_load(weight + t * VF_LANES), fetch(from, index + t * VF_LANES), sum);
    return sum;
}

static inline __attribute__((always_inline)) void across_line(const resize_line *line, const float *x,
                                                              float *y, size_t taps, resize_fetch fetch)
{
    size_t whole = line->out / VF_LANES;
    for (size_t b = 0; b < whole; b++)
        vf_store(y + b * VF_LANES, across_block(line, x, b, taps, fetch));
    if (whole < line->blocks)
        vf_store_n(y + whole * VF_LANES, across_block(line, x, whole, taps, fetch),
                   line->out - whole * VF_LANES);
}

static void vector_across(const resize_line *line, const float *x, float *y)
{
    if (line->near && line->taps == 2)
        across_line(line, x, y, 2, vf_pick);
    else if (line->near)
        across_line(line, x, y, line->taps, vf_pick);
    else if (line->taps == 4)
        across_line(line, x, y, 4, vf_take);
    else
        across_line(line, x, y, line->taps, vf_take);
}

static void vector_pick(const resize_line *line, const float *x, float *y)
{
    size_t whole = line->out / VF_LANES, rest = line->out - whole * VF_LANES;
    for (size_t b = 0; b < line->blocks; b++) {
        const int32_t *index = line->index + b * VF_LANES;
        vf v = line->near ? vf_pick(x + line->base[b], index) : vf_take(x, index);
        if (b < whole)
            vf_store(y + b * VF_LANES, v);
        else
            vf_store_n(y + b * VF_LANES, v, rest);
    }
}

void SIMD_NAME(resize_init)(resize_kernels *k)
{
    k->lanes = VF_LANES;
    k->blend = vector_blend;
    k->across = vector_across;
    k->pick = vector_pick;
}
