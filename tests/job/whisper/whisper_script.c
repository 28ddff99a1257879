/* Transcriptions by a hashed model, for whisper_peer.py: reads one case (JSON) per line and prints one result
   per line.
   whisper_script RANKS N_VOCAB < CASES
   A case: {"script": {...}, "frames": n, "heads": [[layer, head]...] or null, "options": {...}}. */
#include "check.h"
#include "hashed_model.h"

#include <jansson.h>
#include <math.h>

#define MAX_NUMBERS 64

/* ---- Cases -------------------------------------------------------------------------------------------- */

static double number_of(const json_t *object, const char *name, double otherwise)
{
    const json_t *value = json_object_get(object, name);
    return !value ? otherwise : json_is_null(value) ? NAN : json_number_value(value);
}

static size_t size_of(const json_t *object, const char *name)
{
    double value = number_of(object, name, 0);
    return isnan(value) ? 0 : (size_t)value;
}

static bool flag_of(const json_t *object, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(object, name);
    return value ? json_is_true(value) : otherwise;
}

static const char *text_of(const json_t *object, const char *name, const char *otherwise)
{
    const json_t *value = json_object_get(object, name);
    return value ? json_string_value(value) : otherwise;
}

static size_t numbers_of(const json_t *object, const char *name, double *out)
{
    const json_t *list = json_object_get(object, name);
    size_t n = json_array_size(list) < MAX_NUMBERS ? json_array_size(list) : MAX_NUMBERS;
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(list, i));
    return n;
}

static hashed_script read_script(const json_t *s)
{
    hashed_script out = {.seed = (uint32_t)size_of(s, "seed"),
                         .low = (uint32_t)size_of(s, "low"),
                         .sharp = (uint32_t)size_of(s, "sharp"),
                         .end = (uint32_t)size_of(s, "end"),
                         .stamp = (uint32_t)size_of(s, "stamp"),
                         .silence = (uint32_t)size_of(s, "silence"),
                         .looping = (uint32_t)size_of(s, "looping"),
                         .spread = (uint32_t)size_of(s, "spread"),
                         .slope = (uint32_t)size_of(s, "slope")};
    double palette[MAX_NUMBERS];
    out.n_palette = numbers_of(s, "palette", palette);
    for (size_t i = 0; i < out.n_palette; i++)
        out.palette[i] = (uint32_t)palette[i];
    return out;
}

typedef struct lists {
    double temperature[MAX_NUMBERS], clips[MAX_NUMBERS];
} lists;

static void read_options(const json_t *j, lists *l, whisper_options *o)
{
    whisper_options_default(o);
    o->language = text_of(j, "language", NULL);
    o->translate = !strcmp(text_of(j, "task", "transcribe"), "translate");
    size_t n = numbers_of(j, "temperature", l->temperature);
    if (n > 0) {
        o->temperature = l->temperature;
        o->n_temperatures = n;
    }
    o->best_of = size_of(j, "best_of");
    o->beam_size = size_of(j, "beam_size");
    o->patience = number_of(j, "patience", NAN);
    o->length_penalty = number_of(j, "length_penalty", NAN);
    o->sample_len = size_of(j, "sample_len");
    o->compression_ratio_threshold =
        number_of(j, "compression_ratio_threshold", o->compression_ratio_threshold);
    o->logprob_threshold = number_of(j, "logprob_threshold", o->logprob_threshold);
    o->no_speech_threshold = number_of(j, "no_speech_threshold", o->no_speech_threshold);
    o->condition_on_previous_text = flag_of(j, "condition_on_previous_text", true);
    o->initial_prompt = text_of(j, "initial_prompt", NULL);
    o->prefix = text_of(j, "prefix", NULL);
    o->carry_initial_prompt = flag_of(j, "carry_initial_prompt", false);
    o->suppress_tokens = text_of(j, "suppress_tokens", o->suppress_tokens);
    o->suppress_blank = flag_of(j, "suppress_blank", true);
    o->without_timestamps = flag_of(j, "without_timestamps", false);
    o->max_initial_timestamp = number_of(j, "max_initial_timestamp", o->max_initial_timestamp);
    o->word_timestamps = flag_of(j, "word_timestamps", false);
    o->n_clips = numbers_of(j, "clip_timestamps", l->clips);
    o->clip_timestamps = l->clips;
    o->hallucination_silence_threshold = number_of(j, "hallucination_silence_threshold", NAN);
    o->seed = size_of(j, "seed");
}

