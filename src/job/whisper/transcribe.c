/* The recording, window by window. */
#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "job/whisper/detect.h"
#include "job/whisper/hallucinate.h"
#include "job/whisper/letters.h"
#include "job/whisper/mel.h"
#include "job/whisper/words.h"

#include <math.h>
#include <string.h>

/* Windows in a row without progress before one is skipped: the text before a window may change its result,
   but not without end. */
#define MAX_STANDSTILL 10

typedef struct transcription {
    const whisper_model *model;
    const whisper_options *options;
    const job_watch *watch; /* may be NULL */
    whisper_tokens tokens;
    whisper_decoder decoder;
    const float *mel; /* (n_mels, n_frames) */
    size_t n_frames, content;
    float *heard;             /* (n_mels, window) the encoded window */
    size_t heard_at, n_heard; /* the frames that it contains */
    token_ids history;        /* tokens of the initial prompt and of all segments */
    token_ids prompt;         /* scratch */
    size_t n_initial;         /* tokens of the initial prompt */
    size_t reset;             /* tokens of `said` before this index are no longer part of prompts */
    size_t seek;              /* frame at which the next window begins */
    double last_speech;       /* seconds at which the last word ended */
    whisper_segments segments;
    byte_buffer raw, text; /* bytes of text that do not complete a character yet; all text before */
} transcription;

/* ---- Encoding windows ---------------------------------------------------------------------------------- */

/* Encodes frames seek .. seek + size, padded with zeros; no tokens are fed then. */
static sib_code decode_window(transcription *t, size_t seek, size_t size, sib_error *err)
{
    const whisper_model *m = t->model;
    const size_t window = whisper_window_frames(m);
    if (t->n_heard == size && t->heard_at == seek)
        return m->rewind(m->self, err);
    for (size_t b = 0; b < m->n_mels; b++) {
        float *row = t->heard + b * window;
        memcpy(row, t->mel + b * t->n_frames + seek, size * sizeof *row);
        memset(row + size, 0, (window - size) * sizeof *row);
    }
    t->n_heard = 0;
    sib_code code = m->encode(m->self, t->heard, err);
    if (code == SIB_OK) {
        t->heard_at = seek;
        t->n_heard = size;
    }
    return code;
}

static sib_code choose_language(transcription *t, whisper_transcript *out, sib_error *err)
{
    whisper_language spoken;
    sib_code code = SIB_OK;
    if (whisper_detects(t->model, t->options))
        code = decode_window(t, 0, whisper_window_frames(t->model), err);
    if (code == SIB_OK)
        code = whisper_choose_language(&t->decoder, &t->tokens, &spoken, err);
    if (code != SIB_OK)
        return code;
    out->language_probability = spoken.probability;
    out->language = mem_strdup(spoken.code);
    return out->language ? SIB_OK : err_memory(err, strlen(spoken.code) + 1, "a language");
}

/* ---- Decoding ------------------------------------------------------------------------------------------ */

/* Index of the first of the last ids as in Python's ids[-last:], of n: 0 where `last` is 0, and -last where
   it is negative. */
static size_t first_of_last(size_t n, int64_t last)
{
    if (last > 0)
        return n - size_min(n, (size_t)last);
    return size_min(n, (size_t)-last);
}

/* Makes the prompt of the next window from earlier tokens. */
static sib_code make_prompt(transcription *t, sib_error *err)
{
    t->prompt.n = 0;
    if (!t->options->carry_initial_prompt)
        return ids_append(&t->prompt, t->history.ids + t->reset, t->history.n - t->reset, err);
    const size_t ignored = size_max(t->n_initial, t->reset);
    const int64_t room = (int64_t)(t->model->n_text_ctx / 2) - 1 - (int64_t)t->n_initial;
    const size_t from = ignored + first_of_last(t->history.n - ignored, room);
    sib_code code = ids_append(&t->prompt, t->history.ids, t->n_initial, err);
    return code == SIB_OK ? ids_append(&t->prompt, t->history.ids + from, t->history.n - from, err) : code;
}

