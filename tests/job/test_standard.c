/* Generated documents for models: which models are recognised, what is filled in, and what is rejected. */
#include "../comma_locale.h"
#include "check_memory.h"
#include "jobs.h"

#include <jansson.h>

static void metadata(tiny *t, size_t n, const char *const (*pairs)[2])
{
    size_t before = t->m->n_metadata;
    string_pair *all = arena_alloc(t->m->arena, before + n, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < before; i++)
        all[i] = t->m->metadata[i];
    for (size_t i = 0; i < n; i++)
        all[before + i] = (string_pair){str_of(pairs[i][0]), str_of(pairs[i][1])};
    t->m->metadata = all;
    t->m->n_metadata = before + n;
}

/* Logits that depend on the tokens and a state. */
static tiny recurrent(void)
{
    tiny t = tiny_begin();
    value_id tok = tiny_input(&t, "tokens", SIB_F32, "B N"), at = tiny_input(&t, "at", SIB_F32, "M"),
             s = tiny_input(&t, "state.0", SIB_F32, "1 2");
    tiny_output(&t, tiny_op(&t, "Add", tok, at, "logits"));
    tiny_output(&t, tiny_op(&t, "Neg", s, NO_VALUE, "next.0"));
    return t;
}

static json_t *described(const char *name, const sib_job_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    CHECK_OK(sib_job_describe(in_folder(name), o, &text, &err), err);
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    sib_free(text);
    return j;
}

/* The value at a path in a document, such as "calls/decoder/state". */
static const json_t *at(const json_t *j, const char *place)
{
    char copy[200], *state = NULL;
    snprintf(copy, sizeof copy, "%s", place);
    for (char *key = strtok_r(copy, "/", &state); key; key = strtok_r(NULL, "/", &state))
        j = json_is_array(j) ? json_array_get(j, (size_t)atoi(key)) : json_object_get(j, key);
    return j;
}

static void expect_json(const json_t *j, const char *place, const char *text)
{
    json_t *expected = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(expected);
    const json_t *found = at(j, place);
    if (!found || !json_equal(found, expected)) {
        char *is = found ? json_dumps(found, JSON_ENCODE_ANY) : NULL;
        fail_msg("%s is %s, expected %s", place, is ? is : "nothing", text);
    }
    json_decref(expected);
}

TEST(models_that_generate_text)
{
    static const char *const pairs[][2] = {{"sibyl.recipe", "rwkv"},
                                           {"tokenizer", "bytes"},
                                           {"stop_tokens", "[0, 3]"},
                                           {"begin_tokens", "[1]"},
                                           {"initial.state.0", "-1e30"}};
    tiny t = recurrent();
    metadata(&t, 5, pairs);
    save_model(&t, "some.model.onnx");
    json_t *j = described("some.model.onnx", NULL);
    expect_json(j, "kind", "\"text-generation\"");
    expect_json(j, "name", "\"some.model\"");
    expect_json(j, "models/model", "\"some.model.onnx\"");
    expect_json(j, "tokenizers/text", "{\"kind\": \"bytes\"}");
    expect_json(j, "calls/decoder/state", "{\"state.0\": {\"name\": \"next.0\", \"fill\": -1e30}}");
    expect_json(j, "inputs/stop_tokens/default", "[0, 3]");
    expect_json(j, "inputs/begin_tokens/default", "[1]");
    json_decref(j);
    /* a cache instead; a tokenizer that must be found */
    t = recurrent();
    metadata(&t, 1, (const char *const[][2]){{"sibyl.recipe", "gpt2"}});
    save_model(&t, "other.onnx");
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    CHECK_FAILS(sib_job_describe(in_folder("other.onnx"), NULL, &text, &err), SIB_ERR_IO, err,
                "there is no tokenizer in its folder (other.tokenizer.json");
    assert_null(text);
    sib_job_options o = {.tokenizer = in_folder("nothing.json")};
    CHECK_FAILS(sib_job_describe(in_folder("other.onnx"), &o, &text, &err), SIB_ERR_IO, err,
                "the tokenizer does not exist");
    static const char *const files[] = {"tokenizer.json", "other.tiktoken", "other.tokenizer.json"};
    for (size_t i = 0; i < 3; i++) { /* each takes precedence over those before */
        char place[60];
        save_text(files[i], "{}");
        j = described("other.onnx", NULL);
        snprintf(place, sizeof place, "{\"file\": \"%s\"}", files[i]);
        expect_json(j, "tokenizers/text", place);
        json_decref(j);
    }
    o.tokenizer = in_folder("tokenizer.json");
    j = described("other.onnx", &o);
    assert_string_equal(json_string_value(at(j, "tokenizers/text/file")), o.tokenizer);
    json_decref(j);
}

