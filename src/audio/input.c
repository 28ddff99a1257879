/* Opens a file. libavformat gets a reader over our descriptor and no other access: a playlist can open
   neither files nor the network, and "http:x" is a file of that name. */
#include "audio/input.h"

#include "audio/ffmpeg.h"
#include "audio/formats.h"
#include "base/error.h"
#include "base/size.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The block size of libavformat's own file reader, for the same probing. */
#define INPUT_BLOCK 32768

void audio_short_name(const char *path, char *out, size_t bytes)
{
    size_t length = strlen(path);
    if (length < bytes) {
        memcpy(out, path, length + 1);
        return;
    }
    const char *end = path + length - (bytes - 4);
    while (((unsigned char)*end & 0xC0) == 0x80) /* not inside a character */
        end++;
    memcpy(out, "...", 3);
    memcpy(out + 3, end, strlen(end) + 1);
}

sib_code audio_input_check_memory(const audio_input *in, sib_error *err)
{
    return errno == ENOMEM ? err_set(err, SIB_ERR_MEMORY, "%s: out of memory while it is read", in->name)
                           : SIB_OK;
}

sib_code audio_input_fail(const audio_input *in, sib_code code, int av_code, const char *what, sib_error *err)
{
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    if (in->read_errno)
        return err_set(err, SIB_ERR_IO, "%s: cannot be read: %s", in->name, strerror(in->read_errno));
    if (av_code == AVERROR(ENOMEM))
        return err_set(err, SIB_ERR_MEMORY, "%s: %s: out of memory", in->name, what);
    ffmpeg.av_strerror(av_code, reason, sizeof reason);
    return err_set(err, code, "%s: %s: %s", in->name, what, reason);
}

/* ---- The reader under libavformat ---------------------------------------------------------------- */

static int io_read(void *opaque, uint8_t *out, int bytes)
{
    audio_input *in = opaque;
    ssize_t got;
    if (errno == ENOMEM) /* since the caller's call began: some formats would retry for ever */
        return AVERROR(ENOMEM);
    if (in->n_head > 0) {
        got = (ssize_t)size_min(in->n_head, (size_t)bytes);
        memcpy(out, in->head, (size_t)got);
        in->head += got;
        in->n_head -= (size_t)got;
    } else
        do
            got = read(in->fd, out, (size_t)bytes);
        while (got < 0 && errno == EINTR);
    if (got < 0) {
        in->read_errno = in->read_errno ? in->read_errno : errno;
        return AVERROR(errno);
    }
    in->bytes_read += (uint64_t)got;
    return got > 0 ? (int)got : AVERROR_EOF;
}

