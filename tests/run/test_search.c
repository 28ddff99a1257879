/* GreedySearch, Sampling and BeamSearch over a decoder that knows the last token alone. */
#include "check_memory.h"
#include "tiny.h"

#include <math.h>

/* Tokens: padding, end, and two words. Row t: probabilities of what follows t. */
static const double follows[16] = {.25, .25, .25, .25, .25, .25, .25, .25,
                                   .04, .1,  .26, .6,  .1,  .3,  .36, .24};
enum { PADDING, END };

/* States of a decoder: it has none, one that grows with the texts, or one in a shared buffer. */
typedef enum states { NONE, GROWING, SHARED } states;

/* logits = table[input_ids], present_0 = -past_0. */
static graph *decoder_of(tiny *t, states of)
{
    double logits[16];
    graph *g = tiny_enter(t);
    for (size_t i = 0; i < 16; i++)
        logits[i] = log(follows[i]);
    value_id table = tiny_constant(t, "table", SIB_F32, DIMS(4, 4), logits);
    value_id ids = tiny_input(t, "input_ids", SIB_I32, "R S");
    tiny_input(t, "position_ids", SIB_I32, "R S");
    tiny_input(t, "attention_mask", SIB_I32, "R T");
    tiny_output(t, tiny_op(t, "Gather", table, ids, "logits"));
    if (of != NONE)
        tiny_output(t,
                    tiny_op(t, "Neg", tiny_input(t, "past_0", SIB_F32, "2 R 1 P 1"), NO_VALUE, "present_0"));
    if (of == SHARED)
        tiny_input(t, "past_sequence_length", SIB_I32, "1");
    tiny_leave(t);
    return g;
}

/* A session of one search: inputs ids, max_length and those of `more` (n), which are int32 or float32 [1]. */
static sib_model *search_model(const char *type, size_t n, const char *const *more, int64_t model_type,
                               states of)
{
    tiny t = tiny_begin();
    graph *decoder = decoder_of(&t, of);
    attribute a[] = {{.name = str_of("decoder"), .kind = ATTR_GRAPH, .graph = decoder},
                     {.name = str_of("eos_token_id"), .kind = ATTR_INT, .i = END},
                     {.name = str_of("pad_token_id"), .kind = ATTR_INT, .i = PADDING},
                     {.name = str_of("model_type"), .kind = ATTR_INT, .i = model_type},
                     {.name = str_of("top_p"), .kind = ATTR_FLOAT, .f = 0.9f},
                     {.name = str_of("temperature"), .kind = ATTR_FLOAT, .f = 0.5f},
                     {.name = str_of("presence_penalty"), .kind = ATTR_FLOAT, .f = 3}};
    value_id in[10], out[2];
    in[0] = tiny_input(&t, "ids", SIB_I32, "B S");
    in[1] = tiny_input(&t, "max_length", SIB_I32, "1");
    for (size_t i = 0; i < n; i++)
        in[2 + i] = !more[i] ? NO_VALUE
                             : tiny_input(&t, more[i], strstr(more[i], "penalty") ? SIB_F32 : SIB_I32,
                                          strstr(more[i], "mask") ? "B V" : "1");
    out[0] = tiny_made(&t, "sequences");
    out[1] = tiny_made(&t, "scores");
    const size_t n_out = strcmp(type, "GreedySearch") ? 2 : 1;
    node_id id = tiny_node(&t, type, "search", 2 + n, in, n_out, out, !strcmp(type, "Sampling") ? 7 : 4, a);
    t.g->nodes[id].domain = str_of("com.microsoft");
    t.g->nodes[id].version = 1;
    for (size_t i = 0; i < n_out; i++)
        tiny_output(&t, out[i]);
    return tiny_model(&t);
}

static sib_session *session_of(sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    const sib_session_options on_ref = {.backends = "ref", .threads = 1};
    CHECK_OK(sib_session_create(m, &on_ref, &s, &err), err);
    sib_model_free(&m);
    return s;
}

static sib_value *number(double x)
{
    return tiny_given(SIB_I32, DIMS(1), OF(x));
}

/* The inputs of a run. */
typedef struct given {
    size_t n;
    sib_named_value in[6];
    sib_value *values[6]; /* (n) owned */
} given;

static void add(given *g, const char *name, sib_value *v)
{
    g->in[g->n] = (sib_named_value){name, v};
    g->values[g->n++] = v;
}

