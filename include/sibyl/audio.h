/* Audio: any file that FFmpeg reads, as mono samples at one rate; level, padding, chunks, validation. */
#ifndef SIBYL_AUDIO_H
#define SIBYL_AUDIO_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Decoding ----------------------------------------------------------------------------------- */

typedef enum sib_pcm {
    SIB_PCM_S16LE = 0, /* signed 16-bit little-endian, divided by 32,768 */
    SIB_PCM_F32LE = 1  /* 32-bit float little-endian, not scaled */
} sib_pcm;

typedef struct sib_audio_options {
    int32_t sample_rate; /* Hz of the result, up to 1,000,000; 0 means 16,000 */
    bool keep_float; /* false: round to 16 bits and divide by 32,768, exactly as OpenAI Whisper's load_audio
                        does (it takes `ffmpeg -f s16le -ac 1`); true: skip the rounding */
    sib_pcm
        pcm; /* format of raw PCM where the path is "-" and no container begins there: mono, already at sample_rate */
    bool allow_truncated; /* take what a truncated or damaged file still holds, as the ffmpeg command does,
                             instead of refusing it */
    /* a longer recording is refused (SIB_ERR_SIZE) at this point; 0: 86,400 (a day); INFINITY: no limit */
    double max_seconds;
    const sib_cancel *cancel; /* ends reading; NULL: none */
} sib_audio_options;

/* Properties that the file declares. Strings are static or live in the struct. */
typedef struct sib_audio_info {
    char container[64];  /* FFmpeg's short name: "flac", "mov,mp4,m4a,3gp,3g2,mj2", "pcm" for raw samples */
    char codec[32];      /* "flac", "aac", "pcm_s16le" */
    int32_t source_rate; /* Hz */
    int32_t channels;
    double duration; /* seconds as the file declares them; negative where it declares none */
} sib_audio_info;

/* A recording being decoded, block by block. One thread at a time per reader. */
typedef struct sib_audio_reader sib_audio_reader;

/* Opens a file, or standard input where path is "-": a recording in a container, recognised by its first bytes and decoded as
   it comes, also through a pipe (where a container cannot be read without seeking, as an MP4 file whose index is at
   the end, that is an error); otherwise raw PCM. Chooses the stream that the ffmpeg command would choose; libswresample
   mixes the channels and changes the rate with its defaults. A path is always a plain file: "http:x" and
   "concat:x" are files of those names, and playlists, which name other files, are refused.
   Limits, so that a small file cannot cost much: the formats and codecs listed in src/audio/formats.c, rates
   of 4 kHz to 768 kHz, and a duration of at most 600 s plus one second per 16 bytes of the file.
   The first call in a process silences libav's log (av_log_set_level), which the process shares; the error
   carries libav's message.
   options: NULL means all zero. out: owned by the caller, sib_audio_close(&reader).
   Errors (each names the path): SIB_ERR_IO (missing, a folder, unreadable), SIB_ERR_FORMAT (empty, not audio,
   no audio stream, a format not listed, too damaged to open), SIB_ERR_UNSUPPORTED (no decoder, a codec not
   listed), SIB_ERR_ARGUMENT (an option out of range), SIB_ERR_MEMORY. Thread-safe. */
SIB_API sib_code sib_audio_open(const char *path, const sib_audio_options *options, sib_audio_reader **out,
                                sib_error *err);
/* Opens a microphone, of which samples are read as they are recorded, without an end but for options->cancel, which is heeded
   between blocks. device: "alsa:NAME" or "pulse:NAME", with names as `arecord -L` and `pactl list sources` give them; NULL:
   PulseAudio's default, or else ALSA's. Others of FFmpeg's devices are refused.
   Errors: SIB_ERR_ARGUMENT (no such kind), SIB_ERR_IO (it cannot be opened), SIB_ERR_UNSUPPORTED (FFmpeg without
   libavdevice or this device), SIB_ERR_MEMORY. out, options and threads: as sib_audio_open. */
SIB_API sib_code sib_audio_open_device(const char *device, const sib_audio_options *options,
                                       sib_audio_reader **out, sib_error *err);
SIB_API void sib_audio_close(sib_audio_reader **reader);
SIB_API const sib_audio_info *sib_audio_get_info(const sib_audio_reader *reader);

/* Reads up to max_samples samples into samples (max_samples). *got is 0 only at the end, or where max_samples
   is 0. Memory does not grow with the length. Truncation is reported after the last sample, with the seconds
   that the file declares, if it does, and those that it holds.
   Errors: SIB_ERR_FORMAT (damaged or truncated, with the second at which it happened; standard input that
   ends inside a sample; a rate out of range), SIB_ERR_SIZE (longer than allowed), SIB_ERR_CANCELLED, SIB_ERR_IO,
   SIB_ERR_MEMORY.
   Samples decoded before a failure are returned first; later calls return the failure again. */
SIB_API sib_code sib_audio_read(sib_audio_reader *reader, float *samples, size_t max_samples, size_t *got,
                                sib_error *err);

/* Reads an entire file. *samples: (*n_samples) float, owned by the caller, release with sib_free.
   info: may be NULL. Errors: those of sib_audio_open and sib_audio_read; SIB_ERR_FORMAT where the file holds
   no samples. */
SIB_API sib_code sib_audio_load(const char *path, const sib_audio_options *options, float **samples,
                                size_t *n_samples, sib_audio_info *info, sib_error *err);

/* The same from the bytes of a file, which need not outlive the call. name: for messages. Further errors:
   SIB_ERR_MEMORY where they cannot be held once more. */
SIB_API sib_code sib_audio_load_bytes(const char *name, const void *data, size_t size,
                                      const sib_audio_options *options, float **samples, size_t *n_samples,
                                      sib_audio_info *info, sib_error *err);