/* An encoder of samples, and a decoder that is fed tokens. */
static tiny listener(const char *const (*pairs)[2])
{
    tiny t = tiny_begin();
    value_id samples = tiny_input(&t, "samples", SIB_F32, "B T"),
             tok = tiny_input(&t, "tokens", SIB_F32, "B N"), at = tiny_input(&t, "at", SIB_F32, "M");
    tiny_output(&t, tiny_op(&t, "Add", tok, at, "logits"));
    tiny_output(&t, tiny_op(&t, "Neg", samples, NO_VALUE, "encoded"));
    metadata(&t, 7, pairs);
    return t;
}

TEST(recognisers_with_a_decoder)
{
    static const char *const good[][2] = {{"sibyl.recipe", "moonshine"},  {"target_tokens", "[1]"},
                                          {"stop_tokens", "[2, 7]"},      {"n_ctx", "194"},
                                          {"min_samples", "895"},         {"sample_rate", "8000"},
                                          {"tokenizer", "tokenizer.json"}};
    const char *bad[7][2];
    char *text = NULL;
    sib_error err = SIB_ERROR_INIT;
    tiny t = listener(good);
    save_text("l.tokenizer.json", "{}");
    save_model(&t, "l.onnx");
    json_t *j = described("l.onnx", NULL);
    expect_json(j, "kind", "\"speech-to-text\"");
    expect_json(j, "sample_rate", "8000");
    expect_json(j, "inputs/target_tokens/default", "[1]");
    expect_json(j, "inputs/stop_tokens/default", "[2, 7]");
    expect_json(j, "nodes/0/inputs/n_text_ctx", "194");
    expect_json(j, "nodes/0/inputs/min_samples", "895");
    expect_json(j, "nodes/0/inputs/rate", "8000");
    json_decref(j);
    memcpy(bad, good, sizeof bad);
    bad[1][1] = "1";
    t = listener((const char *const(*)[2])bad);
    save_model(&t, "l.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("l.onnx"), NULL, &text, &err), SIB_ERR_FORMAT, err,
                "'target_tokens' in its metadata is not a JSON list");
    sib_job_options o = {.kind = "text-generation"};
    CHECK_FAILS(sib_job_describe(in_folder("l.onnx"), &o, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "no standard job");
}

TEST(speakers_of_steps)
{
    static const char *const said[][2] = {{"sibyl.recipe", "speecht5"},
                                          {"n_text_ctx", "600"},
                                          {"n_ctx", "1876"},
                                          {"pad_token", "1"},
                                          {"dropout", "0.25"},
                                          {"sample_rate", "8000"},
                                          {"tokenizer", "tokenizer.json"}};
    tiny t = tiny_begin();
    value_id tok = tiny_input(&t, "tokens", SIB_F32, "1 N"),
             frame = tiny_input(&t, "frame", SIB_F32, "1 N 2"),
             kept = tiny_input(&t, "kept", SIB_F32, "2 N 1");
    tiny_output(&t, tiny_op(&t, "Neg", tok, NO_VALUE, "encoded"));
    tiny_output(&t, tiny_op(&t, "Add", frame, kept, "frames"));
    metadata(&t, sizeof said / sizeof *said, said);
    save_text("s.tokenizer.json", "{}");
    save_model(&t, "s.onnx");
    json_t *j = described("s.onnx", NULL);
    expect_json(j, "kind", "\"text-to-speech\"");
    expect_json(j, "sample_rate", "8000");
    expect_json(j, "nodes/1/inputs/rate", "8000");
    expect_json(j, "nodes/1/inputs/n_text_ctx", "600");
    expect_json(j, "nodes/1/inputs/n_ctx", "1876");
    expect_json(j, "nodes/1/inputs/pad", "1");
    expect_json(j, "inputs/dropout/default", "0.25");
    json_decref(j);
}

/* Frames of samples, and scores of one with what is predicted of tokens. */
static tiny transducer(const char *const (*pairs)[2], size_t n)
{
    tiny t = tiny_begin();
    value_id samples = tiny_input(&t, "samples", SIB_F32, "B T"),
             token = tiny_input(&t, "token", SIB_F32, "S"),
             state = tiny_input(&t, "state.0.cell", SIB_F32, "S 2"),
             frame = tiny_input(&t, "frame", SIB_F32, "F 2"),
             prediction = tiny_input(&t, "prediction", SIB_F32, "F 2");
    tiny_output(&t, tiny_op(&t, "Neg", samples, NO_VALUE, "encoded"));
    tiny_output(&t, tiny_op(&t, "Neg", token, NO_VALUE, "predicted"));
    tiny_output(&t, tiny_op(&t, "Neg", state, NO_VALUE, "next.0.cell"));
    tiny_output(&t, tiny_op(&t, "Add", frame, prediction, "logits"));
    metadata(&t, n, pairs);
    return t;
}

TEST(transducers)
{
    static const char *const good[][2] = {{"sibyl.recipe", "parakeet"},
                                          {"vocabulary", "[\"a\", \"$b\"]"},
                                          {"blank", "1"},
                                          {"frame_samples", "640"},
                                          {"min_samples", "320"},
                                          {"sample_rate", "8000"},
                                          {"word_prefix", "_"},
                                          {"n_durations", "5"},
                                          {"max_symbols", "7"},
                                          {"begin_token", "0"}};
    char *text = NULL;
    sib_error err = SIB_ERROR_INIT;
    tiny t = transducer(good, 10);
    save_model(&t, "t.onnx");
    json_t *j = described("t.onnx", NULL);
    expect_json(j, "kind", "\"speech-to-text\"");
    expect_json(j, "sample_rate", "8000");
    expect_json(j, "nodes/0/op", "\"transduce\"");
    expect_json(j, "nodes/0/inputs/vocabulary", "[\"a\", \"$$b\"]");
    expect_json(j, "nodes/0/inputs/word_prefix", "\"_\"");
    static const char *const numbers[][2] = {
        {"blank", "1"},     {"frame_samples", "640"}, {"min_samples", "320"}, {"rate", "8000"},
        {"durations", "5"}, {"max_symbols", "7"},     {"begin", "0"}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char place[60];
        snprintf(place, sizeof place, "nodes/0/inputs/%s", numbers[i][0]);
        expect_json(j, place, numbers[i][1]);
    }
    json_decref(j);
    t = transducer(good, 9); /* a file that does not say what texts begin with */
    save_model(&t, "t.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("t.onnx"), NULL, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "no standard job");
}

/* A voice of Piper's: its inputs, and samples that depend on none. */
static void save_voice(const char *name, bool several)
{
    tiny t = tiny_begin();
    tiny_input(&t, "input", SIB_I64, "B N");
    tiny_input(&t, "input_lengths", SIB_I64, "B");
    value_id scales = tiny_input(&t, "scales", SIB_F32, "3");
    if (several)
        tiny_input(&t, "sid", SIB_I64, "B");
    tiny_output(&t, tiny_op(&t, "Identity", scales, NO_VALUE, "output"));
    save_model(&t, name);
}

TEST(voices_of_piper)
{
    static const char good[] =
        "{\"audio\": {\"sample_rate\": 8000}, \"espeak\": {\"voice\": \"de\"}, \"inference\": "
        "{\"noise_scale\": "
        "0.25, \"length_scale\": 2, \"noise_w\": 0.5}, \"num_speakers\": 3, \"phoneme_map\": {\"x\": "
        "[\"a\"]}, "
        "\"phoneme_id_map\": {\"_\": [0], \"^\": [1], \"$\": [2], \"a\": [4], \"A\": [4]}}";
    static const struct {
        const char *json;
        sib_code code;
        const char *words;
    } bad[] = {
        {"[]", SIB_ERR_FORMAT, "v.onnx.json: is no JSON object"},
        {"{", SIB_ERR_FORMAT, "v.onnx.json: line 1"},
        {"{}", SIB_ERR_FORMAT, "phoneme_id_map has no id of '_'"},
        {"{\"phoneme_id_map\": {\"_\": [0], \"^\": [1], \"$\": [2], \"a\": [3, 4]}}", SIB_ERR_UNSUPPORTED,
         "the phoneme 'a' has not one id"},
        {"{\"phoneme_id_map\": {\"_\": [0], \"^\": [1], \"$\": [1000000]}}", SIB_ERR_FORMAT, "no id of '$'"},
        {"{\"phoneme_type\": \"pinyin\", \"phoneme_id_map\": {\"_\": [0], \"^\": [1], \"$\": [2]}}",
         SIB_ERR_UNSUPPORTED, "phoneme_type is 'pinyin'"},
        {"{\"phoneme_map\": {\"x\": [\"a\", \"b\"]}, \"phoneme_id_map\": {\"_\": [0], \"^\": [1], \"$\": "
         "[2]}}",
         SIB_ERR_UNSUPPORTED, "'x' of phoneme_map"}};
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    save_voice("v.onnx", true);
    CHECK_FAILS(sib_job_describe(in_folder("v.onnx"), NULL, &text, &err), SIB_ERR_IO, err,
                "v.onnx.json: says how text becomes ids, and is missing");
    save_text("v.onnx.json", good);
    json_t *j = described("v.onnx", NULL);
    expect_json(j, "kind", "\"text-to-speech\"");
    expect_json(j, "sample_rate", "8000");
    expect_json(j, "nodes/0/inputs/vocabulary", "[\"_\", \"^\", \"$$\", \"\", \"a\"]");
    expect_json(j, "nodes/0/inputs/replaced", "[\"x\", \"a\", \"A\", \"a\"]");
    expect_json(j, "nodes/0/inputs/blank", "0");
    expect_json(j, "nodes/0/inputs/begin", "[1]");
    expect_json(j, "nodes/0/inputs/end", "[2]");
    expect_json(j, "nodes/0/inputs/phonemizer", "\"espeak (de)\"");
    expect_json(j, "nodes/1/inputs/rate", "8000");
    expect_json(j, "nodes/1/inputs/speakers", "3");
    expect_json(j, "inputs/speed/default", "0.5");
    expect_json(j, "inputs/noise_scale/default", "0.25");
    expect_json(j, "inputs/duration_noise_scale/default", "0.5");
    expect_json(j, "calls/model/inputs/speaker", "\"sid\"");
    json_decref(j);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        save_text("v.onnx.json", bad[i].json);
        CHECK_FAILS(sib_job_describe(in_folder("v.onnx"), NULL, &text, &err), bad[i].code, err, bad[i].words);
    }
    save_voice("one.onnx", false);
    save_text("one.onnx.json", good);
    j = described("one.onnx", NULL);
    assert_null(at(j, "calls/model/inputs/speaker"));
    json_decref(j);
}

/* Logits of ids with a cache, as other programs name them. */
static tiny exported(const char *more, const char *dims)
{
    tiny t = tiny_begin();
    value_id ids = tiny_input(&t, "input_ids", SIB_I64, "B N"),
             mask = tiny_input(&t, "attention_mask", SIB_I64, "B M"),
             past = tiny_input(&t, "past_key_values.0.key", SIB_F32, "B H P 4"),
             last = tiny_constant(&t, "last", SIB_I64, DIMS(1), OF(2));
    value_id sum = tiny_op(&t, "Add", ids, mask, "sum");
    if (more)
        sum = tiny_op(&t, "Add", sum, tiny_input(&t, more, SIB_I64, dims), "more");
    tiny_output(&t, tiny_op(&t, "Unsqueeze", sum, last, "logits"));
    tiny_output(&t, tiny_op(&t, "Neg", past, NO_VALUE, "present.0.key"));
    return t;
}

TEST(decoders_of_other_programs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_options of_kind = {.kind = "text-generation"};
    char *text = NULL;
    tiny t = exported("position_ids", "B N");
    save_model(&t, "e.onnx");
    save_text("tokenizer.json", "{}");
    save_text("config.json", "{\"num_attention_heads\": 2, \"hidden_size\": 8, \"eos_token_id\": 5}");
    save_text("chat_template.jinja", "{{ x }}");
    json_t *j = described("e.onnx", NULL);
    expect_json(
        j, "calls/decoder",
        "{\"model\": \"model\", \"inputs\": {\"tokens\": \"input_ids\"}, \"outputs\": {\"logits\": "
        "\"logits\"}, \"state\": {\"past_key_values.*\": {\"name\": \"present.*\", \"dims\": [1, 2, 0, "
        "4]}}, \"count\": {\"of\": \"tokens\", \"inputs\": {\"attention_mask\": \"ones\", "
        "\"position_ids\": \"positions\"}}}");
    expect_json(j, "inputs/stop_tokens/default", "[5]");
    expect_json(j, "chat", "{\"file\": \"chat_template.jinja\"}");
    json_decref(j);
    CHECK_EVERY_ALLOCATION(sib_job_describe(in_folder("e.onnx"), &of_kind, &text, &err), sib_free(text));
    static const char *const damaged[] = {"[", "[]",
                                          "{\"model\": {\"decoder\": {\"filename\": \"../e.onnx\"}}}"};
    for (size_t i = 0; i < 3; i++) {
        save_text("genai_config.json", damaged[i]);
        CHECK_FAILS(sib_job_describe(folder, NULL, &text, &err), i < 2 ? SIB_ERR_FORMAT : SIB_ERR_ARGUMENT,
                    err, i < 2 ? "genai_config.json" : "..");
    }
    save_text("genai_config.json",
              "{\"model\": {\"eos_token_id\": [6, 5, \"x\"], \"decoder\": {\"filename\": "
              "\"e.onnx\", \"inputs\": {\"past_key_names\": \"%d\"}}}}");
    CHECK_OK(sib_job_describe(folder, NULL, &text, &err), err);
    assert_non_null(strstr(text, "\"models\""));
    sib_free(text);
    remove(in_folder("genai_config.json"));
    t = exported("picture", "B 1");
    save_model(&t, "e.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("e.onnx"), NULL, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "its input 'picture' (int64 [B, 1]) is neither tokens, a mask");
    save_text("config.json", "{\"architectures\": [\"BertForMaskedLM\"]}");
    CHECK_FAILS(sib_job_describe(in_folder("e.onnx"), NULL, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "there is no standard job");
    static const char *const files[] = {"config.json", "chat_template.jinja", "tokenizer.json"};
    for (size_t i = 0; i < 3; i++)
        remove(in_folder(files[i]));
}

/* Vectors of ids, with these further inputs. */
static tiny encoder_of(const char *output, const char *dims, const char *const *more, size_t n)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "input_ids", SIB_I64, dims);
    for (size_t i = 0; i < n; i++)
        x = tiny_op(&t, "Add", x, tiny_input(&t, more[i], SIB_I64, dims), i + 1 < n ? more[i] + 1 : "sum");
    value_id last = tiny_constant(&t, "last", SIB_I64, DIMS(1), OF(2));
    x = strcmp(output, "sentence_embedding") ? tiny_op(&t, "Unsqueeze", x, last, "wide") : x;
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, output));
    return t;
}

