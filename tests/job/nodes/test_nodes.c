/* Nodes of jobs, one by one: features, windows, spans, tokens and text, sampling of a token, the score of a
   text. */
#include "job/jobs.h"

#include <math.h>
#include <sibyl/features.h>
#include <sibyl/fixed.h>

static const int64_t vocabulary = 5;

/* The logit of token i after token k. */
static double logit(int i, int k)
{
    return (i + 1) * sin(i + 3.0 * k);
}

static int set_up(void)
{
    if (make_folder())
        return -1;
    tiny t = tiny_begin();
    double table[25];
    for (int i = 0; i < 25; i++)
        table[i] = logit(i / 5, i % 5);
    value_id tok = tiny_input(&t, "tokens", SIB_I64, "B N"), at = tiny_input(&t, "at", SIB_I64, "M"),
             w = tiny_constant(&t, "w", SIB_F32, DIMS(5, 5), table);
    attribute axis = {.name = str_of("axis"), .kind = ATTR_INT, .i = 1};
    value_id all = tiny_op(&t, "Gather", w, tok, "all"), logits = tiny_made(&t, "logits"), in[] = {all, at};
    tiny_node(&t, "Gather", "pick", 2, in, 1, &logits, 1, &axis);
    tiny_output(&t, logits);
    save_model(&t, "bigrams.onnx");
    return 0;
}

/* A job of one node `it`, whose ports are inputs of the job by the same names. */
static sib_job *node_job(const char *op, const char *more, const char *inputs, const char *ports,
                         const char *outputs)
{
    char text[3000];
    int n = snprintf(
        text, sizeof text,
        "{\"sibyl_job\": 1, \"kind\": \"test\", \"name\": \"one\", \"models\": {\"m\": \"bigrams.onnx\"}, "
        "\"tokenizers\": {\"t\": {\"kind\": \"bytes\"}}, \"calls\": {\"c\": {\"model\": \"m\", \"inputs\": "
        "{\"tokens\": \"tokens\", \"at\": \"at\"}, \"outputs\": {\"logits\": \"logits\"}}}, \"inputs\": "
        "{%s}, "
        "\"nodes\": [{\"name\": \"it\", \"op\": \"%s\", %s \"inputs\": {%s}}], \"outputs\": {%s}}",
        inputs, op, more, ports, outputs);
    assert_true(n < (int)sizeof text);
    return job_of(text);
}

/* ---- Audio --------------------------------------------------------------------------------------------- */

static sib_tensor *sound(size_t n)
{
    int64_t dims = (int64_t)n;
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 1, &dims, &t, &err), err);
    check_random r = {7};
    for (size_t i = 0; i < n; i++)
        ((float *)sib_tensor_data(t))[i] = (float)(0.5 * check_uniform(&r));
    return t;
}

/* In fixed point: those of the fixed front end, divided by what 1.0 is; another word is refused. */
TEST(features_in_fixed_point)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j =
        node_job("features", "", "\"audio\": \"audio\", \"a\": \"text\"",
                 "\"audio\": \"$audio\", \"arithmetic\": \"$a\", \"padding\": 900", "\"f\": \"$it\"");
    enum { N = 5000, PADDED = N + 900, FRAMES = PADDED / 160 };
    sib_tensor *x = sound(N);
    static const char *const words[] = {"fixed", "int16", "int8"};
    static int16_t pcm[PADDED], wide[80 * FRAMES];
    static int8_t narrow[80 * FRAMES];
    for (size_t i = 0; i < N; i++)
        pcm[i] = (int16_t)lrintf(((const float *)sib_tensor_data(x))[i] * 32768);
    CHECK_OK(sib_fixed_int16(80, SIB_FIXED_CLAMP_WHOLE, NULL, pcm, N, PADDED - N, wide, FRAMES, &err), err);
    CHECK_OK(sib_fixed_int8(80, SIB_FIXED_CLAMP_WHOLE, NULL, pcm, N, PADDED - N, narrow, FRAMES, &err), err);
    for (size_t k = 0; k < 3; k++) {
        sib_job_value in[] = {audio("audio", x), a_text("a", words[k])};
        sib_job_result *r = run_with(j, 2, in, NULL);
        const sib_tensor *f = sib_job_result_find(r, "f")->tensor;
        const float *found = sib_tensor_data(f);
        assert_int_equal(sib_tensor_count(f), 80 * FRAMES);
        for (size_t i = 0; i < 80 * FRAMES; i++)
            assert_true(found[i] == (k < 2 ? (float)wide[i] / 16384 : (float)narrow[i] / 64));
        sib_job_result_free(&r);
    }
    sib_job_value in[] = {audio("audio", x), a_text("a", "int4")};
    sib_job_result *r = NULL;
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err,
                "it: features in 'int4', expected float, fixed, int16 or int8");
    sib_tensor_free(&x);
    sib_job_free(&j);
}

