/* Calls of models: ports by name and pattern, state, context, fixed inputs, and conversion of values to a
   model's types. */
#include "job/jobs.h"
#include "job/nodes/nodes.h"

/* A document with `calls` for the one model "m". */
static job_doc *doc_of(const char *calls)
{
    char text[4000];
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = NULL;
    int n = snprintf(
        text, sizeof text,
        "{\"sibyl_job\": 1, \"kind\": \"k\", \"name\": \"tried\", \"models\": {\"m\": \"\"}, "
        "\"tokenizers\": {\"t\": {\"kind\": \"bytes\"}}, \"calls\": {%s}, \"inputs\": {}, \"nodes\": "
        "[{\"name\": \"w\", \"op\": \"tokenize\", \"tokenizer\": \"t\", \"inputs\": {\"text\": \"a\"}}], "
        "\"outputs\": {\"t\": \"$w\"}}",
        calls);
    assert_true(n < (int)sizeof text);
    CHECK_OK(job_doc_read("file", text, (size_t)n, job_ops, NULL, &d, &err), err);
    return d;
}

/* The calls of a document, opened. */
typedef struct calls {
    job_doc *d;
    sib_model *m;
    call_plan *plans[3];
    job_call *live[3];
} calls;

static calls calls_of(tiny *t, const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = {.threads = 1};
    calls c = {.d = doc_of(text), .m = tiny_model(t)};
    for (size_t i = 0; i < c.d->n_calls; i++) {
        size_t of = c.d->calls[i].of;
        CHECK_OK(call_plan_make(c.d, i, &c.m, &o, &c.plans[i], &err), err);
        CHECK_OK(job_call_begin(c.plans[i], of == NO_INDEX ? NULL : c.live[of], NULL, NULL, &c.live[i], &err),
                 err);
    }
    return c;
}

static void calls_end(calls *c)
{
    for (size_t i = 0; i < c->d->n_calls; i++) {
        job_call_end(&c->live[i]);
        call_plan_free(&c->plans[i]);
    }
    sib_model_free(&c->m);
    job_doc_free(&c->d);
}

static void cannot_be_called(tiny *t, const char *text, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = doc_of(text);
    sib_model *m = tiny_model(t);
    call_plan *p = NULL;
    CHECK_FAILS(call_plan_make(d, d->n_calls - 1, &m, NULL, &p, &err), code, err, words);
    assert_null(p);
    sib_model_free(&m);
    job_doc_free(&d);
}

static job_value *floats(size_t rank, const int64_t *dims, const double *data)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = tiny_tensor(SIB_F32, rank, dims, data);
    sib_value *v = NULL;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return job_value_tensor(v, SIB_PORT_TENSOR);
}

/* Runs a call with one input (released here; NULL: none) and returns output 0. */
static sib_value *called(job_call *c, job_value *in)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[8];
    job_value *ins[4] = {in};
    CHECK_OK(job_call_run(c, ins, out, &err), err);
    for (size_t i = 1; call_plan_output(job_call_plan(c), i); i++)
        sib_value_free(&out[i]);
    job_value_release(in);
    return out[0];
}

static void expect(sib_value *v, sib_dtype dtype, size_t rank, const int64_t *dims, const double *data)
{
    tiny_expect(v, dtype, rank, dims, data);
    sib_value_free(&v);
}

