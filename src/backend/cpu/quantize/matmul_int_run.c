/* The run of an 8-bit integer product: reads zero points and scales, quantizes A if it is float32,
   multiplies, and scales each row to the operator's output. */
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/quantize/matmul_int.h"

#include <math.h>

typedef struct running {
    const cpu_call *call;
    const int32_t *c; /* the products: the output, or scratch */
    double a_scale, y_scale;
    const float *b_scale, *bias; /* NULL where there is none */
    float *factors;              /* (n) scale of A times scale of each column */
    int32_t y_zero;
} running;

static const void *data_of(const cpu_call *c, uint8_t i)
{
    const sib_tensor *t = i == NONE ? NULL : cpu_in(c, i);
    return t ? t->data : NULL;
}

/* ---- Output rows ----------------------------------------------------------------------------------- */

#define ROUND_MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer */

/* y = saturate(round(x * a_scale * b_scale / y_scale) + y_zero), in double as the operator is defined. */
static void requantize(const running *r, size_t column, const int32_t *x, size_t n, bool is_signed,
                       uint8_t *y)
{
    const int_state *s = r->call->state;
    double low = is_signed ? -128.0 : 0.0, high = is_signed ? 127.0 : 255.0, zero = r->y_zero;
    const float *scale = r->b_scale + (s->b_scale_each ? column : 0);
    size_t apart = s->b_scale_each ? 1 : 0;
    for (size_t j = 0; j < n; j++) {
        double v = (double)x[j] * r->a_scale * (double)scale[j * apart] / r->y_scale;
        v = v > -1e9 ? v : v <= -1e9 ? -1e9 : 0.0; /* NaN becomes 0 */
        v = v < 1e9 ? v : 1e9;
        v = (v + ROUND_MAGIC) - ROUND_MAGIC + zero;
        v = v > low ? v : low;
        v = v < high ? v : high;
        y[j] = (uint8_t)(int32_t)v;
    }
}

static void to_floats(const running *r, size_t column, const int32_t *x, size_t n, float *y)
{
    const float *factor = r->factors + column, *bias = r->bias ? r->bias + column : NULL;
    if (bias)
        for (size_t j = 0; j < n; j++)
            y[j] = (float)x[j] * factor[j] + bias[j];
    else
        for (size_t j = 0; j < n; j++)
            y[j] = (float)x[j] * factor[j];
}

/* Outputs n products from element `begin` on, of one row, from column `column` on. */
static void row_out(const running *r, size_t begin, size_t column, size_t n)
{
    const int_state *s = r->call->state;
    sib_tensor *out = cpu_out(r->call, 0);
    if (s->out == SIB_F32)
        to_floats(r, column, r->c + begin, n, (float *)(void *)out->data + begin);
    else if (s->out != SIB_I32)
        requantize(r, column, r->c + begin, n, s->out == SIB_I8, (uint8_t *)out->data + begin);
}

static void done(void *context, int32_t *at, size_t rows, size_t columns)
{
    const running *r = context;
    const cpu_call *c = r->call;
    const int_state *s = c->state;
    size_t begin = (size_t)(at - r->c);
    for (size_t i = 0; i < rows; i++)
        row_out(r, begin + i * s->g.n, begin % s->g.n, columns);
    if (c->finish && columns == s->g.n)
        c->finish(c, begin, rows * columns);
    for (size_t i = 0; c->finish && columns != s->g.n && i < rows; i++)
        c->finish(c, begin + i * s->g.n, columns);
}

/* ---- Parameters ---------------------------------------------------------------------------------------- */

/* Zero points as int32: a single one to *one, else all to `many`. Returns NULL where there are none. */
static const int32_t *zeros_of(const cpu_call *c, uint8_t i, bool is_signed, size_t count, bool each,
                               int32_t *one, void *many)
{
    const uint8_t *from = data_of(c, i);
    int32_t *to = each ? many : one;
    for (size_t j = 0; from && j < (each ? count : 1); j++)
        to[j] = is_signed ? (int8_t)from[j] : from[j];
    return from ? to : NULL;
}