TEST(features_are_those_of_sib_mel_compute)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = node_job(
        "features", "",
        "\"audio\": \"audio\", \"preset\": {\"type\": \"text\", \"default\": null}, \"n_mels\": "
        "{\"type\": \"number\", \"default\": null}, \"padding\": {\"type\": \"number\", \"default\": null}",
        "\"audio\": \"$audio\", \"preset\": \"$preset\", \"n_mels\": \"$n_mels\", \"padding\": "
        "\"$padding\"",
        "\"f\": \"$it\"");
    sib_tensor *x = sound(5000);
    static const struct {
        const char *preset;
        int32_t n_mels;
        size_t padding;
    } cases[] = {{"whisper", 0, 0}, {"whisper", 128, 3000}, {"librosa", 40, 0}, {"kaldi", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_job_value in[] = {audio("audio", x), a_text("preset", cases[i].preset),
                              a_number("padding", (double)cases[i].padding),
                              a_number("n_mels", cases[i].n_mels)};
        sib_job_result *r = run_with(j, 4, in, NULL);
        const sib_tensor *f = sib_job_result_find(r, "f")->tensor;
        sib_mel_spec spec;
        sib_mel *mel = NULL;
        uint64_t bands, frames;
        CHECK_OK(sib_mel_spec_preset(cases[i].preset, cases[i].n_mels, &spec, &err), err);
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        CHECK_OK(sib_mel_shape(mel, 5000 + cases[i].padding, &bands, &frames, &err), err);
        float *expected = malloc(bands * frames * sizeof *expected);
        CHECK_OK(
            sib_mel_compute(mel, NULL, sib_tensor_data(x), 5000, cases[i].padding, expected, frames, &err),
            err);
        assert_int_equal(sib_tensor_dims(f)[0], bands);
        assert_int_equal(sib_tensor_dims(f)[1], frames);
        assert_memory_equal(sib_tensor_data(f), expected, bands * frames * sizeof *expected);
        free(expected);
        sib_mel_free(&mel);
        sib_job_result_free(&r);
    }
    const struct {
        sib_job_value in;
        const char *words;
    } bad[] = {{a_text("preset", "cake"), "cake"},
               {a_number("n_mels", 1.5), "it: n_mels is 1.5, expected an integer"},
               {a_number("n_mels", -1), "n_mels is -1"},
               {a_number("padding", NAN), "padding is nan"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sib_job_value in[] = {audio("audio", x), bad[i].in};
        run_fails(j, 2, in, NULL, SIB_ERR_ARGUMENT, bad[i].words);
    }
    sib_tensor_free(&x);
    sib_job_free(&j);
}

TEST(windows_hold_what_comes_before)
{
    sib_job *j = node_job(
        "windows", "",
        "\"audio\": \"audio\", \"size\": \"number\", \"context\": {\"type\": \"number\", \"default\": "
        "null}",
        "\"audio\": \"$audio\", \"size\": \"$size\", \"context\": \"$context\"", "\"w\": \"$it\"");
    sib_tensor *x = tiny_tensor(SIB_F32, DIMS(5), OF(1, 2, 3, 4, 5)),
               *none = tiny_tensor(SIB_F32, DIMS(0), OF(0));
    sib_job_value in[] = {audio("audio", x), a_number("size", 2), a_number("context", 3)};
    sib_job_result *r = run_with(j, 3, in, NULL);
    expect_tensor(sib_job_result_find(r, "w"), SIB_F32, DIMS(3, 5),
                  OF(0, 0, 0, 1, 2, 0, 1, 2, 3, 4, 2, 3, 4, 5, 0));
    sib_job_result_free(&r);
    in[1] = a_number("size", 5);
    r = run_with(j, 2, in, NULL);
    expect_tensor(sib_job_result_find(r, "w"), SIB_F32, DIMS(1, 5), OF(1, 2, 3, 4, 5));
    sib_job_result_free(&r);
    in[0] = audio("audio", none);
    r = run_with(j, 3, in, NULL);
    expect_tensor(sib_job_result_find(r, "w"), SIB_F32, DIMS(0, 8), OF(0));
    sib_job_result_free(&r);
    const double bad[] = {0, -1, 0.5, 1e12, NAN};
    for (size_t i = 0; i < 5; i++) {
        in[1] = a_number("size", bad[i]);
        run_fails(j, 2, in, NULL, SIB_ERR_ARGUMENT, "it: size is");
    }
    sib_tensor_free(&x);
    sib_tensor_free(&none);
    sib_job_free(&j);
}

/* ---- Spans --------------------------------------------------------------------------------------------- */

#define RULE(name) "\"" name "\": {\"type\": \"number\", \"default\": null}"
#define PORT(name) "\"" name "\": \"$" name "\""
static sib_job *spans_job(void)
{
    return node_job(
        "spans", "",
        "\"p\": \"tensor\", \"audio\": \"audio\", " RULE("rate") "," RULE("threshold") "," RULE(
            "neg_threshold") "," RULE("min_speech_duration_ms") "," RULE("min_silence_duration_"
                                                                         "ms") "," RULE("max_"
                                                                                        "speech_"
                                                                                        "duration"
                                                                                        "_s") "," RULE("speec"
                                                                                                       "h_"
                                                                                                       "pad_"
                                                                                                       "ms"),
        "\"probabilities\": \"$p\", \"window\": 10, \"audio\": \"$audio\"," PORT("rate") "," PORT("threshold") "," PORT(
            "neg_threshold") "," PORT("min_speech_duration_ms") "," PORT("min_silence_duration_"
                                                                         "ms") "," PORT("max_"
                                                                                        "speech_"
                                                                                        "duration"
                                                                                        "_s") "," PORT("speec"
                                                                                                       "h_"
                                                                                                       "pad_"
                                                                                                       "ms"),
        "\"spans\": \"$it\"");
}

/* At 1000 samples per second with windows of 10, so a window lasts 10 ms; the digit 9 is a probability of
   0.9. */
typedef struct spans_case {
    const char *p;
    double min_speech, min_silence, longest, pad; /* ms, ms, s (0: none), ms */
    const char *spans;                            /* "begin-end ..." in ms */
} spans_case;

TEST(spans_follow_the_rules)
{
    static const spans_case cases[] = {
        {"0000000000", 20, 20, 0, 0, ""},
        {"9999999999", 20, 20, 0, 0, "0-100"},
        {"0009999000", 20, 20, 0, 0, "30-70"},
        /* 0.4 starts no speech, but does not end it either: it ends below 0.35 */
        {"044994443330", 20, 20, 0, 0, "30-80"},
        /* silence of 20 ms ends speech, once it has lasted that long; a shorter one does not */
        {"9999099990", 20, 20, 0, 0, "0-100"},
        {"9999009999000", 20, 20, 0, 0, "0-100"},
        {"9999000999900", 20, 20, 0, 0, "0-40 70-130"},
        /* speech must be longer than min_speech */
        {"0990009990000", 20, 20, 0, 0, "60-90"},
        {"0990009990000", 30, 20, 0, 0, ""},
        /* widened on both sides, within the recording, by half of the silence between if that is short */
        {"0009999000", 20, 20, 0, 15, "15-85"},
        {"9999000999", 20, 20, 0, 40, "0-55 55-100"},
        {"9999000999", 20, 20, 0, 10, "0-50 60-100"},
        /* at most 50 ms less a window and two paddings: cut there, and again */
        {"9999999999", 0, 20, 0.05, 0, "0-50 60-100"},
        /* cut at its longest silence, which must last 100 ms, the value of min_silence_at_max_speech */
        {"99999000000000009999999999", 0, 300, 0.2, 0, "0-50 160-260"},
        {"99999000000099999999999999", 0, 300, 0.2, 0, "0-200 210-260"},
    };
    sib_job *j = spans_job();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const spans_case *c = &cases[i];
        double p[64];
        int64_t n = (int64_t)strlen(c->p), samples = 10 * n;
        for (int64_t k = 0; k < n; k++)
            p[k] = (c->p[k] - '0') / 10.0;
        sib_tensor *t = tiny_tensor(SIB_F32, DIMS(n, 1), p), *x = sound((size_t)samples);
        sib_job_value in[] = {a_tensor("p", t),
                              audio("audio", x),
                              a_number("rate", 1000),
                              a_number("min_speech_duration_ms", c->min_speech),
                              a_number("min_silence_duration_ms", c->min_silence),
                              a_number("speech_pad_ms", c->pad),
                              a_number("max_speech_duration_s", c->longest)};
        sib_job_result *r = run_with(j, c->longest > 0 ? 7 : 6, in, NULL);
        const sib_port_value *v = sib_job_result_find(r, "spans");
        char text[200] = "";
        for (size_t k = 0, used = 0; k < v->spans.n; k++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%g-%g", k ? " " : "",
                                     1000 * v->spans.data[k].start, 1000 * v->spans.data[k].end);
        if (strcmp(text, c->spans))
            fail_msg("%s: %s, expected %s", c->p, text, c->spans);
        sib_job_result_free(&r);
        sib_tensor_free(&t);
        sib_tensor_free(&x);
    }
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(1), OF(1)), *x = sound(10);
    const struct {
        const char *name;
        double value;
    } bad[] = {{"threshold", 0},
               {"threshold", NAN},
               {"rate", -1},
               {"speech_pad_ms", -1},
               {"min_speech_duration_ms", NAN},
               {"max_speech_duration_s", 1e-6}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sib_job_value in[] = {a_tensor("p", t), audio("audio", x), a_number(bad[i].name, bad[i].value)};
        run_fails(j, 3, in, NULL, SIB_ERR_ARGUMENT, "it: ");
    }
    sib_tensor_free(&t);
    sib_tensor_free(&x);
    sib_job_free(&j);
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

