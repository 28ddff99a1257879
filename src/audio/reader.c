/* The public calls of decoding: a path becomes mono float samples, in blocks or at once.
   Invariants: a failure is kept and returned by every later read; memory does not grow with the length. */
#include "audio/decode.h"
#include "audio/ffmpeg.h"
#include "audio/input.h"
#include "audio/mono.h"
#include "audio/rawpcm.h"
#include "base/alloc.h"
#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"

#include <errno.h>
#include <fcntl.h>
#include <sibyl/audio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READER_RATE     16000
#define READER_MAX_RATE 1000000
/* A day. */
#define READER_SECONDS 86400.0
/* Samples of the first block of sib_audio_load. */
#define READER_FIRST 65536

struct sib_audio_reader {
    sib_audio_options options;
    sib_audio_info info;
    sib_error failure; /* returned again by later reads */
    bool is_raw;       /* standard input: raw; otherwise input, decoder, mono */
    bool flushed;      /* the decoder has ended and the resampler was flushed */
    audio_rawpcm raw;
    audio_input input;
    audio_decoder decoder;
    audio_mono mono;
};

/* ---- Open and close ------------------------------------------------------------------------------ */

static sib_code take_options(sib_audio_options *out, const sib_audio_options *options, const char *path,
                             sib_error *err)
{
    if (options)
        *out = *options;
    if (out->sample_rate == 0)
        out->sample_rate = READER_RATE;
    if (out->sample_rate < 0 || out->sample_rate > READER_MAX_RATE)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: sample rate is %d Hz, expected 0 to %d", path,
                       (int)out->sample_rate, READER_MAX_RATE);
    if (out->max_seconds == 0)
        out->max_seconds = READER_SECONDS;
    if (!(out->max_seconds > 0))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: max_seconds is %g, expected a positive number", path,
                       out->max_seconds);
    if (out->pcm != SIB_PCM_S16LE && out->pcm != SIB_PCM_F32LE)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: PCM format is %d, expected SIB_PCM_S16LE or SIB_PCM_F32LE",
                       path, (int)out->pcm);
    return SIB_OK;
}

static void describe_raw(sib_audio_reader *r)
{
    snprintf(r->info.container, sizeof r->info.container, "pcm");
    snprintf(r->info.codec, sizeof r->info.codec, "%s",
             r->options.pcm == SIB_PCM_F32LE ? "pcm_f32le" : "pcm_s16le");
    r->info.source_rate = r->options.sample_rate;
    r->info.channels = 1;
    r->info.duration = -1;
}

static void describe_file(sib_audio_reader *r)
{
    const AVFormatContext *format = r->input.format;
    const AVStream *stream = r->input.stream;
    snprintf(r->info.container, sizeof r->info.container, "%s", format->iformat->name);
    snprintf(r->info.codec, sizeof r->info.codec, "%s", ffmpeg.avcodec_get_name(stream->codecpar->codec_id));
    r->info.source_rate = stream->codecpar->sample_rate;
    r->info.channels = stream->codecpar->ch_layout.nb_channels;
    r->info.duration = -1;
    double declared = audio_decoder_declared(&r->decoder);
    bool estimated = format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE;
    if (declared >= 0)
        r->info.duration = declared;
    else if (!estimated && stream->duration > 0) /* libavformat read the last page or packet */
        r->info.duration = (double)stream->duration * av_q2d(stream->time_base);
}

static sib_code begin_decoding(sib_audio_reader *r, sib_error *err)
{
    sib_code code = audio_decoder_open(&r->decoder, &r->input, &r->options, err);
    if (code)
        return code;
    audio_mono_init(&r->mono, r->options.sample_rate, r->options.keep_float);
    describe_file(r);
    return SIB_OK;
}

static sib_code open_file(sib_audio_reader *r, const char *path, int fd, sib_error *err)
{
    sib_code code = audio_input_open(&r->input, path, fd, err);
    return code ? code : begin_decoding(r, err);
}

/* Opens standard input: raw samples, or a container by its first bytes. A file that is read from its beginning can be
   sought in; of a pipe the bytes come once. */
