/* Floats to small integers and back, and resampled rows of images. */
#include "base/size.h"
#include "trial.h"

#include <math.h>

/* ---- Quantization -------------------------------------------------------------------------------------- */

static void limits_of(sib_dtype dtype, double *low, double *high)
{
    bool is_signed = dtype == SIB_I8 || dtype == SIB_I16;
    double range = ldexp(1, (int)sib_dtype_bits(dtype));
    *low = is_signed ? -range / 2 : 0;
    *high = *low + range - 1;
}

static quantize_by scales(trial *t, sib_dtype dtype, size_t n)
{
    double low, high;
    size_t step = trial_pick(t, 0, 1), count = step ? n : 1;
    float *scale = trial_in(t, count, sizeof *scale), *zero = trial_in(t, count, sizeof *zero);
    limits_of(dtype, &low, &high);
    for (size_t i = 0; i < count; i++) {
        scale[i] = trial_pick(t, 0, 1) ? ldexpf(1, (int)trial_pick(t, 0, 12) - 8)
                                       : 0.003f + (float)fabs(check_uniform(&t->r));
        zero[i] = (float)(low + floor((high - low) * fabs(check_uniform(&t->r))));
    }
    return (quantize_by){scale, zero, step};
}

static double integer_at(sib_dtype dtype, const void *q, size_t i)
{
    return dtype == SIB_I8    ? ((const int8_t *)q)[i]
           : dtype == SIB_U8  ? ((const uint8_t *)q)[i]
           : dtype == SIB_I16 ? ((const int16_t *)q)[i]
                              : ((const uint16_t *)q)[i];
}

static void quantize(trial *t)
{
    sib_dtype dtype = (sib_dtype)t->slot;
    size_t n = trial_length(t), bytes = sib_dtype_bits(dtype) / 8;
    quantize_by by = scales(t, dtype, n);
    float *x = trial_floats(t, n, trial_fill_of(t));
    for (size_t i = 0; i < n && t->round % 2; i++) /* ties, and values out of range */
        x[i] = ((float)trial_pick(t, 0, 600) - 300) * 0.5f * by.scale[i * by.step];
    void *q = trial_out(t, bytes, 1, n, n, 0);
    CALL(t, n, quantize.to[t->slot](x, n, by, q));
    for (size_t i = 0; i < n; i++) {
        double low, high, v = (double)rintf(x[i] / by.scale[i * by.step]);
        limits_of(dtype, &low, &high);
        double want = isnan(x[i]) ? 0 : fmin(high, fmax(low, v + (double)by.zero[i * by.step]));
        trial_expect(t, i, integer_at(dtype, q, i), want, 0);
    }
}

static void dequantize(trial *t)
{
    sib_dtype dtype = (sib_dtype)t->slot;
    size_t n = trial_length(t);
    quantize_by by = scales(t, dtype, n);
    const void *q = trial_bytes(t, n, sib_dtype_bits(dtype) / 8);
    float *x = trial_out(t, sizeof *x, 1, n, n, 0);
    CALL(t, n, quantize.from[t->slot](q, n, by, x));
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, x[i],
                     ((float)integer_at(dtype, q, i) - by.zero[i * by.step]) * by.scale[i * by.step], 0);
}

static void range(trial *t)
{
    size_t n = trial_length(t);
    const float *x = trial_floats(t, n, trial_fill_of(t));
    float *y = trial_out(t, sizeof *y, 1, 2, 2, TRIAL_ALONE);
    CALL(t, n, quantize.range(x, n, &y[0], &y[1]));
    double low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = isnan(low) || (double)x[i] >= low ? low : (double)x[i];
        high = isnan(high) || (double)x[i] <= high ? high : (double)x[i];
    }
    trial_expect(t, 0, y[0], low, 0);
    trial_expect(t, 1, y[1], high, 0);
}

static void dtype_name(size_t slot, char *text, size_t size)
{
    snprintf(text, size, "[%s]", sib_dtype_name((sib_dtype)slot));
}

