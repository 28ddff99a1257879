/* Samples at another rate, piece by piece. */
#include "audio/ffmpeg.h"
#include "audio/mono.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <inttypes.h>
#include <math.h>

#define NAME    "samples"
#define PIECE   4096 /* samples given to libswresample at once, so that it keeps few */
#define LOWEST  4000
#define HIGHEST 768000

struct sib_resampler {
    audio_mono mono;
    AVFrame *frame; /* without memory of its own */
    int32_t from;
    bool begun; /* has samples that are not flushed */
};

static sib_code check_rate(const char *which, int32_t rate, sib_error *err)
{
    if (rate >= LOWEST && rate <= HIGHEST)
        return SIB_OK;
    return err_set(err, SIB_ERR_ARGUMENT, "the rate %s must be from %d to %d Hz, not %" PRId32, which, LOWEST,
                   HIGHEST, rate);
}

sib_code sib_resampler_create(int32_t from, int32_t to, bool keep_float, sib_resampler **out, sib_error *err)
{
    sib_code code = check_rate("of the samples", from, err);
    if (code == SIB_OK)
        code = check_rate("wanted", to, err);
    if (code == SIB_OK)
        code = ffmpeg_open(err);
    if (code != SIB_OK)
        return code;
    sib_resampler *r = mem_calloc(1, sizeof *r);
    AVFrame *frame = r ? ffmpeg.av_frame_alloc() : NULL;
    if (!frame) {
        mem_free(r);
        return err_memory(err, sizeof *r, "a resampler");
    }
    r->from = from;
    r->frame = frame;
    frame->format = AV_SAMPLE_FMT_FLT;
    frame->sample_rate = from;
    frame->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
    audio_mono_init(&r->mono, to, keep_float);
    *out = r;
    return SIB_OK;
}

void sib_resampler_free(sib_resampler **r)
{
    if (!r || !*r)
        return;
    audio_mono_free(&(*r)->mono);
    ffmpeg.av_frame_free(&(*r)->frame);
    mem_free(*r);
    *r = NULL;
}

static sib_code check_finite(const float *in, size_t n, sib_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(in[i]))
            return err_set(err, SIB_ERR_VALUE, "sample %zu is %s, expected a finite number", i,
                           isnan(in[i]) ? "NaN" : "infinite");
    return SIB_OK;
}

/* Passes in the next piece, or the end. Only where nothing is left to take. */
static sib_code feed(sib_resampler *r, const float *in, size_t n, sib_error *err)
{
    if (!in)
        return r->mono.flushing ? SIB_OK : audio_mono_flush(&r->mono, NAME, err);
    r->begun = true;
    r->frame->data[0] = (uint8_t *)(uintptr_t)in;
    r->frame->extended_data = r->frame->data;
    r->frame->nb_samples = (int)n;
    return audio_mono_put(&r->mono, r->frame, NAME, err);
}

/* After the end: as it was at first. */
static void restart(sib_resampler *r)
{
    int rate = r->mono.rate;
    bool keep_float = r->mono.format == AV_SAMPLE_FMT_FLT;
    audio_mono_free(&r->mono);
    audio_mono_init(&r->mono, rate, keep_float);
    r->begun = false;
}

sib_code sib_resampler_run(sib_resampler *r, const float *in, size_t n_in, size_t *used, float *out,
                           size_t max_out, size_t *got, sib_error *err)
{
    *used = *got = 0;
    size_t n = size_min(n_in, PIECE);
    sib_code code = r->begun ? audio_mono_take(&r->mono, out, max_out, got, NAME, err) : SIB_OK;
    if (code != SIB_OK || *got || max_out == 0 || (in ? !n_in : !r->begun))
        return code;
    code = in ? check_finite(in, n, err) : SIB_OK;
    if (code == SIB_OK)
        code = feed(r, in, n, err);
    if (code == SIB_OK) {
        *used = in ? n : 0;
        code = audio_mono_take(&r->mono, out, max_out, got, NAME, err);
    }
    if (code == SIB_OK && !in && !*got)
        restart(r);
    return code;
}