TEST(text_becomes_tokens)
{
    sib_job *j =
        node_job("tokenize", "\"tokenizer\": \"t\",",
                 "\"text\": {\"type\": \"text\", \"default\": null}, \"tokens\": {\"type\": \"tokens\", "
                 "\"default\": null}, \"begin\": {\"type\": \"tokens\", \"default\": [255]}",
                 "\"text\": \"$text\", \"tokens\": \"$tokens\", \"begin\": \"$begin\"", "\"ids\": \"$it\"");
    sib_job_value in[] = {{"text", {.type = SIB_PORT_TEXT, .text = {"a\0\xFF", 3}}},
                          tokens("tokens", 2, (int32_t[]){9, 8})};
    sib_job_result *r = run_with(j, 1, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 4, (int32_t[]){255, 'a', 0, 255});
    sib_job_result_free(&r);
    r = run_with(j, 2, in, NULL); /* token values are used directly */
    expect_tokens(sib_job_result_find(r, "ids"), 2, (int32_t[]){9, 8});
    sib_job_result_free(&r);
    in[0] = a_text("text", "");
    r = run_with(j, 1, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 1, (int32_t[]){255});
    sib_job_result_free(&r);
    run_fails(j, 0, NULL, NULL, SIB_ERR_ARGUMENT, "it: expected a text or tokens");
    sib_job_free(&j);
}