TEST(state_goes_from_call_to_call)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = counting();
    calls c =
        calls_of(&t, "\"c\": {\"model\": \"m\", \"inputs\": {\"in\": \"x\"}, \"outputs\": {\"out\": \"y\"}, "
                     "\"state\": {\"s\": {\"name\": \"next.s\", \"fill\": 5}}}");
    for (int i = 0; i < 3; i++)
        expect(called(c.live[0], floats(DIMS(2), OF(1, 2))), SIB_F32, DIMS(2), OF(6 + i, 7 + i));
    job_call_reset(c.live[0]);
    expect(called(c.live[0], floats(DIMS(1), OF(1))), SIB_F32, DIMS(1), OF(6));
    assert_string_equal(call_plan_state(c.plans[0], 0)->name, "s");
    assert_null(call_plan_state(c.plans[0], 1));
    assert_int_equal(call_plan_input_named(c.plans[0], "in"), 0);
    assert_int_equal(call_plan_input_named(c.plans[0], "x"), NO_INDEX);
    assert_int_equal(call_plan_output_named(c.plans[0], "out"), 0);
    assert_null(call_plan_metadata(c.plans[0], "author"));
    /* another run has its own state */
    job_call *other = NULL;
    CHECK_OK(job_call_begin(c.plans[0], NULL, NULL, NULL, &other, &err), err);
    expect(called(other, floats(DIMS(1), OF(1))), SIB_F32, DIMS(1), OF(6));
    expect(called(c.live[0], floats(DIMS(1), OF(1))), SIB_F32, DIMS(1), OF(7));
    job_call_end(&other);
    calls_end(&c);
}

/* Two components: audio to k.0 and k.1; tokens with c.0 and c.1, and caches p.0 and p.1 [B, 1], which become
   q.*. */
static tiny two_parts(void)
{
    tiny t = tiny_begin();
    value_id a = tiny_input(&t, "audio", SIB_F32, "2"), tok = tiny_input(&t, "tokens", SIB_F32, "B 2"),
             two = tiny_constant(&t, "two", SIB_F32, DIMS(1), OF(2));
    tiny_output(&t, tiny_op(&t, "Neg", a, NO_VALUE, "heard"));
    value_id sum = tok;
    for (int i = 0; i < 2; i++) {
        char cross[24], past[24], made[24], name[24];
        snprintf(cross, sizeof cross, "c.%d", i);
        snprintf(past, sizeof past, "p.%d", i);
        snprintf(made, sizeof made, "q.%d", i);
        snprintf(name, sizeof name, "k.%d", i);
        value_id c = tiny_input(&t, cross, SIB_F32, "2"), p = tiny_input(&t, past, SIB_F32, "B 1");
        tiny_output(&t, tiny_op(&t, i ? "Add" : "Mul", a, two, name));
        snprintf(name, sizeof name, "h%d", i);
        value_id h = tiny_op(&t, "Add", sum, c, name);
        snprintf(name, sizeof name, "g%d", i);
        sum = tiny_op(&t, "Add", h, p, name);
        tiny_output(&t, tiny_op(&t, "Add", p, two, made));
    }
    tiny_output(&t, tiny_op(&t, "Neg", tiny_op(&t, "Neg", sum, NO_VALUE, "less"), NO_VALUE, "logits"));
    return t;
}

static const char encoder_decoder[] =
    "\"e\": {\"model\": \"m\", \"inputs\": {\"mel\": \"audio\"}, \"outputs\": {\"heard\": \"heard\"}},"
    "\"d\": {\"model\": \"m\", \"inputs\": {\"tokens\": \"tokens\"}, \"outputs\": {\"logits\": \"logits\"},"
    " \"state\": {\"p.*\": \"q.*\"}, \"of\": \"e\", \"context\": {\"c.*\": \"k.*\"}}";

TEST(context_comes_from_another_call)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = two_parts();
    calls c = calls_of(&t, encoder_decoder);
    job_value *in = floats(DIMS(1, 2), OF(1, 2));
    sib_value *out[2];
    CHECK_FAILS(job_call_run(c.live[1], &in, out, &err), SIB_ERR_ARGUMENT, err,
                "call 'd', port 'c.0': the call that it comes from has not run yet");
    assert_null(out[0]);
    job_value_release(in);
    expect(called(c.live[0], floats(DIMS(2), OF(10, 20))), SIB_F32, DIMS(2), OF(-10, -20));
    for (int i = 0; i < 2; i++) /* tokens + audio * 2 + audio + 2 + the caches, which grow by 2 each */
        expect(called(c.live[1], floats(DIMS(1, 2), OF(1, 2))), SIB_F32, DIMS(1, 2),
               OF(33 + 4 * i, 64 + 4 * i));
    expect(called(c.live[0], floats(DIMS(2), OF(0, 0))), SIB_F32, DIMS(2), OF(0, 0));
    expect(called(c.live[1], floats(DIMS(1, 2), OF(1, 2))), SIB_F32, DIMS(1, 2), OF(11, 12));
    calls_end(&c);
}