static void read_scales(const cpu_call *c, running *r, void *factors)
{
    const int_state *s = c->state;
    const float *a = data_of(c, s->op->a_scale), *y = data_of(c, s->op->y_scale);
    const uint8_t *zero = data_of(c, s->op->y_zero);
    r->b_scale = data_of(c, s->op->b_scale);
    r->bias = data_of(c, s->op->bias);
    if (a)
        r->a_scale = (double)*a;
    r->y_scale = y ? (double)*y : 1.0;
    r->y_zero = !zero ? 0 : s->out == SIB_I8 ? (int8_t)*zero : *zero;
    r->factors = factors;
    for (size_t j = 0; s->out == SIB_F32 && j < s->g.n; j++)
        r->factors[j] = (float)(r->a_scale * (double)r->b_scale[s->b_scale_each ? j : 0]);
}

/* Quantizes A over its range of values as DynamicQuantizeLinear does. Returns the scale. */
static float quantize(const float *x, size_t n, uint8_t *q, int32_t *zero)
{
    float low = 0.0f, high = 0.0f, strange = 0.0f;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        strange += x[i] * 0.0f; /* NaN where x is not finite */
    }
    float scale = (high - low) / 255.0f, at = (0.0f - low) / scale;
    at = at >= 0.0f ? at : 0.0f; /* NaN, from an empty range, becomes 0 */
    *zero = (int32_t)nearbyintf(at < 255.0f ? at : 255.0f);
    if (!(strange == 0.0f) || !(scale > 0.0f)) {
        for (size_t i = 0; i < n; i++)
            q[i] = 0;
        *zero = 0;
        return strange == 0.0f ? 0.0f : NAN; /* NaN, as infinity times a quantized 0 is */
    }
    const float magic = 12582912.0f, offset = (float)*zero; /* 1.5 * 2^23, as above */
    for (size_t i = 0; i < n; i++) {
        float v = (x[i] / scale + magic) - magic + offset;
        v = v > 0.0f ? v : 0.0f;
        q[i] = (uint8_t)(int32_t)(v < 255.0f ? v : 255.0f);
    }
    return scale;
}

/* ---- Run ----------------------------------------------------------------------------------------------- */

sib_code cpu_matmul_int_run(const cpu_call *c)
{
    const int_state *s = c->state;
    gemm_int g = s->g;
    running r = {.call = c};
    int32_t a_zero = 0, b_zero = 0;
    if (!cpu_out(c, 0)->count)
        return SIB_OK;
    size_t bytes =
        s->product_bytes + s->a_zero_bytes + s->b_zero_bytes + s->factor_bytes + s->c_bytes + s->q_bytes;
    char *scratch = cpu_scratch_take(c, bytes);
    if (!scratch)
        return cpu_no_memory(c, bytes);
    char *at = scratch + s->product_bytes;
    g.a = data_of(c, s->op->a);
    g.b = g.packed ? NULL : data_of(c, s->op->b);
    g.a_zero = zeros_of(c, s->op->a_zero, g.a_signed, g.m, g.a_zero_each, &a_zero, at);
    at += s->a_zero_bytes;
    g.b_zero = zeros_of(c, s->op->b_zero, g.b_signed, g.n, g.b_zero_each, &b_zero, at);
    at += s->b_zero_bytes;
    if (s->dynamic) {
        uint8_t *q = (uint8_t *)scratch + bytes - s->q_bytes;
        r.a_scale = (double)quantize(g.a, (size_t)cpu_in(c, s->op->a)->count, q, &a_zero);
        g.a = q;
        g.a_zero = &a_zero;
    }
    read_scales(c, &r, at);
    at += s->factor_bytes;
    g.c = s->out == SIB_I32 ? (int32_t *)(void *)cpu_out(c, 0)->data : (int32_t *)(void *)at;
    r.c = g.c;
    g.cancel = c->cancel;
    g.context = &r;
    g.done = s->out != SIB_I32 || c->finish ? done : NULL;
    gemm_int_run_all(&g, s->count, s->places, c->self->pool, scratch);
    cpu_scratch_give(c, scratch);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}
