/* Rotary position embeddings: pairs of elements rotated by the angle of their position. */
#ifndef CPU_ROTARY_H
#define CPU_ROTARY_H

#include <stdbool.h>
#include <stddef.h>

/* y (d) is x (d) with its first 2 * half elements rotated: pairs (x1, x2) become (cos x1 - sin x2, sin x1 +
   cos x2). A pair is two neighbours if `interleaved`, else elements i and i + half. cosine, sine: (half). x
   and y do not overlap. */
void rotary_rotate(const float *x, float *y, size_t d, size_t half, bool interleaved, const float *cosine,
                   const float *sine);

#endif