TEST(states_are_reordered_by_rows)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = two_parts();
    calls c = calls_of(&t, encoder_decoder);
    sib_value_free(&(sib_value *){called(c.live[0], floats(DIMS(2), OF(0, -2)))});
    /* there is no state yet */
    CHECK_OK(job_call_reorder(c.live[1], 3, (const size_t[]){0, 0, 0}, &err), err);
    /* a cache grown from one row to three, which then differ by what is fed to each */
    expect(called(c.live[1], floats(DIMS(1, 2), OF(1, 2))), SIB_F32, DIMS(1, 2), OF(3, -2));
    CHECK_OK(job_call_reorder(c.live[1], 3, (const size_t[]){0, 0, 0}, &err), err);
    expect(called(c.live[1], floats(DIMS(3, 2), OF(0, 0, 10, 10, 20, 20))), SIB_F32, DIMS(3, 2),
           OF(6, 0, 16, 10, 26, 20));
    CHECK_FAILS(job_call_reorder(c.live[1], 2, (const size_t[]){0, 3}, &err), SIB_ERR_ARGUMENT, err,
                "row 3 of a state is out of range, it has 3");
    CHECK_OK(job_call_reorder(c.live[1], 1, (const size_t[]){2}, &err), err);
    expect(called(c.live[1], floats(DIMS(1, 2), OF(0, 0))), SIB_F32, DIMS(1, 2), OF(10, 4));
    calls_end(&c);
}

/* y = -x for x [B, N, 3], float16; j = -k for k [2], int64. */
static tiny adapting(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F16, "B N 3"), k = tiny_input(&t, "k", SIB_I64, "2");
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, "y"));
    tiny_output(&t, tiny_op(&t, "Neg", k, NO_VALUE, "j"));
    return t;
}