static void given_free(given *g)
{
    while (g->n)
        sib_value_free(&g->values[--g->n]);
}

static sib_code run_given(sib_session *s, const given *g, sib_value **out, sib_error *err)
{
    return sib_session_run(s, g->n, g->in, 0, NULL, out, NULL, err);
}

static given given_to_greedy(double max_length)
{
    given g = {0};
    add(&g, "ids", tiny_given(SIB_I32, DIMS(2, 2), OF(3, 2, PADDING, 3)));
    add(&g, "max_length", number(max_length));
    return g;
}

static sib_code greedy(sib_session *s, double max_length, sib_value **out, sib_error *err)
{
    given g = given_to_greedy(max_length);
    sib_code code = run_given(s, &g, out, err);
    given_free(&g);
    return code;
}

static void check_greedy(states of)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out = NULL;
    sib_session *s = session_of(search_model("GreedySearch", 0, NULL, 0, of));
    CHECK_OK(greedy(s, 5, &out, &err), err);
    tiny_expect(out, SIB_I32, DIMS(2, 5), OF(3, 2, 3, 2, 3, PADDING, 3, 2, 3, 2));
    sib_value_free(&out);
    given g = given_to_greedy(5);
    CHECK_EVERY_ALLOCATION(run_given(s, &g, &out, &err), sib_value_free(&out));
    given_free(&g);
    assert_int_equal(greedy(s, 2, &out, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "max_length is 2, expected 3 to 4096"));
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(greedy(s, 5000, &out, &err), SIB_ERR_ARGUMENT);
    sib_session_free(&s);
}

TEST(the_best_token_is_appended)
{
    check_greedy(GROWING);
    check_greedy(SHARED);
}

static const char *const sampling_inputs[] = {NULL, NULL, NULL, NULL, NULL, "presence_mask", "seed"};

static sib_code sample(sib_session *s, double seed, const double *presence, size_t vocab, sib_value **out,
                       sib_error *err)
{
    given g = {0};
    add(&g, "ids", tiny_given(SIB_I32, DIMS(1, 1), OF(2)));
    add(&g, "max_length", number(2));
    add(&g, "presence_mask", tiny_given(SIB_I32, DIMS(1, (int64_t)vocab), presence));
    add(&g, "seed", number(seed));
    sib_code code = run_given(s, &g, out, err);
    given_free(&g);
    return code;
}

/* After 2 come the probabilities .04, .1, .26, .6. Squared for the temperature, and those of tokens 2 and 3 by e^-3 for
   their presence, that is .0016, .01, .0034 and .0179 of .0329: the first, less than a tenth, is left out. */
TEST(tokens_are_drawn_from_the_most_probable)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[2] = {NULL, NULL};
    double count[4] = {0};
    const double part[4] = {0, .01, .0676 * exp(-3), .36 * exp(-3)}, all = part[1] + part[2] + part[3];
    sib_session *s = session_of(search_model("Sampling", 7, sampling_inputs, 0, GROWING));
    for (int i = 0; i < 400; i++) {
        CHECK_OK(sample(s, i * 5000011.0, OF(0, 0, 1, 1), 4, out, &err), err);
        const float *scores = sib_tensor_bytes(sib_value_tensor(out[1]));
        assert_float_equal(scores[0], -1e20, 1e14);
        for (int k = 1; k < 4; k++)
            assert_float_equal(scores[k], log(part[k]), 1e-5);
        count[((const int32_t *)sib_tensor_bytes(sib_value_tensor(out[0])))[1]]++;
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
    }
    assert_true(count[1] == 0); /* the end, of which the text shows padding */
    assert_float_equal(count[PADDING] / 400, part[1] / all, .06);
    assert_float_equal(count[2] / 400, part[2] / all, .06);
    assert_float_equal(count[3] / 400, part[3] / all, .06);
    assert_int_equal(sample(s, 0, OF(0, 0, 1), 3, out, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "a mask of the vocabulary is not for 4 tokens"));
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(sample(s, -1, OF(0, 0, 1, 1), 4, out, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "seed is -1, expected 0 to"));
    sib_session_free(&s);
}

static const char *const beam_inputs[] = {"min_length", "num_beams", "num_return_sequences",
                                          "length_penalty"};

static given beams_of(double n, double returned)
{
    given g = {0};
    add(&g, "ids", tiny_given(SIB_I32, DIMS(1, 1), OF(2)));
    add(&g, "max_length", number(3));
    add(&g, "min_length", number(0));
    add(&g, "num_beams", number(n));
    add(&g, "num_return_sequences", number(returned));
    add(&g, "length_penalty", tiny_given(SIB_F32, DIMS(1), OF(0)));
    return g;
}

