/* com.microsoft GatherBlockQuantized: rows of a table that is quantized in blocks. */
#include "ops/lower/lower.h"

/* data and zero_points hold `bits` bits per element, several to a byte where the dtype is uint8. */
typedef struct block_table {
    int gather_axis, quantize_axis;
    int64_t bits, block;
    bool in_bytes; /* uint8 data */
} block_table;

/* Unpacks uint8 [..., n] to [..., n * 8 / bits], the low bits of a byte first. */
static mval unpack_bytes(lowering *l, const block_table *t, mval x)
{
    if (x.id == NO_VALUE || !t->in_bytes || t->bits == 8)
        return x;
    int rank = m_rank(l, x);
    mval shifts = m_mul(l, m_iota(l, SIB_U8, d_const(l, 8 / t->bits)), m_scalar_int(l, SIB_U8, t->bits));
    mval apart = m_binary(l, MILLI_shift_right, m_unsqueeze(l, x, rank), shifts); /* [..., n, 8 / bits] */
    mval low = m_and(l, apart, m_scalar_int(l, SIB_U8, (1 << t->bits) - 1));
    return m_flatten(l, low, rank - 1, rank + 1);
}

/* One value per block repeated to one per element: each `block` times along an axis of n elements. */
static mval broadcast_blocks(lowering *l, mval x, int axis, int64_t block, dim n)
{
    dim dims[SIB_MAX_RANK + 1];
    if (x.id == NO_VALUE)
        return x;
    mval apart = m_unsqueeze(l, x, axis + 1);
    int rank = m_dims(l, apart, dims);
    if (!l_ok(l) || !rank)
        return MVAL_NONE;
    dims[axis + 1] = d_const(l, block);
    mval wide = m_flatten(l, m_expand(l, apart, (size_t)rank, dims), axis, axis + 2);
    return m_slice(l, wide, axis, d_const(l, 0), n, 1);
}

/* (data - zero) * scale in float32. Works before and after gathering. */
static mval dequantized(lowering *l, const block_table *t, mval data, mval scale, mval zero)
{
    sib_dtype dtype = m_dtype(l, scale);
    mval x = m_cast(l, unpack_bytes(l, t, data), SIB_F32);
    zero = unpack_bytes(l, t, zero);
    if (zero.id != NO_VALUE && t->in_bytes && t->bits < 8) /* drop the padding of the last byte */
        zero = m_slice(l, zero, -1, d_const(l, 0), m_dim(l, scale, -1), 1);
    dim n = m_dim(l, x, t->quantize_axis);
    if (zero.id != NO_VALUE)
        x = m_sub(l, x, broadcast_blocks(l, m_cast(l, zero, SIB_F32), t->quantize_axis, t->block, n));
    else if (t->in_bytes)
        x = m_add_number(l, x, -(double)(INT64_C(1) << (t->bits - 1)));
    return m_cast(
        l, m_mul(l, x, broadcast_blocks(l, m_cast(l, scale, SIB_F32), t->quantize_axis, t->block, n)), dtype);
}

static bool read_table(lowering *l, const node *n, block_table *t)
{
    gather_block_spec spec = spec_gather_block(n);
    mval data = l_in(l, 0);
    int rank = m_rank(l, data);
    *t = (block_table){.gather_axis = m_axis(l, spec.gather_axis, rank, "gather_axis"),
                       .quantize_axis = m_axis(l, spec.quantize_axis, rank, "quantize_axis"),
                       .bits = spec.bits,
                       .block = spec.block_size,
                       .in_bytes = m_dtype(l, data) == SIB_U8};
    if (t->in_bytes && t->bits != 2 && t->bits != 4 && t->bits != 8)
        l_fail(l, SIB_ERR_ARGUMENT, "bits is %lld, expected 2, 4 or 8", (long long)t->bits);
    if (t->in_bytes && t->gather_axis == t->quantize_axis)
        l_fail(l, SIB_ERR_ARGUMENT, "gather_axis and quantize_axis must differ for uint8 data");
    return l_ok(l);
}

/* (data - zero_points) * scales at indices of gather_axis, with a scale for each block along quantize_axis;
   an index out of range gives zeros. com.microsoft GatherBlockQuantized-1. */
void lower_MS_GatherBlockQuantized(lowering *l, const node *n)
{
    block_table t;
    mval data = l_in(l, 0), scale = l_in(l, 2), zero = l_in_or_none(l, 3);
    l_declare(l, 0, m_dtype(l, scale), 0, NULL);
    if (!read_table(l, n, &t))
        return;
    int axis = t.gather_axis;
    dim size = m_dim(l, data, axis);
    mval index = m_wrap_index(l, l_in(l, 1), size), none = m_scalar_int(l, SIB_I64, 0);
    mval is_out = m_or(l, m_less(l, index, none), m_less_equal(l, m_dim_scalar(l, size), index));
    int extra = m_rank(l, index), rank = m_rank(l, data);
    index = m_where(l, is_out, none, index);
    mval y;
    if (axis == t.quantize_axis)
        y = m_gather(l, dequantized(l, &t, data, scale, zero), index, axis);
    else { /* gather first, since tables are large */
        int64_t one;
        bool shared = dim_is_const(l->graph->dims, m_dim(l, scale, axis), &one) && one == 1 &&
                      !dim_same(size, m_dim(l, scale, axis));
        mval flat = m_flatten(l, index, 0, extra); /* [j] */
        scale = shared ? scale : m_gather(l, scale, flat, axis);
        zero = zero.id == NO_VALUE || shared ? zero : m_gather(l, zero, flat, axis);
        y = dequantized(l, &t, m_gather(l, data, flat, axis), scale, zero);
        dim dims[SIB_MAX_RANK], out[2 * SIB_MAX_RANK], at[SIB_MAX_RANK];
        m_dims(l, y, dims);
        m_dims(l, index, at);
        int k = 0;
        for (int i = 0; i < rank && l_ok(l); i++) {
            if (i != axis)
                out[k++] = dims[i];
            for (int j = 0; i == axis && j < extra; j++)
                out[k++] = at[j];
        }
        y = m_reshape(l, y, (size_t)k, out);
    }
    for (int i = axis + 1; i < rank; i++) /* [j...] → [j..., 1...], to broadcast over the axes after it */
        is_out = m_unsqueeze(l, is_out, extra + i - axis - 1);
    l_out(l, 0, m_where(l, is_out, m_scalar_like(l, y, 0), y));
}
