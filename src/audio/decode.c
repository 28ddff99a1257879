#include "audio/decode.h"

#include "audio/ffmpeg.h"
#include "audio/formats.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Max waits of 10 ms for a reader that has no data yet. */
#define DECODE_MAX_WAITS 500
/* Failures in a row after which a draining decoder counts as empty. */
#define DECODE_MAX_DRAIN_FAILURES 100
/* Rates of recordings, Hz. Below, a small file becomes a large one at the requested rate; the resampler's
   tables grow with the rate. */
#define DECODE_MIN_RATE 4000
#define DECODE_MAX_RATE 768000
/* Seconds that any file may hold, and min bytes per second beyond that: FLAC's silence at 8 kHz takes 27,
   Opus' takes 30. Codecs that take less, such as a synthesizer's program of a day in 62 bytes, are not
   recordings. */
#define DECODE_FREE_SECONDS   600
#define DECODE_BYTES_A_SECOND 16

/* ---- Opening ------------------------------------------------------------------------------------- */

/* Lossless formats have checksums; a frame that fails its checksum is damaged. In other formats this
   strictness would refuse files that every player plays. */
static bool has_checksums(enum AVCodecID id)
{
    return id == AV_CODEC_ID_FLAC || id == AV_CODEC_ID_TTA || id == AV_CODEC_ID_WAVPACK;
}

static sib_code set_up(audio_decoder *d, const AVCodec *codec, sib_error *err)
{
    AVCodecContext *c = d->codec = ffmpeg.avcodec_alloc_context3(codec);
    d->packet = ffmpeg.av_packet_alloc();
    d->frame = ffmpeg.av_frame_alloc();
    if (!c || !d->packet || !d->frame || ffmpeg.avcodec_parameters_to_context(c, d->in->stream->codecpar) < 0)
        return err_memory(err, sizeof *c, "a decoder");
    if (c->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC && c->ch_layout.nb_channels > 0)
        ffmpeg.av_channel_layout_default(
            &c->ch_layout, c->ch_layout.nb_channels); /* the layout that the ffmpeg command guesses */
    c->pkt_timebase = d->in->stream->time_base;       /* lets the decoder drop encoder delay and padding */
    c->thread_count = 1;
    if (!d->lenient && has_checksums(codec->id))
        c->err_recognition |= AV_EF_CRCCHECK | AV_EF_EXPLODE;
    return SIB_OK;
}

sib_code audio_decoder_open(audio_decoder *d, audio_input *in, const sib_audio_options *options,
                            sib_error *err)
{
    d->in = in;
    d->lenient = options->allow_truncated;
    d->max_seconds = options->max_seconds;
    enum AVCodecID id = in->stream->codecpar->codec_id;
    const AVCodec *codec = ffmpeg.avcodec_find_decoder(id);
    if (codec && !audio_codec_is_known(id))
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: its codec '%s' is not supported for recordings",
                       in->name, ffmpeg.avcodec_get_name(id));
    if (!codec)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: no decoder for its audio ('%s', tag 0x%08X)", in->name,
                       ffmpeg.avcodec_get_name(id), (unsigned)in->stream->codecpar->codec_tag);
    errno = 0;
    sib_code code = set_up(d, codec, err);
    if (code)
        return code;
    int av_code = ffmpeg.avcodec_open2(d->codec, codec, NULL);
    if (av_code == AVERROR(ENOSYS) || av_code == AVERROR_PATCHWELCOME || av_code == AVERROR_EXPERIMENTAL)
        return audio_input_fail(in, SIB_ERR_UNSUPPORTED, av_code, "its audio cannot be decoded", err);
    if (av_code < 0)
        return audio_input_fail(in, SIB_ERR_FORMAT, av_code, "its audio stream's header is damaged", err);
    return audio_input_check_memory(in, err);
}

void audio_decoder_close(audio_decoder *d)
{
    if (!d->in) /* nothing was made */
        return;
    ffmpeg.avcodec_free_context(&d->codec);
    ffmpeg.av_packet_free(&d->packet);
    ffmpeg.av_frame_free(&d->frame);
}

/* ---- Judgement ----------------------------------------------------------------------------------- */

/* how: "is damaged" */
static sib_code fail_damaged(const audio_decoder *d, const char *how, sib_error *err)
{
    char what[64];
    snprintf(what, sizeof what, "%s at %.3f s", how, d->bad_at);
    return audio_input_fail(d->in, SIB_ERR_FORMAT, d->first_bad, what, err);
}

/* A packet that may fail without harm: a tag between the frames of joined MP3 files, or PCM that ends inside
   a sample (its complete samples decode first). */
