/* Speech to text by a recogniser with a CTC head, in chunks that overlap, as transformers' pipeline has them. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/ctc_text.h"
#include "job/nodes/speech.h"

#include <math.h>
#include <string.h>

enum {
    IN_AUDIO,
    IN_VOCABULARY,
    IN_BLANK,
    IN_FRAME,
    IN_MIN,
    IN_RATE,
    IN_DELIMITER,
    IN_SEPARATOR,
    IN_PREFIX,
    IN_LOWER,
    IN_CLEAN,
    IN_CHUNK,
    IN_STRIDE,
    IN_SEGMENT,
    IN_PAUSE,
    IN_WORDS,
    IN_CLIPS,
    IN_LANGUAGE
};
static const job_port ctc_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n]"},
    {"vocabulary", SIB_PORT_TEXTS, true, "texts of the outputs, in order"},
    {"blank", SIB_PORT_NUMBER, true, "the output that stands for no token"},
    {"frame_samples", SIB_PORT_NUMBER, true, "samples from one frame of logits to the next"},
    {"min_samples", SIB_PORT_NUMBER, false, "samples of one frame: fewer are not heard (1)"},
    {"rate", SIB_PORT_NUMBER, false, "samples per second (16000)"},
    {"word_delimiter", SIB_PORT_TEXT, false, "the text between words (a vertical bar)"},
    {"word_separator", SIB_PORT_TEXT, false, "what is written in its place (a blank)"},
    {"word_prefix", SIB_PORT_TEXT, false, "what the text of a token that begins a word begins with (none)"},
    {"lower_case", SIB_PORT_FLAG, false, "the text is written in lower case (false)"},
    {"clean_up", SIB_PORT_FLAG, false, "blanks before punctuation and English endings are left out (false)"},
    {"chunk_length_s", SIB_PORT_NUMBER, false, "seconds that the model is given at once; 0: all (30)"},
    {"stride_length_s", SIB_PORT_NUMBER, false,
     "seconds at both ends of a chunk that only its neighbours' frames are taken of (a sixth of the chunk)"},
    {"segment_length_s", SIB_PORT_NUMBER, false,
     "a word that begins later in its segment begins the next (15)"},
    {"pause_s", SIB_PORT_NUMBER, false, "seconds without a word that end a segment (1)"},
    {"word_timestamps", SIB_PORT_FLAG, false, "times of words (false)"},
    {"clip_timestamps", SIB_PORT_NUMBERS, false,
     "start, end, start, ... of what is transcribed, seconds (all)"},
    {"language", SIB_PORT_TEXT, false, "what is spoken, for the output of this name (not known)"}};
static const char *const ctc_calls[] = {"model"};

typedef struct recogniser {
    const job_step *s;
    ctc_rules rules;
    ctc_text text;
    const float *samples; /* (n) */
    size_t n, frame, min, chunk, stride;
    double rate;
} recogniser;

/* ---- Options -------------------------------------------------------------------------------------------- */

/* Seconds as samples of entire frames. */
static sib_code read_length(const job_step *s, const recogniser *r, size_t port, double otherwise,
                            size_t *out, sib_error *err)
{
    const double seconds = step_number(s, port, otherwise);
    if (!(seconds >= 0 && seconds <= 1e6))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: %s is %g, expected from 0 to 1e6 seconds", s->node->name,
                       s->node->inputs[port].name, seconds);
    *out = (size_t)rint(seconds * r->rate / (double)r->frame) * r->frame;
    return SIB_OK;
}

static sib_code read_chunks(const job_step *s, recogniser *r, sib_error *err)
{
    size_t rate;
    sib_code code = step_count(s, IN_FRAME, 0, 1, 1 << 24, &r->frame, err);
    if (code == SIB_OK)
        code = step_count(s, IN_MIN, 1, 1, 1 << 24, &r->min, err);
    if (code == SIB_OK)
        code = step_count(s, IN_RATE, 16000, 1, 1 << 24, &rate, err);
    if (code != SIB_OK)
        return code;
    r->rate = (double)rate;
    code = read_length(s, r, IN_CHUNK, 30, &r->chunk, err);
    if (code == SIB_OK)
        code = read_length(s, r, IN_STRIDE, step_number(s, IN_CHUNK, 30) / 6, &r->stride, err);
    if (code == SIB_OK && step_number(s, IN_CHUNK, 30) > 0 &&
        (r->chunk <= 2 * r->stride || r->chunk < r->min))
        code = err_set(err, SIB_ERR_ARGUMENT,
                       "%s: chunks of %g s cannot have %g s at both ends that are not taken, and a frame of "
                       "%zu samples",
                       s->node->name, (double)r->chunk / r->rate, (double)r->stride / r->rate, r->min);
    return code;
}

static sib_code read_rules(const job_step *s, recogniser *r, sib_error *err)
{
    size_t blank;
    ctc_rules *o = &r->rules;
    step_texts(s, IN_VOCABULARY, &o->texts, &o->n_texts);
    if (!o->n_texts)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the vocabulary is empty", s->node->name);
    sib_code code = step_count(s, IN_BLANK, 0, 0, o->n_texts - 1, &blank, err);
    if (code != SIB_OK)
        return code;
    o->blank = o->texts[blank];
    o->delimiter = step_text(s, IN_DELIMITER, "|");
    o->separator = step_text(s, IN_SEPARATOR, " ");
    o->prefix = step_text(s, IN_PREFIX, "");
    o->lower_case = step_flag(s, IN_LOWER, false);
    o->clean_up = step_flag(s, IN_CLEAN, false);
    o->words = step_flag(s, IN_WORDS, false);
    o->frame_seconds = (double)r->frame / r->rate;
    o->pause_seconds = step_number(s, IN_PAUSE, 1);
    o->max_seconds = step_number(s, IN_SEGMENT, 15);
    if (!(o->pause_seconds > 0 && o->max_seconds > 0))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: segment_length_s and pause_s must be above 0",
                       s->node->name);
    return SIB_OK;
}

