/* Features of a recording for a model, in floating or in fixed point. */
#ifndef JOB_WHISPER_MEL_H
#define JOB_WHISPER_MEL_H

#include <sibyl/recording.h>

/* float: SIB_DTYPE_UNKNOWN. fixed or int16: SIB_I16, int8: SIB_I8, which a model is given divided by what 1.0
   is. node: the name for messages. Errors: SIB_ERR_ARGUMENT (another word). */
sib_code whisper_arithmetic(const char *node, const char *word, sib_dtype *out, sib_error *err);

/* sib_mel_compute in an arithmetic: the features (bands, frames) of samples (n_samples) and `padding` zeros
   after them. Errors: those of sib_mel_compute and sib_recording_compute; SIB_ERR_MEMORY. */
sib_code whisper_mel(sib_dtype arithmetic, const sib_mel *mel, sib_pool *pool, const float *samples,
                     size_t n_samples, size_t padding, float *out, size_t frames, sib_error *err);

#endif
