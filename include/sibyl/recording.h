/* Features of entire recordings, with level and chunks, in floating or fixed point. */
#ifndef SIBYL_RECORDING_H
#define SIBYL_RECORDING_H

#include <sibyl/audio.h>
#include <sibyl/features.h>
#include <sibyl/fixed.h>
#include <sibyl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zero: the recording unchanged, in one piece, in floating point. */
typedef struct sib_recording_options {
    bool normalize; /* scale the samples to `target` by `level` first, as sib_audio_normalize does */
    sib_level level;
    double target;
    double chunk_seconds; /* length of the chunks, the last of which is padded with zeros; 0: one piece */
    /* SIB_I16 or SIB_I8: Whisper's front end in fixed point (mel must be Whisper's), from samples rounded to
       16 bits. SIB_DTYPE_UNKNOWN: floating point. */
    sib_dtype fixed;
    /* Called before each chunk; a code other than SIB_OK ends the call with that code. May be NULL. */
    sib_code (*on_chunk)(void *context, size_t done, size_t chunks, sib_error *err);
    void *context;
} sib_recording_options;

typedef struct sib_recording {
    /* float32 (bands, frames), the chunks one after another; those of fixed point divided by `one` */
    sib_tensor *features;
    sib_tensor *fixed; /* int16 or int8 of the same dims; NULL in floating point */
    double one;        /* what 1.0 is in elements of `fixed`: 16384 or 64; 1 in floating point */
    size_t chunks, frames_per_chunk;
} sib_recording;

/* Computes the features of a recording. Each chunk is treated as a separate recording, with its own
   reflection at the ends and its own clamp to the maximum.
   pool: may be NULL. samples: (n_samples) at the rate of mel; changed where normalize is set. options: may be
   NULL. out: owned by the caller, sib_recording_free(&out); all zero after a failure.
   Errors: those of sib_audio_normalize, sib_chunks_make, sib_mel_compute and sib_fixed_int16;
   SIB_ERR_ARGUMENT (another dtype than those two, fixed point of another front end), SIB_ERR_SIZE,
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_recording_compute(const sib_mel *mel, sib_pool *pool, float *samples, size_t n_samples,
                                       const sib_recording_options *options, sib_recording *out,
                                       sib_error *err);
SIB_API void sib_recording_free(sib_recording *r);

#ifdef __cplusplus
}
#endif
#endif
