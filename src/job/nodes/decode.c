/* One window of Whisper's as a node, from its features. */
#include "base/error.h"
#include "job/nodes/called_whisper.h"
#include "job/nodes/whisper_options.h"
#include "job/whisper/options.h"
#include "job/whisper/window.h"

enum { IN_FEATURES, IN_PREVIOUS = WHISPER_IN_ALIGNMENT_HEADS };
static const job_port decode_inputs[] = {
    {"features", SIB_PORT_TENSOR, true, "float32 [bands, frames] of one window"},
    {"n_text_ctx", SIB_PORT_NUMBER, true, "max tokens of the decoder's context"},
    {"multilingual", SIB_PORT_FLAG, false, "the model has languages and tasks (true)"},
    {"previous", SIB_PORT_TOKENS, false, "tokens before the window (none)"},
    WHISPER_DECODING_PORTS,
    {"temperature", SIB_PORT_NUMBER, false, "0: the most probable tokens (0)"}};
enum { N_INPUTS = sizeof decode_inputs / sizeof *decode_inputs, IN_TEMPERATURE = N_INPUTS - 1 };
enum { OUT_TOKENS, OUT_TEXT, OUT_LANGUAGE, OUT_LANGUAGES, OUT_MEAN, OUT_NO_SPEECH, OUT_RATIO };
static const job_port decode_outputs[] = {
    {"tokens", SIB_PORT_TOKENS, false, "ids, timestamps among them, without the end"},
    {"text", SIB_PORT_TEXT, false, "without blanks at its ends"},
    {"language", SIB_PORT_TEXT, false, "code"},
    {"language_probabilities", SIB_PORT_NUMBERS, false,
     "of Whisper's languages in order; empty where the language was not detected"},
    {"avg_logprob", SIB_PORT_NUMBER, false, "mean log probability of the tokens and the end"},
    {"no_speech_prob", SIB_PORT_NUMBER, false, "probability of silence"},
    {"compression_ratio", SIB_PORT_NUMBER, false,
     "bytes of the text divided by those that zlib makes of it"}};
static const char *const decode_calls[] = {"encoder", "decoder"};

static sib_code give(job_step *s, const whisper_heard *h, sib_error *err)
{
    const whisper_decoded *d = &h->decoded;
    const whisper_language *l = &h->language;
    job_value *made[] = {[OUT_TOKENS] = job_value_tokens(d->tokens.ids, d->tokens.n),
                         [OUT_TEXT] = job_value_text(h->text.data, h->text.n),
                         [OUT_LANGUAGE] = job_value_text(l->code, strlen(l->code)),
                         [OUT_LANGUAGES] =
                             job_value_numbers(l->probabilities, l->detected ? WHISPER_LANGUAGES : 0),
                         [OUT_MEAN] = job_value_number(d->avg_logprob),
                         [OUT_NO_SPEECH] = job_value_number(d->no_speech_prob),
                         [OUT_RATIO] = job_value_number(d->compression_ratio)};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (code == SIB_OK)
            code = step_give(s, i, made[i], err);
        else
            job_value_release(made[i]);
    return code;
}

static sib_code decode_run(job_step *s, sib_error *err)
{
    const sib_tensor *mel = s->in[IN_FEATURES]->v.tensor;
    const sib_port_value *previous = s->in[IN_PREVIOUS] ? &s->in[IN_PREVIOUS]->v : NULL;
    whisper_options o;
    called_whisper model;
    whisper_heard heard = {0};
    sib_code code = called_whisper_make(s, &model, err);
    if (code == SIB_OK)
        code = whisper_options_read(s, &o, err);
    if (code == SIB_OK && (sib_tensor_dtype(mel) != SIB_F32 || !sib_tensor_is_dense(mel) ||
                           sib_tensor_count(mel) != model.m.n_mels * whisper_window_frames(&model.m)))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: features must be float32 [%zu, %zu], dense", s->node->name,
                       model.m.n_mels, whisper_window_frames(&model.m));
    if (code == SIB_OK && !s->in[IN_TEMPERATURE]) {
        static const double greedy = 0;
        o.temperature = &greedy;
        o.n_temperatures = 1;
    }
    if (code == SIB_OK)
        code = whisper_hear_window(&model.m, s->tokenizer, sib_tensor_data(mel),
                                   previous ? previous->tokens.ids : NULL, previous ? previous->tokens.n : 0,
                                   &o, s->watch, &heard, err);
    called_whisper_clear(&model);
    if (code == SIB_OK)
        code = give(s, &heard, err);
    whisper_heard_free(&heard);
    return code;
}

const job_op job_op_decode = {.name = "decode",
                              .meaning = "one window of speech to text, at one temperature",
                              .inputs = decode_inputs,
                              .n_inputs = N_INPUTS,
                              .outputs = decode_outputs,
                              .n_outputs = sizeof decode_outputs / sizeof *decode_outputs,
                              .calls = decode_calls,
                              .n_calls = 2,
                              .n_needed = 2,
                              .tokenizer = true,
                              .run = decode_run};