static sib_code open_standard_input(sib_audio_reader *r, sib_error *err)
{
    bool container;
    const off_t begin = lseek(STDIN_FILENO, 0, SEEK_CUR);
    sib_code code = audio_rawpcm_begin(&r->raw, &container, err);
    if (code != SIB_OK || !container) {
        r->is_raw = true;
        describe_raw(r);
        return code;
    }
    if (begin != 0 || lseek(STDIN_FILENO, 0, SEEK_SET)) {
        r->input.head = r->raw.buffer;
        r->input.n_head = r->raw.filled;
    }
    const int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return err_set(err, SIB_ERR_IO, "-: standard input cannot be read: %s", strerror(errno));
    return open_file(r, "-", fd, err);
}

static sib_code make_reader(const char *name, const sib_audio_options *options, sib_audio_reader **out,
                            sib_error *err)
{
    sib_audio_options taken = {0};
    char shown[176];
    *out = NULL;
    audio_short_name(name, shown, sizeof shown);
    sib_code code = take_options(&taken, options, shown, err);
    sib_audio_reader *r = code ? NULL : mem_calloc(1, sizeof *r);
    if (!r)
        return code ? code : err_memory(err, sizeof *r, "an audio reader");
    r->options = taken;
    r->input.fd = -1;
    r->raw.pcm = taken.pcm;
    *out = r;
    return SIB_OK;
}

/* fd: a file to read, which the reader takes, or -1 for that of path. */
static sib_code open_reader(const char *path, int fd, const sib_audio_options *options,
                            sib_audio_reader **out, sib_error *err)
{
    sib_code code = make_reader(path, options, out, err);
    if (code && fd >= 0)
        close(fd);
    if (!code)
        code = fd < 0 && strcmp(path, "-") == 0 ? open_standard_input(*out, err)
                                                : open_file(*out, path, fd, err);
    if (code)
        sib_audio_close(out);
    return code;
}

/* Opens a device of one kind. */
static sib_code open_device(const char *kind, const char *name, const sib_audio_options *options,
                            sib_audio_reader **out, sib_error *err)
{
    sib_code code = make_reader(name, options, out, err);
    if (!code)
        code = audio_input_open_device(&(*out)->input, kind, name, err);
    if (!code)
        code = begin_decoding(*out, err);
    if (code)
        sib_audio_close(out);
    return code;
}

sib_code sib_audio_open_device(const char *device, const sib_audio_options *options, sib_audio_reader **out,
                               sib_error *err)
{
    char kind[16];
    const char *colon = device ? strchr(device, ':') : NULL;
    if (device && (!colon || (size_t)(colon - device) >= sizeof kind || !colon[1]))
        return err_set(err, SIB_ERR_ARGUMENT, "'%.60s' is no device, expected alsa:NAME or pulse:NAME",
                       device);
    if (device) {
        snprintf(kind, sizeof kind, "%.*s", (int)(colon - device), device);
        return open_device(kind, colon + 1, options, out, err);
    }
    sib_error first = SIB_ERROR_INIT, second = SIB_ERROR_INIT;
    if (!open_device("pulse", "default", options, out, &first) ||
        !open_device("alsa", "default", options, out, &second))
        return SIB_OK;
    return err_set(err, second.code, "there is no microphone: %.140s; %.140s", first.message, second.message);
}

sib_code sib_audio_open(const char *path, const sib_audio_options *options, sib_audio_reader **out,
                        sib_error *err)
{
    return open_reader(path, -1, options, out, err);
}

void sib_audio_close(sib_audio_reader **reader)
{
    if (!reader || !*reader)
        return;
    audio_mono_free(&(*reader)->mono);
    audio_decoder_close(&(*reader)->decoder);
    audio_input_close(&(*reader)->input);
    mem_free(*reader);
    *reader = NULL;
}

