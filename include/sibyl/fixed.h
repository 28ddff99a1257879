/* Whisper's log-mel features in fixed point: int16 samples in, int16 or int8 features out, integer arithmetic
   throughout. The bits are the same on every processor, from microcontrollers to vector units. */
#ifndef SIBYL_FIXED_H
#define SIBYL_FIXED_H

#include <sibyl/features.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Features are (log10(energy) + 4) / 4, from -1.5 to 1.74, times 2^14 as int16 or times 2^6 as int8. */
#define SIB_FIXED_ONE_INT16 16384
#define SIB_FIXED_ONE_INT8  64

/* What smaller values are raised to: a maximum over entire frames, less 2.0 (80 dB). */
typedef enum sib_fixed_clamp {
    SIB_FIXED_CLAMP_WHOLE = 0,   /* the maximum of the recording: Whisper's features */
    SIB_FIXED_CLAMP_RUNNING = 1, /* the maximum so far, frame by frame: can be computed while audio arrives */
    SIB_FIXED_CLAMP_NONE = 2
} sib_fixed_clamp;

/* Shape of the features of n_samples samples at 16 kHz: (n_mels, *frames), n_samples / 160 frames.
   n_mels: 80 or 128. Errors: SIB_ERR_ARGUMENT (n_mels), SIB_ERR_VALUE where the recording has 200 samples or
   fewer, as many as are reflected at its ends; SIB_ERR_SIZE. */
SIB_API sib_code sib_fixed_shape(int32_t n_mels, uint64_t n_samples, uint64_t *frames, sib_error *err);

/* Features of an entire recording.
   pool:       threads to use, NULL for the calling thread alone; the result's bits depend neither on it nor
               on the processor.
   samples:    (n_samples) at 16 kHz, full scale 32,768; only read.
   padding:    zeros appended at the end, as `padding` of Whisper's log_mel_spectrogram.
   features:   (n_mels, frames), the shape that sib_fixed_shape gives for n_samples + padding; row b begins at
               features + b * row_stride.
   row_stride: elements from one row to the next, at least `frames`.
   Errors: those of sib_fixed_shape; SIB_ERR_ARGUMENT (clamp), SIB_ERR_SIZE (row_stride), SIB_ERR_MEMORY. */
SIB_API sib_code sib_fixed_int16(int32_t n_mels, sib_fixed_clamp clamp, sib_pool *pool,
                                 const int16_t *samples, size_t n_samples, size_t padding, int16_t *features,
                                 size_t row_stride, sib_error *err);
SIB_API sib_code sib_fixed_int8(int32_t n_mels, sib_fixed_clamp clamp, sib_pool *pool, const int16_t *samples,
                                size_t n_samples, size_t padding, int8_t *features, size_t row_stride,
                                sib_error *err);

/* Clamps features made with SIB_FIXED_CLAMP_NONE in place, as SIB_FIXED_CLAMP_WHOLE does: for a recording
   computed in parts.
   maximum:  of all int16 features of the recording.
   features: (n_mels, n_frames), row b begins at features + b * row_stride. */
SIB_API void sib_fixed_finish_int16(int32_t n_mels, int16_t maximum, int16_t *features, size_t n_frames,
                                    size_t row_stride);
SIB_API void sib_fixed_finish_int8(int32_t n_mels, int16_t maximum, int8_t *features, size_t n_frames,
                                   size_t row_stride);

/* 3 x 3 average over (band, frame) of finished features, in place: (rows, columns) for SAME; for VALID
   (rows - 2, columns - 2), which begin at `features` with the same row stride; nothing for NONE. Each average
   is floor(sum / count + 1 / 2) over the neighbours that exist.
   Errors: SIB_ERR_VALUE where VALID leaves nothing; SIB_ERR_SIZE where row_stride is below the columns;
   SIB_ERR_ARGUMENT (mode), SIB_ERR_MEMORY (two columns). */
SIB_API sib_code sib_fixed_smooth_int16(sib_smooth mode, int16_t *features, size_t rows, size_t columns,
                                        size_t row_stride, sib_error *err);
SIB_API sib_code sib_fixed_smooth_int8(sib_smooth mode, int8_t *features, size_t rows, size_t columns,
                                       size_t row_stride, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
