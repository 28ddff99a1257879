/* Values of images at fractional positions. Positions are float64, clamped before they become indices. */
#include "ops/image/sampling.h"

#include "ops/lower/elem.h"

mval sample_number(lowering *l, double number)
{
    return m_scalar(l, SIB_F64, number);
}

mval sample_table(lowering *l, mval x, int64_t groups)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    if (!l_ok(l))
        return MVAL_NONE;
    dim count = d_const(l, groups), channels = d_floor_div(l, dims[1], count);
    dim pixels = d_product(l, (size_t)(rank - 2), dims + 2), rows = d_mul(l, dims[0], count);
    x = m_swap(l, m_reshape(l, x, 3, (dim[]){rows, channels, pixels}), 1, 2);
    return m_reshape(l, x, 2, (dim[]){d_mul(l, rows, pixels), channels});
}

/* A position reflected at low and high until it is between them. */
static mval reflected(lowering *l, mval p, double low, double high)
{
    double span = high - low;
    if (span <= 0)
        return m_mul(l, p, sample_number(l, 0));
    mval way = m_mod(l, m_sub(l, p, sample_number(l, low)), sample_number(l, 2 * span));
    way = m_min(l, way, m_sub(l, sample_number(l, 2 * span), way));
    return m_add(l, way, sample_number(l, low));
}

static mval inside(lowering *l, mval p, double low, double high)
{
    return m_and(l, m_less_equal(l, sample_number(l, low), p), m_less_equal(l, p, sample_number(l, high)));
}

/* The positions at which an axis reflects or ends. */
static void walls(const sampling *s, int axis, double *low, double *high)
{
    *low = s->align_corners ? 0 : -0.5;
    *high = (double)s->size[axis] - 1 - *low;
}

/* Brings a position near the image, by the border mode, before its neighbours are looked up. */
static mval approached(lowering *l, const sampling *s, int axis, mval p)
{
    double low, high;
    walls(s, axis, &low, &high);
    if (s->border == SAMPLE_REFLECT)
        return reflected(l, p, low, high);
    if (s->border == SAMPLE_EDGE) {
        mval last = sample_number(l, (double)s->size[axis] - 1);
        return m_where(l, inside(l, p, low, high), p, m_clamp(l, p, sample_number(l, 0), last));
    }
    return p;
}

/* The index of an integral position, clamped to the image. *valid: true where it was in range; MVAL_NONE
   where that does not matter. */
static mval pixel_of(lowering *l, const sampling *s, int axis, mval p, mval *valid)
{
    double low, high, last = (double)s->size[axis] - 1;
    walls(s, axis, &low, &high);
    *valid = s->border == SAMPLE_ZEROS ? inside(l, p, 0, last) : MVAL_NONE;
    if (s->border == SAMPLE_REFLECT)
        p = reflected(l, p, low, high);
    return m_cast(l, m_clamp(l, p, sample_number(l, 0), sample_number(l, last)), SIB_I64);
}

/* The weight of a pixel at distance d: linear, or Keys' cubic kernel with a = -3/4. */
static mval weight_of(lowering *l, sample_filter filter, mval d)
{
    const double a = -0.75;
    mval one = sample_number(l, 1);
    d = m_abs(l, d);
    if (filter == SAMPLE_LINEAR)
        return m_sub(l, one, d);
    mval near = m_sub(l, m_mul_number(l, d, a + 2), sample_number(l, a + 3));
    near = m_add(l, m_mul(l, m_mul(l, near, d), d), one);
    mval far = m_sub(l, m_mul_number(l, d, a), sample_number(l, 5 * a));
    far = m_add(l, m_mul(l, far, d), sample_number(l, 8 * a));
    far = m_sub(l, m_mul(l, far, d), sample_number(l, 4 * a));
    return m_where(l, m_less_equal(l, d, one), near, far);
}

/* Combines [..., k] and [..., j] to [..., k * j] by a binary milli-op. */
static mval crossed(lowering *l, milli_kind kind, mval a, mval b)
{
    mval out = m_binary(l, kind, m_unsqueeze(l, a, -1), m_unsqueeze(l, b, -2));
    int rank = m_rank(l, out);
    return l_ok(l) ? m_flatten(l, out, rank - 2, rank) : MVAL_NONE;
}

static mval offsets(lowering *l, sample_filter filter)
{
    mval i = m_iota(l, SIB_F64, d_const(l, filter == SAMPLE_LINEAR ? 2 : 4));
    return filter == SAMPLE_LINEAR ? i : m_sub(l, i, sample_number(l, 1));
}

mval sample_taps(lowering *l, const sampling *s, mval table, mval image, const mval *at)
{
    mval index = m_unsqueeze(l, image, -1), weight = MVAL_NONE, valid = MVAL_NONE;
    for (int i = 0; i < s->n && l_ok(l); i++) {
        mval p = m_unsqueeze(l, approached(l, s, i, at[i]), -1), ok;
        mval positions = m_add(l, m_floor(l, p), offsets(l, s->filter)); /* [L..., P, k] */
        mval w = weight_of(l, s->filter, m_sub(l, positions, p));
        mval pixel = pixel_of(l, s, i, positions, &ok);
        index = m_mul(l, index, m_scalar_int(l, SIB_I64, s->size[i]));
        index = crossed(l, MILLI_add, index, pixel);
        weight = i ? crossed(l, MILLI_mul, weight, w) : w;
        if (ok.id != NO_VALUE)
            valid = i ? crossed(l, MILLI_and, valid, ok) : ok;
    }
    if (!m_is(l, table, SIB_KIND_COMPLEX))
        table = m_cast(l, table, SIB_F64);
    mval values = m_gather(l, table, index, 0); /* [L..., P, taps, C] */
    if (valid.id != NO_VALUE)
        values = m_where(l, m_unsqueeze(l, valid, -1), values, m_scalar_like(l, table, 0));
    return m_mul(l, values, m_cast_like(l, m_unsqueeze(l, weight, -1), table));
}

/* The pixel nearest to each position, halves rounded to even. */
static mval nearest(lowering *l, const sampling *s, mval table, mval image, const mval *at)
{
    mval index = image, valid = MVAL_NONE;
    for (int i = 0; i < s->n && l_ok(l); i++) {
        mval ok, pixel = pixel_of(l, s, i, approached(l, s, i, m_round(l, at[i])), &ok);
        index = m_add(l, m_mul(l, index, m_scalar_int(l, SIB_I64, s->size[i])), pixel);
        if (ok.id != NO_VALUE)
            valid = i ? m_and(l, valid, ok) : ok;
    }
    mval values = m_gather(l, table, index, 0);
    if (valid.id == NO_VALUE)
        return values;
    return m_where(l, m_unsqueeze(l, valid, -1), values, elem_zero(l, table));
}

mval sample_points(lowering *l, const sampling *s, mval table, mval image, const mval *at)
{
    if (s->filter == SAMPLE_NEAREST)
        return nearest(l, s, table, image, at);
    return m_reduce_axis(l, MILLI_reduce_sum, sample_taps(l, s, table, image, at), -2, DROP_DIMS);
}
