#include "job/nodes/whisper_options.h"

#include "base/error.h"
#include "job/whisper/mel.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum kind { COUNT, NUMBER, TEXT, FLAG };
#define FIELD(name, kind)                                                                                    \
    {                                                                                                        \
#name, kind, offsetof(whisper_options, name)                                                         \
    }

/* Options whose field has the port's name. */
static const struct {
    const char *name;
    enum kind kind;
    size_t field;
} options[] = {FIELD(language, TEXT),
               FIELD(best_of, COUNT),
               FIELD(beam_size, COUNT),
               FIELD(sample_len, COUNT),
               FIELD(patience, NUMBER),
               FIELD(length_penalty, NUMBER),
               FIELD(compression_ratio_threshold, NUMBER),
               FIELD(logprob_threshold, NUMBER),
               FIELD(no_speech_threshold, NUMBER),
               FIELD(max_initial_timestamp, NUMBER),
               FIELD(hallucination_silence_threshold, NUMBER),
               FIELD(initial_prompt, TEXT),
               FIELD(prefix, TEXT),
               FIELD(hotwords, TEXT),
               FIELD(suppress_tokens, TEXT),
               FIELD(prepend_punctuations, TEXT),
               FIELD(append_punctuations, TEXT),
               FIELD(condition_on_previous_text, FLAG),
               FIELD(carry_initial_prompt, FLAG),
               FIELD(suppress_blank, FLAG),
               FIELD(without_timestamps, FLAG),
               FIELD(word_timestamps, FLAG)};

/* The input of that name where it is given, else NO_INDEX. */
static size_t given(const job_step *s, const char *name)
{
    const job_op *op = s->node->op;
    for (size_t i = 0; i < op->n_inputs; i++)
        if (s->in[i] && !strcmp(op->inputs[i].name, name))
            return i;
    return NO_INDEX;
}

/* Reads option i from its port. */
static sib_code read_option(const job_step *s, size_t i, size_t port, whisper_options *o, sib_error *err)
{
    char *field = (char *)o + options[i].field;
    sib_code code = SIB_OK;
    if (options[i].kind == COUNT)
        code = step_count(s, port, 0, 0, 1 << 20, (size_t *)(void *)field, err);
    else if (options[i].kind == NUMBER)
        *(double *)(void *)field = step_number(s, port, 0);
    else if (options[i].kind == TEXT)
        *(const char **)(void *)field = step_text(s, port, NULL);
    else
        *(bool *)field = step_flag(s, port, false);
    return code;
}

sib_code whisper_options_read(const job_step *s, whisper_options *o, sib_error *err)
{
    const size_t task = given(s, "task"), temperature = given(s, "temperature"),
                 clips = given(s, "clip_timestamps"), seed = given(s, "seed"),
                 features = given(s, "arithmetic");
    whisper_options_default(o);
    o->translate = task != NO_INDEX && !strcmp(step_text(s, task, ""), "translate");
    if (task != NO_INDEX && !o->translate && strcmp(step_text(s, task, ""), "transcribe"))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: task is '%s', expected transcribe or translate",
                       s->node->name, step_text(s, task, ""));
    if (temperature != NO_INDEX)
        step_numbers(s, temperature, &o->temperature, &o->n_temperatures);
    if (clips != NO_INDEX)
        step_numbers(s, clips, &o->clip_timestamps, &o->n_clips);
    if (seed != NO_INDEX)
        o->seed = (uint64_t)fmax(0, fmin(step_number(s, seed, 0), 0x1p53));
    if (features != NO_INDEX &&
        whisper_arithmetic(s->node->name, step_text(s, features, "float"), &o->arithmetic, err) != SIB_OK)
        return SIB_ERR_ARGUMENT;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t port = given(s, options[i].name);
        sib_code code = port == NO_INDEX ? SIB_OK : read_option(s, i, port, o, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}
