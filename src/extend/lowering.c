/* Public lowerings: a face over milli/build.h that takes handles from strangers. The milli-ops are in
   words.c. */
#include "extend/lowering.h"

#include "base/error.h"
#include "ops/lower/lower.h"

/* ---- Handles ---------------------------------------------------------------------------------------------- */

mval handle_value(sib_lowering *b, sib_mval v)
{
    if (v.id == SIB_NONE)
        return MVAL_NONE;
    return v.id < b->l->graph->n_values
               ? (mval){v.id}
               : l_fail(b->l, SIB_ERR_ARGUMENT, "value %u is not of this lowering", v.id);
}

dim handle_dim(sib_lowering *b, sib_mdim d)
{
    if (!d.id || dim_known(b->l->graph->dims, (dim){d.id}))
        return (dim){d.id};
    l_fail(b->l, SIB_ERR_ARGUMENT, "dim %u is not of this lowering", d.id);
    return DIM_NONE;
}

/* ---- The node --------------------------------------------------------------------------------------------- */

const sib_node *sib_lowering_node(const sib_lowering *b)
{
    return &b->node;
}

sib_mval sib_lowering_input(sib_lowering *b, size_t i)
{
    return (sib_mval){l_ok(b->l) && i < b->l->node->inputs.n ? b->inputs[i].id : SIB_NONE};
}

bool sib_lowering_wants(const sib_lowering *b, size_t i)
{
    return l_wants(b->l, i);
}

void sib_lowering_output(sib_lowering *b, size_t i, sib_mval v)
{
    mval made = handle_value(b, v);
    if (b->declares)
        l_fail(b->l, SIB_ERR_ARGUMENT, "a shape function declares outputs and does not set them");
    else if (i >= b->l->node->outputs.n && l_ok(b->l) && i >= (size_t)SIB_OPERATOR_ENDS)
        l_fail(b->l, SIB_ERR_ARGUMENT, "output %zu is set, expected one below %d", i, SIB_OPERATOR_ENDS);
    else
        l_out(b->l, i, made);
}

static void declare(sib_lowering *b, size_t i, const value_type *type)
{
    if (!l_ok(b->l) || !l_wants(b->l, i))
        return;
    b->declared[i] = *type;
    l_declare_type(b->l, i, *type);
}

void sib_lowering_declare(sib_lowering *b, size_t i, sib_dtype dtype, int rank, const sib_mdim *dims)
{
    dim known[SIB_MAX_RANK];
    if (rank > SIB_MAX_RANK || (rank > 0 && !dims) || (dtype && !sib_dtype_bits(dtype))) {
        l_fail(b->l, SIB_ERR_ARGUMENT,
               "output %zu is declared with dtype %d and rank %d, which no tensor has", i, (int)dtype, rank);
        return;
    }
    for (int k = 0; k < rank; k++) {
        int64_t number;
        known[k] = handle_dim(b, dims[k]);
        if (dim_is_const(b->l->graph->dims, known[k], &number) && number < 0)
            l_fail(b->l, SIB_ERR_ARGUMENT, "output %zu is declared with a dim of %lld", i, (long long)number);
    }
    if (!l_ok(b->l))
        return;
    value_type type = rank < 0 ? type_tensor(dtype) : m_tensor_type(b->l, dtype, (size_t)rank, known);
    declare(b, i, &type);
}

void sib_lowering_declare_like(sib_lowering *b, size_t i, sib_mval v)
{
    mval like = handle_value(b, v);
    if (l_ok(b->l) && like.id != NO_VALUE) {
        value_type type = *m_type(b->l, like);
        declare(b, i, &type);
    }
}

sib_code sib_lowering_fail(sib_lowering *b, sib_code code, const char *message)
{
    return err_set(&b->why, code == SIB_OK ? SIB_ERR_ARGUMENT : code, "%s",
                   message ? message : sib_code_text(code));
}

bool sib_lowering_ok(const sib_lowering *b)
{
    return l_ok(b->l);
}

/* ---- Values and dims -------------------------------------------------------------------------------------- */

sib_dtype sib_mval_dtype(const sib_lowering *b, sib_mval v)
{
    return v.id < b->l->graph->n_values ? m_dtype(b->l, (mval){v.id}) : SIB_DTYPE_UNKNOWN;
}

int sib_mval_rank(sib_lowering *b, sib_mval v)
{
    return m_rank(b->l, handle_value(b, v));
}

sib_mdim sib_mval_dim(sib_lowering *b, sib_mval v, int axis)
{
    return (sib_mdim){m_dim(b->l, handle_value(b, v), axis).id};
}

const sib_tensor *sib_mval_content(sib_lowering *b, sib_mval v)
{
    return m_content(b->l, handle_value(b, v));
}

sib_mdim sib_mdim_of(sib_lowering *b, int64_t number)
{
    return (sib_mdim){l_ok(b->l) ? d_const(b->l, number).id : 0};
}

int64_t sib_mdim_number(sib_lowering *b, sib_mdim d)
{
    return m_number(b->l, handle_dim(b, d));
}

sib_mdim sib_mdim_compute(sib_lowering *b, sib_mdim_op op, sib_mdim x, sib_mdim y)
{
    static dim (*const functions[])(lowering * l, dim a, dim b) = {
        [SIB_MDIM_ADD] = d_add,           [SIB_MDIM_SUB] = d_sub,
        [SIB_MDIM_MUL] = d_mul,           [SIB_MDIM_FLOOR_DIV] = d_floor_div,
        [SIB_MDIM_CEIL_DIV] = d_ceil_div, [SIB_MDIM_MIN] = d_min,
        [SIB_MDIM_MAX] = d_max,           [SIB_MDIM_BROADCAST] = d_broadcast};
    if ((size_t)op >= sizeof functions / sizeof *functions) {
        l_fail(b->l, SIB_ERR_ARGUMENT, "there is no operation %d of dims", (int)op);
        return (sib_mdim){0};
    }
    return (sib_mdim){functions[op](b->l, handle_dim(b, x), handle_dim(b, y)).id};
}

/* ---- Constants -------------------------------------------------------------------------------------------- */

/* False, with a failure, in a shape function. */
bool lowering_builds(sib_lowering *b)
{
    if (b->declares)
        l_fail(b->l, SIB_ERR_ARGUMENT, "a shape function declares outputs and builds no milli-ops");
    return l_ok(b->l);
}

sib_mval sib_milli_constant(sib_lowering *b, const sib_tensor *t)
{
    sib_tensor *copy = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!lowering_builds(b))
        return (sib_mval){SIB_NONE};
    if (sib_tensor_copy(t, &copy, &err) != SIB_OK) {
        l_fail(b->l, err.code, "%s", err.message);
        return (sib_mval){SIB_NONE};
    }
    return (sib_mval){m_constant(b->l, copy).id};
}

sib_mval sib_milli_scalar(sib_lowering *b, sib_dtype dtype, double number)
{
    return (sib_mval){lowering_builds(b) ? m_scalar(b->l, dtype, number).id : SIB_NONE};
}

sib_mval sib_milli_number(sib_lowering *b, sib_mval like, double number)
{
    mval v = handle_value(b, like);
    if (!lowering_builds(b) || v.id == NO_VALUE)
        return (sib_mval){SIB_NONE};
    return (sib_mval){m_dtype(b->l, v) ? m_scalar_like(b->l, v, number).id : SIB_NONE};
}

sib_mval sib_milli_dim(sib_lowering *b, sib_mdim d)
{
    dim known = handle_dim(b, d);
    return (sib_mval){lowering_builds(b) ? m_dim_scalar(b->l, known).id : SIB_NONE};
}
