/* The optimizers of ai.onnx.preview.training: one step for any number of tensors. */
#include "ops/lower/lower.h"

/* Inputs are R, T, then lists of n tensors each: X, G and the states. Outputs are X, then the states. */

/* Tensor i of list number `which`, lists having n tensors each. */
static mval of_list(lowering *l, size_t which, size_t i, size_t n)
{
    return l_in(l, 2 + which * n + i);
}

/* The number of tensors optimized, given `lists` lists of inputs. */
static size_t tensors(lowering *l, const node *n, size_t lists)
{
    size_t given = n->inputs.n - 2;
    if (given % lists)
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu tensors after R and T, expected a multiple of %zu", given,
               lists);
    return l_ok(l) ? given / lists : 0;
}

/* R in the dtype of x. */
static mval rate(lowering *l, mval x)
{
    return m_cast_like(l, l_in(l, 0), x);
}

/* norm_coefficient X + G: the gradient, with that of the regularization norm_coefficient / 2 |X|^2. */
static mval regularized(lowering *l, const node *n, mval x, mval g)
{
    return m_add(l, m_mul_number(l, x, spec_optimizer(n).norm_coefficient), g);
}

/* T > 0 ? a : b, for scalars. */
static mval after_first(lowering *l, mval a, mval b)
{
    mval t = m_cast(l, l_in(l, 1), SIB_I64);
    return m_where(l, m_less(l, m_scalar_int(l, SIB_I64, 0), t), a, b);
}

/* H' = H + g g, X' = X - R / (1 + T decay) g / (sqrt(H') + epsilon), g = norm X + G.
   ai.onnx.preview.training Adagrad-1; Duchi et al. 2011. */
void lower_TRAINING_Adagrad(lowering *l, const node *n)
{
    optimizer_spec spec = spec_optimizer(n);
    size_t count = tensors(l, n, 3);
    for (size_t i = 0; i < count && l_ok(l); i++) {
        mval x = of_list(l, 0, i, count), g = regularized(l, n, x, of_list(l, 1, i, count));
        mval h = m_add(l, of_list(l, 2, i, count), m_square(l, g));
        mval decay = m_mul_number(l, m_cast_like(l, l_in(l, 1), x), spec.decay_factor);
        mval r = m_div(l, rate(l, x), m_add_number(l, decay, 1));
        mval adaptive = m_add_number(l, m_sqrt(l, h), spec.epsilon);
        l_out(l, i, m_sub(l, x, m_div(l, m_mul(l, r, g), adaptive)));
        l_out(l, count + i, h);
    }
}

/* V' = alpha V + (1 - alpha) g, H' = beta H + (1 - beta) g g, X' = (1 - post) (X - r V' / (sqrt(H') +
   epsilon)), r = R sqrt(1 - beta^T) / (1 - alpha^T) for T > 0, else R. ai.onnx.preview.training Adam-1;
   Kingma & Ba 2015. */
void lower_TRAINING_Adam(lowering *l, const node *n)
{
    optimizer_spec spec = spec_optimizer(n);
    size_t count = tensors(l, n, 4);
    double alpha = spec.alpha, beta = spec.beta;
    for (size_t i = 0; i < count && l_ok(l); i++) {
        mval x = of_list(l, 0, i, count), g = regularized(l, n, x, of_list(l, 1, i, count));
        mval v = m_add(l, m_mul_number(l, of_list(l, 2, i, count), alpha), m_mul_number(l, g, 1 - alpha));
        mval h = m_add(l, m_mul_number(l, of_list(l, 3, i, count), beta),
                       m_mul_number(l, m_square(l, g), 1 - beta));
        /* in double, since 1 - beta^T is close to 0 at first */
        mval t = m_cast(l, l_in(l, 1), SIB_F64), one = m_scalar(l, SIB_F64, 1),
             r = m_cast(l, l_in(l, 0), SIB_F64);
        mval second = m_sub(l, one, m_pow(l, m_scalar(l, SIB_F64, beta), t));
        mval first = m_sub(l, one, m_pow(l, m_scalar(l, SIB_F64, alpha), t));
        r = after_first(l, m_div(l, m_mul(l, r, m_sqrt(l, second)), first), r);
        mval root = m_add_number(l, m_sqrt(l, h), spec.epsilon);
        mval moved = m_sub(l, x, m_mul(l, m_cast_like(l, r, x), m_div(l, v, root)));
        l_out(l, i, m_mul_number(l, moved, 1 - spec.norm_coefficient_post));
        l_out(l, count + i, v);
        l_out(l, 2 * count + i, h);
    }
}

/* V' = alpha V + b g, b = beta for T > 0, else 1; X' = X - R V', or X - R (g + alpha V') with mode nesterov.
   ai.onnx.preview.training Momentum-1. */
void lower_TRAINING_Momentum(lowering *l, const node *n)
{
    optimizer_spec spec = spec_optimizer(n);
    size_t count = tensors(l, n, 3);
    double alpha = spec.alpha, beta = spec.beta;
    bool nesterov = spec.mode == MOMENTUM_NESTEROV;
    for (size_t i = 0; i < count && l_ok(l); i++) {
        mval x = of_list(l, 0, i, count), g = regularized(l, n, x, of_list(l, 1, i, count));
        mval b = after_first(l, m_scalar_like(l, x, beta), m_scalar_like(l, x, 1));
        mval v = m_add(l, m_mul_number(l, of_list(l, 2, i, count), alpha), m_mul(l, b, g));
        mval way = nesterov ? m_add(l, g, m_mul_number(l, v, alpha)) : v;
        l_out(l, i, m_sub(l, x, m_mul(l, rate(l, x), way)));
        l_out(l, count + i, v);
    }
}
