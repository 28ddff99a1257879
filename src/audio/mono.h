/* Converts frames of any format, layout and rate to mono samples at one rate with libswresample's defaults,
   as the ffmpeg command does between decoder and output for `-ac 1 -ar RATE`. */
#ifndef AUDIO_MONO_H
#define AUDIO_MONO_H

#include <libavutil/frame.h>
#include <libswresample/swresample.h>
#include <sibyl/audio.h>

#define MONO_BLOCK 8192

typedef struct audio_mono {
    SwrContext *swr;
    int rate;
    enum AVSampleFormat format; /* AV_SAMPLE_FMT_S16 or AV_SAMPLE_FMT_FLT */
    /* The context's input. */
    int in_rate;
    enum AVSampleFormat in_format;
    AVChannelLayout in_layout;
    bool flushing;
    bool more;           /* the context may hold more than the last block */
    size_t begin, count; /* samples of the block not yet taken */
    union {
        int16_t s16[MONO_BLOCK];
        float f32[MONO_BLOCK];
    } block;
} audio_mono;

void audio_mono_init(audio_mono *m, int rate, bool keep_float);
void audio_mono_free(audio_mono *m);

/* Passes in a frame; only where audio_mono_take last returned 0 samples. name: for messages. */
sib_code audio_mono_put(audio_mono *m, const AVFrame *frame, const char *name, sib_error *err);

/* Marks the last frame, so that audio_mono_take returns what the resampler holds back. */
sib_code audio_mono_flush(audio_mono *m, const char *name, sib_error *err);

/* Returns up to max_samples; *got is 0 where the next frame is needed. 16-bit samples are divided by
   32,768. */
sib_code audio_mono_take(audio_mono *m, float *samples, size_t max_samples, size_t *got, const char *name,
                         sib_error *err);

#endif
