#include "job/standard.h"
#include "job/standard_inner.h"

#include "base/alloc.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "job/standard_features.h"
#include "job/standard_piper.h"
#include "job/standard_speech_ctc.h"
#include "job/standard_speech_seq2seq.h"
#include "job/standard_speech_steps.h"
#include "job/standard_speech_to_text.h"
#include "job/standard_speech_transducer.h"
#include "job/standard_text_embedding.h"
#include "job/standard_text_generation.h"
#include "job/standard_text_to_speech.h"
#include "job/standard_voice_activity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

sib_code standard_features_job(char **text, sib_error *err)
{
    *text = mem_strdup(standard_features);
    return *text ? SIB_OK : err_memory(err, sizeof standard_features, "a job's document");
}

/* ---- Kinds --------------------------------------------------------------------------------------------- */

static sib_code make_speech_to_text(const maker *k)
{
    const char *ctx = maker_metadata(k, "n_text_ctx"), *vocab = maker_metadata(k, "n_vocab"),
               *heads = maker_metadata(k, "alignment_heads");
    /* openai-whisper's rule */
    bool multilingual = vocab && strtoll(vocab, NULL, 10) >= 51865, done = true;
    if (!ctx || !vocab)
        return err_set(k->err, SIB_ERR_FORMAT, "%s: its metadata lacks n_text_ctx or n_vocab", k->path);
    done = maker_put(k->doc, "nodes/0/inputs/n_text_ctx", json_integer(strtoll(ctx, NULL, 10))) &&
           maker_put(k->doc, "nodes/0/inputs/multilingual", json_boolean(multilingual));
    sib_code code = maker_need(k, done);
    if (code == SIB_OK && heads)
        code = maker_put_list(k, "nodes/0/inputs/alignment_heads", "alignment_heads", heads);
    const char *kind = maker_metadata(k, "tokenizer");
    return code == SIB_OK ? maker_put_tokenizer(k, kind ? kind : "whisper") : code;
}

/* State pairs of recurrent models: each input "state.X" from output "next.X", with its initial value, and each cache of
   those that have attention beside it. */
static sib_code put_states(const maker *k)
{
    json_t *states = json_object();
    sib_value_info info;
    c_locale locale; /* for the numbers in the metadata */
    sib_code code = c_locale_enter(&locale, k->err);
    if (code != SIB_OK) {
        json_decref(states);
        return code;
    }
    bool done = maker_put(k->doc, "calls/decoder/state", json_incref(states));
    for (size_t i = 0; sib_model_input(k->m, i, &info) && done; i++) {
        char next[256], key[300];
        const bool cache = !strncmp(info.name, "past_", 5);
        if (!cache && strncmp(info.name, "state.", 6))
            continue;
        snprintf(next, sizeof next, cache ? "present_%s" : "next.%s", info.name + (cache ? 5 : 6));
        snprintf(key, sizeof key, "initial.%s", info.name);
        const char *fill = maker_metadata(k, key); /* initial value of the state, from the model */
        json_t *from =
            fill ? json_pack("{s:s,s:f}", "name", next, "fill", strtod(fill, NULL)) : json_string(next);
        done = from && !json_object_set_new(states, info.name, from);
    }
    c_locale_leave(&locale);
    json_decref(states);
    return maker_need(k, done);
}

/* How chats become prompts, from the model's metadata. */
static sib_code put_chat(const maker *k)
{
    static const char *const names[][2] = {
        {"chat_template", "template"}, {"bos_token", "bos_token"}, {"eos_token", "eos_token"}};
    json_t *chat = json_object();
    bool done = maker_metadata(k, names[0][0]) && maker_put(k->doc, "chat", json_incref(chat));
    for (size_t i = 0; i < sizeof names / sizeof *names && done; i++) {
        const char *text = maker_metadata(k, names[i][0]);
        done = !text || maker_put(chat, names[i][1], json_string(text));
    }
    json_decref(chat);
    return maker_need(k, done || !maker_metadata(k, names[0][0]));
}

