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
    /* SIB_I16 or SIB_I8: Whisper's front end in fixed point (mel must be Whisper's, with any average), from samples
       rounded to 16 bits. SIB_DTYPE_UNKNOWN: floating point. */
    sib_dtype fixed;
    /* Called before each chunk (a recording file: also before each window of a chunk too long for memory,
       which are then counted); a code other than SIB_OK ends the call with that code. May be NULL. */
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

/* ---- Recordings that exceed memory -------------------------------------------------------------------- */

/* The features of a recording of any length, as a .npy file: read samples, write the file, then the image.
   Samples beyond ten minutes are kept in an unnamed file beside the output ($TMPDIR or /tmp where that is a
   device or pipe; 4 bytes per sample), and features are computed window by window, so that memory stays below
   about 100 MB. The bits equal those of sib_recording_compute. One thread at a time per recording. */
typedef struct sib_recording_file sib_recording_file;

typedef struct sib_recording_summary {
    sib_audio_report audio; /* of the samples as read */
    uint64_t bands, frames; /* shape of the array */
    size_t chunks, frames_per_chunk;
    sib_dtype dtype;                       /* of the array */
    double one;                            /* as in sib_recording */
    double min, max, mean;                 /* of the features */
    double compute_seconds, write_seconds; /* of sib_recording_file_write */
} sib_recording_summary;

/* Begins a recording whose array goes to `path`; nothing is written before sib_recording_file_write but the
   unnamed file. mel, pool (may be NULL), options (may be NULL), path: borrowed, must outlive the recording.
   image: whether sib_recording_file_write_png is going to be called. out: owned by the caller,
   sib_recording_file_free(&file). Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_recording_file_create(const sib_mel *mel, sib_pool *pool,
                                           const sib_recording_options *options, const char *path, bool image,
                                           sib_recording_file **out, sib_error *err);
SIB_API void sib_recording_file_free(sib_recording_file **file);

/* Appends up to max_samples (at most 1,000,000) samples of a reader at the rate of mel; *got is 0 only at its
   end. Errors: those of sib_audio_read; SIB_ERR_ARGUMENT (max_samples, or the file was written), SIB_ERR_IO
   (the unnamed file), SIB_ERR_MEMORY. */
SIB_API sib_code sib_recording_file_read(sib_recording_file *file, sib_audio_reader *reader,
                                         size_t max_samples, size_t *got, sib_error *err);

/* Computes the features of all samples and writes the array to another file, which is then renamed; on
   failure nothing is left behind. Can be called once. Errors: those of sib_recording_compute; SIB_ERR_IO
   (each message names a path), SIB_ERR_ARGUMENT (a second call). */
SIB_API sib_code sib_recording_file_write(sib_recording_file *file, sib_recording_summary *out,
                                          sib_error *err);

/* Writes the image of sib_mel_write_png, after sib_recording_file_write. Errors: those of sib_mel_write_png;
   SIB_ERR_ARGUMENT where no image was announced or the array is not written. */
SIB_API sib_code sib_recording_file_write_png(sib_recording_file *file, const char *title, const char *path,
                                              sib_error *err);

/* ---- Pictures ---------------------------------------------------------------------------------------- */

/* A stretch of a recording in seconds, and the text that stands under it. */
typedef struct sib_recording_mark {
    double start, end;
    const char *text; /* UTF-8 */
} sib_recording_mark;

/* What is said of a recording; all may be empty. */
typedef struct sib_recording_marks {
    const sib_recording_mark *words; /* (n_words) by their start */
    size_t n_words;
    const sib_recording_mark *speech; /* (n_speech) by their start, without text */
    size_t n_speech;
} sib_recording_marks;

/* Draws a recording in rows of at most 1,000 columns: the waveform, below it the features with round numbers of Hz and
   seconds, below them a bar where there is speech, and the words, of which those that have no room are left out. A
   column is the maximum of a group of frames where there are more than 4,000. The path says which: .svg, else PNG.
   mel: that of the samples' features, computed again in single precision. marks, title: NULL for none. Errors: those of
   sib_mel_compute, SIB_ERR_IO names the path, SIB_ERR_MEMORY. */
SIB_API sib_code sib_recording_picture_write(const sib_mel *mel, sib_pool *pool, const float *samples,
                                             size_t n, const sib_recording_marks *marks, const char *title,
                                             const char *path, sib_error *err);

/* The same of the recording's array, as sib_recording_file_write_png. */
SIB_API sib_code sib_recording_file_write_picture(sib_recording_file *file, const char *title,
                                                  const char *path, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