/* ---- Resampling ---------------------------------------------------------------------------------- */

/* Changes the rate of mono samples that arrive in pieces, as sib_audio_load does. The pieces do not change the result.
   One thread at a time per resampler. */
typedef struct sib_resampler sib_resampler;

/* from, to: Hz, 4,000 to 768,000. keep_float: as in sib_audio_options. out: owned by the caller,
   sib_resampler_free(&r). Errors: SIB_ERR_ARGUMENT (a rate out of range), SIB_ERR_MEMORY. */
SIB_API sib_code sib_resampler_create(int32_t from, int32_t to, bool keep_float, sib_resampler **out,
                                      sib_error *err);
SIB_API void sib_resampler_free(sib_resampler **r);

/* Takes samples in (n_in), of which *used are no longer needed, and stores *got samples, at most max_out, in out: call it
   with the rest of in until *used is n_in and *got is 0. in NULL: there are no more, call it until *got is 0; the next
   sample begins a new recording. Errors: SIB_ERR_VALUE (a sample that is NaN or infinite, by its number in in; *used are
   those before it that were taken), SIB_ERR_MEMORY. */
SIB_API sib_code sib_resampler_run(sib_resampler *r, const float *in, size_t n_in, size_t *used, float *out,
                                   size_t max_out, size_t *got, sib_error *err);

/* ---- Level and validation ----------------------------------------------------------------------- */

/* Properties of a recording. Sums are in double. */
typedef struct sib_audio_report {
    uint64_t n_samples;
    double peak;      /* max |x| over finite samples */
    double rms;       /* sqrt(mean x^2) over finite samples */
    double dc_offset; /* mean x over finite samples */
    uint64_t n_nan, n_infinite;
    uint64_t first_bad;       /* index of the first NaN or infinite sample; UINT64_MAX for none */
    uint64_t n_clipped;       /* samples with |x| >= 32767/32768 in runs of two or more equal ones */
    uint64_t longest_silence; /* longest run of samples with |x| <= 1/32768 */
    bool silent;              /* no sample above 1/32768 (an empty recording is silent) */
    bool clipped;             /* n_clipped > 0 */
    bool dc;                  /* |dc_offset| > 0.01 */
} sib_audio_report;

SIB_API void sib_audio_inspect(const float *samples, size_t n_samples, sib_audio_report *out);

/* The same for samples that arrive in parts. All zero at first; the other fields are private. */
typedef struct sib_audio_meter {
    sib_audio_report report; /* of the samples added so far */
    double sum, squares;
    uint64_t silence, run;
    float last;
} sib_audio_meter;

SIB_API void sib_audio_meter_add(sib_audio_meter *meter, const float *samples, size_t n_samples);

typedef enum sib_level {
    SIB_LEVEL_PEAK = 0, /* max |x| becomes `target` */
    SIB_LEVEL_RMS = 1   /* sqrt(mean x^2) becomes `target` */
} sib_level;

/* Scales samples (n_samples) in place by one factor. A silent recording (all zero) is not changed.
   Errors: SIB_ERR_ARGUMENT (target not positive and finite, or so large that the peak would not fit a float),
   SIB_ERR_VALUE names the first sample that is NaN or infinite, and changes nothing. */
SIB_API sib_code sib_audio_normalize(float *samples, size_t n_samples, sib_level level, double target,
                                     sib_error *err);

/* The factor by which sib_audio_normalize scales a recording of which `report` is the report: sample x
   becomes (float)(x * *factor). Errors: as above. */
SIB_API sib_code sib_audio_gain(const sib_audio_report *report, sib_level level, double target,
                                double *factor, sib_error *err);

/* ---- Padding and chunks -------------------------------------------------------------------------- */

/* out (length) = the first `length` samples, zeros after n_samples. out may equal samples. */
SIB_API void sib_audio_pad_or_trim(const float *samples, size_t n_samples, float *out, size_t length);

/* A recording cut into chunks of `length` samples, each beginning `length - overlap` after the one before;
   the last one may be shorter. */
typedef struct sib_chunks {
    size_t count;
    size_t length, overlap;
    size_t n_samples;
} sib_chunks;

/* Chunks of `seconds` that overlap by `overlap_seconds`, both rounded to the nearest sample. No chunk holds
   only samples of the chunk before; an empty recording has none. Errors: SIB_ERR_ARGUMENT (sample_rate or
   seconds not positive, overlap negative or not below seconds, a chunk or step shorter than one sample),
   SIB_ERR_SIZE (more samples than can be counted). */
SIB_API sib_code sib_chunks_make(size_t n_samples, int32_t sample_rate, double seconds,
                                 double overlap_seconds, sib_chunks *out, sib_error *err);

/* Stores the first sample and the number of samples of chunk i, i < count. */
SIB_API void sib_chunks_at(const sib_chunks *chunks, size_t i, size_t *start, size_t *length);

/* ---- Writing --------------------------------------------------------------------------------------- */

/* The bytes of a WAV file of samples (n) of one channel: a header of 44 bytes, then the samples. pcm: SIB_PCM_S16LE multiplies by 32,768, rounds to nearest even and
   limits, so that reading gives them back within half a step; SIB_PCM_F32LE keeps them. *out: (*size), release with sib_free.
   Errors: SIB_ERR_ARGUMENT (rates below 1 or above 1,000,000), SIB_ERR_SIZE (4 GiB and more), SIB_ERR_MEMORY. */
SIB_API sib_code sib_audio_wav(const float *samples, size_t n, int32_t sample_rate, sib_pcm pcm,
                               uint8_t **out, size_t *size, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