TEST(values_are_brought_to_the_model)
{
    static const char text[] =
        "\"c\": {\"model\": \"m\", \"inputs\": {\"x\": %s, \"k\": \"k\"}, \"outputs\": {\"y\": "
        "\"y\", \"j\": \"j\"}, \"fixed\": {\"k\": [7, -1]}}";
    sib_error err = SIB_ERROR_INIT;
    char words[400];
    snprintf(words, sizeof words, text, "\"x\"");
    tiny t = adapting();
    calls c = calls_of(&t, words);
    /* rank and type; fixed inputs */
    expect(called(c.live[0], floats(DIMS(2, 3), OF(1, 2, 3, 4, 5, 6))), SIB_F16, DIMS(1, 2, 3),
           OF(-1, -2, -3, -4, -5, -6));
    expect(called(c.live[0], job_value_numbers(OF(1, 2, 0.5), 3)), SIB_F16, DIMS(1, 1, 3), OF(-1, -2, -0.5));
    expect(called(c.live[0], job_value_tokens((const int32_t[]){3, 4, 5}, 3)), SIB_F16, DIMS(1, 1, 3),
           OF(-3, -4, -5));
    /* a fixed input may be given */
    job_value *in[] = {floats(DIMS(1, 1, 3), OF(1, 2, 3)), job_value_numbers(OF(5, 6), 2)};
    sib_value *out[2];
    CHECK_OK(job_call_run(c.live[0], in, out, &err), err);
    tiny_expect(out[1], SIB_I64, DIMS(2), OF(-5, -6));
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    job_value_release(in[1]);
    in[1] = NULL;
    CHECK_OK(job_call_run(c.live[0], in, out, &err), err);
    tiny_expect(out[1], SIB_I64, DIMS(2), OF(-7, 1));
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    job_value_release(in[0]);
    /* values that cannot be converted */
    in[0] = NULL;
    CHECK_FAILS(job_call_run(c.live[0], in, out, &err), SIB_ERR_ARGUMENT, err,
                "call 'c', port 'x': it has no value");
    in[0] = job_value_text("abc", 3);
    CHECK_FAILS(job_call_run(c.live[0], in, out, &err), SIB_ERR_ARGUMENT, err,
                "models have no inputs of this type");
    job_value_release(in[0]);
    in[0] = floats(DIMS(1, 2), OF(1, 2));
    CHECK_FAILS(job_call_run(c.live[0], in, out, &err), SIB_ERR_ARGUMENT, err, "'x'");
    job_value_release(in[0]);
    in[0] = floats(DIMS(1, 1, 1, 3), OF(1, 2, 3));
    CHECK_FAILS(job_call_run(c.live[0], in, out, &err), SIB_ERR_ARGUMENT, err, "'x'");
    job_value_release(in[0]);
    calls_end(&c);
    snprintf(words, sizeof words, text, "{\"name\": \"x\", \"transpose\": [1, 0]}");
    t = adapting();
    c = calls_of(&t, words);
    expect(called(c.live[0], floats(DIMS(3, 2), OF(1, 2, 3, 4, 5, 6))), SIB_F16, DIMS(1, 2, 3),
           OF(-1, -3, -5, -2, -4, -6));
    in[0] = floats(DIMS(3), OF(1, 2, 3));
    CHECK_FAILS(job_call_run(c.live[0], in, out, &err), SIB_ERR_ARGUMENT, err, "must have as many axes");
    job_value_release(in[0]);
    calls_end(&c);
}

TEST(ports_are_found_by_pattern)
{
    tiny t = two_parts();
    calls c = calls_of(&t, "\"e\": {\"model\": \"m\", \"inputs\": {\"mel*\": \"audi*\"}, \"outputs\": "
                           "{\"key.*.x\": \"k.*\", \"as *\": \"he*rd\"}}");
    static const char *const names[] = {"key.0.x", "key.1.x", "as a"}, *const values[] = {"k.0", "k.1",
                                                                                          "heard"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(call_plan_output(c.plans[0], i)->port, names[i]);
        assert_string_equal(call_plan_output(c.plans[0], i)->value, values[i]);
    }
    assert_null(call_plan_output(c.plans[0], 3));
    assert_int_equal(call_plan_input_named(c.plans[0], "melo"), 0);
    assert_null(call_plan_input(c.plans[0], 1));
    expect(called(c.live[0], floats(DIMS(2), OF(1, 2))), SIB_F32, DIMS(2), OF(2, 4));
    calls_end(&c);
}

