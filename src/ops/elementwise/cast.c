/* Conversions of dtype: by value (Cast) and by bits (BitCast). */
#include "ops/lower/elem.h"

/* x rounded to a power of two for float8e8m0, for modes other than up, which is the cast's own: "down" rounds
   to the smaller power, "nearest" to the nearer one, up at the midpoint. Works on the fraction bits of a
   double. */
static mval round_to_power(lowering *l, mval x, bool nearest)
{
    const int64_t fraction = (INT64_C(1) << 52) - 1, half = INT64_C(1) << 51;
    mval bits = m_bitcast(l, elem_wide(l, x), SIB_I64);
    if (nearest)
        bits = m_add(l, bits, m_scalar_int(l, SIB_I64, half));
    mval power = m_bitcast(l, m_and(l, bits, m_scalar_int(l, SIB_I64, ~fraction)), SIB_F64);
    /* infinities and NaN have no fraction to round, so they stay */
    mval special = m_or(l, m_is_inf(l, elem_wide(l, x)), m_is_nan(l, elem_wide(l, x)));
    return m_where(l, special, elem_wide(l, x), power);
}

/* x as dtype `to` with the attributes of Cast and CastLike. */
static mval cast_to(lowering *l, const node *n, mval x, sib_dtype to)
{
    cast_spec spec = spec_cast(n);
    elem_set clamping = ELEM_FLOATS8 | ELEM(SIB_F4E2M1) | ELEM(SIB_F8E8M0);
    if (to == SIB_F8E8M0 && m_is(l, x, SIB_KIND_FLOAT) && spec.round_mode != CAST_UP)
        x = round_to_power(l, x, spec.round_mode == CAST_NEAREST);
    return spec.saturate && elem_in(clamping, to) ? m_cast_saturating(l, x, to) : m_cast(l, x, to);
}

/* The dtype that Cast-1 names: "FLOAT", "INT64", ... */
static sib_dtype named_dtype(lowering *l, sib_str name)
{
    static const struct {
        const char *name;
        sib_dtype dtype;
    } names[] = {{"FLOAT", SIB_F32}, {"UINT8", SIB_U8},    {"INT8", SIB_I8},    {"UINT16", SIB_U16},
                 {"INT16", SIB_I16}, {"INT32", SIB_I32},   {"INT64", SIB_I64},  {"STRING", SIB_STRING},
                 {"BOOL", SIB_BOOL}, {"FLOAT16", SIB_F16}, {"DOUBLE", SIB_F64}, {"UINT32", SIB_U32},
                 {"UINT64", SIB_U64}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(name, names[i].name))
            return names[i].dtype;
    l_fail(l, SIB_ERR_ARGUMENT, "to is '%.*s', which is not a dtype", (int)name.length, name.data);
    return SIB_F32;
}

/* output = input as dtype `to`: integers wrap, floats truncate to integers, strings are parsed and printed as
   decimal numbers. ONNX Cast-1 (to is a name), 6/9/13, 19 (saturate), 21/23, 24/25 (round_mode). */
void lower_ONNX_Cast(lowering *l, const node *n)
{
    cast_spec spec = spec_cast(n);
    mval x = l_in(l, 0);
    sib_dtype to = n->version < 6 ? named_dtype(l, spec.to_name) : spec.to;
    elem_declare(l, to);
    if (elem_takes(l, x, "input", ELEM_ALL))
        l_out(l, 0, cast_to(l, n, x, to));
}

/* output = input as the dtype of target_type. ONNX CastLike-15, 19 (saturate), 21/23, 24/25 (round_mode). */
void lower_ONNX_CastLike(lowering *l, const node *n)
{
    mval x = l_in(l, 0), like = l_in(l, 1);
    if (elem_takes(l, like, "target_type", ELEM_ALL))
        elem_declare(l, m_dtype(l, like));
    if (elem_takes(l, x, "input", ELEM_ALL))
        l_out(l, 0, cast_to(l, n, x, m_dtype(l, like)));
}

/* x in the dtype that the file declares: oracle mode has it as double, whose bits differ. */
static mval as_declared(lowering *l, mval x)
{
    sib_dtype dtype = l->source->values[l->node->inputs.ids[0]].type.dtype;
    mval y = MVAL_NONE;
    if (!l->oracle || !l_ok(l) || dtype == SIB_DTYPE_UNKNOWN || dtype == m_dtype(l, x))
        return x;
    attribute attributes[] = {attribute_int("to", dtype), attribute_int("saturate", 0)};
    value_type type = *m_type(l, x);
    type.dtype = dtype;
    m_emit(l, MILLI_cast, 1, &x, 2, attributes, 1, &type, &y);
    return y;
}

/* output = the bits of input as dtype `to` of the same size. ONNX BitCast-26. */
void lower_ONNX_BitCast(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    sib_dtype to = spec_cast(n).to;
    if (to == SIB_STRING)
        l_fail(l, SIB_ERR_ARGUMENT, "strings have no fixed width");
    elem_declare(l, to);
    if (elem_takes(l, x, "input", ELEM_ALL & ~ELEM(SIB_STRING)))
        l_out(l, 0, m_cast(l, m_bitcast(l, as_declared(l, x), to), to));
}