static sib_code make_text_generation(const maker *k)
{
    const char *kind = maker_metadata(k, "tokenizer"), *stop = maker_metadata(k, "stop_tokens"),
               *begin = maker_metadata(k, "begin_tokens");
    sib_value_info first;
    bool recurrent = false;
    for (size_t i = 0; sib_model_input(k->m, i, &first); i++)
        recurrent = recurrent || !strncmp(first.name, "state.", 6);
    sib_code code = SIB_OK;
    if (stop)
        code = maker_put_list(k, "inputs/stop_tokens/default", "stop_tokens", stop);
    if (code == SIB_OK && begin)
        code = maker_put_list(k, "inputs/begin_tokens/default", "begin_tokens", begin);
    if (code == SIB_OK && recurrent)
        code = put_states(k);
    if (code == SIB_OK)
        code = put_chat(k);
    if (code != SIB_OK || (kind && !strcmp(kind, "bytes")))
        return code;
    return maker_put_tokenizer(k, kind);
}

/* The document of a decoder, with an encoder that reads the text before it. Its texts begin with tokens of their own, and the
   likeliest tokens are chosen: one source has one good translation, not many. */
static sib_code make_text_to_text(const maker *k)
{
    json_t *calls = json_object_get(k->doc, "calls"), *nodes = json_object_get(k->doc, "nodes"),
           *outputs = json_object_get(k->doc, "outputs"), *inputs = json_object_get(k->doc, "inputs"),
           *decoder = json_incref(json_object_get(calls, "decoder"));
    static const char *const lists[][2] = {{"bias_tokens", "inputs/bias_tokens/default"},
                                           {"biases", "inputs/biases/default"}};
    const char *target = maker_metadata(k, "target_tokens");
    bool done =
        !json_object_clear(calls) &&
        maker_put(calls, "encoder",
                  json_pack("{s:s,s:{s:s},s:{s:s}}", "model", "model", "inputs", "tokens", "source",
                            "outputs", "encoded", "encoded")) &&
        maker_put(calls, "decoder", decoder) && maker_put(decoder, "of", json_string("encoder")) &&
        maker_put(decoder, "context",
                  json_pack("{s:s,s:s}", "cross_k.*", "source_k.*", "cross_v.*", "source_v.*")) &&
        !json_array_insert_new(nodes, 1,
                               json_pack("{s:s,s:s,s:{s:s},s:{s:s}}", "name", "encode", "op", "call", "calls",
                                         "model", "encoder", "inputs", "tokens", "$prompt.tokens")) &&
        maker_put(inputs, "target_tokens",
                  json_pack("{s:s,s:n,s:s}", "type", "tokens", "default", "doc",
                            "tokens that the new text begins with, and that are not shown")) &&
        maker_put(nodes, "2/state/fed/initial", json_string("$target_tokens")) &&
        maker_put(inputs, "temperature/default", json_real(0)) &&
        maker_put(inputs, "text/doc", json_string("the text that is read")) && !json_array_remove(nodes, 3) &&
        !json_object_del(outputs, "logits") && !json_object_del(outputs, "perplexity");
    sib_code code = maker_need(k, done);
    if (code == SIB_OK)
        code = maker_put_list(k, "inputs/target_tokens/default", "target_tokens", target ? target : "");
    for (size_t i = 0; code == SIB_OK && i < sizeof lists / sizeof *lists; i++)
        if (maker_metadata(k, lists[i][0]))
            code = maker_put_list(k, lists[i][1], lists[i][0], maker_metadata(k, lists[i][0]));
    return code == SIB_OK ? make_text_generation(k) : code;
}

static sib_code make_voice_activity(const maker *k)
{
    if (!maker_has_input(k, "sr"))
        json_object_del(json_object_get(json_object_get(k->doc, "calls"), "vad"), "fixed");
    return SIB_OK;
}

/* Ports of encoders besides the tokens, in the order of their nodes. */
static const struct {
    const char *port, *input;
} encoder_inputs[] = {{"mask", "attention_mask"}, {"types", "token_type_ids"}, {"positions", "position_ids"}};
#define N_ENCODER_INPUTS (sizeof encoder_inputs / sizeof *encoder_inputs)

/* What is pooled: the name of the model's output, or NULL. */
static const char *encoder_output(const sib_model *m)
{
    static const char *const names[] = {"sentence_embedding", "last_hidden_state", "token_embeddings"};
    sib_value_info info;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        for (size_t i = 0; sib_model_output(m, i, &info); i++)
            if (!strcmp(info.name, names[k]))
                return names[k];
    return NULL;
}

/* Several texts are one call where the model leaves their number open, those of unequal lengths where it has
   a mask. A model that gives something else then is called once for each text. What remains of "batch" is
   what this model takes. */
