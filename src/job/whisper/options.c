#include "job/whisper/options.h"

#include "base/error.h"

#include <math.h>

void whisper_options_default(whisper_options *o)
{
    static const double temperatures[] = {0, 0.2, 0.4, 0.6, 0.8, 1};
    *o = (whisper_options){
        .temperature = temperatures,
        .n_temperatures = sizeof temperatures / sizeof *temperatures,
        .patience = NAN,
        .length_penalty = NAN,
        .compression_ratio_threshold = 2.4,
        .logprob_threshold = -1,
        .no_speech_threshold = 0.6,
        .condition_on_previous_text = true,
        .suppress_tokens = "-1",
        .suppress_blank = true,
        .max_initial_timestamp = 1,
        .prepend_punctuations = "\"'“¿([{-",
        .append_punctuations = "\"'.。,，!！?？:：”)]}、",
        .hallucination_silence_threshold = NAN,
    };
}

static sib_code check_temperatures(const whisper_options *o, const whisper_model *m, sib_error *err)
{
    if (o->n_temperatures == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "temperature has no value, expected at least one");
    for (size_t i = 0; i < o->n_temperatures; i++) {
        double t = o->temperature[i];
        if (!(t >= 0) || isinf(t))
            return err_set(err, SIB_ERR_ARGUMENT, "temperature is %g, expected 0 or more", t);
        if (t == 0 && !isnan(o->patience) && o->beam_size == 0)
            return err_set(err, SIB_ERR_ARGUMENT, "patience needs beam_size");
    }
    if (o->best_of > WHISPER_MAX_WIDTH)
        return err_set(err, SIB_ERR_ARGUMENT, "best_of is %zu, expected at most %d", o->best_of,
                       WHISPER_MAX_WIDTH);
    if (o->beam_size > WHISPER_MAX_WIDTH || o->beam_size >= m->n_vocab)
        return err_set(err, SIB_ERR_ARGUMENT, "beam_size is %zu, expected at most %d and fewer than tokens",
                       o->beam_size, WHISPER_MAX_WIDTH);
    if (o->beam_size > 0 && !isnan(o->patience) && o->patience != 0) {
        double candidates = rint((double)o->beam_size * o->patience);
        if (!(candidates >= 1 && candidates <= 64 * WHISPER_MAX_WIDTH))
            return err_set(err, SIB_ERR_ARGUMENT,
                           "patience is %g, which gives %g complete hypotheses, expected 1 to %d",
                           o->patience, candidates, 64 * WHISPER_MAX_WIDTH);
    }
    if (o->length_penalty < 0 || o->length_penalty > 1)
        return err_set(err, SIB_ERR_ARGUMENT, "length_penalty is %g, expected 0 to 1", o->length_penalty);
    return SIB_OK;
}

sib_code whisper_options_check(const whisper_options *o, const whisper_model *m, sib_error *err)
{
    sib_code code = check_temperatures(o, m, err);
    if (code != SIB_OK)
        return code;
    if (o->max_initial_timestamp < 0 || isinf(o->max_initial_timestamp))
        return err_set(err, SIB_ERR_ARGUMENT, "max_initial_timestamp is %g s, expected 0 or more",
                       o->max_initial_timestamp);
    for (size_t i = 0; i < o->n_clips; i++)
        if (!(o->clip_timestamps[i] >= 0 && o->clip_timestamps[i] < 1e9))
            return err_set(err, SIB_ERR_ARGUMENT, "clip_timestamps: %g s is out of range for a recording",
                           o->clip_timestamps[i]);
    if (o->word_timestamps && (!o->prepend_punctuations || !o->append_punctuations))
        return err_set(err, SIB_ERR_ARGUMENT, "%s is missing, which word_timestamps needs",
                       o->prepend_punctuations ? "append_punctuations" : "prepend_punctuations");
    if (o->word_timestamps && !m->align)
        return err_set(err, SIB_ERR_ARGUMENT, "word_timestamps: the model has no attention outputs");
    for (size_t i = 0; i < m->n_alignment_heads && m->alignment_heads; i++) {
        const int32_t *head = m->alignment_heads[i];
        if (head[0] < 0 || (size_t)head[0] >= m->n_text_layer || head[1] < 0 ||
            (size_t)head[1] >= m->n_text_head)
            return err_set(
                err, SIB_ERR_ARGUMENT,
                "alignment_heads: head %d of layer %d is out of range, the model has %zu heads in %zu layers",
                (int)head[1], (int)head[0], m->n_text_head, m->n_text_layer);
    }
    return SIB_OK;
}
