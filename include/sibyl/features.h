/* Log-mel features: the front end of Whisper, of librosa and of Kaldi, from one description. */
#ifndef SIBYL_FEATURES_H
#define SIBYL_FEATURES_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The description ---------------------------------------------------------------------------- */

/* Window of win_length samples, N = win_length below. "periodic" divides by N, "symmetric" by N - 1. */
typedef enum sib_window {
    SIB_WINDOW_HANN = 0,           /* 0.5 - 0.5 cos(2 pi n / N), periodic: torch.hann_window(N) */
    SIB_WINDOW_HANN_SYMMETRIC = 1, /* 0.5 - 0.5 cos(2 pi n / (N - 1)) */
    SIB_WINDOW_HAMMING = 2,        /* 0.54 - 0.46 cos(2 pi n / (N - 1)), symmetric, as Kaldi's */
    SIB_WINDOW_POVEY = 3,          /* (0.5 - 0.5 cos(2 pi n / (N - 1)))^0.85: Kaldi's default */
    SIB_WINDOW_RECTANGULAR = 4     /* 1 */
} sib_window;

/* Where frames lie, and what is assumed beyond the ends of the recording. */
typedef enum sib_framing {
    SIB_FRAMING_CENTER_REFLECT = 0, /* frame t is centred on sample t * hop; the ends are mirrored without
                                       repeating the edge sample; 1 + n / hop frames */
    SIB_FRAMING_CENTER_ZERO = 1,    /* the same, with zeros beyond the ends */
    SIB_FRAMING_WHOLE = 2           /* frame t begins at sample t * hop and lies entirely in the recording
                                       (Kaldi's snip_edges); 1 + (n - win_length) / hop frames, none if n <
                                       win_length */
} sib_framing;

typedef enum sib_mel_scale {
    SIB_MEL_SLANEY = 0, /* f / (200/3) below 1 kHz, then 15 + 27 log(f / 1000) / log(6.4): Auditory Toolbox */
    SIB_MEL_HTK = 1     /* 2595 log10(1 + f / 700), which is 1127 ln(1 + f / 700) */
} sib_mel_scale;

typedef enum sib_mel_norm {
    SIB_MEL_NORM_NONE = 0,
    SIB_MEL_NORM_SLANEY = 1 /* each triangle has the area of 1 Hz: weight * 2 / (f_right - f_left) */
} sib_mel_norm;

/* The axis on which the triangles have straight sides. */
typedef enum sib_mel_slope {
    SIB_MEL_SLOPE_HZ = 0, /* librosa, Whisper */
    SIB_MEL_SLOPE_MEL = 1 /* Kaldi; leaves out the bin at half the rate, as Kaldi does */
} sib_mel_slope;

typedef enum sib_log {
    SIB_LOG_NONE = 0,
    SIB_LOG_LN = 1,
    SIB_LOG_LOG10 = 2,
    SIB_LOG_DB = 3 /* 10 log10 of a power, 20 log10 of a magnitude */
} sib_log;

/* 3 x 3 average over (band, frame) of the finished features. */
typedef enum sib_smooth {
    SIB_SMOOTH_NONE = 0,
    SIB_SMOOTH_SAME = 1, /* same shape; at the edges the average of the neighbours that exist */
    SIB_SMOOTH_VALID = 2 /* (bands - 2, frames - 2): full neighbourhoods only */
} sib_smooth;

/* One description of a front end. Fill it from a preset, then change what differs. In order, per frame: frame
   the signal, remove_dc, preemphasis, window, zero-pad to n_fft, transform, |X|^power, bands, and then
       y = log(max(e, log_floor)) - log(log_reference)
       y = max(y, maximum of y over the recording - dynamic_range)      if dynamic_range > 0
       y = (y + offset) * gain
   and last the smoothing. */
