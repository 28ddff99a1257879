#include "kernel/x86/vf_avx2.h"

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), _mm256_loadu_si256((const __m256i *)index));
}

static inline vf vf_take(const float *p, const int32_t *index)
{
    return _mm256_i32gather_ps(p, _mm256_loadu_si256((const __m256i *)index), 4);
}

#define RESIZE_INIT resize_init_avx2
#include "kernel/resize.inc.h"