/* ---- Chunks --------------------------------------------------------------------------------------------- */

/* Takes frames [from, to) of logits [1, frames, vocabulary], of which the first is frame `at` of the clip. */
static sib_code take_frames(const job_step *s, recogniser *r, const float *logits, size_t from, size_t to,
                            uint64_t at, sib_error *err)
{
    const size_t n = r->rules.n_texts;
    sib_code code = SIB_OK;
    for (size_t k = from; k < to && code == SIB_OK; k++) {
        const float *row = logits + k * n;
        size_t best = 0;
        double sum = 0;
        for (size_t i = 1; i < n; i++)
            best = row[i] > row[best] ? i : best;
        for (size_t i = 0; i < n; i++)
            sum += exp((double)row[i] - row[best]);
        if (!isfinite(row[best]) || !(sum >= 1))
            return err_set(err, SIB_ERR_VALUE, "%s: the model's logits are not numbers", s->node->name);
        code = ctc_text_frame(&r->text, at + k, best, 1 / sum, err);
    }
    return code;
}

/* The logits of samples (n): *out float32 [1, *frames, vocabulary], owned by the caller. */
static sib_code hear(const job_step *s, const recogniser *r, const float *samples, size_t n, sib_tensor **out,
                     size_t *frames, sib_error *err)
{
    static const char *const gives[] = {"logits"};
    const int64_t dims = (int64_t)n;
    const speech_port given = {"samples", SIB_F32, 1, &dims, samples};
    sib_code code = speech_call(s, 0, 1, &given, 1, gives, out, err);
    const size_t rank = code == SIB_OK ? sib_tensor_rank(*out) : 0;
    if (code == SIB_OK && (rank < 2 || (size_t)sib_tensor_dims(*out)[rank - 1] != r->rules.n_texts))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: the model's logits do not have the %zu texts' last axis",
                       s->node->name, r->rules.n_texts);
    *frames = code == SIB_OK ? (size_t)sib_tensor_count(*out) / r->rules.n_texts : 0;
    return code;
}

/* Samples [from, to) of the recording. */
static sib_code do_clip(void *self, size_t from, size_t to, sib_error *err)
{
    recogniser *r = self;
    const job_step *s = r->s;
    const size_t chunk = r->chunk ? r->chunk : size_max(to - from, 1),
                 step = chunk - 2 * r->stride * !!r->chunk;
    sib_code code = ctc_text_clip(&r->text, err);
    r->text.offset = (double)from / r->rate;
    for (size_t at = from; at < to && code == SIB_OK; at += step) {
        const bool last = to - at <= chunk;
        const size_t n = last ? to - at : chunk, left = at > from ? r->stride : 0;
        sib_tensor *logits;
        size_t frames, end = last ? SIZE_MAX : (chunk - r->stride) / r->frame;
        if (s->watch && cancel_is_set(s->watch->cancel))
            return err_set(err, SIB_ERR_CANCELLED, "%s: the transcription was cancelled", s->node->name);
        if (n <= left || n < r->min)
            break;
        r->text.seek = (uint64_t)((double)at / r->rate * 100);
        code = hear(s, r, r->samples + at, n, &logits, &frames, err);
        if (code == SIB_OK)
            code = take_frames(s, r, sib_tensor_data(logits), left / r->frame, size_min(frames, end),
                               (at - from) / r->frame, err);
        sib_tensor_free(&logits);
        if (code == SIB_OK && s->watch && s->watch->progress)
            code = s->watch->progress(s->watch->context, (double)(at + n) / r->rate, (double)r->n / r->rate,
                                      err);
        if (last)
            break;
    }
    return code == SIB_OK ? ctc_text_end(&r->text, err) : code;
}

/* ---- The node ------------------------------------------------------------------------------------------- */

static sib_code ctc_run(job_step *s, sib_error *err)
{
    recogniser r = {.s = s};
    sib_code code = step_samples(s, IN_AUDIO, &r.samples, &r.n, err);
    if (code == SIB_OK)
        code = read_chunks(s, &r, err);
    if (code == SIB_OK)
        code = read_rules(s, &r, err);
    r.text.rules = &r.rules;
    r.text.watch = s->watch;
    if (code == SIB_OK)
        code = speech_clips(s, IN_CLIPS, r.rate, r.n, do_clip, &r, err);
    if (code == SIB_OK)
        code = speech_give(s, buf_str(&r.text.text), &r.text.segments, IN_LANGUAGE, err);
    ctc_text_free(&r.text);
    return code;
}

const job_op job_op_ctc = {.name = "ctc",
                           .meaning = "speech to text by a recogniser with a CTC head",
                           .inputs = ctc_inputs,
                           .n_inputs = sizeof ctc_inputs / sizeof *ctc_inputs,
                           .outputs = speech_outputs,
                           .n_outputs = SPEECH_OUTPUTS,
                           .calls = ctc_calls,
                           .n_calls = 1,
                           .n_needed = 1,
                           .run = ctc_run};
