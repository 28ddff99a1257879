#include "kernel/gemm/gemm_int_fill.h"

typedef int32_t vi;
#define VI_LANES       1
#define VI_GROUP       2
#define VI_ELEMENT     2
#define GEMM_INT_MR    4
#define GEMM_INT_NV    8
#define GEMM_INT_BLOCK 131072
#define GEMM_INT_FILL  gemm_int_init_c

#include <string.h>

static inline vi vi_zero(void)
{
    return 0;
}

/* Two int16 in one. */
static inline vi vi_left(const char *a)
{
    vi v;
    memcpy(&v, a, sizeof v);
    return v;
}

static inline vi vi_right(const int8_t *b)
{
    int16_t two[2] = {b[0], b[1]};
    vi v;
    memcpy(&v, two, sizeof v);
    return v;
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    int16_t l[2], r[2];
    memcpy(l, &left, sizeof l);
    memcpy(r, &right, sizeof r);
    return (vi)((uint32_t)sum + (uint32_t)(l[0] * r[0] + l[1] * r[1]));
}

static inline void vi_store(int32_t *p, vi v)
{
    *p = v;
}

#include "kernel/gemm/gemm_int.inc.h"