const sib_audio_info *sib_audio_get_info(const sib_audio_reader *reader)
{
    return &reader->info;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* Passes the next frame to the resampler, or the end. */
static sib_code put_next(sib_audio_reader *r, sib_error *err)
{
    const AVFrame *frame;
    sib_code code = audio_decoder_next(&r->decoder, &frame, err);
    if (code)
        return code;
    if (frame)
        return audio_mono_put(&r->mono, frame, r->input.name, err);
    r->flushed = true;
    return audio_mono_flush(&r->mono, r->input.name, err);
}

/* Returns at least one sample, unless the recording has ended. */
static sib_code take(sib_audio_reader *r, float *samples, size_t max_samples, size_t *got, sib_error *err)
{
    if (cancel_is_set(r->options.cancel))
        return err_set(err, SIB_ERR_CANCELLED, "%s: reading was cancelled", r->is_raw ? "-" : r->input.name);
    if (r->is_raw && (double)r->raw.bytes > r->options.max_seconds * r->options.sample_rate *
                                                (double)audio_rawpcm_sample_bytes(r->raw.pcm))
        return err_set(err, SIB_ERR_SIZE,
                       "-: standard input is longer than %g s, the limit that max_seconds sets",
                       r->options.max_seconds);
    if (r->is_raw)
        return audio_rawpcm_take(&r->raw, r->options.allow_truncated, samples, max_samples, got, err);
    for (;;) {
        sib_code code = audio_mono_take(&r->mono, samples, max_samples, got, r->input.name, err);
        if (code || *got > 0 || r->flushed)
            return code;
        if ((code = put_next(r, err)))
            return code;
    }
}

sib_code sib_audio_read(sib_audio_reader *reader, float *samples, size_t max_samples, size_t *got,
                        sib_error *err)
{
    *got = 0;
    while (*got < max_samples && !reader->failure.code) {
        size_t more = 0;
        take(reader, samples + *got, max_samples - *got, &more, &reader->failure);
        if (more == 0)
            break;
        *got += more;
    }
    if (!reader->failure.code || *got > 0) /* samples before a failure are returned first */
        return SIB_OK;
    return err_set_at(err, reader->failure.code, reader->failure.offset, "%s", reader->failure.message);
}

/* ---- Entire files -------------------------------------------------------------------------------- */

static sib_code read_all(sib_audio_reader *r, float **samples, size_t *n_samples, sib_error *err)
{
    size_t capacity = 0, got;
    do {
        size_t wanted = *n_samples ? *n_samples + 1 : READER_FIRST;
        sib_code code = ARRAY_RESERVE(*samples, capacity, wanted, "samples", err);
        if (!code)
            code = sib_audio_read(r, *samples + *n_samples, capacity - *n_samples, &got, err);
        if (code)
            return code;
        *n_samples += got;
    } while (got > 0);
    if (*n_samples == 0)
        return err_set(err, SIB_ERR_FORMAT, "%s: holds no samples",
                       r->is_raw ? "-: standard input" : r->input.name);
    return SIB_OK;
}

/* Reads all and closes. */
static sib_code load(sib_audio_reader *r, float **samples, size_t *n_samples, sib_audio_info *info,
                     sib_error *err)
{
    if (info)
        *info = r->info;
    sib_code code = read_all(r, samples, n_samples, err);
    if (code) {
        mem_free(*samples);
        *samples = NULL;
        *n_samples = 0;
    }
    sib_audio_close(&r);
    return code;
}

sib_code sib_audio_load(const char *path, const sib_audio_options *options, float **samples,
                        size_t *n_samples, sib_audio_info *info, sib_error *err)
{
    *samples = NULL;
    *n_samples = 0;
    sib_audio_reader *r;
    sib_code code = sib_audio_open(path, options, &r, err);
    return code ? code : load(r, samples, n_samples, info, err);
}

/* Copies data to an unnamed file in memory, which libavformat reads like any other. Returns -1, with the error set. */
static int memory_file(const char *name, const void *data, size_t size, sib_error *err)
{
    int fd = memfd_create("recording", MFD_CLOEXEC);
    size_t done = 0;
    while (fd >= 0 && done < size) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            fd = -1;
        } else
            done += (size_t)n;
    }
    if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
        err_set(err, SIB_ERR_MEMORY, "%s: its %zu bytes could not be held in memory: %s", name, size,
                strerror(errno));
    return fd;
}

sib_code sib_audio_load_bytes(const char *name, const void *data, size_t size,
                              const sib_audio_options *options, float **samples, size_t *n_samples,
                              sib_audio_info *info, sib_error *err)
{
    *samples = NULL;
    *n_samples = 0;
    char shown[176];
    audio_short_name(name, shown, sizeof shown);
    int fd = memory_file(shown, data, size, err);
    if (fd < 0)
        return SIB_ERR_MEMORY;
    sib_audio_reader *r;
    sib_code code = open_reader(name, fd, options, &r, err);
    return code ? code : load(r, samples, n_samples, info, err);
}