/* True where another temperature may do better: too repetitive or too improbable, and not just silence. */
static bool falls_short(const whisper_options *o, const whisper_decoded *r)
{
    bool improbable = r->avg_logprob < o->logprob_threshold;
    if (improbable && r->no_speech_prob > o->no_speech_threshold)
        return false;
    return improbable || r->compression_ratio > o->compression_ratio_threshold;
}

static bool is_silence(const whisper_options *o, const whisper_decoded *r)
{
    return r->no_speech_prob > o->no_speech_threshold && !(r->avg_logprob > o->logprob_threshold);
}

static sib_code decode(transcription *t, const whisper_window *at, whisper_decoded *out, sib_error *err)
{
    const whisper_options *o = t->options;
    sib_code code = make_prompt(t, err);
    for (size_t i = 0; i < o->n_temperatures && code == SIB_OK; i++) {
        whisper_decoded_free(out);
        code = decode_window(t, at->seek, at->size, err);
        if (code == SIB_OK)
            code = whisper_decode(&t->decoder, t->prompt.ids, t->prompt.n, o->temperature[i], out, err);
        if (code == SIB_OK && !falls_short(o, out))
            break;
    }
    return code;
}

/* ---- Results ------------------------------------------------------------------------------------------- */

/* Passes on text in complete characters; at the end all that is left. */
static sib_code report_text(transcription *t, bool at_end, sib_error *err)
{
    const size_t before = t->text.n;
    size_t taken;
    sib_code code = whisper_repair(buf_str(&t->raw), at_end, &t->text, &taken, err);
    if (code != SIB_OK)
        return code;
    t->raw.n -= taken;
    if (t->raw.n > 0)
        memmove(t->raw.data, t->raw.data + taken, t->raw.n);
    if (t->watch && t->watch->text && t->text.n > before)
        code = t->watch->text(t->watch->context, t->text.data + before, t->text.n - before, err);
    return code == SIB_OK ? code : err_set(err, code, "the text callback ended the transcription");
}

/* Stores the window's segments, and passes on those with text. */
static sib_code keep(transcription *t, whisper_segments *window, sib_error *err)
{
    const size_t before = t->segments.n;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < window->n && code == SIB_OK; i++) {
        sib_segment *s = &window->data[i];
        s->id = before + i;
        if (s->start == s->end || whisper_trim((sib_str){s->text, strlen(s->text)}).length == 0)
            code = whisper_segment_empty(s, err);
        if (code == SIB_OK)
            code = ids_append(&t->history, s->tokens, s->n_tokens, err);
        if (code == SIB_OK)
            code = whisper_tokens_bytes(&t->tokens, s->tokens, s->n_tokens, t->tokens.timestamp_begin,
                                        &t->raw, err);
    }
    if (code == SIB_OK)
        code = whisper_segments_move(&t->segments, window, err);
    for (size_t i = before; i < t->segments.n && code == SIB_OK; i++)
        if (t->watch && t->watch->segment && t->segments.data[i].text[0]) {
            code = t->watch->segment(t->watch->context, &t->segments.data[i], err);
            if (code != SIB_OK)
                err_set(err, code, "the segment callback ended the transcription");
        }
    return code == SIB_OK ? report_text(t, false, err) : code;
}

/* ---- Windows ------------------------------------------------------------------------------------------- */

/* Times the words of a window's segments, and sets the next window by them. *kept: false where the window is
   to be decoded again from another place. */
static sib_code time_window(transcription *t, const whisper_window *at, bool complete,
                            whisper_segments *segments, bool *kept, sib_error *err)
{
    const whisper_options *o = t->options;
    double last;
    *kept = true;
    sib_code code = whisper_add_words(&t->decoder, at, t->last_speech, segments, err);
    if (code != SIB_OK)
        return code;
    if (!complete && whisper_last_end(segments, &last) && last > at->offset)
        t->seek = (size_t)rint(last * WHISPER_FRAME_RATE);
    if (!isnan(o->hallucination_silence_threshold)) {
        const whisper_hearing h = {at, t->content, o->hallucination_silence_threshold, t->last_speech,
                                   complete};
        *kept = whisper_skip_silence(&h, segments, &t->seek);
    }
    if (*kept && whisper_last_end(segments, &last))
        t->last_speech = last;
    return SIB_OK;
}

