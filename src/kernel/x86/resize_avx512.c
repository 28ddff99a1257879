#include "simd/f32_avx512.h"

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return _mm512_permutexvar_ps(_mm512_loadu_si512(index), _mm512_loadu_ps(p));
}

/* Loads one by one: gathers are no faster on any machine, and much slower on some. */
static inline vf vf_take(const float *p, const int32_t *index)
{
    return _mm512_setr_ps(p[index[0]], p[index[1]], p[index[2]], p[index[3]], p[index[4]], p[index[5]],
                          p[index[6]], p[index[7]], p[index[8]], p[index[9]], p[index[10]], p[index[11]],
                          p[index[12]], p[index[13]], p[index[14]], p[index[15]]);
}

#define RESIZE_INIT resize_init_avx512
#include "kernel/resize/resize.inc.h"
