#include "reference.h"

#include <math.h>

static void store(const conv_case *c, void *array, size_t index, double value)
{
    const kernel_table *t = &c->portable;
    float f = (float)value;
    if (c->dtype == SIB_F32)
        ((float *)array)[index] = f;
    else
        (c->dtype == SIB_F16 ? t->narrow_f16 : t->narrow_bf16)(&f, (uint16_t *)array + index, 1);
}

static double load(const conv_case *c, const void *array, size_t index)
{
    const kernel_table *t = &c->portable;
    float f;
    if (c->dtype == SIB_F32)
        f = ((const float *)array)[index];
    else
        (c->dtype == SIB_F16 ? t->widen_f16 : t->widen_bf16)((const uint16_t *)array + index, &f, 1);
    return f;
}

void case_set(const conv_case *c, void *array, double *as_double, size_t index, double value)
{
    store(c, array, index, value);
    as_double[index] = load(c, array, index);
}

static void make_array(const conv_case *c, size_t n, check_random *r, void **array, double **as_double)
{
    *array = malloc(n * c->element + 1);
    *as_double = malloc(n * sizeof(double) + 1);
    assert_non_null(*array);
    assert_non_null(*as_double);
    for (size_t i = 0; i < n; i++)
        case_set(c, *array, *as_double, i, check_uniform(r));
}

void case_make(conv_case *c, sib_conv1d_spec spec, sib_dtype dtype, uint64_t seed)
{
    sib_error err = SIB_ERROR_INIT;
    check_random r = {seed * 2 + 1};
    *c = (conv_case){.spec = spec, .dtype = dtype, .element = dtype == SIB_F32 ? 4 : 2, .every = 1};
    kernel_init_c(&c->portable);
    CHECK_OK(sib_conv1d_out_length(&spec, &c->out_length, &err), err);
    c->n_x = (size_t)(spec.batch * spec.in_channels * spec.in_length);
    c->n_w = (size_t)(spec.out_channels * (spec.in_channels / spec.groups) * spec.kernel);
    c->n_bias = (size_t)spec.out_channels;
    c->n_y = (size_t)(spec.batch * spec.out_channels * c->out_length);
    make_array(c, c->n_x, &r, &c->x, &c->x_double);
    make_array(c, c->n_w, &r, &c->w, &c->w_double);
    make_array(c, c->n_bias, &r, &c->bias, &c->bias_double);
    c->y = malloc(c->n_y * c->element + CASE_GUARD);
    assert_non_null(c->y);
}

void case_free(conv_case *c)
{
    free(c->x), free(c->w), free(c->bias), free(c->y);
    free(c->x_double), free(c->w_double), free(c->bias_double);
}

float *case_result(const conv_case *c)
{
    float *y = malloc(c->n_y * sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < c->n_y; i++)
        y[i] = (float)load(c, c->y, i);
    return y;
}

void case_run(conv_case *c, sib_pool *pool, bool with_bias)
{
    sib_error err = SIB_ERROR_INIT;
    memset(c->y, 0xA5, c->n_y * c->element + CASE_GUARD);
    CHECK_OK(sib_conv1d(&c->spec, c->dtype, pool, c->x, c->w, with_bias ? c->bias : NULL, c->y, &err), err);
    for (size_t i = 0; i < CASE_GUARD; i++)
        assert_int_equal(((unsigned char *)c->y)[c->n_y * c->element + i], 0xA5);
}

/* row[t] += weight * x[t stride + offset], where x is zero out of range: NaN and infinite weights meet those
   zeros too. Returns the sum of the squares of the terms. */
CHECK_UNWATCHED static double add_tap(const sib_conv1d_spec *s, double *row, int64_t n, const double *x,
                                      double weight, int64_t offset)
{
    double squares = 0.0;
    for (int64_t t = 0; t < n; t++) {
        int64_t at = t * s->stride + offset;
        double product = weight * (at >= 0 && at < s->in_length ? x[at] : 0.0);
        row[t] += product;
        squares += product * product;
    }
    return squares;
}

/* 1 + erf(z) is erfc(-z), which is accurate below zero; infinity times 0 is intended. */
static double gelu(double v)
{
    return v * erfc(-v / sqrt(2.0)) / 2.0;
}

/* Row `co` of batch element b. */
CHECK_UNWATCHED static double reference_row(const conv_case *c, bool with_bias, int64_t b, int64_t co,
                                            double *row)
{
    const sib_conv1d_spec *s = &c->spec;
    int64_t group_in = s->in_channels / s->groups, group = co / (s->out_channels / s->groups);
    double bias = with_bias ? c->bias_double[co] : 0.0;
    double squares = (double)c->out_length * bias * bias;
    for (int64_t t = 0; t < c->out_length; t++)
        row[t] = 0.0;
    for (int64_t ci = 0; ci < group_in; ci++)
        for (int64_t j = 0; j < s->kernel; j++)
            squares +=
                add_tap(s, row, c->out_length,
                        c->x_double + (b * s->in_channels + group * group_in + ci) * s->in_length,
                        c->w_double[(co * group_in + ci) * s->kernel + j], j * s->dilation - s->padding);
    for (int64_t t = 0; t < c->out_length; t++)
        row[t] = s->gelu ? gelu(row[t] + bias) : row[t] + bias;
    return squares;
}

double *case_reference(const conv_case *c, bool with_bias, double *terms)
{
    const sib_conv1d_spec *s = &c->spec;
    double *y = malloc(c->n_y * sizeof *y);
    assert_non_null(y);
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t co = 0; co < s->out_channels; co++) {
            int64_t row = b * s->out_channels + co;
            double squares = 0.0;
            if (co % c->every == 0 || co == s->out_channels - 1)
                squares = reference_row(c, with_bias, b, co, y + row * c->out_length);
            if (terms)
                terms[row] = squares;
        }
    return y;
}

static const char *dtype_word(sib_dtype dtype)
{
    return dtype == SIB_F32 ? "f32" : dtype == SIB_F16 ? "f16" : "bf16";
}

void case_check(const conv_case *c, bool with_bias, double tolerance, case_norm norm)
{
    const sib_conv1d_spec *s = &c->spec;
    size_t n = (size_t)c->out_length;
    double *terms = malloc(c->n_y / n * sizeof *terms);
    assert_non_null(terms);
    double *expected = case_reference(c, with_bias, terms);
    float *got = case_result(c);
    for (size_t row = 0; row < c->n_y / n; row++) {
        double squares = 0.0;
        int64_t co = (int64_t)row % s->out_channels;
        if (co % c->every != 0 && co != s->out_channels - 1)
            continue;
        for (size_t t = 0; t < n; t++)
            squares += expected[row * n + t] * expected[row * n + t];
        double scale = sqrt(norm == CASE_TERM_NORM ? fmax(squares, terms[row]) : squares);
        for (size_t t = 0; t < n; t++) {
            double e = expected[row * n + t], g = (double)got[row * n + t];
            if (!(fabs(g - e) <= tolerance * scale))
                fail_msg("%s B %d Ci %d L %d Co %d k %d s %d p %d d %d g %d gelu %d bias %d: row %zu, t %zu: "
                         "%.9g, expected %.9g, norm %g",
                         dtype_word(c->dtype), (int)s->batch, (int)s->in_channels, (int)s->in_length,
                         (int)s->out_channels, (int)s->kernel, (int)s->stride, (int)s->padding,
                         (int)s->dilation, (int)s->groups, s->gelu, with_bias, row, t, g, e, scale);
        }
    }
    free(terms);
    free(expected);
    free(got);
}
