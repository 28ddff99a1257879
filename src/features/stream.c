/* Streaming: samples in, frames out.

   Invariants: `buffer` holds the samples of the recording and its extension before the beginning, from
   position `position` on (position 0 is the first sample of frame 0, so sample i of the recording is at lead
   + i). Samples before frame `next` are dropped, except those that the reflection at the end needs. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "features/mel_internal.h"
#include "features/rescue.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Max samples that wait for frames to be pulled. */
#define STREAM_SAMPLES ((size_t)1 << 20)

struct sib_mel_stream {
    const sib_mel *mel;
    float *buffer; /* (capacity) */
    size_t capacity, held;
    uint64_t position; /* of buffer[0] */
    uint64_t n_samples, next;
    bool begun, ended; /* begun: the buffer has the extension before the beginning; ended: no more samples */
    float maximum;
    char *scratch;
    float *limits; /* (block frames) */
};

/* Samples of the recording that the reflection at either end reads. */
static size_t reach(const sib_mel *mel)
{
    return mel->spec.framing == SIB_FRAMING_CENTER_REFLECT ? (size_t)mel->spec.n_fft / 2 + 1 : 0;
}

sib_code sib_mel_stream_create(const sib_mel *mel, sib_mel_stream **out, sib_error *err)
{
    *out = NULL;
    sib_mel_stream *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a stream");
    const size_t min = 4 * ((size_t)mel->spec.n_fft + (size_t)mel->spec.hop_length);
    s->mel = mel;
    s->maximum = -INFINITY;
    s->capacity = size_max(STREAM_SAMPLES, min);
    s->buffer = mem_alloc(s->capacity, sizeof *s->buffer);
    s->scratch = mem_alloc(size_max(mel->kernel.scratch_bytes(&mel->tables), rescue_scratch_bytes(mel)), 1);
    s->limits = mem_alloc(mel_block_frames(mel), sizeof *s->limits);
    if (!s->buffer || !s->scratch || !s->limits) {
        sib_mel_stream_free(&s);
        return err_set(err, SIB_ERR_MEMORY, "out of memory: a stream");
    }
    *out = s;
    return SIB_OK;
}

void sib_mel_stream_free(sib_mel_stream **stream)
{
    if (!stream || !*stream)
        return;
    mem_free((*stream)->buffer);
    mem_free((*stream)->scratch);
    mem_free((*stream)->limits);
    mem_free(*stream);
    *stream = NULL;
}

/* Once there are enough samples, inserts the extension before the beginning. */
static void begin_if_ready(sib_mel_stream *s)
{
    const size_t lead = s->mel->lead;
    if (s->begun || s->held < reach(s->mel))
        return;
    memmove(s->buffer + lead, s->buffer, s->held * sizeof *s->buffer);
    const bool mirror = s->mel->spec.framing == SIB_FRAMING_CENTER_REFLECT;
    for (size_t i = 0; i < lead; i++)
        s->buffer[i] = mirror ? s->buffer[2 * lead - i] : 0;
    s->held += lead;
    s->begun = true;
}

/* First position of frame t. */
static uint64_t frame_start(const sib_mel_stream *s, uint64_t t)
{
    return t * (uint64_t)s->mel->spec.hop_length;
}

/* Drops samples that neither later frames nor the reflection need; called when room is needed, since it moves
   the others. */
static void drop_done(sib_mel_stream *s)
{
    if (!s->begun)
        return;
    const uint64_t end = s->position + s->held;
    uint64_t keep = frame_start(s, s->next);
    if (!s->ended && end - size_min(s->held, reach(s->mel)) < keep)
        keep = end - size_min(s->held, reach(s->mel));
    if (keep > end)
        keep = end; /* the hop exceeds the buffered samples: the rest is dropped on arrival */
    if (keep <= s->position)
        return;
    const size_t gone = (size_t)(keep - s->position);
    s->held -= gone;
    memmove(s->buffer, s->buffer + gone, s->held * sizeof *s->buffer);
    s->position = keep;
}

/* Samples that the buffer can take, apart from the extensions before the beginning and after the end. */
static size_t room(const sib_mel_stream *s)
{
    const size_t used = s->held + 2 * (size_t)s->mel->spec.n_fft;
    return used < s->capacity ? s->capacity - used : 0;
}

