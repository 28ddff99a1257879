/* Random numbers. A seed given by the node draws what numpy.random.RandomState of that seed draws. Otherwise
   the session's seed is mixed with the index of the node, so that nodes draw differently and runs repeat. */
#include "milli/build_values.h"
#include "ops/lower/elem.h"

/* The seed of the node: 32 bits, as MT19937 takes them. */
static int64_t seed_of(const lowering *l, const random_spec *spec)
{
    if (spec->seed > -9e18 && spec->seed < 9e18) /* NaN: absent */
        return (int64_t)(uint32_t)(int64_t)spec->seed;
    return m_seed(l, 0);
}

/* Output 0: mean + scale * N(0, 1) or low + (high - low) * U[0, 1), drawn in float64, rounded to dtype. */
static void lower_random(lowering *l, const random_spec *spec, milli_kind kind, sib_dtype dtype, int rank,
                         const dim *dims)
{
    bool normal = kind == MILLI_random_normal;
    double first = normal ? spec->mean : spec->low, second = normal ? spec->scale : spec->high;
    if (l_ok(l) && !elem_in(ELEM_FLOATS, dtype))
        l_fail(l, SIB_ERR_ARGUMENT, "dtype is %s, expected a float", sib_dtype_name(dtype));
    mval draw = m_random(l, kind, SIB_F64, seed_of(l, spec), (size_t)rank, dims);
    draw = m_mul_number(l, draw, normal ? second : second - first);
    l_out(l, 0, m_cast(l, m_add_number(l, draw, first), dtype));
}

static void random_of_shape(lowering *l, const node *n, milli_kind kind)
{
    dim dims[SIB_MAX_RANK];
    random_spec spec = spec_random(n);
    for (size_t i = 0; i < spec.shape.n; i++)
        dims[i] = d_const(l, spec.shape.v[i]);
    lower_random(l, &spec, kind, spec.dtype, l_ok(l) ? (int)spec.shape.n : 0, dims);
}

static void random_like(lowering *l, const node *n, milli_kind kind)
{
    dim dims[SIB_MAX_RANK];
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "input", ELEM_ALL))
        return;
    random_spec spec = spec_random(n);
    sib_dtype dtype = spec.dtype ? spec.dtype : m_dtype(l, x);
    elem_declare(l, dtype);
    int rank = m_dims(l, x, dims);
    lower_random(l, &spec, kind, dtype, rank, dims);
}

/* output = mean + scale * N(0, 1) in the dims of attribute shape. ONNX RandomNormal-1/22. */
void lower_ONNX_RandomNormal(lowering *l, const node *n)
{
    random_of_shape(l, n, MILLI_random_normal);
}

/* output = low + (high - low) * U[0, 1) in the dims of attribute shape. ONNX RandomUniform-1/22. */
void lower_ONNX_RandomUniform(lowering *l, const node *n)
{
    random_of_shape(l, n, MILLI_random_uniform);
}

/* output = mean + scale * N(0, 1) in the dims of the input. ONNX RandomNormalLike-1/22. */
void lower_ONNX_RandomNormalLike(lowering *l, const node *n)
{
    random_like(l, n, MILLI_random_normal);
}

/* output = low + (high - low) * U[0, 1) in the dims of the input. ONNX RandomUniformLike-1/22. */
void lower_ONNX_RandomUniformLike(lowering *l, const node *n)
{
    random_like(l, n, MILLI_random_uniform);
}

/* output = 1 with probability p, else 0, as numpy's binomial(1, p) decides by inversion from one uniform
   u: for p <= 1/2 where u > 1 - p, else where u <= p. ONNX Bernoulli-15/22. */
void lower_ONNX_Bernoulli(lowering *l, const node *n)
{
    dim dims[SIB_MAX_RANK];
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "input", ELEM_FLOATS))
        return;
    random_spec spec = spec_random(n);
    sib_dtype dtype = spec.dtype ? spec.dtype : m_dtype(l, x);
    elem_declare(l, dtype);
    int rank = m_dims(l, x, dims);
    mval p = elem_wide(l, x), one = elem_number(l, 1);
    mval u = m_random(l, MILLI_random_uniform, SIB_F64, seed_of(l, &spec), (size_t)rank, dims);
    mval rare = m_less_equal(l, p, elem_number(l, 0.5));
    mval low = m_where(l, rare, m_sub(l, one, p), p);
    mval below = m_less_equal(l, u, low);
    l_out(l, 0, m_cast(l, m_xor(l, below, rare), dtype));
}

/* output[i, k] = the class j at which u[i, k] * sum(e^input[i]) first lies below e^input[i, 0] + ... +
   e^input[i, j]. ONNX Multinomial-7/22. */
