/* Whisper's procedure as a node: three calls of a model, with options by the names of openai-whisper. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/called_whisper.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    IN_LANGUAGE = WHISPER_IN_OPTIONS,
    IN_TASK,
    IN_TEMPERATURE,
    IN_BEST_OF,
    IN_BEAM_SIZE,
    IN_PATIENCE,
    IN_LENGTH_PENALTY,
    IN_SAMPLE_LEN,
    IN_COMPRESSION_RATIO_THRESHOLD,
    IN_LOGPROB_THRESHOLD,
    IN_NO_SPEECH_THRESHOLD,
    IN_CONDITION,
    IN_INITIAL_PROMPT,
    IN_CARRY_INITIAL_PROMPT,
    IN_PREFIX,
    IN_HOTWORDS,
    IN_SUPPRESS_TOKENS,
    IN_SUPPRESS_BLANK,
    IN_WITHOUT_TIMESTAMPS,
    IN_MAX_INITIAL_TIMESTAMP,
    IN_WORD_TIMESTAMPS,
    IN_PREPEND_PUNCTUATIONS,
    IN_APPEND_PUNCTUATIONS,
    IN_CLIP_TIMESTAMPS,
    IN_HALLUCINATION_SILENCE_THRESHOLD,
    IN_SEED
};
static const job_port transcribe_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n] at 16 kHz"},
    {"n_text_ctx", SIB_PORT_NUMBER, true, "max tokens of the decoder's context"},
    {"multilingual", SIB_PORT_FLAG, false, "the model has languages and tasks (true)"},
    {"alignment_heads", SIB_PORT_NUMBERS, false,
     "layer, head, layer, head, ...: heads that align with words (all of the upper half of the layers)"},
    {"language", SIB_PORT_TEXT, false, "spoken language, code or name (detected)"},
    {"task", SIB_PORT_TEXT, false, "transcribe (default), or translate into English"},
    {"temperature", SIB_PORT_NUMBERS, false, "tried one after the other (0 0.2 0.4 0.6 0.8 1)"},
    {"best_of", SIB_PORT_NUMBER, false, "number of samples above temperature 0"},
    {"beam_size", SIB_PORT_NUMBER, false, "hypotheses at temperature 0 (none: greedy)"},
    {"patience", SIB_PORT_NUMBER, false,
     "beam search ends with patience * beam_size complete hypotheses (1)"},
    {"length_penalty", SIB_PORT_NUMBER, false, "exponent of Google's NMT (none: mean over the length)"},
    {"sample_len", SIB_PORT_NUMBER, false, "max tokens of a window (half of n_text_ctx)"},
    {"compression_ratio_threshold", SIB_PORT_NUMBER, false,
     "a window whose text compresses better fails (2.4)"},
    {"logprob_threshold", SIB_PORT_NUMBER, false, "a window of lower mean log probability fails (-1)"},
    {"no_speech_threshold", SIB_PORT_NUMBER, false, "above it a window that fails is silence (0.6)"},
    {"condition_on_previous_text", SIB_PORT_FLAG, false,
     "use the text so far as prompt of the next window (true)"},
    {"initial_prompt", SIB_PORT_TEXT, false, "text before the first window"},
    {"carry_initial_prompt", SIB_PORT_FLAG, false, "repeat the initial prompt before each window (false)"},
    {"prefix", SIB_PORT_TEXT, false, "what each window begins with"},
    {"hotwords", SIB_PORT_TEXT, false, "words to expect, before each window's prompt"},
    {"suppress_tokens", SIB_PORT_TEXT, false,
     "ids that are never chosen; -1: symbols that are not speech (-1)"},
    {"suppress_blank", SIB_PORT_FLAG, false, "a window does not begin with a blank (true)"},
    {"without_timestamps", SIB_PORT_FLAG, false, "text alone (false)"},
    {"max_initial_timestamp", SIB_PORT_NUMBER, false, "latest first timestamp of a window, seconds (1)"},
    {"word_timestamps", SIB_PORT_FLAG, false, "times of words (false)"},
    {"prepend_punctuations", SIB_PORT_TEXT, false, "marks that belong to the next word"},
    {"append_punctuations", SIB_PORT_TEXT, false, "marks that belong to the previous word"},
    {"clip_timestamps", SIB_PORT_NUMBERS, false,
     "start, end, start, ... of what is transcribed, seconds (all)"},
    {"hallucination_silence_threshold", SIB_PORT_NUMBER, false,
     "skip longer silence around doubtful words, seconds"},
    {"seed", SIB_PORT_NUMBER, false, "of sampling (0)"}};
enum { OUT_TEXT, OUT_SEGMENTS, OUT_LANGUAGE, OUT_LANGUAGE_PROBABILITY };
static const job_port transcribe_outputs[] = {
    {"text", SIB_PORT_TEXT, false, "all of it"},
    {"segments", SIB_PORT_SEGMENTS, false, "with times"},
    {"language", SIB_PORT_TEXT, false, "code"},
    {"language_probability", SIB_PORT_NUMBER, false, "of the detected language, else NaN"}};

static const char *const transcribe_calls[] = {"encoder", "decoder", "aligner"};

/* ---- Options ------------------------------------------------------------------------------------------- */