static tiny encoder_like(const char *output, const char *const *more, size_t n)
{
    return encoder_of(output, "B N", more, n);
}

/* What "batch" is in the document of such a model; NULL: it has none. */
static void expect_batch(tiny t, const char *batch)
{
    save_model(&t, "e.onnx");
    json_t *j = described("e.onnx", NULL);
    assert_true(!batch == !json_object_get(at(j, "calls/encoder"), "batch"));
    if (batch)
        expect_json(j, "calls/encoder/batch", batch);
    json_decref(j);
}

static void check_batches(void)
{
    static const char *const further[] = {"attention_mask"};
    expect_batch(encoder_like("last_hidden_state", further, 1), "{\"pad\": 0, \"cut\": [\"hidden\"]}");
    expect_batch(encoder_like("last_hidden_state", NULL, 0), "{}"); /* without a mask */
    expect_batch(encoder_like("sentence_embedding", further, 1), "{\"pad\": 0}");
    expect_batch(encoder_of("last_hidden_state", "1 N", further, 1), NULL);
}

TEST(models_that_give_vectors_of_texts)
{
    static const char *const further[] = {"attention_mask", "position_ids"};
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    unlink(in_folder("tokenizer.json"));
    tiny t = encoder_like("last_hidden_state", further, 2);
    save_model(&t, "e.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("e.onnx"), NULL, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "there is no standard job"); /* without a tokenizer */
    save_text("e.tokenizer.json", "{}");
    json_t *j = described("e.onnx", NULL);
    expect_json(j, "kind", "\"text-embedding\"");
    expect_json(j, "calls/encoder/inputs",
                "{\"tokens\": \"input_ids\", \"mask\": \"attention_mask\", \"positions\": \"position_ids\"}");
    expect_json(j, "calls/encoder/outputs", "{\"hidden\": \"last_hidden_state\"}");
    expect_json(j, "nodes/2/name", "\"positions\"");
    expect_json(j, "nodes/3/inputs",
                "{\"tokens\": \"$prompt\", \"mask\": \"$mask\", \"positions\": \"$positions\"}");
    expect_json(j, "tokenizers/text", "{\"file\": \"e.tokenizer.json\"}");
    json_decref(j);
    t = encoder_like("sentence_embedding", NULL, 0);
    save_model(&t, "e.onnx");
    j = described("e.onnx", NULL);
    expect_json(j, "calls/encoder/inputs", "{\"tokens\": \"input_ids\"}");
    expect_json(j, "calls/encoder/outputs", "{\"hidden\": \"sentence_embedding\"}");
    json_decref(j);
    check_batches();
    static const char *const unknown[] = {"pixels"};
    t = encoder_like("last_hidden_state", unknown, 1);
    save_model(&t, "e.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("e.onnx"), NULL, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "there is no standard job");
}

static tiny whisper_like(void)
{
    tiny t = tiny_begin();
    tiny_output(&t, tiny_op(&t, "Neg", tiny_input(&t, "mel", SIB_F32, "B 80 3000"), NO_VALUE, "audio"));
    return t;
}

TEST(models_of_whisper)
{
    static const char *const pairs[][2] = {{"sibyl.recipe", "whisper"},
                                           {"n_text_ctx", "99"},
                                           {"n_vocab", "51864"},
                                           {"alignment_heads", "[0, 1, 1, 0]"}};
    tiny t = whisper_like();
    metadata(&t, 4, pairs);
    save_model(&t, "w.onnx");
    save_text("w.tiktoken", "");
    json_t *j = described("w.onnx", NULL);
    expect_json(j, "kind", "\"speech-to-text\"");
    expect_json(j, "nodes/0/inputs/n_text_ctx", "99");
    expect_json(j, "nodes/0/inputs/multilingual", "false"); /* below 51,865 tokens */
    expect_json(j, "nodes/0/inputs/alignment_heads", "[0, 1, 1, 0]");
    expect_json(j, "tokenizers/text",
                "{\"file\": \"w.tiktoken\", \"kind\": \"whisper\", \"n_vocab\": 51864}");
    json_decref(j);
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    t = whisper_like();
    metadata(&t, 2, pairs);
    save_model(&t, "w.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("w.onnx"), NULL, &text, &err), SIB_ERR_FORMAT, err,
                "lacks n_text_ctx or n_vocab");
    t = whisper_like();
    metadata(&t, 3, pairs);
    metadata(&t, 1, (const char *const[][2]){{"alignment_heads", "[0, 1"}});
    save_model(&t, "w.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("w.onnx"), NULL, &text, &err), SIB_ERR_FORMAT, err,
                "'alignment_heads' in its metadata is not a JSON list");
}

/* The inputs and outputs of Silero. */
static tiny silero_like(bool rate)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "input", SIB_F32, "1 N"), s = tiny_input(&t, "state", SIB_F32, "2 1 128");
    if (rate)
        tiny_input(&t, "sr", SIB_I64, "");
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, "output"));
    tiny_output(&t, tiny_op(&t, "Neg", s, NO_VALUE, "stateN"));
    return t;
}

