#include "simd/f32_c.h"

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return p[*index];
}

static inline vf vf_take(const float *p, const int32_t *index)
{
    return p[*index];
}

#define RESIZE_INIT resize_init_c
#include "kernel/resize/resize.inc.h"