TEST(text_behind_a_prompt_is_shortened)
{
    sib_job *j = node_job("tokenize", "\"tokenizer\": \"t\",",
                          "\"text\": \"text\", \"name\": {\"type\": \"text\", \"default\": \"q\"}, "
                          "\"n\": {\"type\": \"number\", \"default\": 0}",
                          "\"text\": \"$text\", \"max\": \"$n\", \"prompt\": \"$name\", "
                          "\"prompts\": [\"p\", \"x\", \"q\", \"?:\"]",
                          "\"ids\": \"$it\"");
    sib_job_value in[] = {
        a_text("text", "abc"), a_text("name", "p"), {"n", {.type = SIB_PORT_NUMBER, .number = 3}}};
    sib_job_result *r = run_with(j, 1, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 5, (int32_t[]){'?', ':', 'a', 'b', 'c'});
    sib_job_result_free(&r);
    r = run_with(j, 3, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 3, (int32_t[]){'x', 'a', 'b'});
    sib_job_result_free(&r);
    in[1] = a_text("name", "");
    r = run_with(j, 3, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 3, (int32_t[]){'a', 'b', 'c'});
    sib_job_result_free(&r);
    in[1] = a_text("name", "z");
    run_fails(j, 2, in, NULL, SIB_ERR_ARGUMENT, "it: there is no prompt 'z'; there are p, q");
    sib_job_free(&j);
}

/* Text in parts, one per iteration; a loop over the bytes of a tensor, so that each byte is a token. */
typedef struct parts {
    char text[300];
    size_t used;
} parts;

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    parts *p = context;
    (void)err;
    p->used += (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "%.*s|", (int)size, text);
    return SIB_OK;
}

/* The bytes of a text as tokens, one by one: logits of one row each, the byte's by far the largest. The last
   iteration knows that it is the last: its token is a stop token of the sampler, or max_tokens is reached. */
TEST(text_is_given_as_far_as_it_is_certain)
{
    static const struct {
        const char *text, *stops, *parts;
        bool end; /* a stop text was found */
    } cases[] = {
        {"abc", "[]", "a|b|c|", false},
        {"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80.", "[]", "a|\xC3\xA4|\xE2\x82\xAC|\xF0\x9F\x98\x80|.|",
         false},
        /* a truncated character at the end, and invalid bytes: passed on unchanged */
        {"a\xE2\x82", "[]", "a|\xE2\x82|", false},
        {"\x80\x80\x80\x80z", "[]", "\x80|\x80|\x80|\x80|z|", false},
        /* the start of a stop text is held back until it turns out not to be one */
        {"one stop it", "[\"stop\"]", "o|n|e| |", true},
        {"one stow it", "[\"stop\"]", "o|n|e| |stow| |i|t|", false},
        {"one sto", "[\"stop\"]", "o|n|e| |sto|", false}, /* and is returned if nothing follows */
        {"sstop", "[\"stop\"]", "s|", true},
        {"aab", "[\"aac\", \"ab\"]", "a|", true},
        {"xyz", "[\"\", \"z\"]", "x|y|", true}, /* an empty one stops nothing */
        {"a\xC3\xA4", "[\"\xC3\xA4\"]", "a|", true},
        {"ab", "\"b\"", "a|", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2000];
        int n_text = snprintf(
            text, sizeof text,
            "{\"sibyl_job\": 1, \"kind\": \"k\", \"tokenizers\": {\"t\": {\"kind\": \"bytes\"}}, \"inputs\": "
            "{\"rows\": "
            "\"tensor\", \"n\": \"number\"}, \"nodes\": [{\"name\": \"l\", \"op\": \"loop\", \"over\": "
            "{\"row\": "
            "\"$rows\"}, \"body\": [{\"name\": \"s\", \"op\": \"sample\", \"inputs\": {\"logits\": \"$row\", "
            "\"temperature\": 0, \"max_tokens\": \"$n\"}}, {\"name\": \"d\", \"op\": \"detokenize\", "
            "\"tokenizer\": \"t\", "
            "\"inputs\": {\"tokens\": \"$s.token\", \"stop\": %s, \"last\": \"$s.end\"}}], \"until\": "
            "[\"$d.end\"], "
            "\"collect\": {\"text\": \"$d.text\", \"ids\": \"$s.shown\"}}], \"outputs\": {\"text\": "
            "\"$l.text\", "
            "\"ids\": \"$l.ids\"}}",
            cases[i].stops);
        assert_true(n_text < (int)sizeof text);
        sib_job *j = job_of(text);
        size_t n = strlen(cases[i].text);
        double logits[16 * 256] = {0};
        for (size_t k = 0; k < n; k++)
            logits[256 * k + (unsigned char)cases[i].text[k]] = 9;
        sib_tensor *t = tiny_tensor(SIB_F32, DIMS((int64_t)n, 256), logits);
        sib_job_value in[] = {a_tensor("rows", t), a_number("n", (double)n)};
        parts p = {.used = 0};
        sib_job_run_options o = {.context = &p, .on_text = on_text};
        sib_job_result *r = run_with(j, 2, in, &o);
        char joined[300];
        size_t used = 0;
        for (const char *c = cases[i].parts; *c; c++)
            if (*c != '|')
                joined[used++] = *c;
        joined[used] = 0;
        assert_string_equal(p.text, cases[i].parts);
        expect_text(sib_job_result_find(r, "text"), joined);
        if (!cases[i].end)
            assert_int_equal(sib_job_result_find(r, "ids")->tokens.n, n);
        sib_job_result_free(&r);
        sib_tensor_free(&t);
        sib_job_free(&j);
    }
}