TEST(what_a_model_lacks_is_named)
{
    static const struct {
        const char *call, *words;
        sib_code code;
    } cases[] = {
        {"\"inputs\": {\"a\": \"sound\"}, \"outputs\": {\"h\": \"heard\"}", "model 'm' has no input 'sound'",
         SIB_ERR_FORMAT},
        {"\"inputs\": {\"a\": \"audio\"}, \"outputs\": {\"h\": \"seen\"}", "model 'm' has no output 'seen'",
         SIB_ERR_FORMAT},
        {"\"inputs\": {\"a\": \"audio\"}, \"outputs\": {\"h.*\": \"z.*\"}", "has no output 'z.*'",
         SIB_ERR_FORMAT},
        {"\"inputs\": {}, \"outputs\": {\"h\": \"heard\"}", "the model's input 'audio' is missing",
         SIB_ERR_FORMAT},
        {"\"inputs\": {\"a\": \"audio\", \"b\": \"audio\"}, \"outputs\": {\"h\": \"heard\"}",
         "the model's input 'audio' is given more than once", SIB_ERR_FORMAT},
        {"\"inputs\": {\"a\": \"audio\"}, \"outputs\": {\"h\": \"heard\"}, \"fixed\": {\"tokens\": 1}",
         "the model has no input 'tokens'", SIB_ERR_FORMAT},
        {"\"inputs\": {\"t\": \"tokens\"}, \"outputs\": {\"l\": \"logits\"}, \"state\": {\"p.*\": \"r.*\"}",
         "'r.0'", SIB_ERR_ARGUMENT},
        {"\"inputs\": {\"t\": \"tokens\"}, \"outputs\": {\"l\": \"logits\"}, \"state\": {\"o.*\": \"q.*\"}",
         "has no input 'o.*'", SIB_ERR_FORMAT},
        {"\"inputs\": {\"t\": \"tokens\"}, \"outputs\": {\"l\": \"logits\"}, \"state\": {\"p.*\": \"q.*\"}",
         "the model's input 'c.0' is missing", SIB_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        tiny t = two_parts();
        snprintf(text, sizeof text, "\"c\": {\"model\": \"m\", %s}", cases[i].call);
        cannot_be_called(&t, text, cases[i].code, cases[i].words);
    }
}

TEST(a_state_that_cannot_begin_is_named)
{
    sib_error err = SIB_ERROR_INIT;
    static const struct {
        const char *dims, *words;
    } cases[] = {{"[1, 1]", "call 'c', port 's': the 'dims' of a state must have the model's rank"},
                 {"[2]", "'s'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "\"c\": {\"model\": \"m\", \"inputs\": {\"x\": \"x\"}, \"outputs\": {\"y\": \"y\"}, "
                 "\"state\": {\"s\": "
                 "{\"name\": \"next.s\", \"dims\": %s}}}",
                 cases[i].dims);
        tiny t = counting();
        calls c = calls_of(&t, text);
        job_value *in = floats(DIMS(1), OF(1));
        sib_value *out[1];
        sib_code code = job_call_run(c.live[0], &in, out, &err);
        assert_true(code == SIB_ERR_ARGUMENT || code == SIB_ERR_MEMORY || code == SIB_ERR_SIZE);
        assert_non_null(strstr(err.message, cases[i].words));
        assert_null(out[0]);
        err = (sib_error)SIB_ERROR_INIT;
        job_value_release(in);
        calls_end(&c);
    }
}

TEST(memory_may_fail_anywhere)
{
    tiny t = two_parts();
    job_doc *d = doc_of(encoder_decoder);
    sib_model *m = tiny_model(&t);
    sib_session_options o = {.threads = 1};
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t allowed = 0; code != SIB_OK; allowed++) {
        call_plan *plans[2] = {NULL};
        job_call *live[2] = {NULL};
        sib_value *out[2][1] = {{NULL}};
        job_value *in[] = {floats(DIMS(2), OF(1, 2)), floats(DIMS(1, 2), OF(1, 2))};
        mem_fail_after(allowed);
        code = SIB_OK;
        for (size_t i = 0; i < 2 && code == SIB_OK; i++)
            code = call_plan_make(d, i, &m, &o, &plans[i], NULL);
        for (size_t i = 0; i < 2 && code == SIB_OK; i++)
            code = job_call_begin(plans[i], live[0], NULL, NULL, &live[i], NULL);
        for (size_t i = 0; i < 2 && code == SIB_OK; i++)
            code = job_call_run(live[i], &in[i], out[i], NULL);
        if (code == SIB_OK)
            code = job_call_reorder(live[1], 2, (const size_t[]){0, 0}, NULL);
        mem_fail_never();
        assert_true(code == SIB_OK || code == SIB_ERR_MEMORY);
        for (size_t i = 0; i < 2; i++) {
            job_value_release(in[i]);
            sib_value_free(&out[i][0]);
            job_call_end(&live[1 - i]);
        }
        call_plan_free(&plans[0]);
        call_plan_free(&plans[1]);
    }
    sib_model_free(&m);
    job_doc_free(&d);
}
