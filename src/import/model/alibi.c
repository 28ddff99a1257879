/* Attention with linear biases. */
#include "import/model/build.h"

#include <math.h>

/* [1, heads, 1, 1]: where there are fewer heads than slopes, every other slope, and then those left out. */
static value_id slopes_of(build *b, int64_t heads, double max)
{
    int64_t n = 1;
    float *slopes = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)heads, sizeof *slopes) : NULL;
    if (b->code == SIB_OK && !slopes)
        build_fail(b, SIB_ERR_MEMORY, "no memory for the slopes of %lld heads", (long long)heads);
    while (n < heads)
        n *= 2;
    for (int64_t i = 0; slopes && i < heads; i++) {
        const int64_t place = n == heads ? i + 1 : i < n / 2 ? 2 * (i + 1) : 2 * (i - n / 2) + 1;
        slopes[i] = (float)exp2(-max * (double)place / (double)n);
    }
    return slopes ? build_reshape(b, build_floats(b, (size_t)heads, slopes), 4,
                                  (const int64_t[]){1, heads, 1, 1})
                  : NO_VALUE;
}

static value_id rounded(build *b, value_id x)
{
    return build_cast(b, build_cast(b, x, SIB_BF16), SIB_F32);
}

value_id build_biases(build *b, value_id tokens, value_id past, int64_t heads, const build_alibi *a)
{
    value_id queries, keys, n = build_shape(b, tokens, 1, 1), slopes = slopes_of(b, heads, a->max);
    build_position_ids(b, n, past, &queries, &keys);
    if (!a->coarse) {
        const value_id last = build_add(b, build_shape(b, past, 2, 1), build_sub(b, n, build_int(b, 1)));
        return build_mul(b, build_cast(b, build_sub(b, keys, last), SIB_F32), slopes);
    }
    value_id biases = build_mul(b, rounded(b, build_cast(b, keys, SIB_F32)), rounded(b, slopes));
    return build_mul(b, rounded(b, biases), build_float(b, a->scale));
}