typedef struct sib_mel_spec {
    int32_t sample_rate; /* Hz, 1 .. 768,000 */
    int32_t n_fft;       /* samples of the transform, 2 .. 65,536; any size, prime ones too */
    int32_t win_length;  /* samples of the window, 1 .. n_fft */
    int32_t hop_length;  /* samples between frames, 1 .. 1,048,576 */
    sib_window window;   /* centred in n_fft, except under SIB_FRAMING_WHOLE, where it begins the frame */
    sib_framing framing;
    bool drop_last_frame; /* leave out the last frame, as Whisper does: n / hop frames */
    bool remove_dc;       /* subtract each frame's mean (Kaldi's remove_dc_offset) */
    double preemphasis;  /* x[i] -= preemphasis * x[i-1] in each frame, x[0] -= preemphasis * x[0]; 0: none */
    double power;        /* 1 (magnitude) or 2 (power) */
    int32_t n_mels;      /* bands, 1 .. 4,096 */
    double f_min, f_max; /* Hz; f_max 0 means half the rate */
    sib_mel_scale scale;
    sib_mel_norm norm;
    sib_mel_slope slope;
    sib_log log;
    double log_floor;     /* energies are raised to it before the log; > 0 when log is not NONE */
    double log_reference; /* energy that gives 0 with SIB_LOG_DB, > 0; 1 otherwise */
    double dynamic_range; /* in units of y; 0: no clamp */
    double offset, gain;  /* gain > 0 */
    sib_smooth smooth;
} sib_mel_spec;

/* Fills `out` with a preset:
     "whisper"  OpenAI Whisper's log_mel_spectrogram at 16 kHz: 400-point periodic Hann, hop 160, reflection,
                last frame dropped, Slaney bands, log10 with floor 1e-10, clamp to the maximum - 8, (y + 4) /
                4
     "librosa"  librosa.feature.melspectrogram(sr=16000) with its defaults (n_fft 2048, hop 512, zeros beyond
                the ends, 128 Slaney bands), then power_to_db with its defaults (ref 1, floor 1e-10, top_db
                80)
     "kaldi"    Kaldi's fbank at 16 kHz with its defaults except 80 bands and no dither: 25 ms Povey window,
                10 ms hop, 512-point transform, pre-emphasis 0.97, 20 Hz to 8 kHz, ln with floor 2^-23
   n_mels: bands, or 0 for the preset's number (80, 128, 80).
   Errors: SIB_ERR_ARGUMENT (unknown preset, n_mels below 0 or above 4,096). Thread-safe. */
SIB_API sib_code sib_mel_spec_preset(const char *name, int32_t n_mels, sib_mel_spec *out, sib_error *err);

/* ---- Computing ---------------------------------------------------------------------------------- */

/* Tables made from a description: window, transform plan, bands. Immutable: threads may share one. */
typedef struct sib_mel sib_mel;

typedef struct sib_mel_options {
    bool precise; /* compute in double and round once to float at the end */
} sib_mel_options;

/* Makes the tables. All are computed in double.
   options: NULL means all zero. out: owned by the caller, sib_mel_free(&mel).
   Errors: SIB_ERR_ARGUMENT names the field of the description that is out of range; SIB_ERR_MEMORY. */
SIB_API sib_code sib_mel_create(const sib_mel_spec *spec, const sib_mel_options *options, sib_mel **out,
                                sib_error *err);
SIB_API void sib_mel_free(sib_mel **mel);

/* The description that `mel` was made from; lives as long as mel. */
SIB_API const sib_mel_spec *sib_mel_get_spec(const sib_mel *mel);

/* Writes the band matrix, weights (n_mels, n_fft / 2 + 1) row by row, in double.
   Formula: Slaney 1998 (Auditory Toolbox) as in librosa.filters.mel; with SIB_MEL_SLOPE_MEL as in Kaldi. */
SIB_API void sib_mel_weights(const sib_mel *mel, double *weights);

/* Shape of the features of n_samples samples: *bands rows and *frames columns, smoothing included.
   Errors: SIB_ERR_VALUE where the recording is too short: for one frame, for the reflection (which needs more
   than n_fft / 2 samples), or for a valid 3 x 3 average; SIB_ERR_SIZE where the result's size overflows. */
