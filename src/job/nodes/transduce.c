/* Speech to text by a transducer (Graves 2012; with durations Xu et al. 2023), greedily: an encoder's frames in order, of each
   the likeliest output after the tokens so far, in chunks that end where the recording is quiet. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/ctc_text.h"
#include "job/nodes/speech.h"

#include <math.h>
#include <string.h>

enum { CALL_ENCODER, CALL_PREDICTOR, CALL_JOINER };
enum {
    IN_AUDIO,
    IN_VOCABULARY,
    IN_BLANK,
    IN_BEGIN,
    IN_DURATIONS,
    IN_SYMBOLS,
    IN_FRAME,
    IN_MIN,
    IN_RATE,
    IN_PREFIX,
    IN_CHUNK,
    IN_SEGMENT,
    IN_PAUSE,
    IN_WORDS,
    IN_CLIPS,
    IN_LANGUAGE
};
static const job_port transduce_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n]"},
    {"vocabulary", SIB_PORT_TEXTS, true, "texts of the outputs, in order"},
    {"blank", SIB_PORT_NUMBER, true, "the output that stands for no token"},
    {"begin", SIB_PORT_NUMBER, false, "the token before the first (the blank)"},
    {"durations", SIB_PORT_NUMBER, false,
     "outputs behind those of the vocabulary, for how many frames go on: 0, 1, 2, ... (0: only blanks go on, "
     "by one)"},
    {"max_symbols", SIB_PORT_NUMBER, false,
     "max tokens at a frame; with durations, max outputs times frames (10)"},
    {"frame_samples", SIB_PORT_NUMBER, true, "samples from one frame to the next"},
    {"min_samples", SIB_PORT_NUMBER, false, "samples of one frame: fewer are not heard (1)"},
    {"rate", SIB_PORT_NUMBER, false, "samples per second (16000)"},
    {"word_prefix", SIB_PORT_TEXT, false, "what the text of a token that begins a word begins with (none)"},
    {"chunk_length_s", SIB_PORT_NUMBER, false, "seconds that the model is given at once; 0: all (30)"},
    {"segment_length_s", SIB_PORT_NUMBER, false,
     "a word that begins later in its segment begins the next (15)"},
    {"pause_s", SIB_PORT_NUMBER, false, "seconds without a word that end a segment (1)"},
    {"word_timestamps", SIB_PORT_FLAG, false, "times of words (false)"},
    {"clip_timestamps", SIB_PORT_NUMBERS, false,
     "start, end, start, ... of what is transcribed, seconds (all)"},
    {"language", SIB_PORT_TEXT, false, "what is spoken, for the output of this name (not known)"}};
static const char *const transduce_calls[] = {"encoder", "predictor", "joiner"};

typedef struct transducer {
    const job_step *s;
    ctc_rules rules;
    ctc_text text;
    const float *samples; /* (n) */
    size_t n, frame, min, chunk;
    size_t blank, begin, durations, max_symbols;
    double rate;
} transducer;

/* ---- Options -------------------------------------------------------------------------------------------- */

static sib_code read_counts(const job_step *s, transducer *r, sib_error *err)
{
    size_t rate = 0;
    const size_t last = r->rules.n_texts - 1;
    sib_code code = step_count(s, IN_BLANK, 0, 0, last, &r->blank, err);
    const struct {
        size_t port, otherwise, lo, hi, *out;
    } counts[] = {{IN_BEGIN, r->blank, 0, last, &r->begin},
                  {IN_DURATIONS, 0, 0, 1 << 10, &r->durations},
                  {IN_SYMBOLS, 10, 1, 1 << 16, &r->max_symbols},
                  {IN_FRAME, 0, 1, 1 << 24, &r->frame},
                  {IN_MIN, 1, 1, 1 << 24, &r->min},
                  {IN_RATE, 16000, 1, 1 << 24, &rate}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts && code == SIB_OK; i++)
        code = step_count(s, counts[i].port, counts[i].otherwise, counts[i].lo, counts[i].hi, counts[i].out,
                          err);
    r->rate = (double)rate;
    return code;
}

