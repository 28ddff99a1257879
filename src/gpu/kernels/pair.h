/* Two elements as one: what reductions, scatters and running sums do with each. */
#ifndef GPU_KERNELS_PAIR_H
#define GPU_KERNELS_PAIR_H

#define PAIR_SUM  0u
#define PAIR_PROD 1u
#define PAIR_MIN  2u
#define PAIR_MAX  3u

#ifdef GPU_DIALECT
/* Of minima and maxima, NaN where either is. */
FN f32 pair_real(u32 op, f32 x, f32 y)
{
    if (op == PAIR_SUM)
        return x + y;
    if (op == PAIR_PROD)
        return x * y;
    if (is_nan(x) || is_nan(y))
        return is_nan(x) ? x : y;
    return (op == PAIR_MIN ? x <= y : x >= y) ? x : y;
}

/* Of words as `decode` gives them. */
FN u32 pair(u32 op, u32 type, u32 x, u32 y)
{
    if (type_is_float(type))
        return f32_to_bits(pair_real(op, bits_to_f32(x), bits_to_f32(y)));
    if (op == PAIR_SUM)
        return x + y;
    if (op == PAIR_PROD)
        return x * y;
    return ((I32(x) < I32(y)) == (op == PAIR_MIN)) ? x : y;
}
#endif
#endif