TEST(models_of_silero)
{
    for (int rate = 0; rate < 2; rate++) {
        tiny t = silero_like(rate);
        save_model(&t, "vad.onnx");
        json_t *j = described("vad.onnx", NULL);
        expect_json(j, "kind", "\"voice-activity\"");
        assert_int_equal(at(j, "calls/vad/fixed") != NULL, rate);
        json_decref(j);
    }
}

TEST(other_models_are_refused)
{
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    sib_job *j = NULL;
    tiny t = counting();
    save_model(&t, "m.onnx");
    CHECK_FAILS(sib_job_describe(in_folder("m.onnx"), NULL, &text, &err), SIB_ERR_UNSUPPORTED, err,
                "m.onnx: there is no standard job for this model");
    CHECK_FAILS(sib_job_open(in_folder("m.onnx"), NULL, &j, &err), SIB_ERR_UNSUPPORTED, err,
                "no standard job for this model");
    t = silero_like(true);
    save_model(&t, "v.onnx");
    sib_job_options o = {.kind = "speech-to-text"};
    CHECK_FAILS(sib_job_open(in_folder("v.onnx"), &o, &j, &err), SIB_ERR_UNSUPPORTED, err,
                "no standard job of kind speech-to-text for this model");
    CHECK_FAILS(sib_job_describe(in_folder("none.onnx"), NULL, &text, &err), SIB_ERR_IO, err, "none.onnx");
    assert_null(j);
    assert_null(text);
}