SIB_API sib_code sib_mel_shape(const sib_mel *mel, uint64_t n_samples, uint64_t *bands, uint64_t *frames,
                               sib_error *err);

/* Features of an entire recording.
   pool:       threads to use, NULL for the calling thread alone; the result's bits do not depend on it.
   samples:    (n_samples) float, nominally -1 .. 1; only read.
   padding:    zeros appended at the end, as `padding` of Whisper's log_mel_spectrogram.
   features:   (bands, frames) float, the shape that sib_mel_shape gives for n_samples + padding; row b begins
               at features + b * row_stride.
   row_stride: elements from one row to the next, at least `frames`.
   Errors: those of sib_mel_shape; SIB_ERR_VALUE names the first sample that is NaN or infinite, or says that
   the samples are so large that energies overflow; SIB_ERR_MEMORY. After an error the contents of `features`
   are undefined. */
SIB_API sib_code sib_mel_compute(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                                 size_t padding, float *features, size_t row_stride, sib_error *err);

/* ---- On a device -------------------------------------------------------------------------------- */

/* A front end on a device, for recordings that are in its memory: what it computes stays there, and the host waits for
   nothing. Several threads may use one. */
typedef struct sib_mel_device sib_mel_device;

/* device: a backend whose devices have addresses, "cuda", or "cuda:1" for its second one; "gpu-host" takes addresses of
   this process. mel: borrowed for the call; the device computes in float whether or not it is precise. out: owned by
   the caller, sib_mel_device_free(&device).
   Errors: SIB_ERR_UNSUPPORTED (no such backend in this build, no such device, a transform of more than 1,024 samples),
   SIB_ERR_ARGUMENT (device), SIB_ERR_MEMORY. */
SIB_API sib_code sib_mel_device_create(const sib_mel *mel, const char *device, sib_mel_device **out,
                                       sib_error *err);
/* Waits for what it computes still. */
SIB_API void sib_mel_device_free(sib_mel_device **device);

typedef struct sib_mel_batch {
    uint64_t samples;  /* address of (recordings, n_samples) float in the device's memory, a multiple of 4 */
    uint64_t features; /* address of (recordings, bands, frames) float there; written */
    size_t recordings, n_samples;
    size_t padding; /* as that of sib_mel_compute */
    bool joint;     /* the clamp is to the maximum of all recordings, not of each */
    void *stream;   /* CUstream (cudaStream_t) of the device's primary context; NULL: its default stream */
} sib_mel_batch;

/* Puts the computation of a batch in the stream, behind what is there already. Samples that are NaN or infinite are no
   error, as on the host: nobody looks. Their frames have no meaning, and NaN reaches each frame that the clamp does.
   Errors: SIB_ERR_ARGUMENT (no recordings, addresses that are not of this device's memory or no multiple of 4), those of
   sib_mel_shape, SIB_ERR_SIZE (more than 2^29 samples or features), SIB_ERR_UNSUPPORTED (the device failed; make another
   one), SIB_ERR_MEMORY. */
SIB_API sib_code sib_mel_compute_device(sib_mel_device *device, const sib_mel_batch *batch, sib_error *err);

/* ---- Streaming ---------------------------------------------------------------------------------- */

/* Push samples as they arrive, pull frames as they are ready. Frames hold (y + offset) * gain before the
   clamp to the maximum, which needs the entire recording, and before smoothing; up to that point the bits
   equal those of sib_mel_compute. sib_mel_stream_pull_finished clamps and smooths too. Memory does not grow with the recording. One thread at a time per
   stream. */
typedef struct sib_mel_stream sib_mel_stream;

/* mel: borrowed, must outlive the stream. out: owned by the caller,
   sib_mel_stream_free(&stream).
   Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_mel_stream_create(const sib_mel *mel, sib_mel_stream **out, sib_error *err);
SIB_API void sib_mel_stream_free(sib_mel_stream **stream);

/* Takes samples (n_samples) and stores in *taken how many it took: all, unless the stream's buffer, of about
   a million samples (more where one window or hop is longer), is full of samples whose frames were not pulled
   yet.
   Errors: SIB_ERR_VALUE names the first sample, counted from the beginning of the stream, that is NaN or
   infinite; SIB_ERR_ARGUMENT after sib_mel_stream_end. After an error the stream can only be freed. */
