#include "kernel/x86/vf_avx512.h"

static inline vf vf_pick(const float *p, const int32_t *index)
{
    return _mm512_permutexvar_ps(_mm512_loadu_si512(index), _mm512_loadu_ps(p));
}

static inline vf vf_take(const float *p, const int32_t *index)
{
    return _mm512_i32gather_ps(_mm512_loadu_si512(index), p, 4);
}

#define RESIZE_INIT resize_init_avx512
#include "kernel/resize.inc.h"
