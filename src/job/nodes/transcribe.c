/* Whisper's procedure as a node: three calls of a model, with options by the names of openai-whisper. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/called_whisper.h"
#include "job/nodes/whisper_options.h"

#include <string.h>

static const job_port transcribe_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n] at 16 kHz"},
    {"n_text_ctx", SIB_PORT_NUMBER, true, "max tokens of the decoder's context"},
    {"multilingual", SIB_PORT_FLAG, false, "the model has languages and tasks (true)"},
    {"alignment_heads", SIB_PORT_NUMBERS, false,
     "layer, head, layer, head, ...: heads that align with words (all of the upper half of the layers)"},
    WHISPER_DECODING_PORTS,
    {"temperature", SIB_PORT_NUMBERS, false, "tried one after the other (0 0.2 0.4 0.6 0.8 1)"},
    {"compression_ratio_threshold", SIB_PORT_NUMBER, false,
     "a window whose text compresses better fails (2.4)"},
    {"logprob_threshold", SIB_PORT_NUMBER, false, "a window of lower mean log probability fails (-1)"},
    {"no_speech_threshold", SIB_PORT_NUMBER, false, "above it a window that fails is silence (0.6)"},
    {"condition_on_previous_text", SIB_PORT_FLAG, false,
     "use the text so far as prompt of the next window (true)"},
    {"initial_prompt", SIB_PORT_TEXT, false, "text before the first window"},
    {"carry_initial_prompt", SIB_PORT_FLAG, false, "repeat the initial prompt before each window (false)"},
    {"hotwords", SIB_PORT_TEXT, false, "words to expect, before each window's prompt"},
    {"word_timestamps", SIB_PORT_FLAG, false, "times of words (false)"},
    {"prepend_punctuations", SIB_PORT_TEXT, false, "marks that belong to the next word"},
    {"append_punctuations", SIB_PORT_TEXT, false, "marks that belong to the previous word"},
    {"clip_timestamps", SIB_PORT_NUMBERS, false,
     "start, end, start, ... of what is transcribed, seconds (all)"},
    {"hallucination_silence_threshold", SIB_PORT_NUMBER, false,
     "skip longer silence around doubtful words, seconds"},
    {"arithmetic", SIB_PORT_TEXT, false,
     "arithmetic of the features: float (default), fixed or int16, int8"}};
enum { OUT_TEXT, OUT_SEGMENTS, OUT_LANGUAGE, OUT_LANGUAGE_PROBABILITY };
static const job_port transcribe_outputs[] = {
    {"text", SIB_PORT_TEXT, false, "all of it"},
    {"segments", SIB_PORT_SEGMENTS, false, "with times"},
    {"language", SIB_PORT_TEXT, false, "code"},
    {"language_probability", SIB_PORT_NUMBER, false, "of the detected language, else NaN"}};

static const char *const transcribe_calls[] = {"encoder", "decoder", "aligner"};

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
        code = whisper_options_read(s, &o, err);
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