static sib_code read_options(const job_step *s, transducer *r, sib_error *err)
{
    ctc_rules *o = &r->rules;
    double seconds = 0;
    step_texts(s, IN_VOCABULARY, &o->texts, &o->n_texts);
    if (!o->n_texts)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the vocabulary is empty", s->node->name);
    sib_code code = read_counts(s, r, err);
    if (code == SIB_OK)
        code = step_range(s, IN_CHUNK, 30, 0, 1e6, &seconds, err);
    if (code != SIB_OK)
        return code;
    r->chunk = (size_t)rint(seconds * r->rate);
    if (seconds > 0 && r->chunk < 2 * r->min)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: chunks of %g s are too short: a frame has %zu samples",
                       s->node->name, seconds, r->min);
    o->blank = o->delimiter = o->texts[r->blank];
    o->separator = " ";
    o->prefix = step_text(s, IN_PREFIX, "");
    o->words = step_flag(s, IN_WORDS, false);
    o->frame_seconds = (double)r->frame / r->rate;
    o->pause_seconds = step_number(s, IN_PAUSE, 1);
    o->max_seconds = step_number(s, IN_SEGMENT, 15);
    if (!(o->pause_seconds > 0 && o->max_seconds > 0))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: segment_length_s and pause_s must be above 0",
                       s->node->name);
    return SIB_OK;
}

/* ---- One chunk ------------------------------------------------------------------------------------------ */

/* What is said of a frame: an output, its probability, and how many frames to go on. */
typedef struct drawn {
    size_t id, duration;
    double probability;
} drawn;

static size_t likeliest(const float *row, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = row[i] > row[best] ? i : best;
    return best;
}

/* What the prediction network makes of a token after those before it. Frees *out first. */
static sib_code predict(const transducer *r, size_t id, sib_tensor **out, sib_error *err)
{
    static const char *const gives[] = {"predicted"};
    const int64_t one = 1;
    const int32_t token = (int32_t)id;
    const speech_port given = {"token", SIB_I32, 1, &one, &token};
    sib_tensor_free(out);
    return speech_call(r->s, CALL_PREDICTOR, 1, &given, 1, gives, out, err);
}

/* Scores the outputs for a frame (width) and what was predicted. */
static sib_code draw(const transducer *r, const float *frame, int64_t width, const sib_tensor *predicted,
                     drawn *out, sib_error *err)
{
    static const char *const gives[] = {"logits"};
    const int64_t dims[] = {1, width};
    const speech_port given[] = {{"frame", SIB_F32, 2, dims, frame},
                                 {"prediction", SIB_F32, sib_tensor_rank(predicted),
                                  sib_tensor_dims(predicted), sib_tensor_data(predicted)}};
    const size_t n = r->rules.n_texts;
    sib_tensor *logits = NULL;
    double sum = 0;
    sib_code code = speech_call(r->s, CALL_JOINER, 2, given, 1, gives, &logits, err);
    if (code == SIB_OK && (size_t)sib_tensor_count(logits) != n + r->durations)
        code =
            err_set(err, SIB_ERR_ARGUMENT, "%s: the model has %lld outputs for %zu texts and %zu durations",
                    r->s->node->name, (long long)sib_tensor_count(logits), n, r->durations);
    if (code == SIB_OK) {
        const float *row = sib_tensor_data(logits);
        out->id = likeliest(row, n);
        out->duration = r->durations ? likeliest(row + n, r->durations) : 0;
        for (size_t i = 0; i < n; i++)
            sum += exp((double)row[i] - row[out->id]);
        out->probability = 1 / sum;
        if (!isfinite(row[out->id]) || !(sum >= 1))
            code = err_set(err, SIB_ERR_VALUE, "%s: the model's logits are not numbers", r->s->node->name);
    }
    sib_tensor_free(&logits);
    return code;
}

/* Whether a token is a mark that takes no time of its own where tokens have durations. */
static bool is_mark(const char *text)
{
    static const char *const marks[] = {"?", "'", "\xC2\xA1", "\xC2\xBF", "-", ":", ",", "%", "/", ".", "!"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(text, marks[i]))
            return true;
    return false;
}

/* Takes a token of frame `at`; *end: where the one before it ended, SIZE_MAX before the first, and then where it ends. */
static sib_code take_token(transducer *r, const drawn *d, size_t at, size_t *end, sib_error *err)
{
    const char *text = r->rules.texts[d->id];
    const bool mark = r->durations && *end < SIZE_MAX && is_mark(text);
    const size_t from = mark ? *end : at, to = mark ? *end : at + (r->durations ? d->duration : 1);
    if (strcmp(text, r->rules.blank) != 0 && (*end < SIZE_MAX || strcmp(text, r->rules.prefix) != 0))
        *end = to;
    return ctc_text_token(&r->text, from, to, d->id, d->probability, err);
}

