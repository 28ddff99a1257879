#include "simd/f32_avx2.h"

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), _mm256_loadu_si256((const __m256i *)index));
}

/* Loads one by one: gathers are no faster on any machine, and much slower on some. */
static inline vf vf_take(const float *p, const int32_t *index)
{
    return _mm256_setr_ps(p[index[0]], p[index[1]], p[index[2]], p[index[3]], p[index[4]], p[index[5]],
                          p[index[6]], p[index[7]]);
}

#define RESIZE_INIT resize_init_avx2
#include "kernel/resize/resize.inc.h"