SIB_API sib_code sib_mel_stream_push(sib_mel_stream *stream, const float *samples, size_t n_samples,
                                     size_t *taken, sib_error *err);

/* Marks the end of the samples; the last frames can then be pulled.
   Errors: those of sib_mel_shape for all samples pushed. */
SIB_API sib_code sib_mel_stream_end(sib_mel_stream *stream, sib_error *err);

/* Computes up to max_frames frames into frames (n_mels, *got), row b at frames + b * row_stride, row_stride
   at least max_frames. *got is 0 when more samples are needed, or when every frame was pulled after
   sib_mel_stream_end.
   Errors: SIB_ERR_VALUE where samples are so large that energies overflow; SIB_ERR_SIZE (row_stride). */
SIB_API sib_code sib_mel_stream_pull(sib_mel_stream *stream, float *frames, size_t max_frames,
                                     size_t row_stride, size_t *got, sib_error *err);

/* Pulls finished frames instead, clamped and smoothed as the description says, a smoothed one as soon as the
   frame after it is known: (bands, *got), where bands is n_mels, or n_mels - 2 with a valid average, which
   leaves out the first and last frame too. A stream is pulled by this call alone, or not at all by it.
   maximum: of the entire recording, where it is known before: the bits then equal those of sib_mel_compute.
   NaN: frame t is clamped by the maximum of the frames up to t, the causal approximation. The same at each
   call.
   Errors: as sib_mel_stream_pull; SIB_ERR_VALUE where a valid average has fewer than 3 frames or bands;
   SIB_ERR_ARGUMENT after sib_mel_stream_pull. */
SIB_API sib_code sib_mel_stream_pull_finished(sib_mel_stream *stream, float maximum, float *frames,
                                              size_t max_frames, size_t row_stride, size_t *got,
                                              sib_error *err);

/* Maximum of all values pulled so far; -INFINITY before the first. */
SIB_API float sib_mel_stream_maximum(const sib_mel_stream *stream);

/* Clamps frames of a stream in place: x = max(x, maximum - dynamic_range * gain), where the description has a
   clamp. With the maximum of the entire recording the bits equal those of sib_mel_compute without smoothing;
   with the running maximum this is the causal approximation.
   frames: (n_mels, n_frames), row b at frames + b * row_stride. */
SIB_API void sib_mel_finish(const sib_mel *mel, float maximum, float *frames, size_t n_frames,
                            size_t row_stride);

/* ---- Smoothing and images ------------------------------------------------------------------------ */

/* 3 x 3 average over (row, column) of in (rows, columns), row stride in_stride, into out, which must not
   overlap it: (rows, columns) for SAME, (rows - 2, columns - 2) for VALID, a copy for NONE.
   Errors: SIB_ERR_VALUE where VALID leaves nothing; SIB_ERR_SIZE where a stride is below its columns. */
SIB_API sib_code sib_smooth3x3(sib_smooth mode, const float *in, size_t rows, size_t columns,
                               size_t in_stride, float *out, size_t out_stride, sib_error *err);

/* Writes features (bands, frames) as a labelled PNG: time in seconds, frequency in Hz of the band centres, a
   colour scale with its values. Long recordings are reduced to at most 4,000 columns (maximum of each group).
   title: UTF-8 of printable ASCII, shown at the top; NULL for none. Written to another file and renamed, so
   `path` holds a complete image or is untouched.
   bands: n_mels of the description, or 2k fewer, which are drawn k bands higher and k frames later, since
   valid smoothing drops k at each edge.
   Errors: SIB_ERR_ARGUMENT (no bands or frames, bands above n_mels, row_stride below frames), SIB_ERR_IO
   names the path, SIB_ERR_MEMORY. */
SIB_API sib_code sib_mel_write_png(const sib_mel *mel, const float *features, size_t bands, size_t frames,
                                   size_t row_stride, const char *title, const char *path, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