static sib_code beams(sib_session *s, double n, double returned, sib_value **out, sib_error *err)
{
    given g = beams_of(n, returned);
    sib_code code = run_given(s, &g, out, err);
    given_free(&g);
    return code;
}

/* After 2 the beams are 3 (.6) and 2 (.26); after 2 3 the end (.6 * .3 = .18) is second to 2 3 2 (.216). */
TEST(beams_end_with_the_best_texts)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[2] = {NULL, NULL};
    sib_session *s = session_of(search_model("BeamSearch", 4, beam_inputs, 0, GROWING));
    CHECK_OK(beams(s, 2, 2, out, &err), err);
    tiny_expect(out[0], SIB_I32, DIMS(1, 2, 3), OF(2, 3, 2, 2, 3, PADDING));
    const float *scores = sib_tensor_bytes(sib_value_tensor(out[1]));
    assert_float_equal(scores[0], log(.216), 1e-6);
    assert_float_equal(scores[1], log(.18), 1e-6);
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    assert_int_equal(beams(s, 129, 1, out, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "num_beams is 129, expected 1 to 128"));
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(beams(s, 2, 3, out, &err), SIB_ERR_ARGUMENT);
    given g = beams_of(2, 2);
    CHECK_SOME_ALLOCATIONS(check_k + 1 + check_k / 4, run_given(s, &g, out, &err),
                           (sib_value_free(&out[0]), sib_value_free(&out[1])));
    given_free(&g);
    sib_session_free(&s);
}

static const char *const state_names[] = {"k", "v", "ck", "cv"};

static value_id logits_of(tiny *t, const char *name, value_id ids)
{
    double logits[16];
    char table[16];
    for (size_t i = 0; i < 16; i++)
        logits[i] = log(follows[i]);
    snprintf(table, sizeof table, "%s_table", name);
    return tiny_op(t, "Gather", tiny_constant(t, table, SIB_F32, DIMS(4, 4), logits), ids, name);
}

/* Of one layer: logits of the decoder's first tokens, hidden states, and four states made of them. */
static graph *encoder_of(tiny *t, bool whisper)
{
    graph *g = tiny_enter(t);
    value_id source = tiny_input(t, "source", whisper ? SIB_F32 : SIB_I32, whisper ? "R 3 S" : "R S");
    if (!whisper)
        tiny_input(t, "mask", SIB_I32, "R S");
    tiny_output(t, logits_of(t, "logits", tiny_input(t, "first", SIB_I32, "R P")));
    value_id hidden = whisper ? source : logits_of(t, "hidden", source);
    value_id axis = tiny_constant(t, "axis", SIB_I64, DIMS(1), OF(1));
    tiny_output(t, hidden);
    for (size_t i = 0; i < 4; i++)
        tiny_output(t, tiny_op(t, "Unsqueeze", hidden, axis, state_names[i]));
    tiny_leave(t);
    return g;
}

/* It knows the last token alone. */
static graph *decoder_after(tiny *t, bool whisper, size_t n_states)
{
    graph *g = tiny_enter(t);
    value_id ids = tiny_input(t, "ids", SIB_I32, "R 1");
    if (!whisper)
        tiny_input(t, "mask", SIB_I32, "R S");
    tiny_output(t, logits_of(t, "next", ids));
    for (size_t i = 0; i < n_states; i++) {
        value_id past = tiny_input(t, state_names[i], SIB_F32, "R 1 T 4");
        if (i < 2)
            tiny_output(t, tiny_op(t, "Neg", past, NO_VALUE, i ? "v1" : "k1"));
    }
    tiny_leave(t);
    return g;
}