static bool is_harmless(const audio_decoder *d)
{
    static const char *const tags[] = {"ID3", "TAG", "APETAGEX", "LYRICSBEGIN"};
    enum AVCodecID id = d->codec->codec_id;
    const AVPacket *p = d->packet;
    bool mpeg = id == AV_CODEC_ID_MP3 || id == AV_CODEC_ID_MP2 || id == AV_CODEC_ID_MP1;
    for (size_t i = 0; mpeg && i < sizeof tags / sizeof *tags; i++)
        if ((size_t)p->size >= strlen(tags[i]) && memcmp(p->data, tags[i], strlen(tags[i])) == 0)
            return true;
    int sample_bits = id >= AV_CODEC_ID_FIRST_AUDIO && id < AV_CODEC_ID_ADPCM_IMA_QT
                          ? ffmpeg.av_get_bits_per_sample(id) * d->codec->ch_layout.nb_channels
                          : 0;
    return sample_bits > 0 && p->size * 8 % sample_bits != 0;
}

/* How much shorter than its header's duration a complete stream may be, in seconds; negative where that
   duration is unreliable, or the file's structure is more reliable. */
static double allowed_shortfall(const audio_decoder *d)
{
    static const char *const structured[] = {"mov", "matroska", "ogg", "avi", "asf", "wav", "w64", "flv"};
    static const char *const exact[] = {"flac", "wv", "tta", "aiff", "au"};
    const AVInputFormat *format = d->in->format->iformat;
    for (size_t i = 0; i < sizeof structured / sizeof *structured; i++)
        if (ffmpeg.av_match_name(structured[i], format->name))
            return -1;
    int rate = d->codec->sample_rate > 0 ? d->codec->sample_rate : 1;
    if (d->codec->codec_id == AV_CODEC_ID_MP3)
        return 1.5 * 1152 / rate; /* some encoders count the frame of the header too */
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (ffmpeg.av_match_name(exact[i], format->name))
            return 0.5 / rate;
    return 0.25;
}

/* Bits per second: exact for PCM, otherwise as the header declares. */
static double bit_rate(const AVCodecParameters *par)
{
    double bits = (double)ffmpeg.av_get_bits_per_sample(par->codec_id) * par->ch_layout.nb_channels;
    return bits > 0 && par->sample_rate > 0 ? bits * par->sample_rate : (double)par->bit_rate;
}

double audio_decoder_declared(const audio_decoder *d)
{
    const audio_cut *cut = &d->in->cut;
    double rate = bit_rate(d->in->stream->codecpar);
    if (cut->is_cut && cut->payload > 0 && rate > 0) /* libavformat then uses the file's size */
        return (double)cut->payload * 8 / rate;
    if (ffmpeg.av_match_name("ogg", d->in->format->iformat->name) || (cut->is_cut && cut->no_length))
        return -1; /* known only from the bytes that exist */
    if (d->in->declared > 0)
        return d->in->declared;
    bool estimated = d->in->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE;
    return d->in->format->duration > 0 && !estimated ? (double)d->in->format->duration / AV_TIME_BASE : -1;
}

static sib_code judge_end(const audio_decoder *d, sib_error *err)
{
    if (d->in->read_errno)
        return audio_input_fail(d->in, SIB_ERR_IO, 0, "", err);
    if (d->lenient)
        return SIB_OK;
    const char *name = d->in->name;
    double declared = audio_decoder_declared(d), allowed = allowed_shortfall(d);
    if (d->in->cut.is_cut && declared > 0)
        return err_set(err, SIB_ERR_FORMAT, "%s: is truncated: it declares %.3f s and holds %.3f s (%s)",
                       name, declared, d->seconds, d->in->cut.what);
    if (d->in->cut.is_cut)
        return err_set(err, SIB_ERR_FORMAT, "%s: is truncated after %.3f s: %s", name, d->seconds,
                       d->in->cut.what);
    double found = d->codec->codec_id == AV_CODEC_ID_MP3 ? d->packet_seconds : d->seconds;
    if (allowed >= 0 && d->in->declared - found > allowed)
        return err_set(err, SIB_ERR_FORMAT, "%s: is truncated: its header declares %.3f s, it holds %.3f s",
                       name, d->in->declared, found);
    if (d->ends_inside)
        return err_set(err, SIB_ERR_FORMAT, "%s: is truncated after %.3f s: it ends inside a packet", name,
                       d->seconds);
    return d->first_bad ? fail_damaged(d, "is truncated or damaged", err) : SIB_OK;
}

/* ---- Decoding ------------------------------------------------------------------------------------ */

/* Records the first failure. It is reported once a later frame decodes: until then the file may just be
   cut. */
