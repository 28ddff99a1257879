/* Doubtful values, computed again in double. Which ones those are is said at mel_block_fn, mel_internal.h. */
#ifndef FEATURES_RESCUE_H
#define FEATURES_RESCUE_H

#include "features/mel_internal.h"
#include "features/signal.h"

/* Fills below_total and below_mean of mel->tables. */
void rescue_limits(sib_mel *mel);

/* True where the kernel is single and leaves limits. */
bool rescue_wanted(const sib_mel *mel);

/* Bytes of scratch that rescue_frames needs, alignment 64. */
size_t rescue_scratch_bytes(const sib_mel *mel);

/* Replaces the doubtful values among z (n_mels, n_frames), row stride `stride`, by those of the double
   kernel, but for values below `least` by more than any rounding error, which a clamp will raise to it. Each
   value depends on its own frame alone, however frames are grouped.
   n_frames: at most mel_block_frames(mel)
   signal: the recording; frame 0 here begins at its sample `start`
   limits: (n_frames) as the kernel left them
   scratch: rescue_scratch_bytes(mel) */
void rescue_frames(const sib_mel *mel, const mel_signal *signal, int64_t start, size_t n_frames, float *z,
                   size_t stride, const float *limits, float min, void *scratch);

#endif