/* ---- Sampling ------------------------------------------------------------------------------------------ */

#define SAMPLE_INPUTS                                                                                        \
    "\"logits\": \"tensor\", \"tokens\": {\"type\": \"tokens\", \"default\": null}, \"stop_tokens\": "       \
    "{\"type\": "                                                                                            \
    "\"tokens\", \"default\": null}, \"bias_tokens\": {\"type\": \"tokens\", \"default\": null}, "           \
    "\"biases\": {\"type\": \"numbers\", \"default\": null}, \"draws\": \"number\"," RULE(                   \
        "presence_"                                                                                          \
        "penalty") "," RULE("frequency_penalty") "," RULE("temperature") "," RULE("top_k") "," RULE("top_p") "," RULE("min_p") "," RULE("repetition_penalty") "," RULE("seed") "," RULE("max_tokens")
#define SAMPLE_PORTS                                                                                         \
    PORT("logits")                                                                                           \
    "," PORT("tokens") "," PORT("stop_tokens") "," PORT("bias_tokens") "," PORT("biases") "," PORT(          \
        "presenc"                                                                                            \
        "e_"                                                                                                 \
        "penalt"                                                                                             \
        "y") "," PORT("frequency_penalty") "," PORT("temperature") "," PORT("top_k") "," PORT("top_p") "," PORT("min_p") "," PORT("repetition_penalty") "," PORT("seed") "," PORT("max_tokens")

static sib_job *sample_job(void)
{
    return job_of(
        "{\"sibyl_job\": 1, \"kind\": \"test\", \"inputs\": {" SAMPLE_INPUTS
        "}, \"nodes\": [{\"name\": \"l\", \"op\": \"loop\", \"max_steps\": \"$draws\", \"body\": [{\"name\": "
        "\"it\", \"op\": \"sample\", \"inputs\": {" SAMPLE_PORTS
        "}}], \"until\": \"$it.end\", \"collect\": {\"ids\": \"$it.token\", \"shown\": \"$it.shown\", \"p\": "
        "\"$it.logprob\"}}], \"outputs\": {\"ids\": \"$l.ids\", \"shown\": \"$l.shown\", \"p\": \"$l.p\"}}");
}

TEST(draws_have_the_distribution_that_is_asked_for)
{
    enum { N = 6, DRAWS = 20000 };
    static const double logits[N] = {1, 2.5, -0.5, 2, 0.2, 1.4};
    static const struct {
        double temperature, top_k, top_p, min_p;
    } cases[] = {{1, 0, 1, 0},   {0.5, 0, 1, 0},  {2, 0, 1, 0},   {1, 3, 1, 0},
                 {1, 0, 0.8, 0}, {1, 0, 1, 0.25}, {1, 5, 0.9, 0}, {1.3, 4, 0.9, 0.3},
                 {1, 100, 1, 0}, {1, 0, 0, 0},    {0.8, 1, 1, 0}};
    sib_job *j = sample_job();
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(1, 1, N), logits);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* by the definition, over ids in descending order of logits */
        size_t order[N] = {1, 3, 5, 0, 4, 2}, n = N, kept = 0;
        double p[N], sum = 0, held = 0, chi = 0;
        if (cases[i].top_k >= 1 && cases[i].top_k < N)
            n = (size_t)cases[i].top_k;
        for (size_t k = 0; k < n; k++)
            sum += p[k] = exp(logits[order[k]] / cases[i].temperature);
        for (size_t k = 0; k < n; k++)
            p[k] /= sum;
        for (sum = 0; kept < n && (kept == 0 || (sum < cases[i].top_p && p[kept] >= cases[i].min_p * p[0]));)
            sum += p[kept++];
        sib_job_value in[] = {a_tensor("logits", t),
                              a_number("draws", DRAWS),
                              a_number("temperature", cases[i].temperature),
                              a_number("top_k", cases[i].top_k),
                              a_number("top_p", cases[i].top_p),
                              a_number("min_p", cases[i].min_p),
                              a_number("seed", (double)i)};
        sib_job_result *r = run_with(j, 7, in, NULL);
        const sib_port_value *ids = sib_job_result_find(r, "ids");
        size_t counts[N] = {0};
        assert_int_equal(ids->tokens.n, DRAWS);
        for (size_t k = 0; k < DRAWS; k++)
            counts[ids->tokens.ids[k]]++;
        for (size_t k = 0; k < N; k++) {
            double expected = k < kept ? DRAWS * p[k] / sum : 0, off = (double)counts[order[k]] - expected;
            if (k >= kept)
                assert_int_equal(counts[order[k]], 0);
            else
                chi += off * off / expected;
            held += (double)counts[order[k]];
        }
        assert_true(held == DRAWS);
        /* the quantile 0.9999 for five degrees of freedom, the max here */
        if (chi > 25.7)
            fail_msg("case %zu: chi square is %g over %zu tokens", i, chi, kept);
        sib_job_result_free(&r);
    }
    sib_tensor_free(&t);
    sib_job_free(&j);
}