static int64_t io_seek(void *opaque, int64_t offset, int whence)
{
    audio_input *in = opaque;
    if (whence & AVSEEK_SIZE)
        return (int64_t)in->size;
    int64_t at = lseek(in->fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

/* Refuses a format's request to open another file. */
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options)
{
    (void)io, (void)url, (void)flags, (void)options;
    audio_input *in = format->opaque;
    if (in)
        in->refused_reference = true;
    return AVERROR(EPERM);
}

static sib_code open_descriptor(audio_input *in, const char *path, sib_error *err)
{
    struct stat st;
    if (in->fd < 0)
        in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (in->fd < 0 || fstat(in->fd, &st) != 0)
        return err_set(err, SIB_ERR_IO, "%s: cannot be opened: %s", in->name, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return err_set(err, SIB_ERR_IO, "%s: is a folder, expected a file", in->name);
    if (S_ISREG(st.st_mode) && st.st_size == 0 && !in->n_head)
        return err_set(err, SIB_ERR_FORMAT, "%s: is empty (0 bytes)", in->name);
    in->size = S_ISREG(st.st_mode) && !in->n_head ? (uint64_t)st.st_size : 0;
    return SIB_OK;
}

static sib_code make_context(audio_input *in, sib_error *err)
{
    unsigned char *block = ffmpeg.av_malloc(INPUT_BLOCK);
    if (block)
        in->io =
            ffmpeg.avio_alloc_context(block, INPUT_BLOCK, 0, in, io_read, NULL, in->size ? io_seek : NULL);
    if (!in->io)
        ffmpeg.av_free(block);
    in->format = in->io ? ffmpeg.avformat_alloc_context() : NULL;
    if (!in->format || ffmpeg.av_opt_set(in->format, "protocol_whitelist", "none", 0) < 0 ||
        ffmpeg.av_opt_set(in->format, "format_whitelist", audio_format_list(), 0) < 0 ||
        ffmpeg.av_opt_set(in->format, "codec_whitelist", audio_codec_list(), 0) < 0)
        return err_memory(err, INPUT_BLOCK, "a file reader");
    in->format->pb = in->io;
    in->format->opaque = in;
    in->format->io_open = refuse_open;
    in->format->flags |= AVFMT_FLAG_CUSTOM_IO; /* closing it leaves in->io to us */
    in->format->flags |= AVFMT_FLAG_NONBLOCK;  /* as the ffmpeg command does */
    return SIB_OK;
}

/* ---- Refusals ------------------------------------------------------------------------------------ */

/* Formats that are lists or descriptions of other files, or programs, rather than recordings. */
static bool refers_elsewhere(const AVInputFormat *format)
{
    static const char *const names[] = {
        "concat", "hls",         "dash",     "imf",   "sdp",    "rtsp",        "rtp",
        "sap",    "vapoursynth", "avisynth", "lavfi", "vobsub", "tedcaptions", "webm_dash_manifest"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ffmpeg.av_match_name(names[i], format->name))
            return true;
    return false;
}

/* Determines the format by the first bytes; libavformat's reader is then at the beginning again. */
static sib_code probe(audio_input *in, const char *path, const AVInputFormat **out, sib_error *err)
{
    *out = NULL;
    int code = ffmpeg.av_probe_input_buffer2(in->io, out, path, in->format, 0, 0);
    if (code < 0 || !*out)
        return audio_input_fail(in, SIB_ERR_FORMAT, code < 0 ? code : AVERROR_INVALIDDATA,
                                "is not audio in a known format", err);
    if (refers_elsewhere(*out))
        return err_set(err, SIB_ERR_FORMAT,
                       "%s: is a list of other files ('%s'), which are not opened; expected a recording",
                       in->name, (*out)->name);
    if (!audio_format_is_known(*out))
        return err_set(err, SIB_ERR_FORMAT,
                       "%s: its format '%s' is not supported for recordings (expected wav, flac, mp3, ogg, "
                       "mp4, mkv or the like)",
                       in->name, (*out)->name);
    return SIB_OK;
}

static sib_code open_failure(const audio_input *in, const AVInputFormat *probed, int code, sib_error *err)
{
    if (in->refused_reference)
        return err_set(err, SIB_ERR_FORMAT,
                       "%s: refers to other files ('%s'), which are not opened; expected a recording",
                       in->name, probed->name);
    audio_cut cut;
    audio_cut_look(&cut, in->fd, in->size, probed->name);
    if (code != AVERROR(ENOMEM) && !in->read_errno && cut.is_cut)
        return err_set(err, SIB_ERR_FORMAT, "%s: is truncated: %s", in->name, cut.what);
    char what[96];
    snprintf(what, sizeof what, "cannot be read as '%s'", probed->name);
    return audio_input_fail(in, SIB_ERR_FORMAT, code, what, err);
}

/* ---- The stream ---------------------------------------------------------------------------------- */

/* The audio stream that the ffmpeg command chooses where none is named: by packets seen while probing, then
   by the default disposition, then by the number of channels; the first among equals. */
static AVStream *choose_stream(const AVFormatContext *format)
{
    AVStream *best = NULL;
    int64_t best_score = 0;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *s = format->streams[i];
        int64_t is_default = s->disposition & AV_DISPOSITION_DEFAULT ? 5000000 : 0;
        int64_t has_packets = s->event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS ? 100000000 : 0;
        int64_t score = s->codecpar->ch_layout.nb_channels + has_packets + is_default;
        if (s->codecpar->codec_type != AVMEDIA_TYPE_AUDIO || score <= best_score)
            continue;
        best = s;
        best_score = score;
    }
    if (best && best_score <= (best->disposition & AV_DISPOSITION_DEFAULT ? 5000000 : 0))
        return NULL; /* neither packets nor channels */
    return best;
}

static sib_code no_stream(const audio_input *in, sib_error *err)
{
    char others[128] = "";
    size_t used = 0;
    for (unsigned i = 0; i < in->format->nb_streams && used < sizeof others; i++) {
        const AVCodecParameters *par = in->format->streams[i]->codecpar;
        const char *type = ffmpeg.av_get_media_type_string(par->codec_type);
        used += (size_t)snprintf(others + used, sizeof others - used, "%s%s %s", i ? ", " : "",
                                 type ? type : "unknown", ffmpeg.avcodec_get_name(par->codec_id));
    }
    return err_set(err, SIB_ERR_FORMAT, "%s: has no audio stream (it holds: %s)", in->name,
                   others[0] ? others : "nothing");
}

/* Seconds in the stream's own header. To be called before packets are read, since libavformat later fills in
   estimates. */
static double header_seconds(const AVStream *s)
{
    return s->duration != AV_NOPTS_VALUE && s->duration > 0 ? (double)s->duration * av_q2d(s->time_base) : -1;
}

static sib_code choose(audio_input *in, const double *declared, unsigned n_declared, sib_error *err)
{
    in->stream = choose_stream(in->format);
    if (!in->stream)
        return no_stream(in, err);
    unsigned index = (unsigned)in->stream->index;
    in->declared = index < n_declared ? declared[index] : -1;
    for (unsigned i = 0; i < in->format->nb_streams; i++)
        in->format->streams[i]->discard = i == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    return SIB_OK;
}

/* ---- Open and close ------------------------------------------------------------------------------ */

#define INPUT_MAX_HEADERS 64

/* Devices by FFmpeg's names; no other is opened, and lavfi, which runs programs of filters, is none. */
static const char *const devices[] = {"alsa", "pulse"};

sib_code audio_input_open_device(audio_input *in, const char *kind, const char *name, sib_error *err)
{
    snprintf(in->name, sizeof in->name, "%s:%s", kind, name);
    in->fd = -1;
    bool known = false;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        known = known || !strcmp(kind, devices[i]);
    if (!known)
        return err_set(err, SIB_ERR_ARGUMENT, "'%s' is no kind of device; there are alsa and pulse", kind);
    sib_code code = ffmpeg_open_devices(err);
    if (code)
        return code;
    in->bytes_read = UINT64_MAX / 2; /* the length of a recording has no limit by its bytes */
    const AVInputFormat *device = ffmpeg.av_find_input_format(kind);
    if (!device)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: FFmpeg was built without this device", in->name);
    int av_code = ffmpeg.avformat_open_input(&in->format, name, device, NULL);
    if (av_code < 0)
        return audio_input_fail(in, SIB_ERR_IO, av_code, "cannot be opened", err);
    av_code = ffmpeg.avformat_find_stream_info(in->format, NULL);
    if (av_code < 0)
        return audio_input_fail(in, SIB_ERR_IO, av_code, "gives no sound", err);
    return choose(in, NULL, 0, err);
}

sib_code audio_input_open(audio_input *in, const char *path, int fd, sib_error *err)
{
    audio_short_name(path, in->name, sizeof in->name);
    const AVInputFormat *probed;
    in->fd = fd;
    sib_code code = ffmpeg_open(err);
    if (code)
        return code;
    errno = 0;
    if ((code = open_descriptor(in, path, err)) || (code = make_context(in, err)) ||
        (code = probe(in, path, &probed, err)))
        return code;
    AVDictionary *options = NULL;
    int av_code = ffmpeg.av_dict_set(&options, "scan_all_pmts", "1", 0); /* as the ffmpeg command does */
    if (av_code >= 0)
        av_code = ffmpeg.avformat_open_input(&in->format, path, NULL, &options);
    ffmpeg.av_dict_free(&options);
    if (av_code < 0)
        return open_failure(in, probed, av_code, err);

    double declared[INPUT_MAX_HEADERS];
    unsigned n_declared = in->format->nb_streams;
    n_declared = n_declared < INPUT_MAX_HEADERS ? n_declared : INPUT_MAX_HEADERS;
    for (unsigned i = 0; i < n_declared; i++)
        declared[i] = header_seconds(in->format->streams[i]);
    av_code = ffmpeg.avformat_find_stream_info(in->format, NULL);
    if (av_code < 0 && (in->format->nb_streams == 0 || av_code == AVERROR(ENOMEM)))
        return open_failure(in, in->format->iformat, av_code, err);
    if ((code = audio_input_check_memory(in, err)) || (code = choose(in, declared, n_declared, err)))
        return code;
    audio_cut_look(&in->cut, in->fd, in->size, in->format->iformat->name);
    audio_cut_look_at_index(&in->cut, in->stream, in->size, in->format->iformat->name);
    return SIB_OK;
}

void audio_input_close(audio_input *in)
{
    if (in->format)
        ffmpeg.avformat_close_input(&in->format);
    if (in->io) {
        ffmpeg.av_freep(&in->io->buffer);
        ffmpeg.avio_context_free(&in->io);
    }
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
}