/* Handles a window that was decoded to r. */
static sib_code take_window(transcription *t, const whisper_window *at, const whisper_decoded *r,
                            sib_error *err)
{
    const whisper_options *o = t->options;
    whisper_segments segments = {0};
    size_t advance;
    bool complete, kept = true;
    sib_code code = whisper_slice(&t->tokens, r, at, &segments, &advance, &complete, err);
    if (code != SIB_OK)
        return code;
    t->seek = at->seek + advance;
    if (o->word_timestamps)
        code = time_window(t, at, complete, &segments, &kept, err);
    if (code == SIB_OK && kept) {
        code = keep(t, &segments, err);
        /* results at a high temperature do not become prompts */
        if (!o->condition_on_previous_text || r->temperature > 0.5)
            t->reset = t->history.n;
    }
    whisper_segments_cut(&segments, 0);
    return code;
}

/* Transcribes the window at t->seek, of at most `room` frames. */
static sib_code do_window(transcription *t, size_t room, sib_error *err)
{
    const size_t whole = whisper_window_frames(t->model);
    whisper_window at = {.seek = t->seek, .size = size_min(whole, room)};
    at.offset = whisper_frame_time(at.seek);
    at.duration = whisper_frame_time(at.size);
    at.end = whisper_frame_time(at.seek + whole);
    whisper_decoded r = {0};
    if (t->watch && cancel_is_set(t->watch->cancel))
        return err_set(err, SIB_ERR_CANCELLED, "the transcription was cancelled");
    sib_code code = decode(t, &at, &r, err);
    if (code == SIB_OK && is_silence(t->options, &r))
        t->seek = at.seek + at.size;
    else if (code == SIB_OK)
        code = take_window(t, &at, &r, err);
    whisper_decoded_free(&r);
    return code;
}

static sib_code report_progress(const transcription *t, sib_error *err)
{
    if (!t->watch || !t->watch->progress)
        return SIB_OK;
    sib_code code = t->watch->progress(t->watch->context, whisper_frame_time(size_min(t->seek, t->content)),
                                       whisper_frame_time(t->content), err);
    return code == SIB_OK ? code : err_set(err, code, "the progress callback ended the transcription");
}

/* Transcribes all windows from frame `from` to frame `to`. Words may move back, but every frame is reached in
   the end. */
