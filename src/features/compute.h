/* sib_mel_compute in memory of the caller, for runs that allocate nothing. */
#ifndef FEATURES_COMPUTE_H
#define FEATURES_COMPUTE_H

#include <sibyl/features.h>

/* Bytes that mel_compute_in needs for n_samples samples without padding; 0 where it would refuse them. */
size_t mel_compute_bytes(const sib_mel *mel, sib_pool *pool, size_t n_samples);

/* sib_mel_compute in `memory`, aligned to 64; NULL: memory of its own. */
sib_code mel_compute_in(void *memory, const sib_mel *mel, sib_pool *pool, const float *samples,
                        size_t n_samples, size_t padding, float *features, size_t row_stride, sib_error *err);

#endif
