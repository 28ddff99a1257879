/* Spans of speech from probabilities, by the rules of Silero's get_speech_timestamps (silero-vad 6): a
   threshold for the start and a lower one for the end, min speech and silence, max speech, padding. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "job/nodes/nodes.h"

#include <math.h>

enum {
    SPANS_PROBABILITIES,
    SPANS_WINDOW,
    SPANS_AUDIO,
    SPANS_RATE,
    SPANS_THRESHOLD,
    SPANS_NEG_THRESHOLD,
    SPANS_MIN_SPEECH,
    SPANS_MIN_SILENCE,
    SPANS_MAX_SPEECH,
    SPANS_PAD,
    SPANS_LONG_SILENCE
};
static const job_port spans_inputs[] = {
    {"probabilities", SIB_PORT_TENSOR, true, "of speech, one per window, in order; any dims"},
    {"window", SIB_PORT_NUMBER, true, "samples of a window"},
    {"audio", SIB_PORT_AUDIO, true, "the recording, for its length"},
    {"rate", SIB_PORT_NUMBER, false, "samples per second (16000)"},
    {"threshold", SIB_PORT_NUMBER, false, "speech begins at this probability (0.5)"},
    {"neg_threshold", SIB_PORT_NUMBER, false, "speech ends below this one (threshold - 0.15, at least 0.01)"},
    {"min_speech_duration_ms", SIB_PORT_NUMBER, false, "shorter speech is dropped (250)"},
    {"min_silence_duration_ms", SIB_PORT_NUMBER, false, "shorter silence does not end speech (100)"},
    {"max_speech_duration_s", SIB_PORT_NUMBER, false,
     "longer speech is cut at its longest silence (no limit)"},
    {"speech_pad_ms", SIB_PORT_NUMBER, false, "spans are widened by this on both sides (30)"},
    {"min_silence_at_max_speech_ms", SIB_PORT_NUMBER, false, "silence at which long speech may be cut (98)"}};
static const job_port spans_outputs[] = {
    {"spans", SIB_PORT_SPANS, false, "in seconds, in order, without overlaps"}};

/* All in samples. */
typedef struct span_rules {
    double threshold, neg_threshold, window, total, min_speech, min_silence, max_speech, pad, long_silence;
} span_rules;

typedef struct span_finder {
    const span_rules *rules;
    sib_span *spans; /* (n) in samples */
    size_t n, capacity;
    bool speaking;
    double start;
    double quiet_since; /* sample at which the probability fell, 0 if it did not */
    double cut_at,
        cut_length; /* longest silence of the current speech, where it may be cut; length 0: none */
} span_finder;

static sib_code add_span(span_finder *f, double start, double end, sib_error *err)
{
    return ARRAY_PUSH(f->spans, f->n, f->capacity, "speech spans", err, (sib_span){start, end});
}

static void end_speech(span_finder *f)
{
    f->speaking = false;
    f->quiet_since = f->cut_length = 0;
}

/* Handles speech that is too long at sample `now`: cuts at its longest silence, otherwise here. */
static sib_code cut(span_finder *f, double now, bool *skip, sib_error *err)
{
    if (f->cut_length > 0) {
        double next = f->cut_at + f->cut_length;
        sib_code code = add_span(f, f->start, f->cut_at, err);
        f->start = next;
        f->quiet_since = f->cut_length = 0;
        return code;
    }
    sib_code code = add_span(f, f->start, now, err);
    end_speech(f);
    *skip = true;
    return code;
}

static sib_code take_window(span_finder *f, double probability, double now, sib_error *err)
{
    const span_rules *r = f->rules;
    bool speech = probability >= r->threshold, skip = false;
    if (speech && f->quiet_since > 0) {
        double silence = now - f->quiet_since;
        if (silence > r->long_silence && silence > f->cut_length) {
            f->cut_at = f->quiet_since;
            f->cut_length = silence;
        }
        f->quiet_since = 0;
    }
    if (speech && !f->speaking) {
        f->speaking = true;
        f->start = now;
        return SIB_OK;
    }
    if (f->speaking && now - f->start > r->max_speech) {
        sib_code code = cut(f, now, &skip, err);
        if (code != SIB_OK || skip)
            return code;
    }
    if (!f->speaking || !(probability < r->neg_threshold))
        return SIB_OK;
    if (f->quiet_since == 0)
        f->quiet_since = now;
    if (now - f->quiet_since < r->min_silence)
        return SIB_OK;
    double end = f->quiet_since;
    sib_code code = end - f->start > r->min_speech ? add_span(f, f->start, end, err) : SIB_OK;
    end_speech(f);
    return code;
}