/* Always the same logits, byte i the likelier the greater i is. tokenizer: of the node, "" or as JSON. */
static sib_job *constrained_job(const char *tokenizer)
{
    char text[1000];
    snprintf(
        text, sizeof text,
        "{\"sibyl_job\": 1, \"kind\": \"test\", \"tokenizers\": {\"t\": {\"kind\": \"bytes\"}}, \"inputs\": {"
        "\"logits\": \"tensor\", \"json_schema\": \"text\", \"stop_tokens\": \"tokens\", \"top_k\": "
        "\"number\", "
        "\"temperature\": \"number\"}, \"nodes\": [{\"name\": \"l\", \"op\": \"loop\", \"max_steps\": 50, "
        "\"body\": "
        "[{\"name\": \"it\", \"op\": \"sample\"%s, \"inputs\": {\"logits\": \"$logits\", \"json_schema\": "
        "\"$json_schema\", \"stop_tokens\": \"$stop_tokens\", \"temperature\": \"$temperature\", \"top_k\": "
        "\"$top_k\", \"max_tokens\": 50}}], \"until\": \"$it.end\", \"collect\": {\"ids\": \"$it.token\", "
        "\"shown\": \"$it.shown\"}}], \"outputs\": {\"ids\": \"$l.ids\", \"shown\": \"$l.shown\"}}",
        tokenizer);
    return job_of(text);
}

TEST(a_schema_constrains_the_choice)
{
    static const struct {
        const char *schema, *ids, *shown; /* bytes, those of a stop token too */
        double temperature, top_k;
        int32_t stop;
    } cases[] = {
        {"{\"enum\": [\"ab\", \"ac\", \"b\"]}", "\"b\"", "\"b\"", 0, 0, 0},
        {"{\"type\": \"object\", \"required\": [\"a\"], \"properties\": {\"a\": {\"maxLength\": 2}}, "
         "\"additionalProperties\": false}",
         "{\"a\":\"}}\"}", "{\"a\":\"}}\"}", 0, 0, 0},
        /* as many digits as there may be; a token that ends it where it is complete, and not before */
        {"{\"type\": \"integer\"}", "999999999999999999", "999999999999999999", 0, 0, 0},
        {"{\"type\": \"integer\"}", "9:", "9", 0, 0, ':'},
        {"{\"type\": \"integer\"}", "9:", "9", 1e-3, 3, ':'},
        {"{\"enum\": [\"!\", \":\"]}", "\"!\"", "\"!\"", 0, 0, ':'}};
    double logits[256];
    for (int i = 0; i < 256; i++)
        logits[i] = i > '}' ? -1e9 : i;
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(1, 256), logits);
    sib_job *j = constrained_job(", \"tokenizer\": \"t\"");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_job_value in[] = {a_tensor("logits", t), a_text("json_schema", cases[i].schema),
                              tokens("stop_tokens", 1, &cases[i].stop), a_number("top_k", cases[i].top_k),
                              a_number("temperature", cases[i].temperature)};
        sib_job_result *r = run_with(j, 5, in, NULL);
        int32_t ids[60];
        for (size_t k = 0; cases[i].ids[k]; k++)
            ids[k] = cases[i].ids[k];
        expect_tokens(sib_job_result_find(r, "ids"), strlen(cases[i].ids), ids);
        expect_tokens(sib_job_result_find(r, "shown"), strlen(cases[i].shown), ids);
        sib_job_result_free(&r);
    }
    sib_job_value in[] = {a_tensor("logits", t), a_text("json_schema", "{\"not\": {}}"),
                          tokens("stop_tokens", 0, NULL), a_number("top_k", 0), a_number("temperature", 0)};
    run_fails(j, 5, in, NULL, SIB_ERR_UNSUPPORTED, "'not' is not supported");
    sib_job_free(&j);
    j = constrained_job("");
    run_fails(j, 5, in, NULL, SIB_ERR_ARGUMENT, "json_schema needs a tokenizer");
    sib_job_free(&j);
    sib_tensor_free(&t);
    t = tiny_tensor(SIB_F32, DIMS(1, 2), OF(1, 2)); /* a vocabulary without what JSON needs */
    j = constrained_job(", \"tokenizer\": \"t\"");
    in[0] = a_tensor("logits", t);
    in[1] = a_text("json_schema", "{}");
    run_fails(j, 5, in, NULL, SIB_ERR_VALUE, "no token of the vocabulary");
    sib_job_free(&j);
    sib_tensor_free(&t);
}