/* A model of BeamSearch over T5's form, or of WhisperBeamSearch. */
static sib_model *encoder_model(bool whisper, size_t n_states)
{
    tiny t = tiny_begin();
    attribute a[] = {
        {.name = str_of("decoder"), .kind = ATTR_GRAPH, .graph = decoder_after(&t, whisper, n_states)},
        {.name = str_of("encoder"), .kind = ATTR_GRAPH, .graph = encoder_of(&t, whisper)},
        {.name = str_of("eos_token_id"), .kind = ATTR_INT, .i = END},
        {.name = str_of("pad_token_id"), .kind = ATTR_INT, .i = PADDING},
        {.name = str_of("model_type"), .kind = ATTR_INT, .i = whisper ? 2 : 1},
        {.name = str_of("no_speech_token_id"), .kind = ATTR_INT, .i = 2},
        {.name = str_of("decoder_start_token_id"), .kind = ATTR_INT, .i = 2}};
    value_id in[5], out[5];
    in[0] = tiny_input(&t, "ids", whisper ? SIB_F32 : SIB_I32, whisper ? "B 3 S" : "B S");
    in[1] = tiny_input(&t, "max_length", SIB_I32, "1");
    in[2] = NO_VALUE;
    in[3] = tiny_input(&t, "num_beams", SIB_I32, "1");
    in[4] = tiny_input(&t, "num_return_sequences", SIB_I32, "1");
    out[0] = tiny_made(&t, "sequences");
    out[1] = tiny_made(&t, "scores");
    out[2] = out[3] = NO_VALUE;
    out[4] = tiny_made(&t, "no_speech");
    node_id id = tiny_node(&t, whisper ? "WhisperBeamSearch" : "BeamSearch", "search", 5, in, whisper ? 5 : 2,
                           out, 7, a);
    t.g->nodes[id].domain = str_of("com.microsoft");
    t.g->nodes[id].version = 1;
    for (size_t i = 0; i < (whisper ? 3 : 2); i++)
        tiny_output(&t, out[i == 2 ? 4 : i]);
    return tiny_model(&t);
}

static given given_to_encoder(bool whisper)
{
    given g = {0};
    add(&g, "ids",
        whisper ? tiny_given(SIB_F32, DIMS(1, 3, 2), OF(1, 2, 3, 4, 5, 6))
                : tiny_given(SIB_I32, DIMS(1, 2), OF(PADDING, 3)));
    add(&g, "max_length", number(3));
    add(&g, "num_beams", number(2));
    add(&g, "num_return_sequences", number(2));
    return g;
}

/* The text begins with decoder_start_token_id, 2. The best of three tokens are 2 3 2 (.216) and 2 2 3 (.156); 2 3 ends with
   .18, which over its length is less. */
TEST(an_encoder_gives_the_first_step)
{
    for (int whisper = 0; whisper < 2; whisper++) {
        sib_error err = SIB_ERROR_INIT;
        sib_value *out[3] = {NULL};
        sib_session *s = session_of(encoder_model(whisper, 4));
        given g = given_to_encoder(whisper);
        CHECK_OK(run_given(s, &g, out, &err), err);
        tiny_expect(out[0], SIB_I32, DIMS(1, 2, 3), OF(2, 3, 2, 2, 2, 3));
        const float *scores = sib_tensor_bytes(sib_value_tensor(out[1]));
        assert_float_equal(scores[0], log(.216) / 3, 1e-6);
        assert_float_equal(scores[1], log(.156) / 3, 1e-6);
        if (whisper)
            assert_float_equal(*(const float *)sib_tensor_bytes(sib_value_tensor(out[2])), .26, 1e-6);
        for (int i = 0; i < 3; i++)
            sib_value_free(&out[i]);
        CHECK_SOME_ALLOCATIONS(check_k + 1 + check_k / 4, run_given(s, &g, out, &err),
                               (sib_value_free(&out[0]), sib_value_free(&out[1]), sib_value_free(&out[2])));
        given_free(&g);
        sib_session_free(&s);
    }
}

TEST(decoders_over_shared_buffers_are_named)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[2] = {NULL};
    sib_session *s = session_of(encoder_model(false, 3));
    given g = given_to_encoder(false);
    assert_int_equal(run_given(s, &g, out, &err), SIB_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "decoder has 5 inputs and 3 outputs: only decoders without shared"));
    given_free(&g);
    sib_session_free(&s);
}

/* A decoder of another form, and an encoder. */
TEST(what_is_not_run_is_named)
{
    for (int64_t k = 0; k < 2; k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = NULL;
        sib_value *out = NULL;
        sib_model *m = search_model("GreedySearch", 0, NULL, k, k ? GROWING : NONE);
        sib_code code = sib_session_create(m, NULL, &s, &err);
        if (code == SIB_OK)
            code = greedy(s, 5, &out, &err);
        assert_int_equal(code, SIB_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, k ? "model_type is 1" : "decoder has 3 inputs and 1 outputs"));
        sib_session_free(&s);
        sib_model_free(&m);
    }
}