/* ---- Results ------------------------------------------------------------------------------------------- */

/* JSON has no NaN. */
static json_t *real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *segment_json(const sib_segment *s)
{
    json_t *tokens = json_array(), *list = json_array();
    for (size_t i = 0; i < s->n_tokens; i++)
        json_array_append_new(tokens, json_integer(s->tokens[i]));
    for (size_t i = 0; i < s->n_words; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "word", s->words[i].text, "start",
                                              real(s->words[i].start), "end", real(s->words[i].end),
                                              "probability", real(s->words[i].probability)));
    json_t *out =
        json_pack("{s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)s->id, "seek",
                  (json_int_t)s->seek, "start", real(s->start), "end", real(s->end), "text", s->text,
                  "tokens", tokens, "temperature", real(s->temperature), "avg_logprob", real(s->avg_logprob),
                  "compression_ratio", real(s->compression_ratio), "no_speech_prob", real(s->no_speech_prob));
    if (s->words)
        json_object_set(out, "words", list);
    json_decref(list);
    return out;
}

static json_t *transcript_json(const whisper_transcript *t)
{
    json_t *segments = json_array();
    for (size_t i = 0; i < t->n_segments; i++)
        json_array_append_new(segments, segment_json(&t->segments[i]));
    return json_pack("{s:s, s:s, s:o}", "language", t->language, "text", t->text, "segments", segments);
}

static json_t *run_case(const json_t *j, const sib_tokenizer *t, const whisper_model *shape)
{
    hashed_model m;
    lists l;
    whisper_options o;
    int32_t heads[MAX_NUMBERS][2];
    hashed_open(&m, shape, t);
    m.script = read_script(json_object_get(j, "script"));
    read_options(json_object_get(j, "options"), &l, &o);
    const json_t *pairs = json_object_get(j, "heads");
    for (size_t i = 0; i < json_array_size(pairs) && i < MAX_NUMBERS; i++, m.fed.model.n_alignment_heads++)
        for (size_t k = 0; k < 2; k++)
            heads[i][k] = (int32_t)json_integer_value(json_array_get(json_array_get(pairs, i), k));
    m.fed.model.alignment_heads = m.fed.model.n_alignment_heads > 0 ? (const int32_t(*)[2])heads : NULL;
    size_t n_frames;
    float *mel = fed_features(&m.fed.model, size_of(j, "frames"), &n_frames);
    whisper_transcript transcript;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = whisper_transcribe_features(&m.fed.model, t, mel, n_frames, &o, NULL, &transcript, &err);
    json_t *out = code == SIB_OK ? transcript_json(&transcript) : json_pack("{s:s}", "error", err.message);
    whisper_transcript_free(&transcript);
    free(mel);
    hashed_close(&m);
    return out;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "whisper_script RANKS N_VOCAB < CASES\n");
        return 2;
    }
    const size_t n_vocab = strtoul(argv[2], NULL, 10);
    const bool multilingual = n_vocab >= 51865;
    whisper_model shape = {.n_mels = 80,
                           .n_audio_ctx = 1500,
                           .n_text_ctx = 448,
                           .n_vocab = n_vocab,
                           .n_text_layer = 2,
                           .n_text_head = 2,
                           .multilingual = multilingual};
    sib_tokenizer_options options = {"whisper", n_vocab};
    sib_tokenizer *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_tokenizer_open(argv[1], &options, &t, &err) != SIB_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *j = json_loads(line, 0, NULL), *result = j ? run_case(j, t, &shape) : json_null();
        char *text = json_dumps(result, JSON_COMPACT);
        puts(text ? text : "null");
        free(text);
        json_decref(result);
        json_decref(j);
    }
    free(line);
    sib_tokenizer_free(&t);
    return 0;
}
