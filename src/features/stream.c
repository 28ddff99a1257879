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

    /* Of pull_finished: clamped frames that are to be averaged, and the one before them, which was. */
    float *clamped; /* (n_mels, CLAMPED); NULL before the first */
    size_t waiting; /* columns in it */
    bool follows;   /* column 0 was averaged: it is a neighbour only */
    float running;  /* maximum of the frames clamped so far */
};

#define CLAMPED (MEL_AVERAGE_COLUMNS + 2)

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
    s->maximum = s->running = -INFINITY;
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
    mem_free((*stream)->clamped);
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

static sib_code pull(sib_mel_stream *s, float *frames, size_t max_frames, size_t row_stride, size_t *got,
                     sib_error *err)
{
    *got = 0;
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

static sib_code check_stride(size_t max_frames, size_t row_stride, sib_error *err)
{
    if (row_stride >= max_frames)
        return SIB_OK;
    return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %zu", row_stride, max_frames);
}

sib_code sib_mel_stream_pull(sib_mel_stream *s, float *frames, size_t max_frames, size_t row_stride,
                             size_t *got, sib_error *err)
{
    *got = 0;
    const sib_code code = check_stride(max_frames, row_stride, err);
    return code == SIB_OK ? pull(s, frames, max_frames, row_stride, got, err) : code;
}

/* ---- Finished frames ------------------------------------------------------------------------------------- */

/* Clamps frames (n_mels, n): by `maximum`, or frame by frame by the maximum so far where that is NaN. */
static void clamp(sib_mel_stream *s, float maximum, float *frames, size_t n, size_t stride)
{
    if (!isnan(maximum)) {
        sib_mel_finish(s->mel, maximum, frames, n, stride);
        return;
    }
    for (size_t t = 0; t < n; t++) {
        for (size_t m = 0; m < (size_t)s->mel->spec.n_mels; m++)
            s->running = frames[m * stride + t] > s->running ? frames[m * stride + t] : s->running;
        sib_mel_finish(s->mel, s->running, frames + t, 1, stride);
    }
}

/* Fills the clamped frames as far as there are any; at most `more`. */
static sib_code fill_clamped(sib_mel_stream *s, float maximum, size_t more, sib_error *err)
{
    const size_t n_mels = (size_t)s->mel->spec.n_mels;
    size_t n;
    if (!s->clamped && !(s->clamped = mem_alloc(n_mels, CLAMPED * sizeof *s->clamped)))
        return err_memory(err, n_mels * CLAMPED * sizeof *s->clamped, "frames to be averaged");
    float *at = s->clamped + s->waiting;
    const sib_code code = pull(s, at, size_min(CLAMPED - s->waiting, more), CLAMPED, &n, err);
    if (code == SIB_OK)
        clamp(s, maximum, at, n, CLAMPED);
    s->waiting += code == SIB_OK ? n : 0;
    return code;
}

/* Averages the frames whose neighbours are known to frames (bands, n), at most max_frames, and drops those
   that no later one needs. */
static size_t average_clamped(sib_mel_stream *s, float *frames, size_t max_frames, size_t row_stride)
{
    const bool valid = s->mel->spec.smooth == SIB_SMOOTH_VALID,
               last = s->ended && s->next == mel_frame_count(s->mel, s->n_samples);
    const size_t n_mels = (size_t)s->mel->spec.n_mels, first = s->follows || valid;
    const size_t end = s->waiting - (s->waiting && (valid || !last));
    const size_t n = end > first ? size_min(size_min(end - first, MEL_AVERAGE_COLUMNS), max_frames) : 0,
                 keep = n ? first + n - 1 : 0;
    if (n == 0)
        return 0;
    float *x = s->clamped + first;
    s->mel->average(&(mel_average){.in = mel_rows_of(x, n_mels, CLAMPED),
                                   .rows = n_mels,
                                   .columns = n,
                                   .left = first ? x - 1 : NULL,
                                   .right = first + n < s->waiting ? x + n : NULL,
                                   .left_stride = CLAMPED,
                                   .right_stride = CLAMPED,
                                   .min = -INFINITY,
                                   .valid = valid,
                                   .out = valid ? (mel_rows){.inner = frames, .stride = row_stride}
                                                : mel_rows_of(frames, n_mels, row_stride)});
    for (size_t m = 0; m < n_mels; m++)
        memmove(s->clamped + m * CLAMPED, s->clamped + m * CLAMPED + keep,
                (s->waiting - keep) * sizeof *s->clamped);
    s->waiting -= keep;
    s->follows = true;
    return n;
}

sib_code sib_mel_stream_pull_finished(sib_mel_stream *s, float maximum, float *frames, size_t max_frames,
                                      size_t row_stride, size_t *got, sib_error *err)
{
    uint64_t bands, total;
    *got = 0;
    sib_code code = check_stride(max_frames, row_stride, err);
    if (code == SIB_OK && s->ended)
        code = sib_mel_shape(s->mel, s->n_samples, &bands, &total, err);
    if (code == SIB_OK && s->mel->spec.smooth == SIB_SMOOTH_NONE) {
        code = pull(s, frames, max_frames, row_stride, got, err);
        if (code == SIB_OK)
            clamp(s, maximum, frames, *got, row_stride);
        return code;
    }
    if (code == SIB_OK && s->next && !s->clamped)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "frames were pulled from this stream before they were finished");
    while (code == SIB_OK && *got < max_frames) {
        code = fill_clamped(s, maximum, max_frames - *got + 2, err);
        const size_t n =
            code == SIB_OK ? average_clamped(s, frames + *got, max_frames - *got, row_stride) : 0;
        if (n == 0)
            break;
        *got += n;
    }
    return code;
}

float sib_mel_stream_maximum(const sib_mel_stream *s)
{
    return s->maximum;
}