static const trial_row rows[] = {
    ENTRIES(quantize.to, quantize, dtype_name),
    ENTRIES(quantize.from, dequantize, dtype_name),
    ENTRY(quantize.range, range),
};
const trial_family family_quantize = {"quantize", rows, COUNT(rows)};

/* ---- Resampling ---------------------------------------------------------------------------------------- */

static void blend(trial *t)
{
    size_t n = trial_length(t), taps = t->bench ? 4 : trial_pick(t, 1, 7);
    const float *from[7], *weight = trial_floats(t, taps, FILL_UNIFORM);
    for (size_t i = 0; i < taps; i++)
        from[i] = trial_floats(t, n, i ? FILL_UNIFORM : trial_fill_of(t));
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_ALONE);
    CALL(t, n * taps, resize.blend(y, from, weight, taps, n));
    for (size_t i = 0; i < n; i++) {
        double want = 0, size = 0;
        for (size_t k = 0; k < taps; k++) {
            want += (double)weight[k] * (double)from[k][i];
            size += fabs((double)weight[k] * (double)from[k][i]);
        }
        trial_expect(t, i, y[i], want, 1e-6 * size + 1e-44);
    }
}

/* Source elements for each element of the result; near: those of a block lie within one vector. */
static resize_line line_of(trial *t, size_t taps)
{
    size_t lanes = t->k->resize.lanes;
    resize_line l = {.out = 1 + trial_length(t) % 500, .taps = taps, .near = trial_pick(t, 0, 1)};
    l.in = lanes + trial_pick(t, 0, 300);
    l.blocks = size_ceil_div(l.out, lanes);
    int32_t *base = trial_in(t, l.blocks, sizeof *base),
            *index = trial_in(t, l.blocks * taps * lanes, sizeof *index);
    for (size_t b = 0; b < l.blocks; b++) {
        base[b] = l.near ? (int32_t)trial_pick(t, 0, l.in - lanes) : 0;
        for (size_t i = 0; i < taps * lanes; i++)
            index[b * taps * lanes + i] = (int32_t)trial_pick(t, 0, (l.near ? lanes : l.in) - 1);
    }
    l.base = base;
    l.index = index;
    l.weight = trial_floats(t, l.blocks * taps * lanes, FILL_UNIFORM);
    return l;
}

static size_t place_of(const trial *t, const resize_line *l, size_t o, size_t tap)
{
    size_t lanes = t->k->resize.lanes;
    return (o / lanes * l->taps + tap) * lanes + o % lanes;
}

static void across(trial *t)
{
    resize_line l = line_of(t, t->bench ? 4 : trial_pick(t, 1, 7));
    const float *x = trial_floats(t, l.in, FILL_UNIFORM);
    float *y = trial_out(t, sizeof *y, 1, l.out, l.out, TRIAL_ALONE);
    CALL(t, l.out * l.taps, resize.across(&l, x, y));
    for (size_t o = 0; o < l.out; o++) {
        double want = 0;
        for (size_t k = 0; k < l.taps; k++) {
            size_t at = place_of(t, &l, o, k);
            want += (double)l.weight[at] * (double)x[l.base[o / t->k->resize.lanes] + l.index[at]];
        }
        trial_expect(t, o, y[o], want, 2e-6);
    }
}

static void pick(trial *t)
{
    resize_line l = line_of(t, 1);
    const float *x = trial_floats(t, l.in, FILL_HOSTILE);
    float *y = trial_out(t, sizeof *y, 1, l.out, l.out, TRIAL_ALONE);
    CALL(t, l.out, resize.pick(&l, x, y));
    for (size_t o = 0; o < l.out; o++)
        trial_expect_bits(t, "element", y + o,
                          x + l.base[o / t->k->resize.lanes] + l.index[place_of(t, &l, o, 0)], 1, sizeof *y);
}

static const trial_row resize_rows[] = {
    DATA(resize.lanes),
    ENTRY(resize.blend, blend),
    ENTRY(resize.across, across),
    ENTRY(resize.pick, pick),
};
const trial_family family_resize = {"resize", resize_rows, COUNT(resize_rows)};