static void put_encoder_batch(const maker *k)
{
    const char *name = encoder_output(k->m);
    json_t *encoder = json_object_get(json_object_get(k->doc, "calls"), "encoder"),
           *batch = json_object_get(encoder, "batch");
    sib_value_info in, out;
    size_t number = 0;
    while (sib_model_output(k->m, number, &out) && strcmp(out.name, name) != 0)
        number++;
    bool open = out.ranked && out.rank >= 2 && out.dims[0] < 0;
    for (size_t i = 0; sib_model_input(k->m, i, &in); i++)
        open = open && (in.dtype == SIB_I64 || in.dtype == SIB_I32) && in.ranked && in.rank == 2 &&
               in.dims[0] < 0;
    if (out.rank == 2)
        json_object_del(batch, "cut");
    if (!maker_has_input(k, "attention_mask"))
        json_object_clear(batch);
    if (!open)
        json_object_del(encoder, "batch");
}

/* The prompts that the metadata hold, {name: text}, and the one that texts have where none is named. */
static sib_code put_prompts(const maker *k)
{
    const char *text = maker_metadata(k, "prompts"), *chosen = maker_metadata(k, "default_prompt_name"),
               *name;
    json_t *all = text ? json_loads(text, 0, NULL) : NULL, *list = json_array(), *prompt;
    json_object_foreach(all, name, prompt)
    {
        json_array_append_new(list, json_string(name));
        json_array_append(list, prompt);
    }
    bool done = !json_object_size(all) ||
                (maker_put(k->doc, "inputs/prompt_name",
                           json_pack("{s:s, s:s, s:s}", "type", "text", "default", chosen ? chosen : "",
                                     "doc", "name of what stands before the text")) &&
                 maker_put(k->doc, "nodes/0/inputs/prompt", json_string("$prompt_name")) &&
                 maker_put(k->doc, "nodes/0/inputs/prompts", json_incref(list)));
    json_decref(list);
    json_decref(all);
    return maker_need(k, done);
}

/* What imported models say of their texts: tokens at most, prompts, and whether the vector is scaled beyond the graph. */
static sib_code put_texts(const maker *k)
{
    const char *max = maker_metadata(k, "max_tokens"), *scaled = maker_metadata(k, "normalize");
    if (!max && k->recipe[0])
        max = maker_metadata(k, "n_ctx");
    bool done = !max || maker_put(k->doc, "nodes/0/inputs/max", json_integer(strtoll(max, NULL, 10)));
    if (done && scaled)
        done = maker_put(k->doc, "inputs/normalize/default", json_boolean(!strcmp(scaled, "true")));
    sib_code code = maker_need(k, done);
    return code == SIB_OK ? put_prompts(k) : code;
}

static sib_code make_text_embedding(const maker *k)
{
    json_t *nodes = json_object_get(k->doc, "nodes");
    json_t *encode = json_object_get(json_array_get(nodes, N_ENCODER_INPUTS + 1), "inputs");
    json_t *call = json_object_get(json_object_get(json_object_get(k->doc, "calls"), "encoder"), "inputs");
    for (size_t i = N_ENCODER_INPUTS; i-- > 0;)
        if (!maker_has_input(k, encoder_inputs[i].input)) {
            json_object_del(call, encoder_inputs[i].port);
            json_object_del(encode, encoder_inputs[i].port);
            json_array_remove(nodes, i + 1);
        }
    put_encoder_batch(k);
    sib_code code =
        maker_need(k, maker_put(k->doc, "calls/encoder/outputs/hidden", json_string(encoder_output(k->m))));
    if (code == SIB_OK)
        code = put_texts(k);
    return code == SIB_OK ? maker_put_tokenizer(k, maker_metadata(k, "tokenizer")) : code;
}

static bool is_whisper(const maker *k)
{
    return !strcmp(k->recipe, "whisper");
}

/* True for a model that reads a text and writes another. */
static bool is_text_to_text(const maker *k)
{
    return k->recipe[0] && maker_has_input(k, "source") && maker_has_input(k, "tokens") &&
           maker_has_input(k, "at");
}

/* True for a model that computes logits for tokens. */
static bool is_decoder(const maker *k)
{
    return k->recipe[0] && !is_whisper(k) && !seq2seq_fits(k) && maker_has_input(k, "tokens") &&
           maker_has_input(k, "at");
}

