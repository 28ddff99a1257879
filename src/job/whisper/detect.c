#include "job/whisper/detect.h"

#include "base/error.h"

#include <math.h>

bool whisper_detects(const whisper_model *m, const whisper_options *o)
{
    return !o->language && m->multilingual;
}

/* The language whose token is the most probable after the start token. */
static sib_code detect(whisper_decoder *d, whisper_language *out, sib_error *err)
{
    const whisper_model *m = d->model;
    const size_t first = 0;
    const char *code, *name;
    double top = -INFINITY, sum = 0;
    sib_code failed = whisper_logits_room(d, 1, err);
    if (failed == SIB_OK)
        failed = m->step(m->self, 1, 1, &d->tokens->sot, 1, &first, d->logits, err);
    if (failed != SIB_OK)
        return failed;
    for (size_t i = 0; i < WHISPER_LANGUAGES && sib_whisper_language(i, &code, &name); i++) {
        int32_t id = whisper_tokens_language(d->tokens, code);
        out->probabilities[i] = id < 0 ? -INFINITY : d->logits[id];
        if (id >= 0 && (!out->code || out->probabilities[i] > top)) {
            top = out->probabilities[i];
            out->code = code;
        }
    }
    if (!out->code)
        return err_set(err, SIB_ERR_VALUE, "the tokenizer has no language tokens, such as <|en|>");
    for (size_t i = 0; i < WHISPER_LANGUAGES; i++)
        sum += out->probabilities[i] = exp(out->probabilities[i] - top);
    if (isnan(sum))
        return err_set(err, SIB_ERR_VALUE, "the model's logits of languages hold NaN or infinity");
    for (size_t i = 0; i < WHISPER_LANGUAGES; i++)
        out->probabilities[i] /= sum;
    out->probability = 1 / sum;
    out->detected = true;
    return SIB_OK;
}

sib_code whisper_choose_language(whisper_decoder *d, whisper_tokens *tokens, whisper_language *out,
                                 sib_error *err)
{
    const whisper_options *o = d->options;
    sib_code failed = SIB_OK;
    *out = (whisper_language){.probability = NAN};
    if (whisper_detects(d->model, o))
        failed = detect(d, out, err);
    else if (!(out->code = o->language ? whisper_language_code(o->language) : "en"))
        failed = err_set(
            err, SIB_ERR_ARGUMENT,
            "language '%.40s' is not one of Whisper's, expected a code or a name, such as en or english",
            o->language);
    if (failed == SIB_OK && d->model->multilingual)
        failed = whisper_tokens_start(tokens, out->code, o->translate, err);
    return failed;
}