static sib_code do_clip(transcription *t, size_t from, size_t to, sib_error *err)
{
    size_t standstill = 0, farthest = from;
    t->seek = from;
    while (t->seek < to) {
        sib_code code = do_window(t, to - t->seek, err);
        t->seek = size_max(t->seek, from);
        standstill = t->seek > farthest ? 0 : standstill + 1;
        farthest = size_max(t->seek, farthest);
        if (standstill == MAX_STANDSTILL) {
            farthest += size_min(whisper_window_frames(t->model), to - farthest);
            t->seek = farthest;
            standstill = 0;
        }
        if (code == SIB_OK)
            code = report_progress(t, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* ---- The recording ------------------------------------------------------------------------------------- */

static sib_code do_clips(transcription *t, sib_error *err)
{
    const whisper_options *o = t->options;
    sib_code code = o->n_clips == 0 ? do_clip(t, 0, t->content, err) : SIB_OK;
    for (size_t i = 0; i < o->n_clips && code == SIB_OK; i += 2) {
        size_t from = (size_t)rint(o->clip_timestamps[i] * WHISPER_FRAME_RATE), to = t->content;
        if (i + 1 < o->n_clips)
            to = size_min(to, (size_t)rint(o->clip_timestamps[i + 1] * WHISPER_FRAME_RATE));
        code = do_clip(t, from, to, err);
    }
    return code == SIB_OK ? report_text(t, true, err) : code;
}

static sib_code begin(transcription *t, whisper_transcript *out, sib_error *err)
{
    const size_t cells = t->model->n_mels * whisper_window_frames(t->model);
    t->heard = mem_alloc(cells, sizeof *t->heard);
    if (!t->heard)
        return err_memory(err, cells * sizeof *t->heard, "a window");
    sib_code code = choose_language(t, out, err);
    if (code == SIB_OK && t->options->initial_prompt)
        code = whisper_tokens_encode(&t->tokens, t->options->initial_prompt, &t->history, err);
    t->n_initial = t->history.n;
    return code == SIB_OK ? buf_add(&t->text, "", 0, err) : code;
}

sib_code whisper_transcribe_features(const whisper_model *m, const sib_tokenizer *tokenizer, const float *mel,
                                     size_t n_frames, const whisper_options *o, const job_watch *watch,
                                     whisper_transcript *out, sib_error *err)
{
    transcription t = {.model = m, .options = o, .watch = watch, .mel = mel, .n_frames = n_frames};
    *out = (whisper_transcript){0};
    sib_code code = whisper_options_check(o, m, err);
    if (code == SIB_OK && n_frames < whisper_window_frames(m))
        code = err_set(err, SIB_ERR_ARGUMENT,
                       "features have %zu frames, expected more than the %zu of a window of silence",
                       n_frames, whisper_window_frames(m));
    if (code == SIB_OK)
        code = whisper_tokens_find(&t.tokens, tokenizer, m, err);
    if (code == SIB_OK)
        code = whisper_decoder_make(&t.decoder, m, o, watch, &t.tokens, err);
    if (code != SIB_OK)
        return code;
    t.content = n_frames - whisper_window_frames(m);
    code = begin(&t, out, err);
    if (code == SIB_OK)
        code = do_clips(&t, err);
    if (code == SIB_OK) {
        out->text = t.text.data;
        out->segments = t.segments.data;
        out->n_segments = t.segments.n;
    } else {
        buf_free(&t.text);
        whisper_segments_cut(&t.segments, 0);
        whisper_transcript_free(out);
    }
    mem_free(t.heard);
    ids_free(&t.history);
    ids_free(&t.prompt);
    buf_free(&t.raw);
    whisper_decoder_free(&t.decoder);
    return code;
}

sib_code whisper_features(const whisper_model *m, sib_dtype arithmetic, sib_pool *pool, const float *samples,
                          size_t n_samples, float **out, size_t *n_frames, sib_error *err)
{
    const size_t padding = whisper_window_frames(m) * WHISPER_HOP;
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    uint64_t bands = 0, frames = 0;
    float *features = NULL;
    sib_code code = sib_mel_spec_preset("whisper", (int32_t)m->n_mels, &spec, err);
    if (code == SIB_OK)
        code = sib_mel_create(&spec, NULL, &mel, err);
    if (code == SIB_OK)
        code = sib_mel_shape(mel, (uint64_t)n_samples + padding, &bands, &frames, err);
    if (code == SIB_OK) {
        features = mem_alloc((size_t)(bands * frames), sizeof *features);
        if (!features)
            code = err_memory(err, (size_t)(bands * frames) * sizeof *features, "features");
    }
    if (code == SIB_OK)
        code = whisper_mel(arithmetic, mel, pool, samples, n_samples, padding, features, (size_t)frames, err);
    sib_mel_free(&mel);
    if (code != SIB_OK) {
        mem_free(features);
        features = NULL;
    }
    *out = features;
    *n_frames = (size_t)frames;
    return code;
}

sib_code whisper_transcribe(const whisper_model *m, const sib_tokenizer *t, sib_pool *pool,
                            const float *samples, size_t n_samples, const whisper_options *o,
                            const job_watch *watch, whisper_transcript *out, sib_error *err)
{
    float *features;
    size_t n_frames;
    *out = (whisper_transcript){0};
    sib_code code = whisper_features(m, o->arithmetic, pool, samples, n_samples, &features, &n_frames, err);
    if (code == SIB_OK)
        code = whisper_transcribe_features(m, t, features, n_frames, o, watch, out, err);
    mem_free(features);
    return code;
}

void whisper_transcript_free(whisper_transcript *t)
{
    whisper_segments segments = {t->segments, t->n_segments, t->n_segments};
    whisper_segments_cut(&segments, 0);
    mem_free(t->language);
    mem_free(t->text);
    *t = (whisper_transcript){0};
}