/* How many frames to go on after an output; *symbols: tokens in a row at this frame. */
static size_t frames_on(const transducer *r, const drawn *d, size_t *symbols)
{
    const bool blank = d->id == r->blank;
    if (r->durations)
        return size_max(d->duration, blank);
    *symbols = blank ? 0 : *symbols + 1;
    if (!blank && *symbols < r->max_symbols)
        return 0;
    *symbols = 0;
    return 1;
}

/* Decodes frames [1, n, width]. */
static sib_code decode(transducer *r, const sib_tensor *encoded, sib_error *err)
{
    const float *frames = sib_tensor_data(encoded);
    const int64_t width = sib_tensor_dims(encoded)[sib_tensor_rank(encoded) - 1];
    const size_t n = (size_t)(sib_tensor_count(encoded) / width);
    const uint64_t limit = (uint64_t)n * r->max_symbols;
    size_t at = 0, symbols = 0, end = SIZE_MAX;
    sib_tensor *predicted = NULL;
    job_call_reset(r->s->calls[CALL_PREDICTOR]);
    sib_code code = predict(r, r->begin, &predicted, err);
    /* from 1: what texts begin with counts as an output */
    for (uint64_t i = 1; i < limit && at < n && code == SIB_OK; i++) {
        drawn d = {0};
        if (r->s->watch && cancel_is_set(r->s->watch->cancel))
            code = err_set(err, SIB_ERR_CANCELLED, "%s: the transcription was cancelled", r->s->node->name);
        if (code == SIB_OK)
            code = draw(r, frames + at * (size_t)width, width, predicted, &d, err);
        if (code == SIB_OK && d.id != r->blank)
            code = take_token(r, &d, at, &end, err);
        if (code == SIB_OK && d.id != r->blank)
            code = predict(r, d.id, &predicted, err);
        if (code == SIB_OK)
            at += frames_on(r, &d, &symbols);
    }
    sib_tensor_free(&predicted);
    return code;
}

/* ---- Chunks --------------------------------------------------------------------------------------------- */

static sib_code hear(transducer *r, const float *samples, size_t n, sib_error *err)
{
    static const char *const gives[] = {"encoded"};
    const int64_t dims[] = {1, (int64_t)n};
    const speech_port given = {"samples", SIB_F32, 2, dims, samples};
    sib_tensor *encoded = NULL;
    sib_code code = speech_call(r->s, CALL_ENCODER, 1, &given, 1, gives, &encoded, err);
    if (code == SIB_OK)
        code = decode(r, encoded, err);
    sib_tensor_free(&encoded);
    return code;
}

/* Samples [from, to) of the recording. */
static sib_code do_clip(void *self, size_t from, size_t to, sib_error *err)
{
    transducer *r = self;
    const job_watch *w = r->s->watch;
    sib_code code = SIB_OK;
    while (code == SIB_OK && from < to && to - from >= r->min) {
        const float *samples = r->samples + from;
        const size_t n =
            r->chunk && to - from > r->chunk ? speech_quiet_place(samples, r->chunk, r->rate) : to - from;
        r->text.offset = (double)from / r->rate;
        r->text.seek = (uint64_t)(r->text.offset * 100);
        code = ctc_text_clip(&r->text, err);
        if (code == SIB_OK)
            code = hear(r, samples, n, err);
        if (code == SIB_OK)
            code = ctc_text_end(&r->text, err);
        from += n;
        if (code == SIB_OK && w && w->progress)
            code = w->progress(w->context, (double)from / r->rate, (double)r->n / r->rate, err);
    }
    return code;
}

/* ---- The node ------------------------------------------------------------------------------------------- */

static sib_code transduce_run(job_step *s, sib_error *err)
{
    transducer r = {.s = s};
    sib_code code = step_samples(s, IN_AUDIO, &r.samples, &r.n, err);
    if (code == SIB_OK)
        code = read_options(s, &r, err);
    r.text.rules = &r.rules;
    r.text.watch = s->watch;
    if (code == SIB_OK)
        code = speech_clips(s, IN_CLIPS, r.rate, r.n, do_clip, &r, err);
    if (code == SIB_OK)
        code = speech_give(s, buf_str(&r.text.text), &r.text.segments, IN_LANGUAGE, err);
    ctc_text_free(&r.text);
    return code;
}

const job_op job_op_transduce = {.name = "transduce",
                                 .meaning = "speech to text by a transducer",
                                 .inputs = transduce_inputs,
                                 .n_inputs = sizeof transduce_inputs / sizeof *transduce_inputs,
                                 .outputs = speech_outputs,
                                 .n_outputs = SPEECH_OUTPUTS,
                                 .calls = transduce_calls,
                                 .n_calls = 3,
                                 .n_needed = 3,
                                 .run = transduce_run};
