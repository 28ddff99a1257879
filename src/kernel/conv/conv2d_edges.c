/* Converts elements of other dtypes to float for a convolution, and its sums to the output dtype. */
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>
#include <string.h>

size_t conv2d_element(sib_dtype dtype)
{
    return dtype == SIB_F32 || dtype == SIB_I32 ? 4 : dtype == SIB_F16 || dtype == SIB_BF16 ? 2 : 1;
}

void conv2d_widen(const conv2d_plan *p, sib_dtype dtype, const void *src, int32_t zero, size_t n, float *dst)
{
    switch (dtype) {
    case SIB_F32:
        memcpy(dst, src, n * sizeof *dst);
        return;
    case SIB_F16:
        p->table->widen_f16(src, dst, n);
        return;
    case SIB_BF16:
        p->table->widen_bf16(src, dst, n);
        return;
    case SIB_U8:
        p->kernels->from_u8(src, zero, n, dst);
        return;
    default:
        p->kernels->from_s8(src, zero, n, dst);
    }
}

void conv2d_pad(const conv2d_plan *p, float *dst, size_t n)
{
    if (p->s.kind != CONV2D_LARGEST)
        memset(dst, 0, n * sizeof *dst);
    else
        for (size_t i = 0; i < n; i++)
            dst[i] = p->integer ? -256.0f : -INFINITY;
}

#define PIECE 1024 /* floats on the stack */

void conv2d_take(const conv2d_plan *p, sib_dtype dtype, const char *src, int32_t zero, size_t step, size_t n,
                 float *dst)
{
    if (dtype == SIB_F32) {
        p->kernels->every((const float *)(const void *)src, step, n, dst);
        return;
    }
    if (step == 1) {
        conv2d_widen(p, dtype, src, zero, n, dst);
        return;
    }
    float piece[PIECE];
    size_t element = conv2d_element(dtype), max = step < PIECE ? (PIECE - 1) / step + 1 : 1;
    for (size_t i = 0; i < n; i += max) {
        size_t count = size_min(max, n - i);
        conv2d_widen(p, dtype, src + i * step * element, zero, (count - 1) * step + 1, piece);
        p->kernels->every(piece, step, count, dst + i);
    }
}

void conv2d_give(const conv2d_call *c, float *sums, const int32_t *whole, size_t channel, size_t n, char *y)
{
    const conv2d_plan *p = c->plan;
    int32_t bias = c->int_bias ? c->int_bias[channel] : 0;
    double scale = c->scale ? c->scale[c->scale_each ? channel : 0] : 1;
    if (c->adjust)
        c->adjust(c->context, (size_t)(y - (char *)c->y) / conv2d_element(p->s.y), n, sums);
    switch (p->s.y) {
    case SIB_F16:
        p->table->narrow_f16(sums, y, n);
        return;
    case SIB_BF16:
        p->table->narrow_bf16(sums, y, n);
        return;
    case SIB_U8:
        p->kernels->to_u8(whole, bias, scale, c->y_zero, n, (uint8_t *)y);
        return;
    case SIB_I8:
        p->kernels->to_s8(whole, bias, scale, c->y_zero, n, (int8_t *)y);
        return;
    case SIB_F32:
        memcpy(y, sums, n * sizeof *sums);
        return;
    default: /* the caller writes integer sums */
        return;
    }
}