void lower_ONNX_Multinomial(lowering *l, const node *n)
{
    random_spec spec = spec_random(n);
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "input", ELEM_FLOATS))
        return;
    sib_dtype dtype = spec.dtype;
    elem_declare(l, dtype);
    int64_t samples = spec.sample_size;
    if (m_rank(l, x) != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 2", m_rank(l, x));
    if (l_ok(l) && dtype != SIB_I32 && dtype != SIB_I64)
        l_fail(l, SIB_ERR_ARGUMENT, "dtype is %s, expected int32 or int64", sib_dtype_name(dtype));
    dim dims[] = {m_dim(l, x, 0), d_const(l, samples)}, classes = m_dim(l, x, 1);
    mval wide = elem_wide(l, x);
    mval e = m_exp(l, m_sub(l, wide, m_reduce_axis(l, MILLI_reduce_max, wide, 1, KEEP_DIMS)));
    mval running = m_cumulative(l, MILLI_cumulative_sum, e, 1); /* [batch, classes] */
    mval total = m_reduce_axis(l, MILLI_reduce_max, running, 1, KEEP_DIMS);
    mval u = m_random(l, MILLI_random_uniform, SIB_F64, seed_of(l, &spec), 2, dims);
    mval at = m_mul(l, u, total); /* [batch, samples] */
    mval passed = m_less_equal(l, m_unsqueeze(l, running, 1), m_unsqueeze(l, at, 2));
    mval index = m_reduce_axis(l, MILLI_reduce_sum, m_cast(l, passed, SIB_I64), 2, DROP_DIMS);
    mval last = m_dim_scalar(l, d_sub(l, classes, d_const(l, 1)));
    l_out(l, 0, m_cast(l, m_min(l, index, last), dtype));
}

/* ---- Dropout ------------------------------------------------------------------------------------------ */

/* Sets outputs 0 and 1 where nothing is dropped. */
static void keep_all(lowering *l, mval x, sib_dtype mask)
{
    dim dims[SIB_MAX_RANK];
    l_out(l, 0, x);
    if (l_wants(l, 1)) {
        int rank = m_dims(l, x, dims);
        l_out(l, 1, m_filled(l, m_scalar_int(l, mask, 1), (size_t)rank, dims));
    }
}

/* In training output = data * mask / (1 - ratio) with mask = u >= ratio; else data, with a mask of true.
   ratio: float64 scalar; training: bool scalar. */
static void drop(lowering *l, const random_spec *spec, mval x, mval ratio, mval training, sib_dtype mask)
{
    dim dims[SIB_MAX_RANK];
    mval wide = elem_wide(l, x);
    int rank = m_dims(l, x, dims);
    mval u = m_random(l, MILLI_random_uniform, SIB_F64, seed_of(l, spec), (size_t)rank, dims);
    mval kept = m_or(l, m_less_equal(l, ratio, u), m_not(l, training));
    mval scale = m_reciprocal(l, m_sub(l, elem_number(l, 1), ratio));
    mval y = m_mul(l, m_mul(l, m_cast(l, kept, SIB_F64), wide), scale);
    l_out(l, 0, m_where(l, training, m_cast_like(l, y, x), x));
    if (l_wants(l, 1))
        l_out(l, 1, m_cast(l, kept, mask));
}

/* Dropout before opset 12, of which only versions 1 and 6 can train: is_test 0. Their mask and that of
   version 7 have the dtype of data. */
static void legacy_dropout(lowering *l, const random_spec *spec, int64_t version, mval x)
{
    sib_dtype mask = version < 10 ? m_dtype(l, x) : SIB_BOOL;
    if (version >= 7 || spec->is_test)
        keep_all(l, x, mask);
    else
        drop(l, spec, x, elem_number(l, spec->ratio), m_scalar_int(l, SIB_BOOL, 1), mask);
}

/* output = data, or in training with elements dropped at random and the rest scaled up. ONNX Dropout-1/6
   (is_test), 7/10, 12/13/22 (ratio and training_mode are inputs). */
void lower_ONNX_Dropout(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "data", ELEM_FLOATS | ELEM_FLOATS8))
        return;
    elem_declare(l, m_dtype(l, x));
    random_spec spec = spec_random(n);
    if (n->version < 12) {
        legacy_dropout(l, &spec, n->version, x);
        return;
    }
    mval ratio = elem_number(l, 0.5), training = MVAL_NONE;
    if (l_has(l, 1))
        ratio = elem_wide(l, elem_scalar(l, l_in(l, 1), "ratio"));
    if (l_has(l, 2))
        training = elem_scalar(l, l_in(l, 2), "training_mode");
    if (l_has(l, 2) && !elem_takes(l, training, "training_mode", ELEM(SIB_BOOL)))
        return;
    if (l_has(l, 2) && !(m_is_known(l, training) && m_float(l, training) == 0))
        drop(l, &spec, x, ratio, training, SIB_BOOL);
    else
        keep_all(l, x, SIB_BOOL);
}