TEST(the_choice_is_made_by_its_rules)
{
    sib_job *j = sample_job();
    sib_tensor *t = tiny_tensor(SIB_F16, DIMS(2, 4), OF(9, 9, 9, 9, 1, 3, 3, -2)); /* the last row is used */
    sib_job_value in[6] = {a_tensor("logits", t), a_number("draws", 4), a_number("temperature", 0)};
    sib_job_result *r = run_with(j, 3, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 4, (int32_t[]){1, 1, 1, 1}); /* the first of equal ones */
    double sum = exp(1) + 2 * exp(3) + exp(-2);
    assert_float_equal(sib_job_result_find(r, "p")->numbers.data[0], 3 - log(sum), 1e-12);
    sib_job_result_free(&r);
    /* the penalty divides positive logits and multiplies negative ones, of all tokens seen: 3/2 < 3, then 1.5
       and 1.5 */
    in[3] = a_number("repetition_penalty", 2);
    r = run_with(j, 4, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 4, (int32_t[]){1, 2, 1, 1});
    assert_float_equal(sib_job_result_find(r, "p")->numbers.data[3], 3 - log(sum),
                       1e-12); /* from the logits without the penalty */
    sib_job_result_free(&r);
    /* seen before; one is out of range of the vocabulary */
    in[4] = tokens("tokens", 3, (int32_t[]){1, 2, 77});
    in[3] = a_number("repetition_penalty", 10);
    r = run_with(j, 5, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 4, (int32_t[]){0, 1, 1, 1});
    sib_job_result_free(&r);
    /* a stop token ends the text and is not part of it */
    in[3] = tokens("stop_tokens", 2, (int32_t[]){3, 1});
    r = run_with(j, 4, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 1, (int32_t[]){1});
    expect_tokens(sib_job_result_find(r, "shown"), 0, NULL);
    sib_job_result_free(&r);
    in[3] = a_number("max_tokens", 2);
    r = run_with(j, 4, in, NULL);
    expect_tokens(sib_job_result_find(r, "shown"), 2, (int32_t[]){1, 1});
    sib_job_result_free(&r);
    /* a temperature that would make logits infinite still selects the likeliest */
    in[2] = a_number("temperature", 5e-324);
    r = run_with(j, 3, in, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_true(sib_job_result_find(r, "ids")->tokens.ids[i] == 1 ||
                    sib_job_result_find(r, "ids")->tokens.ids[i] == 2);
    sib_job_result_free(&r);
    sib_tensor_free(&t);
    sib_job_free(&j);
}

/* As OpenAI defines them: of a token that was chosen c times, presence if c > 0 and c times frequency are subtracted. */
TEST(penalties_count_the_tokens_that_were_chosen)
{
    enum { N = 6, DRAWS = 200 };
    static const double logits[N] = {1, 2.5, -0.5, 2, 0.25, 1.5};
    static const double cases[][2] = {{0.7, 0}, {0, 0.3}, {0.4, 0.2}, {-1, 0.5}, {-0.3, -0.1}, {2, 0}};
    sib_job *j = sample_job();
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(1, 1, N), logits);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_job_value in[] = {
            a_tensor("logits", t),
            a_number("draws", DRAWS),
            a_number("temperature", 0),
            a_number("presence_penalty", cases[i][0]),
            a_number("frequency_penalty", cases[i][1]),
            tokens("tokens", 2, (int32_t[]){1, 3}), /* what is fed does not count */
        };
        sib_job_result *r = run_with(j, 6, in, NULL);
        const sib_port_value *ids = sib_job_result_find(r, "ids"), *p = sib_job_result_find(r, "p");
        size_t chosen[N] = {0};
        double sum = 0;
        for (size_t k = 0; k < N; k++)
            sum += exp(logits[k]);
        for (size_t d = 0; d < DRAWS; d++) {
            size_t best = 0;
            double most = -INFINITY;
            for (size_t k = 0; k < N; k++) {
                double x = logits[k] - (chosen[k] > 0) * cases[i][0] - (double)chosen[k] * cases[i][1];
                if (x > most)
                    most = x, best = k;
            }
            assert_int_equal(ids->tokens.ids[d], best);
            assert_float_equal(p->numbers.data[d], logits[best] - log(sum), 1e-12); /* the model's own */
            chosen[best]++;
        }
        sib_job_result_free(&r);
    }
    sib_tensor_free(&t);
    sib_job_free(&j);
}

TEST(biases_raise_logits)
{
    static const double by[] = {1, 0.75};
    sib_job *j = sample_job();
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(4), OF(1, 3, 2.5, -2));
    sib_port_value biases = {.type = SIB_PORT_NUMBERS, .numbers = {by, 2}};
    sib_job_value in[] = {a_tensor("logits", t),
                          a_number("draws", 1),
                          a_number("temperature", 0),
                          tokens("bias_tokens", 2, (int32_t[]){0, 2}),
                          {"biases", biases}};
    sib_job_result *r = run_with(j, 5, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), 1, (int32_t[]){2});
    sib_job_result_free(&r);
    in[3] = tokens("bias_tokens", 2, (int32_t[]){0, 4});
    run_fails(j, 5, in, NULL, SIB_ERR_ARGUMENT, "bias_tokens has 4, but ids are 0 to 3");
    in[3] = tokens("bias_tokens", 1, (int32_t[]){0});
    run_fails(j, 5, in, NULL, SIB_ERR_ARGUMENT, "2 biases for 1 bias_tokens");
    sib_tensor_free(&t);
    sib_job_free(&j);
}

TEST(the_same_seed_chooses_the_same)
{
    sib_job *j = sample_job();
    double even[50] = {0};
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(50), even);
    int32_t first[3][20];
    for (int i = 0; i < 3; i++) {
        sib_job_value in[] = {a_tensor("logits", t), a_number("draws", 20), a_number("seed", i == 2)};
        sib_job_result *r = run_with(j, 3, in, NULL);
        memcpy(first[i], sib_job_result_find(r, "ids")->tokens.ids, sizeof first[i]);
        sib_job_result_free(&r);
    }
    assert_memory_equal(first[0], first[1], sizeof first[0]);
    assert_memory_not_equal(first[0], first[2], sizeof first[0]);
    sib_tensor_free(&t);
    sib_job_free(&j);
}

