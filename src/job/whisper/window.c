#include "job/whisper/window.h"

#include "base/error.h"
#include "job/whisper/letters.h"
#include "job/whisper/options.h"

void whisper_heard_free(whisper_heard *h)
{
    whisper_decoded_free(&h->decoded);
    buf_free(&h->text);
    *h = (whisper_heard){0};
}

/* The text of what was decoded, without the blanks at its ends. */
static sib_code read_text(const whisper_tokens *w, whisper_heard *h, sib_error *err)
{
    byte_buffer whole = {0};
    sib_code code =
        whisper_tokens_decode(w, h->decoded.tokens.ids, h->decoded.tokens.n, w->timestamp_begin, &whole, err);
    if (code == SIB_OK) {
        sib_str text = whisper_trim(buf_str(&whole));
        code = buf_add(&h->text, text.data, text.length, err);
    }
    buf_free(&whole);
    return code;
}

static sib_code hear(whisper_decoder *d, whisper_tokens *tokens, const float *mel, const int32_t *previous,
                     size_t n_previous, whisper_heard *out, sib_error *err)
{
    const whisper_model *m = d->model;
    sib_code code = m->encode(m->self, mel, err);
    if (code == SIB_OK)
        code = whisper_choose_language(d, tokens, &out->language, err);
    if (code == SIB_OK && out->language.detected)
        code = m->rewind(m->self, err);
    if (code == SIB_OK)
        code = whisper_decode(d, previous, n_previous, d->options->temperature[0], &out->decoded, err);
    return code == SIB_OK ? read_text(tokens, out, err) : code;
}

sib_code whisper_hear_window(const whisper_model *m, const sib_tokenizer *t, const float *mel,
                             const int32_t *previous, size_t n_previous, const whisper_options *o,
                             const job_watch *watch, whisper_heard *out, sib_error *err)
{
    whisper_tokens tokens;
    whisper_decoder d;
    *out = (whisper_heard){0};
    sib_code code = whisper_options_check(o, m, err);
    if (code == SIB_OK)
        code = whisper_tokens_find(&tokens, t, m, err);
    for (size_t i = 0; i < n_previous && code == SIB_OK; i++)
        if (previous[i] < 0 || (size_t)previous[i] >= m->n_vocab)
            code =
                err_set(err, SIB_ERR_ARGUMENT, "previous: token %d is out of range for the vocabulary of %zu",
                        (int)previous[i], m->n_vocab);
    if (code == SIB_OK)
        code = whisper_decoder_make(&d, m, o, watch, &tokens, err);
    if (code != SIB_OK)
        return code;
    code = hear(&d, &tokens, mel, previous, n_previous, out, err);
    whisper_decoder_free(&d);
    if (code != SIB_OK)
        whisper_heard_free(out);
    return code;
}
