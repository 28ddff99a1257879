#include "audio/mono.h"

#include "audio/ffmpeg.h"
#include "base/error.h"
#include "base/size.h"

#include <errno.h>
#include <string.h>

/* Max channels of libswresample. */
#define MONO_MAX_CHANNELS 64

void audio_mono_init(audio_mono *m, int rate, bool keep_float)
{
    memset(m, 0, sizeof *m);
    m->rate = rate;
    m->format = keep_float ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_S16;
}

void audio_mono_free(audio_mono *m)
{
    if (m->in_layout.nb_channels)
        ffmpeg.av_channel_layout_uninit(&m->in_layout);
    if (m->swr)
        ffmpeg.swr_free(&m->swr);
}

static sib_code fail(int av_code, const char *name, sib_error *err)
{
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    if (av_code == AVERROR(ENOMEM))
        return err_set(err, SIB_ERR_MEMORY, "%s: out of memory while resampling", name);
    ffmpeg.av_strerror(av_code, reason, sizeof reason);
    return err_set(err, SIB_ERR_FORMAT, "%s: cannot be resampled: %s", name, reason);
}

static bool made_for(const audio_mono *m, const AVFrame *f)
{
    return m->swr && m->in_rate == f->sample_rate && m->in_format == f->format &&
           ffmpeg.av_channel_layout_compare(&m->in_layout, &f->ch_layout) == 0;
}

/* Makes a new context for this frame's parameters. Samples in an earlier one are dropped, as the ffmpeg
   command does where a stream changes in the middle. */
static sib_code configure(audio_mono *m, const AVFrame *f, const char *name, sib_error *err)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    ffmpeg.swr_free(&m->swr);
    errno = 0; /* swr_init does not report failed allocations */
    int av_code = ffmpeg.av_channel_layout_copy(&m->in_layout, &f->ch_layout);
    if (av_code >= 0)
        av_code = ffmpeg.swr_alloc_set_opts2(&m->swr, &mono, m->format, m->rate, &m->in_layout,
                                             (enum AVSampleFormat)f->format, f->sample_rate, 0, NULL);
    if (av_code >= 0)
        av_code = ffmpeg.swr_init(m->swr);
    if (errno == ENOMEM)
        av_code = AVERROR(ENOMEM);
    if (av_code < 0) {
        ffmpeg.swr_free(&m->swr);
        return fail(av_code, name, err);
    }
    m->in_rate = f->sample_rate;
    m->in_format = (enum AVSampleFormat)f->format;
    return SIB_OK;
}

/* Fills the block: from `in` (n samples per channel), from the samples in the context (in is the block, n =
   0), or from its end (in is NULL). */
static sib_code convert(audio_mono *m, const uint8_t **in, int n, const char *name, sib_error *err)
{
    uint8_t *out[1] = {(uint8_t *)&m->block};
    errno = 0;
    int got = ffmpeg.swr_convert(m->swr, out, MONO_BLOCK, in, n);
    if (got < 0 || errno == ENOMEM)
        return fail(errno == ENOMEM ? AVERROR(ENOMEM) : got, name, err);
    m->begin = 0;
    m->count = (size_t)got;
    m->more = m->flushing ? got > 0 : got == MONO_BLOCK;
    return SIB_OK;
}

sib_code audio_mono_put(audio_mono *m, const AVFrame *frame, const char *name, sib_error *err)
{
    if (!made_for(m, frame)) {
        sib_code code = configure(m, frame, name, err);
        if (code)
            return code;
    }
    return convert(m, (const uint8_t **)frame->extended_data, frame->nb_samples, name, err);
}

sib_code audio_mono_flush(audio_mono *m, const char *name, sib_error *err)
{
    if (!m->swr) /* there was no frame */
        return SIB_OK;
    m->flushing = true;
    return convert(m, NULL, 0, name, err);
}

sib_code audio_mono_take(audio_mono *m, float *samples, size_t max_samples, size_t *got, const char *name,
                         sib_error *err)
{
    *got = 0;
    if (m->count == 0 && m->more) {
        /* Nothing is read through these; swresample needs a pointer per channel. */
        const uint8_t *held[MONO_MAX_CHANNELS];
        for (size_t i = 0; i < MONO_MAX_CHANNELS; i++)
            held[i] = (const uint8_t *)&m->block;
        sib_code code = convert(m, m->flushing ? NULL : held, 0, name, err);
        if (code)
            return code;
    }
    size_t n = size_min(m->count, max_samples);
    if (m->format == AV_SAMPLE_FMT_FLT)
        memcpy(samples, m->block.f32 + m->begin, n * sizeof *samples);
    else
        for (size_t i = 0; i < n; i++)
            samples[i] = m->block.s16[m->begin + i] / 32768.0f;
    m->begin += n;
    m->count -= n;
    *got = n;
    return SIB_OK;
}
