#include "simd/f32_neon.h"

static inline vf vf_take(const float *p, const int32_t *index)
{
    return (vf){p[index[0]], p[index[1]], p[index[2]], p[index[3]]};
}

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return vf_take(p, index);
}

#define RESIZE_INIT resize_init_neon
#include "kernel/resize/resize.inc.h"