TEST(what_cannot_be_chosen_from_is_refused)
{
    sib_job *j = sample_job();
    static const struct {
        double logits[3];
        size_t n;
        const char *name, *words;
        double value;
        sib_code code;
    } cases[] = {
        {{1, NAN, 2}, 3, "seed", "it: the logit of token 1 is NaN", 0, SIB_ERR_VALUE},
        {{1, INFINITY, 2}, 3, "seed", "the largest logit is infinite", 0, SIB_ERR_VALUE},
        {{-INFINITY, -INFINITY, -INFINITY}, 3, "seed", "the largest logit is infinite", 0, SIB_ERR_VALUE},
        {{0}, 0, "seed", "there are no logits", 0, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "temperature", "it: temperature is -1, expected 0 to", -1, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "temperature", "temperature is nan", NAN, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "top_p", "top_p is 1.5", 1.5, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "min_p", "min_p is -0.1", -0.1, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "top_k", "top_k is -2", -2, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "repetition_penalty", "repetition_penalty is 0", 0, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "seed", "seed is -1", -1, SIB_ERR_ARGUMENT},
        {{1, 2, 3}, 3, "max_tokens", "max_tokens is inf", INFINITY, SIB_ERR_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_tensor *t = tiny_tensor(SIB_F32, DIMS((int64_t)cases[i].n), cases[i].logits);
        sib_job_value in[] = {a_tensor("logits", t), a_number("draws", 1),
                              a_number(cases[i].name, cases[i].value)};
        run_fails(j, 3, in, NULL, cases[i].code, cases[i].words);
        sib_tensor_free(&t);
    }
    sib_job_value one[] = {a_number("logits", 4), a_number("draws", 1)};
    run_fails(j, 2, one, NULL, SIB_ERR_ARGUMENT,
              "there are no logits"); /* a number becomes a tensor of rank 0 */
    sib_tensor *t = tiny_tensor(SIB_F32, DIMS(3), (const double[]){-INFINITY, 0, -INFINITY});
    sib_job_value in[] = {a_tensor("logits", t), a_number("draws", 100)};
    sib_job_result *r = run_with(j, 2, in, NULL);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(sib_job_result_find(r, "ids")->tokens.ids[i], 1);
    sib_job_result_free(&r);
    sib_tensor_free(&t);
    sib_job_free(&j);
}

/* ---- The score of a text ------------------------------------------------------------------------------- */

TEST(a_score_is_what_its_definition_says)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = node_job("score", "\"calls\": {\"model\": \"c\"},",
                          "\"tokens\": \"tokens\", \"chunk\": {\"type\": \"number\", \"default\": null}",
                          "\"tokens\": \"$tokens\", \"chunk\": \"$chunk\"",
                          "\"logits\": \"$it.logits\", \"logprobs\": \"$it.logprobs\", \"perplexity\": "
                          "\"$it.perplexity\"");
    static const int32_t ids[] = {3, 1, 4, 1, 0, 2, 2, 4, 0};
    enum { N = sizeof ids / sizeof *ids };
    double sum = 0, each[N - 1];
    for (int i = 0; i + 1 < N; i++) {
        double total = 0;
        for (int k = 0; k < (int)vocabulary; k++)
            total += exp((float)logit(ids[i], k));
        sum += each[i] = (float)logit(ids[i], ids[i + 1]) - log(total);
    }
    for (int chunk = 1; chunk <= 10; chunk++) { /* whatever the chunk size */
        sib_job_value in[] = {tokens("tokens", N, ids), a_number("chunk", chunk)};
        sib_job_result *r = run_with(j, 2, in, NULL);
        const sib_port_value *p = sib_job_result_find(r, "logprobs"), *l = sib_job_result_find(r, "logits");
        assert_int_equal(p->numbers.n, N - 1);
        for (int i = 0; i + 1 < N; i++)
            assert_float_equal(p->numbers.data[i], each[i], 1e-6);
        assert_float_equal(sib_job_result_find(r, "perplexity")->number, exp(-sum / (N - 1)), 1e-5);
        assert_int_equal(sib_tensor_dims(l->tensor)[0], N);
        assert_int_equal(sib_tensor_dims(l->tensor)[1], vocabulary);
        for (int i = 0; i < N * (int)vocabulary; i++)
            assert_true(((const float *)sib_tensor_data(l->tensor))[i] ==
                        (float)logit(ids[i / vocabulary], (int)(i % vocabulary)));
        sib_job_result_free(&r);
    }
    sib_job_value in[] = {tokens("tokens", 1, ids), a_number("chunk", 0)};
    run_fails(j, 2, in, NULL, SIB_ERR_ARGUMENT, "it: chunk is 0");
    run_fails(j, 1, in, NULL, SIB_ERR_ARGUMENT, "it: a perplexity needs at least two tokens, found 1");
    sib_job_result *r = NULL;
    const char *wanted[] = {"logits"};
    /* a part that no output needs may be missing */
    CHECK_OK(sib_job_run(j, 1, in, 1, wanted, NULL, &r, &err), err);
    assert_int_equal(sib_tensor_dims(sib_job_result_find(r, "logits")->tensor)[0], 1);
    sib_job_result_free(&r);
    in[0] = tokens("tokens", 0, NULL);
    run_fails(j, 1, in, NULL, SIB_ERR_ARGUMENT, "there are no tokens");
    in[0] = tokens("tokens", 2, (int32_t[]){1, 5});
    in[1] = a_number("chunk", 1);
    run_fails(j, 2, in, NULL, SIB_ERR_VALUE, "token 5 is out of range for the vocabulary of 5");
    sib_job_free(&j);
}

TEST_FIXTURE(set_up, drop_folder)
