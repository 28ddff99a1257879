/* The activations of RNN, GRU and LSTM: ONNX RNN-7, "Activation functions". */
#include "ops/recurrent/recurrent_cell.h"

#include <math.h>
#include <strings.h>

typedef mval activation_function(lowering *l, mval x, double alpha, double beta);

struct activation_row {
    const char *name;
    activation_function *function;
    bool takes_alpha, takes_beta;
    double alpha, beta; /* defaults; NaN: none */
};

static mval act_relu(lowering *l, mval x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return m_relu(l, x);
}

static mval act_tanh(lowering *l, mval x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return m_tanh(l, x);
}

static mval act_sigmoid(lowering *l, mval x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return m_sigmoid(l, x);
}

static mval act_affine(lowering *l, mval x, double alpha, double beta)
{
    return m_add_number(l, m_mul_number(l, x, alpha), beta);
}

/* x >= 0 ? x : otherwise */
static mval unless_negative(lowering *l, mval x, mval otherwise)
{
    return m_where(l, m_less(l, x, m_scalar_like(l, x, 0)), otherwise, x);
}

static mval act_leaky_relu(lowering *l, mval x, double alpha, double beta)
{
    (void)beta;
    return unless_negative(l, x, m_mul_number(l, x, alpha));
}

static mval act_thresholded_relu(lowering *l, mval x, double alpha, double beta)
{
    (void)beta;
    return m_where(l, m_less(l, x, m_scalar_like(l, x, alpha)), m_scalar_like(l, x, 0), x);
}

static mval act_scaled_tanh(lowering *l, mval x, double alpha, double beta)
{
    return m_mul_number(l, m_tanh(l, m_mul_number(l, x, beta)), alpha);
}

static mval act_hard_sigmoid(lowering *l, mval x, double alpha, double beta)
{
    return m_clamp(l, act_affine(l, x, alpha, beta), m_scalar_like(l, x, 0), m_scalar_like(l, x, 1));
}

static mval act_elu(lowering *l, mval x, double alpha, double beta)
{
    (void)beta;
    return unless_negative(l, x, m_mul_number(l, m_unary(l, MILLI_expm1, x), alpha));
}

static mval act_softsign(lowering *l, mval x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return m_div(l, x, m_add_number(l, m_abs(l, x), 1));
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which does not overflow */
static mval act_softplus(lowering *l, mval x, double alpha, double beta)
{
    (void)alpha, (void)beta;
    return m_add(l, m_relu(l, x), m_log1p(l, m_exp(l, m_neg(l, m_abs(l, x)))));
}

static const struct activation_row activation_table[] = {
    {"Relu", act_relu, false, false, 0, 0},
    {"Tanh", act_tanh, false, false, 0, 0},
    {"Sigmoid", act_sigmoid, false, false, 0, 0},
    {"Affine", act_affine, true, true, 1, 0},
    {"LeakyRelu", act_leaky_relu, true, false, 0.01f, 0},
    {"ThresholdedRelu", act_thresholded_relu, true, false, 1, 0},
    {"ScaledTanh", act_scaled_tanh, true, true, NAN, NAN},
    {"HardSigmoid", act_hard_sigmoid, true, true, 0.2f, 0.5},
    {"Elu", act_elu, true, false, 1, 0},
    {"Softsign", act_softsign, false, false, 0, 0},
    {"Softplus", act_softplus, false, false, 0, 0},
};

/* Row by name, case-insensitive since old files write "tanh"; or NULL. */
static const struct activation_row *activation_named(sib_str name)
{
    for (size_t i = 0; i < sizeof activation_table / sizeof *activation_table; i++) {
        sib_str known = str_of(activation_table[i].name);
        if (known.length == name.length && strncasecmp(known.data, name.data, name.length) == 0)
            return &activation_table[i];
    }
    return NULL;
}

/* The next item of a list if the activation takes it and there is one, else the default. */
static double parameter(spec_floats list, size_t *next, bool takes, double fallback)
{
    return takes && *next < list.n ? (double)list.v[(*next)++] : fallback;
}

void recurrent_activations(lowering *l, const recurrent_spec *spec, int directions, int per_cell,
                           const char *const *defaults, recurrent_activation *out)
{
    size_t next_alpha = 0, next_beta = 0, wanted = (size_t)(directions * per_cell);
    spec_strings names = spec->activations;
    /* RNN's default list has two names even for one direction */
    if (names.n && names.n < wanted)
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu activations, expected %zu", names.n, wanted);
    for (size_t i = 0; i < wanted && l_ok(l); i++) {
        sib_str name = names.n ? names.v[i] : str_of(defaults[i % (size_t)per_cell]);
        const struct activation_row *row = activation_named(name);
        if (!row) {
            l_fail(l, SIB_ERR_ARGUMENT, "activation '%.*s' is not known", (int)name.length, name.data);
            return;
        }
        out[i].row = row;
        out[i].alpha = parameter(spec->activation_alpha, &next_alpha, row->takes_alpha, row->alpha);
        out[i].beta = parameter(spec->activation_beta, &next_beta, row->takes_beta, row->beta);
        if (isnan(out[i].alpha) || isnan(out[i].beta))
            l_fail(l, SIB_ERR_ARGUMENT, "activation %s needs activation_alpha and activation_beta",
                   row->name);
    }
}

mval recurrent_activate(lowering *l, const recurrent_cell *cell, int which, mval x)
{
    const recurrent_activation *f = &cell->f[which];
    return l_ok(l) ? f->row->function(l, x, f->alpha, f->beta) : MVAL_NONE;
}

mval recurrent_gate(lowering *l, const recurrent_cell *cell, int which, mval x)
{
    if (cell->clip != 0)
        x = m_clamp(l, x, m_scalar_like(l, x, -cell->clip), m_scalar_like(l, x, cell->clip));
    return recurrent_activate(l, cell, which, x);
}