static sib_code read_options(const job_step *s, whisper_options *o, sib_error *err)
{
    const char *task = step_text(s, IN_TASK, "transcribe");
    whisper_options_default(o);
    o->translate = !strcmp(task, "translate");
    if (!o->translate && strcmp(task, "transcribe"))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: task is '%s', expected transcribe or translate",
                       s->node->name, task);
    o->language = step_text(s, IN_LANGUAGE, NULL);
    if (s->in[IN_TEMPERATURE])
        step_numbers(s, IN_TEMPERATURE, &o->temperature, &o->n_temperatures);
    if (s->in[IN_CLIP_TIMESTAMPS])
        step_numbers(s, IN_CLIP_TIMESTAMPS, &o->clip_timestamps, &o->n_clips);
    const struct {
        size_t port;
        size_t *to;
    } counts[] = {{IN_BEST_OF, &o->best_of}, {IN_BEAM_SIZE, &o->beam_size}, {IN_SAMPLE_LEN, &o->sample_len}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        sib_code code = step_count(s, counts[i].port, *counts[i].to, 0, 1 << 20, counts[i].to, err);
        if (code != SIB_OK)
            return code;
    }
    const struct {
        size_t port;
        double *to;
    } numbers[] = {{IN_PATIENCE, &o->patience},
                   {IN_LENGTH_PENALTY, &o->length_penalty},
                   {IN_COMPRESSION_RATIO_THRESHOLD, &o->compression_ratio_threshold},
                   {IN_LOGPROB_THRESHOLD, &o->logprob_threshold},
                   {IN_NO_SPEECH_THRESHOLD, &o->no_speech_threshold},
                   {IN_MAX_INITIAL_TIMESTAMP, &o->max_initial_timestamp},
                   {IN_HALLUCINATION_SILENCE_THRESHOLD, &o->hallucination_silence_threshold}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i].to = step_number(s, numbers[i].port, *numbers[i].to);
    const struct {
        size_t port;
        const char **to;
    } texts[] = {{IN_INITIAL_PROMPT, &o->initial_prompt},
                 {IN_PREFIX, &o->prefix},
                 {IN_HOTWORDS, &o->hotwords},
                 {IN_SUPPRESS_TOKENS, &o->suppress_tokens},
                 {IN_PREPEND_PUNCTUATIONS, &o->prepend_punctuations},
                 {IN_APPEND_PUNCTUATIONS, &o->append_punctuations}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].to = step_text(s, texts[i].port, *texts[i].to);
    const struct {
        size_t port;
        bool *to;
    } flags[] = {{IN_CONDITION, &o->condition_on_previous_text},
                 {IN_CARRY_INITIAL_PROMPT, &o->carry_initial_prompt},
                 {IN_SUPPRESS_BLANK, &o->suppress_blank},
                 {IN_WITHOUT_TIMESTAMPS, &o->without_timestamps},
                 {IN_WORD_TIMESTAMPS, &o->word_timestamps}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        *flags[i].to = step_flag(s, flags[i].port, *flags[i].to);
    o->seed = (uint64_t)fmax(0, fmin(step_number(s, IN_SEED, 0), 0x1p53));
    return SIB_OK;
}

/* ---- The node ------------------------------------------------------------------------------------------ */

static void drop_transcript(void *owner)
{
    whisper_transcript_free(owner);
    mem_free(owner);
}

static sib_code give_transcript(job_step *s, whisper_transcript *t, sib_error *err)
{
    sib_port_value segments = {.type = SIB_PORT_SEGMENTS, .segments = {t->segments, t->n_segments}};
    sib_code code = step_give(s, OUT_TEXT, job_value_text(t->text, strlen(t->text)), err);
    if (code == SIB_OK)
        code = step_give(s, OUT_LANGUAGE, job_value_text(t->language, strlen(t->language)), err);
    if (code == SIB_OK)
        code = step_give(s, OUT_LANGUAGE_PROBABILITY, job_value_number(t->language_probability), err);
    if (code != SIB_OK) {
        drop_transcript(t);
        return code;
    }
    return step_give(s, OUT_SEGMENTS, job_value_owning(segments, t, drop_transcript), err);
}

static sib_code transcribe_run(job_step *s, sib_error *err)
{
    const float *samples; /* (n) */
    size_t n;
    whisper_options o;
    called_whisper model;
    sib_code code = step_samples(s, WHISPER_IN_AUDIO, &samples, &n, err);
    if (code == SIB_OK)
        code = read_options(s, &o, err);
    if (code != SIB_OK)
        return code;
    code = called_whisper_make(s, &model, err);
    if (code == SIB_OK && o.word_timestamps && !model.m.align)
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: call 'aligner' is needed for word timestamps and missing",
                       s->node->name);
    whisper_transcript *t = code == SIB_OK ? mem_calloc(1, sizeof *t) : NULL;
    if (code == SIB_OK)
        code = t ? whisper_transcribe(&model.m, s->tokenizer, s->pool, samples, n, &o, s->watch, t, err)
                 : err_memory(err, sizeof *t, "a transcript");
    called_whisper_clear(&model);
    if (code == SIB_OK)
        return give_transcript(s, t, err);
    mem_free(t);
    return code;
}

const job_op job_op_transcribe = {.name = "transcribe",
                                  .meaning = "speech to text by Whisper's procedure",
                                  .inputs = transcribe_inputs,
                                  .n_inputs = sizeof transcribe_inputs / sizeof *transcribe_inputs,
                                  .outputs = transcribe_outputs,
                                  .n_outputs = sizeof transcribe_outputs / sizeof *transcribe_outputs,
                                  .calls = transcribe_calls,
                                  .n_calls = 3,
                                  .n_needed = 2,
                                  .tokenizer = true,
                                  .run = transcribe_run};
