#include "kernel/layout/scatter.h"

#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"

#include <string.h>

/* ---- Combining --------------------------------------------------------------------------------------- */

/* A loop over elements whose formula reads x, the present value, and y, the update. */
#define COMBINE(name, type, formula)                                                                         \
    static void name(char *data, const char *updates, const size_t *offsets, size_t places, size_t n)        \
    {                                                                                                        \
        const type *b = (const type *)updates;                                                               \
        for (size_t k = 0; k < places; k++, b += n) {                                                        \
            type *a = (type *)(data + offsets[k]);                                                           \
            for (size_t i = 0; i < n; i++) {                                                                 \
                type x = a[i], y = b[i];                                                                     \
                a[i] = (formula);                                                                            \
            }                                                                                                \
        }                                                                                                    \
    }

COMBINE(add_f32, float, x + y)
COMBINE(add_f64, double, x + y)
COMBINE(add_i32, int32_t, (int32_t)((uint32_t)x + (uint32_t)y))
COMBINE(add_i64, int64_t, (int64_t)((uint64_t)x + (uint64_t)y))
COMBINE(mul_f32, float, x *y)
COMBINE(mul_f64, double, x *y)
COMBINE(mul_i32, int32_t, (int32_t)((uint32_t)x *(uint32_t)y))
COMBINE(mul_i64, int64_t, (int64_t)((uint64_t)x *(uint64_t)y))
COMBINE(min_f32, float, x <= y || x != x ? x : y)
COMBINE(min_f64, double, x <= y || x != x ? x : y)
COMBINE(min_i32, int32_t, x < y ? x : y)
COMBINE(min_i64, int64_t, x < y ? x : y)
COMBINE(max_f32, float, x >= y || x != x ? x : y)
COMBINE(max_f64, double, x >= y || x != x ? x : y)
COMBINE(max_i32, int32_t, x > y ? x : y)
COMBINE(max_i64, int64_t, x > y ? x : y)

const scatter_combine scatter_combines[SCATTER_REDUCTIONS][SCATTER_TYPES] = {
    [SCATTER_ADD] = {add_f32, add_f64, add_i32, add_i64},
    [SCATTER_MUL] = {mul_f32, mul_f64, mul_i32, mul_i64},
    [SCATTER_MIN] = {min_f32, min_f64, min_i32, min_i64},
    [SCATTER_MAX] = {max_f32, max_f64, max_i32, max_i64},
};

/* ---- Writing ----------------------------------------------------------------------------------------- */

/* Inlined with a constant run where there is one. */
static inline __attribute__((always_inline)) void put(char *data, const char *updates, const size_t *offsets,
                                                      size_t n, size_t run)
{
    for (size_t k = 0; k < n; k++)
        memcpy(data + offsets[k], updates + k * run, run);
}

static void put_runs(char *data, const char *updates, const size_t *offsets, size_t n, size_t run)
{
    switch (run) {
    case 4:
        put(data, updates, offsets, n, 4);
        break;
    case 8:
        put(data, updates, offsets, n, 8);
        break;
    default:
        put(data, updates, offsets, n, run);
    }
}

size_t scatter_put(const gather_plan *p, char *data, const char *updates, const void *indices,
                   scatter_combine combine, size_t item, const struct sib_cancel *cancel)
{
    size_t offsets[GATHER_BLOCK];
    for (size_t begin = 0; begin < p->places && !cancel_is_set(cancel); begin += GATHER_BLOCK) {
        size_t n = size_min(p->places - begin, GATHER_BLOCK);
        size_t good = gather_offsets(p, indices, begin, n, offsets);
        const char *from = updates + begin * p->run;
        if (!combine && p->run > 0)
            put_runs(data, from, offsets, good, p->run);
        if (combine && p->run > 0)
            combine(data, from, offsets, good, p->run / item);
        if (good < n)
            return begin + good;
    }
    return p->places;
}