static bool is_silero(const maker *k)
{
    sib_value_info state;
    return maker_has_input(k, "input") && maker_has_input(k, "state") && !k->recipe[0] &&
           sib_model_output(k->m, 1, &state) && !strcmp(state.name, "stateN");
}

/* True for a model that gives vectors of tokens, or of a text, with a tokenizer at hand. */
static bool is_encoder(const maker *k)
{
    char path[4096];
    sib_value_info info;
    for (size_t i = 0; sib_model_input(k->m, i, &info); i++) {
        bool known = !strcmp(info.name, "input_ids");
        for (size_t n = 0; n < N_ENCODER_INPUTS; n++)
            known = known || !strcmp(info.name, encoder_inputs[n].input);
        if (!known && !info.optional_input)
            return false;
    }
    return (!k->recipe[0] || !strcmp(k->recipe, "bert")) && maker_has_input(k, "input_ids") &&
           encoder_output(k->m) && (k->tokenizer || maker_find_tokenizer(k, path, sizeof path));
}

static const struct standard {
    const char *kind, *model; /* the model's name in the document */
    const char *text;
    size_t size; /* with the final NUL */
    bool (*fits)(const maker *k);
    sib_code (*make)(const maker *k);
} standards[] = {
    {"speech-to-text", "whisper", standard_speech_to_text, sizeof standard_speech_to_text, is_whisper,
     make_speech_to_text},
    {"speech-to-text", "model", standard_speech_transducer, sizeof standard_speech_transducer,
     transducer_fits, transducer_make},
    {"speech-to-text", "model", standard_speech_ctc, sizeof standard_speech_ctc, ctc_fits, ctc_make},
    {"speech-to-text", "model", standard_speech_seq2seq, sizeof standard_speech_seq2seq, seq2seq_fits,
     seq2seq_make},
    {"text-generation", "model", standard_text_generation, sizeof standard_text_generation, is_text_to_text,
     make_text_to_text},
    {"text-generation", "model", standard_text_generation, sizeof standard_text_generation, is_decoder,
     make_text_generation},
    {"text-generation", "model", standard_text_generation, sizeof standard_text_generation,
     exported_decoder_fits, exported_decoder_make},
    {"text-embedding", "model", standard_text_embedding, sizeof standard_text_embedding, is_encoder,
     make_text_embedding},
    {"text-to-speech", "model", standard_text_to_speech, sizeof standard_text_to_speech, tts_fits, tts_make},
    {"text-to-speech", "model", standard_speech_steps, sizeof standard_speech_steps, steps_fits, steps_make},
    {"text-to-speech", "model", standard_piper, sizeof standard_piper, piper_fits, piper_make},
    {"voice-activity", "vad", standard_voice_activity, sizeof standard_voice_activity, is_silero,
     make_voice_activity}};

/* The document of a standard job, with the names of the model and the job filled in. */
static sib_code fill(maker *k, const struct standard *s, char **text)
{
    const char *name = maker_base_name(k->path);
    char place[64], own[256];
    snprintf(place, sizeof place, "models/%s", s->model);
    snprintf(own, sizeof own, "%.*s", maker_stem_length(name), name);
    k->doc = json_loadb(s->text, s->size - 1, 0, NULL);
    sib_code code = maker_need(k, k->doc && maker_put(k->doc, place, json_string(name)) &&
                                      maker_put(k->doc, "name", json_string(own)));
    if (code == SIB_OK)
        code = s->make(k);
    char *dumped = code == SIB_OK ? json_dumps(k->doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    if (code == SIB_OK) {
        *text = dumped ? mem_strdup(dumped) : NULL;
        code = maker_need(k, *text != NULL);
    }
    free(dumped);
    json_decref(k->doc);
    return code;
}

sib_code standard_job(const sib_model *m, const char *path, const char *kind, const char *tokenizer,
                      char **text, sib_error *err)
{
    maker k = {.m = m, .path = path, .tokenizer = tokenizer, .recipe = "", .err = err};
    const char *recipe = maker_metadata(&k, "sibyl.recipe");
    k.recipe = recipe ? recipe : "";
    *text = NULL;
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++)
        if ((!kind || !strcmp(kind, standards[i].kind)) && standards[i].fits(&k))
            return fill(&k, &standards[i], text);
    return err_set(err, SIB_ERR_UNSUPPORTED,
                   "%s: there is no standard job%s%s for this model: write a job document", path,
                   kind ? " of kind " : "", kind ? kind : "");
}