static void note_bad(audio_decoder *d, int av_code)
{
    if (d->first_bad)
        return;
    d->first_bad = av_code;
    d->bad_at = d->seconds;
}

/* Feeds the decoder the stream's next packet, or the end of the stream. */
static sib_code feed(audio_decoder *d, sib_error *err)
{
    int av_code, waits = 0;
    errno = 0;
    for (;;) {
        av_code = ffmpeg.av_read_frame(d->in->format, d->packet);
        if (av_code == AVERROR(EAGAIN) && waits++ < DECODE_MAX_WAITS) {
            usleep(10000);
            continue;
        }
        if (av_code < 0 || d->packet->stream_index == d->in->stream->index)
            break;
        ffmpeg.av_packet_unref(d->packet);
    }
    if (av_code == AVERROR(ENOMEM) || errno == ENOMEM)
        return audio_input_fail(d->in, SIB_ERR_MEMORY, AVERROR(ENOMEM), "reading", err);
    if (av_code < 0) { /* the ffmpeg command treats any failure here as the end */
        d->ends_inside = av_code == AVERROR(EIO);
        if (av_code != AVERROR_EOF)
            note_bad(d, av_code);
        d->at_end = true;
        d->harmless = false;
        ffmpeg.avcodec_send_packet(d->codec, NULL);
        return SIB_OK;
    }
    if (d->packet->duration > 0)
        d->packet_seconds += (double)d->packet->duration * av_q2d(d->in->stream->time_base);
    av_code = ffmpeg.avcodec_send_packet(d->codec, d->packet);
    d->harmless = is_harmless(d);
    ffmpeg.av_packet_unref(d->packet);
    if (av_code == AVERROR(ENOMEM) || errno == ENOMEM)
        return audio_input_fail(d->in, SIB_ERR_MEMORY, AVERROR(ENOMEM), "decoding", err);
    if (av_code < 0 && av_code != AVERROR_EOF && !d->harmless)
        note_bad(d, av_code);
    return SIB_OK;
}

/* Checks the limits on a recording's length. */
static sib_code check_length(const audio_decoder *d, sib_error *err)
{
    const audio_input *in = d->in;
    const uint64_t bytes = in->size ? in->size : in->bytes_read;
    double allowed = DECODE_FREE_SECONDS + (double)bytes / DECODE_BYTES_A_SECOND;
    if (d->seconds > d->max_seconds)
        return err_set(err, SIB_ERR_SIZE, "%s: is longer than %g s, the limit that max_seconds sets",
                       in->name, d->max_seconds);
    if (d->seconds > allowed)
        return err_set(err, SIB_ERR_SIZE,
                       "%s: its %llu bytes decode to more than %.0f s, which no real recording does",
                       in->name, (unsigned long long)bytes, allowed);
    return SIB_OK;
}

static sib_code accept_frame(audio_decoder *d, sib_error *err)
{
    const AVFrame *f = d->frame;
    if (f->sample_rate < DECODE_MIN_RATE || f->sample_rate > DECODE_MAX_RATE || f->ch_layout.nb_channels <= 0)
        return err_set(err, SIB_ERR_FORMAT, "%s: has %d Hz and %d channels at %.3f s, expected %d to %d Hz",
                       d->in->name, f->sample_rate, f->ch_layout.nb_channels, d->seconds, DECODE_MIN_RATE,
                       DECODE_MAX_RATE);
    if (d->first_bad && !d->at_end && !d->in->cut.is_cut && !d->lenient)
        return fail_damaged(d, "is damaged", err);
    d->seconds += (double)f->nb_samples / f->sample_rate;
    return check_length(d, err);
}

sib_code audio_decoder_next(audio_decoder *d, const AVFrame **frame, sib_error *err)
{
    *frame = NULL;
    for (;;) {
        errno = 0;
        int av_code = ffmpeg.avcodec_receive_frame(d->codec, d->frame);
        if (audio_input_check_memory(d->in, err) != SIB_OK)
            return SIB_ERR_MEMORY;
        if (av_code >= 0) {
            sib_code code = accept_frame(d, err);
            *frame = code ? NULL : d->frame;
            return code;
        }
        if (av_code == AVERROR(ENOMEM))
            return audio_input_fail(d->in, SIB_ERR_MEMORY, av_code, "decoding", err);
        bool failed = av_code != AVERROR(EAGAIN) && av_code != AVERROR_EOF;
        if (failed && !d->harmless)
            note_bad(d, av_code);
        if (d->at_end && (!failed || d->drain_failures++ >= DECODE_MAX_DRAIN_FAILURES))
            return judge_end(d, err);
        sib_code code = d->at_end ? SIB_OK : feed(d, err);
        if (code)
            return code;
    }
}