sib_code sib_mel_stream_push(sib_mel_stream *s, const float *samples, size_t n_samples, size_t *taken,
                             sib_error *err)
{
    *taken = 0;
    if (s->ended)
        return err_set(err, SIB_ERR_ARGUMENT, "samples were pushed after the end of the stream");
    while (*taken < n_samples) {
        if (room(s) < n_samples - *taken)
            drop_done(s);
        const size_t n = size_min(room(s), n_samples - *taken);
        if (n == 0)
            break;
        const size_t bad = mel_first_bad(samples + *taken, n);
        if (bad < n)
            return err_set(err, SIB_ERR_VALUE, "sample %llu is %s, expected finite samples",
                           (unsigned long long)(s->n_samples + bad),
                           isnan(samples[*taken + bad]) ? "NaN" : "infinite");
        memcpy(s->buffer + s->held, samples + *taken, n * sizeof *samples);
        s->held += n;
        s->n_samples += n;
        *taken += n;
        begin_if_ready(s);
    }
    return SIB_OK;
}

sib_code sib_mel_stream_end(sib_mel_stream *s, sib_error *err)
{
    if (s->ended)
        return SIB_OK;
    sib_code code = mel_length_check(s->mel, s->n_samples, err);
    if (code != SIB_OK)
        return code;
    drop_done(s);
    s->ended = true;
    if (s->mel->spec.framing == SIB_FRAMING_WHOLE)
        return SIB_OK;
    const size_t n = s->held, tail = (size_t)s->mel->spec.n_fft;
    const bool mirror = s->mel->spec.framing == SIB_FRAMING_CENTER_REFLECT;
    const size_t reflected = mirror ? (size_t)s->mel->spec.n_fft / 2 : 0;
    for (size_t i = 0; i < tail; i++)
        s->buffer[n + i] = i < reflected ? s->buffer[n - 2 - i] : 0;
    s->held += tail;
    return SIB_OK;
}

/* Number of frames from `next` on that are entirely in the buffer and belong to the recording. */
static uint64_t frames_ready(const sib_mel_stream *s)
{
    const uint64_t win = (uint64_t)s->mel->spec.win_length, end = s->position + s->held;
    const uint64_t known = mel_frame_count(s->mel, s->n_samples), first = frame_start(s, s->next) + win;
    if (!s->begun || s->next >= known || end < first)
        return 0;
    const uint64_t whole = (end - first) / (uint64_t)s->mel->spec.hop_length + 1;
    return whole < known - s->next ? whole : known - s->next;
}

sib_code sib_mel_stream_pull(sib_mel_stream *s, float *frames, size_t max_frames, size_t row_stride,
                             size_t *got, sib_error *err)
{
    *got = 0;
    if (row_stride < max_frames)
        return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %zu", row_stride, max_frames);
    while (*got < max_frames) {
        const uint64_t ready = frames_ready(s);
        const size_t n = size_min(size_min(mel_block_frames(s->mel), max_frames - *got),
                                  ready < SIZE_MAX ? (size_t)ready : SIZE_MAX);
        if (n == 0)
            break;
        mel_tally tally = {-FLT_MAX, false};
        const float *x = s->buffer + (frame_start(s, s->next) - s->position);
        const bool rescue = rescue_wanted(s->mel);
        const mel_rows z = mel_rows_of(frames + *got, (size_t)s->mel->spec.n_mels, row_stride);
        s->mel->kernel.block(&s->mel->tables, x, n, &z, rescue ? s->limits : NULL, &tally, s->scratch);
        if (tally.overflow)
            return err_set(err, SIB_ERR_VALUE,
                           "samples are so large that energies overflow, expected about -1 to 1");
        if (rescue) {
            /* the recording's maximum, and so the clamp, is not known: every doubtful value is recomputed */
            const size_t length = (n - 1) * FFT400_HOP + FFT400_SIZE;
            const mel_signal block = {x, length, length, SIB_FRAMING_WHOLE};
            rescue_frames(s->mel, &block, 0, n, &z, s->limits, -FLT_MAX, s->scratch);
        }
        s->maximum = tally.maximum > s->maximum ? tally.maximum : s->maximum;
        s->next += n;
        *got += n;
    }
    return SIB_OK;
}

float sib_mel_stream_maximum(const sib_mel_stream *s)
{
    return s->maximum;
}