/* Widens spans, by at most half of the silence between them, in integer samples. */
static void widen(span_finder *f)
{
    const span_rules *r = f->rules;
    for (size_t i = 0; i < f->n; i++) {
        sib_span *s = &f->spans[i];
        if (i == 0)
            s->start = trunc(fmax(0, s->start - r->pad));
        if (i + 1 == f->n) {
            s->end = trunc(fmin(r->total, s->end + r->pad));
            break;
        }
        double silence = s[1].start - s->end;
        if (silence < 2 * r->pad) {
            s->end += floor(silence / 2);
            s[1].start = trunc(fmax(0, s[1].start - floor(silence / 2)));
        } else {
            s->end = trunc(fmin(r->total, s->end + r->pad));
            s[1].start = trunc(fmax(0, s[1].start - r->pad));
        }
    }
}

static sib_code find_spans(span_finder *f, const double *probabilities, size_t n, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = take_window(f, probabilities[i], f->rules->window * (double)i, err);
    if (code == SIB_OK && f->speaking && f->rules->total - f->start > f->rules->min_speech)
        code = add_span(f, f->start, f->rules->total, err);
    widen(f);
    return code;
}

static sib_code read_rules(const job_step *s, span_rules *r, double *rate, sib_error *err)
{
    *rate = step_number(s, SPANS_RATE, 16000);
    double ms = *rate / 1000;
    r->window = step_number(s, SPANS_WINDOW, 0);
    r->total = (double)sib_tensor_count(s->in[SPANS_AUDIO]->v.tensor);
    r->threshold = step_number(s, SPANS_THRESHOLD, 0.5);
    r->neg_threshold = step_number(s, SPANS_NEG_THRESHOLD, fmax(r->threshold - 0.15, 0.01));
    r->min_speech = ms * step_number(s, SPANS_MIN_SPEECH, 250);
    r->min_silence = ms * step_number(s, SPANS_MIN_SILENCE, 100);
    r->pad = ms * step_number(s, SPANS_PAD, 30);
    r->max_speech = *rate * step_number(s, SPANS_MAX_SPEECH, INFINITY) - r->window - 2 * r->pad;
    r->long_silence = ms * step_number(s, SPANS_LONG_SILENCE, 98);
    const double positive[] = {*rate, r->window, r->threshold};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (!(positive[i] > 0))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: rate, window and threshold must be above 0",
                           s->node->name);
    if (!(r->min_speech >= 0 && r->min_silence >= 0 && r->pad >= 0 && r->max_speech > 0 &&
          r->long_silence >= 0))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: a duration is negative, or the longest speech shorter than a window",
                       s->node->name);
    return SIB_OK;
}

static sib_code spans_run(job_step *s, sib_error *err)
{
    span_rules rules;
    span_finder f = {.rules = &rules};
    double rate;
    sib_tensor *p = NULL; /* float64, any dims */
    sib_code code = read_rules(s, &rules, &rate, err);
    if (code == SIB_OK)
        code = sib_tensor_convert(s->in[SPANS_PROBABILITIES]->v.tensor, SIB_F64, SIB_OVERFLOW_IEEE, &p, err);
    if (code == SIB_OK)
        code = find_spans(&f, sib_tensor_data(p), (size_t)sib_tensor_count(p), err);
    for (size_t i = 0; i < f.n; i++)
        f.spans[i] = (sib_span){f.spans[i].start / rate, f.spans[i].end / rate};
    if (code == SIB_OK)
        code = step_give(s, 0, job_value_spans(f.spans, f.n), err);
    sib_tensor_free(&p);
    mem_free(f.spans);
    return code;
}

const job_op job_op_spans = {.name = "spans",
                             .meaning = "speech spans from the probabilities of windows",
                             .inputs = spans_inputs,
                             .n_inputs = sizeof spans_inputs / sizeof *spans_inputs,
                             .outputs = spans_outputs,
                             .n_outputs = 1,
                             .run = spans_run};
