/* Recomputes doubtful values in double. mel_block_fn in mel_internal.h defines which values are doubtful. */
#ifndef FEATURES_RESCUE_H
#define FEATURES_RESCUE_H

#include "features/mel_internal.h"
#include "features/signal.h"

/* Sets below_total and below_mean of mel->tables. */
void rescue_limits(sib_mel *mel);

/* Whether the kernel is single and stores limits. */
bool rescue_wanted(const sib_mel *mel);

/* Bytes of scratch that rescue_frames needs, alignment 64. */
size_t rescue_scratch_bytes(const sib_mel *mel);

/* Replaces the doubtful values of z (n_mels, n_frames) by those of the double kernel,
   except values below `min` by more than any rounding error, which a clamp will raise to it. Each value
   depends only on its own frame, however frames are grouped.
   n_frames: at most mel_block_frames(mel)
   signal: the recording; frame 0 of z begins at its sample `start`
   limits: (n_frames) from the kernel
   scratch: rescue_scratch_bytes(mel) */
void rescue_frames(const sib_mel *mel, const mel_signal *signal, int64_t start, size_t n_frames,
                   const mel_rows *z, const float *limits, float min, void *scratch);

#endif