TEST(a_document_is_found_where_it_stands)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = NULL;
    char *text = NULL;
    sib_job_info info;
    CHECK_OK(sib_job_describe(NULL, NULL, &text, &err), err);
    CHECK_OK(sib_job_open_text(text, strlen(text), NULL, NULL, &j, &err), err);
    sib_job_get_info(j, &info);
    assert_string_equal(info.kind, "features");
    assert_true(info.n_inputs == 4 && info.n_outputs == 1 && info.sample_rate == 16000);
    sib_job_port p;
    assert_true(sib_job_input(j, 0, &p) && !p.optional && p.type == SIB_PORT_AUDIO);
    assert_true(sib_job_input(j, 1, &p) && p.optional && !strcmp(p.name, "preset"));
    assert_false(sib_job_input(j, 4, &p));
    assert_true(sib_job_output(j, 0, &p) && p.type == SIB_PORT_TENSOR);
    assert_false(sib_job_output(j, 1, &p));
    assert_string_equal(sib_port_type_name(SIB_PORT_SPANS), "spans");
    assert_string_equal(sib_port_type_name((sib_port_type)99), "nothing");
    sib_job_free(&j);
    CHECK_FAILS(sib_job_open(folder, NULL, &j, &err), SIB_ERR_IO, err, "job.json");
    save_text("job.json", text);
    CHECK_OK(sib_job_open(folder, NULL, &j, &err), err); /* a folder */
    sib_job_free(&j);
    CHECK_OK(sib_job_open(in_folder("job.json"), NULL, &j, &err), err);
    sib_job_free(&j);
    sib_job_options o = {.kind = "voice-activity"};
    CHECK_FAILS(sib_job_open(in_folder("job.json"), &o, &j, &err), SIB_ERR_ARGUMENT, err,
                "the job is of kind features, expected voice-activity");
    tiny t = counting(); /* for a model without one */
    save_model(&t, "m.onnx");
    save_text("m.job.json", text);
    CHECK_OK(sib_job_open(in_folder("m.onnx"), NULL, &j, &err), err);
    sib_job_free(&j);
    save_text("m.job.json", "{");
    CHECK_FAILS(sib_job_open(in_folder("m.onnx"), NULL, &j, &err), SIB_ERR_FORMAT, err, "m.job.json: line 1");
    save_text("m.job.json", "{\"sibyl_job\": 1, \"name\": \"own\", \"kind\": 5}");
    CHECK_FAILS(sib_job_open(in_folder("m.onnx"), NULL, &j, &err), SIB_ERR_FORMAT, err,
                "m.job.json: job 'own': /kind");
    save_text("m.job.json", text); /* also if a kind is requested */
    CHECK_FAILS(sib_job_open(in_folder("m.onnx"), &o, &j, &err), SIB_ERR_ARGUMENT, err,
                "m.job.json: the job is of kind features, expected voice-activity");
    CHECK_FAILS(sib_job_open(NULL, NULL, &j, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_job_describe(NULL, NULL, NULL, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_free(text);
}

TEST(a_document_is_stored)
{
    static const char *const pairs[][2] = {{"sibyl.recipe", "rwkv"}, {"tokenizer", "bytes"}};
    sib_error err = SIB_ERROR_INIT;
    sib_job *j;
    char *path = NULL, *again = NULL;
    tiny t = recurrent();
    metadata(&t, 2, pairs);
    save_model(&t, "kept.onnx");
    save_text("kept.job.json", "an old one");
    CHECK_OK(sib_job_store(in_folder("kept.onnx"), NULL, &path, &err), err);
    assert_string_equal(path, in_folder("kept.job.json"));
    CHECK_OK(sib_job_open(in_folder("kept.onnx"), NULL, &j, &err), err);
    CHECK_OK(sib_job_describe(in_folder("kept.onnx"), NULL, &again, &err), err);
    assert_memory_equal(sib_job_document(j), again, strlen(again));
    sib_job_free(&j);
    sib_free(again);
    sib_free(path);
    t = counting(); /* a model for which there is no job */
    save_model(&t, "none.onnx");
    CHECK_FAILS(sib_job_store(in_folder("none.onnx"), NULL, &path, &err), SIB_ERR_UNSUPPORTED, err,
                "no standard job");
    assert_null(path);
    assert_int_equal(access(in_folder("none.job.json"), F_OK), -1);
    CHECK_FAILS(sib_job_store(NULL, NULL, NULL, &err), SIB_ERR_ARGUMENT, err, "NULL");
    save_text("kept.job.json", "an old one");
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_job_store(in_folder("kept.onnx"), NULL, NULL, &err), {
        char is[16] = {0};
        FILE *f = fopen(in_folder("kept.job.json"), "rb");
        assert_true(f && fread(is, 1, 10, f) == 10);
        fclose(f);
        assert_int_equal(!strcmp(is, "an old one"), err.code != SIB_OK); /* it stays if memory runs out */
    });
}

/* Numbers of the metadata have a decimal point in every locale. */
TEST(numbers_in_another_locale)
{
    static const char *const pairs[][2] = {
        {"sibyl.recipe", "rwkv"}, {"tokenizer", "bytes"}, {"initial.state.0", "-2.5"}};
    comma_locale_enter();
    tiny t = recurrent();
    metadata(&t, 3, pairs);
    save_model(&t, "comma.onnx");
    json_t *j = described("comma.onnx", NULL);
    setlocale(LC_NUMERIC, "C");
    expect_json(j, "calls/decoder/state", "{\"state.0\": {\"name\": \"next.0\", \"fill\": -2.5}}");
    json_decref(j);
}

TEST_FIXTURE(make_folder, drop_folder)
