/* Runs of jobs: loops, unneeded nodes, inputs, taps, callbacks, cancellation, threads, memory. */
#include "check_memory.h"
#include "jobs.h"

#include <pthread.h>
#include <sibyl/watch.h>

#define HEAD     "{\"sibyl_job\": 1, \"kind\": \"test\", \"name\": \"tried\", "
#define TOKENIZE "\"tokenizers\": {\"t\": {\"kind\": \"bytes\"}}, "
#define COUNTS                                                                                               \
    "\"models\": {\"m\": \"count.onnx\"}, \"calls\": {\"count\": {\"model\": \"m\", \"inputs\": {\"x\": "    \
    "\"x\"}, \"outputs\": {\"y\": \"y\"}, \"state\": {\"s\": \"next.s\"}}}, "

/* Loops over the rows of x: collects y of each, and keeps the last as a state. */
static const char over_rows[] =
    HEAD COUNTS "\"inputs\": {\"x\": \"tensor\", \"first\": {\"type\": \"tensor\", \"default\": -1}},"
                "\"nodes\": [{\"name\": \"loop\", \"op\": \"loop\", \"over\": {\"row\": \"$x\"},"
                " \"state\": {\"last\": {\"initial\": \"$first\", \"next\": \"$next.y\"}, \"item\": "
                "{\"initial\": \"$first\", "
                "\"next\": \"$row\"}},"
                " \"body\": [{\"name\": \"next\", \"op\": \"call\", \"calls\": {\"model\": \"count\"}, "
                "\"inputs\": {\"x\": "
                "\"$row\"}}],"
                " \"collect\": {\"all\": \"$next.y\"}}],"
                "\"outputs\": {\"all\": \"$loop.all\", \"last\": \"$loop.last\", \"item\": \"$loop.item\"}}";

static sib_tensor *rows(size_t n)
{
    int64_t dims[] = {(int64_t)n, 2};
    double values[200];
    for (size_t i = 0; i < 2 * n; i++)
        values[i] = 10 * (double)i;
    return tiny_tensor(SIB_F32, 2, dims, values);
}

static sib_code count_digest(void *context, const sib_tap_event *event, const sib_digest *d, sib_error *err)
{
    (void)err;
    *(size_t *)context += !strcmp(event->name, "y") && d->count == 2;
    return SIB_OK;
}

/* The sessions of a job are open to watches, and its profile has nodes, calls and runs inside each other. */
TEST(a_job_is_watched)
{
    sib_job *j = job_of(over_rows);
    sib_error err = SIB_ERROR_INIT;
    sib_watch *w = NULL;
    sib_profile *p = NULL;
    sib_time_span span;
    const char *call;
    size_t seen = 0, kinds[SIB_SPAN_COUNT] = {0};
    sib_session *s = sib_job_session(j, 0, &call);
    assert_string_equal(call, "count");
    assert_null(sib_job_session(j, 1, &call));
    CHECK_OK(sib_watch_add(s, &(sib_watch_options){.on_digest = count_digest, .context = &seen}, &w, &err),
             err);
    CHECK_OK(sib_profile_create(&p, &err), err);
    sib_tensor *x = rows(3);
    sib_job_value in = a_tensor("x", x);
    sib_job_result *r = run_with(j, 1, &in, &(sib_job_run_options){.profile = p});
    sib_watch_remove(&w);
    assert_int_equal(seen, 3);
    for (size_t i = 0; sib_profile_span(p, i, &span); i++) {
        kinds[span.kind]++;
        assert_true(span.end >= span.begin && (i == 0) == (span.parent == SIB_NONE));
    }
    assert_true(kinds[SIB_SPAN_JOB] == 1 && kinds[SIB_SPAN_RUN] == 3 && kinds[SIB_SPAN_CALL] == 6);
    sib_profile_free(&p);
    sib_job_result_free(&r);
    sib_tensor_free(&x);
    sib_job_free(&j);
}

TEST(a_loop_goes_over_rows_with_state)
{
    sib_job *j = job_of(over_rows);
    sib_tensor *x = rows(3);
    sib_job_value in = a_tensor("x", x);
    for (int again = 0; again < 2; again++) { /* each run starts anew */
        sib_job_result *r = run_with(j, 1, &in, NULL);
        expect_tensor(sib_job_result_find(r, "all"), SIB_F32, DIMS(3, 2), OF(0, 10, 21, 31, 42, 52));
        expect_tensor(sib_job_result_find(r, "last"), SIB_F32, DIMS(2), OF(42, 52));
        assert_null(sib_job_result_find(r, "x"));
        sib_job_value v;
        assert_true(sib_job_result_get(r, 2, &v));
        assert_string_equal(v.name, "item");
        assert_false(sib_job_result_get(r, 3, &v));
        sib_job_result_free(&r);
    }
    sib_tensor_free(&x);
    sib_tensor *none = rows(0);
    in = a_tensor("x", none);
    sib_job_result *r = run_with(j, 1, &in, NULL);
    expect_tensor(sib_job_result_find(r, "all"), SIB_F32, DIMS(0), OF(0));
    expect_tensor(sib_job_result_find(r, "last"), SIB_F64, 0, NULL, OF(-1)); /* the initial value */
    sib_job_result_free(&r);
    sib_tensor_free(&none);
    sib_job_free(&j);
}

TEST(outputs_outlive_what_was_given)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(over_rows);
    float memory[] = {1, 2, 3, 4};
    sib_tensor *x = NULL;
    CHECK_OK(sib_tensor_wrap(SIB_F32, DIMS(2, 2), NULL, memory, NULL, NULL, &x, &err), err);
    sib_job_value in = a_tensor("x", x);
    sib_job_result *r = run_with(j, 1, &in, NULL);
    sib_tensor_free(&x);
    sib_job_free(&j);
    memory[2] = memory[3] = 77;
    expect_tensor(sib_job_result_find(r, "item"), SIB_F32, DIMS(2), OF(3, 4));
    sib_job_result_free(&r);
}

TEST(values_become_what_ports_hold)
{
    sib_job *j = job_of(over_rows);
    sib_job_result *r;
    sib_job_value given[] = {numbers("x", 2, OF(5, 6)), a_number("first", 3)};
    r = run_with(j, 2, given, NULL);
    expect_tensor(sib_job_result_find(r, "item"), SIB_F64, 0, NULL, OF(6));
    sib_job_result_free(&r);
    given[0] = a_number("x", 4);
    run_fails(j, 1, given, NULL, SIB_ERR_ARGUMENT, "needs a tensor with an axis");
    sib_job_free(&j);
    /* a text becomes texts, a number becomes numbers, and inputs may be outputs */
    j = job_of(HEAD TOKENIZE
               "\"inputs\": {\"a\": \"texts\", \"b\": \"numbers\", \"c\": \"audio\"}, \"nodes\": [{\"name\": "
               "\"n\", \"op\": \"tokenize\", \"tokenizer\": \"t\"}], \"outputs\": {\"a\": \"$a\", \"b\": "
               "\"$b\"}}");
    sib_job_value two[] = {a_text("a", "one"), a_number("b", 7)};
    r = run_with(j, 2, two, NULL);
    const sib_port_value *a = sib_job_result_find(r, "a"), *b = sib_job_result_find(r, "b");
    assert_true(a->type == SIB_PORT_TEXTS && a->texts.n == 1 && !strcmp(a->texts.data[0], "one"));
    assert_true(b->type == SIB_PORT_NUMBERS && b->numbers.n == 1 && b->numbers.data[0] == 7);
    sib_job_result_free(&r);
    sib_job_free(&j);
}

/* The tokens sampled from x in a loop that ends after n iterations, or at a token in `stop`. */
static const char chosen[] = HEAD TOKENIZE
    "\"inputs\": {\"logits\": \"tensor\", \"steps\": {\"type\": \"number\", \"default\": null}, \"stop\": "
    "{\"type\": "
    "\"tokens\", \"default\": null}, \"begin\": {\"type\": \"tokens\", \"default\": [104, 105]}},"
    "\"nodes\": [{\"name\": \"loop\", \"op\": \"loop\", \"max_steps\": \"$steps\","
    " \"state\": {\"fed\": {\"initial\": \"$begin\", \"next\": \"$pick.token\"}},"
    " \"body\": [{\"name\": \"pick\", \"op\": \"sample\", \"inputs\": {\"logits\": \"$logits\", \"tokens\": "
    "\"$fed\", "
    "\"temperature\": 0, \"repetition_penalty\": 1000, \"stop_tokens\": \"$stop\"}},"
    "  {\"name\": \"say\", \"op\": \"detokenize\", \"tokenizer\": \"t\", \"inputs\": {\"tokens\": "
    "\"$fed\"}}],"
    " \"until\": \"$pick.end\","
    " \"collect\": {\"shown\": \"$pick.shown\", \"logprobs\": \"$pick.logprob\", \"text\": \"$say.text\", "
    "\"rows\": "
    "\"$logits\"}}],"
    "\"outputs\": {\"fed\": \"$loop.fed\", \"shown\": \"$loop.shown\", \"logprobs\": \"$loop.logprobs\", "
    "\"text\": "
    "\"$loop.text\", \"rows\": \"$loop.rows\"}}";

/* 256 logits, likeliest 'c', then 'b', then 'a': each once, as tokens already chosen are penalized. */
static sib_tensor *abc(void)
{
    int64_t dims = 256;
    double values[256] = {0};
    values['a'] = 5;
    values['b'] = 6;
    values['c'] = 7;
    return tiny_tensor(SIB_F32, 1, &dims, values);
}

TEST(a_loop_collects_every_type)
{
    sib_job *j = job_of(chosen);
    sib_tensor *logits = abc();
    sib_job_value in[] = {a_tensor("logits", logits), a_number("steps", 3)};
    sib_job_result *r = run_with(j, 2, in, NULL);
    expect_tokens(sib_job_result_find(r, "shown"), 3, (int32_t[]){'c', 'b', 'a'});
    expect_tokens(sib_job_result_find(r, "fed"), 1, (int32_t[]){'a'});
    expect_text(sib_job_result_find(r, "text"), "hicb");
    const sib_port_value *p = sib_job_result_find(r, "logprobs"), *rows_of = sib_job_result_find(r, "rows");
    assert_int_equal(p->type, SIB_PORT_NUMBERS);
    assert_int_equal(p->numbers.n, 3);
    assert_true(p->numbers.data[0] < 0 && p->numbers.data[0] > p->numbers.data[1]);
    assert_int_equal(sib_tensor_rank(rows_of->tensor), 2);
    assert_int_equal(sib_tensor_dims(rows_of->tensor)[0], 3);
    sib_job_result_free(&r);
    sib_tensor_free(&logits);
    sib_job_free(&j);
}

TEST(a_loop_ends_where_it_should)
{
    sib_job *j = job_of(chosen);
    sib_tensor *logits = abc();
    int32_t b = 'b';
    sib_job_value in[] = {a_tensor("logits", logits), tokens("stop", 1, &b), a_number("steps", 50)};
    sib_job_run_options o = {.max_steps = 5};
    sib_job_result *r = run_with(j, 3, in, &o); /* ends by `until`, before the limits */
    expect_tokens(sib_job_result_find(r, "shown"), 1, (int32_t[]){'c'});
    sib_job_result_free(&r);
    in[1] = a_number("steps", 5);
    r = run_with(j, 2, in, &o); /* as many as allowed */
    assert_int_equal(sib_job_result_find(r, "shown")->tokens.n, 5);
    sib_job_result_free(&r);
    in[1] = a_number("steps", 6);
    run_fails(j, 2, in, &o, SIB_ERR_VALUE, "loop 'loop' does not end within 5 steps");
    run_fails(j, 1, in, &o, SIB_ERR_VALUE, "does not end within 5 steps");
    const double none[] = {0, -3};
    for (int i = 0; i < 2; i++) {
        in[1] = a_number("steps", none[i]);
        r = run_with(j, 2, in, &o);
        expect_tokens(sib_job_result_find(r, "shown"), 0, NULL);
        expect_tokens(sib_job_result_find(r, "fed"), 2, (int32_t[]){'h', 'i'});
        expect_text(sib_job_result_find(r, "text"), "");
        assert_int_equal(sib_job_result_find(r, "logprobs")->numbers.n, 0);
        sib_job_result_free(&r);
    }
    sib_tensor_free(&logits);
    sib_job_free(&j);
}

/* The state of a call restarts with the loop around it, and so does that of the body's nodes. */
static const char nested[] =
    HEAD COUNTS "\"inputs\": {\"x\": \"tensor\"},"
                "\"nodes\": [{\"name\": \"outer\", \"op\": \"loop\", \"over\": {\"block\": \"$x\"},"
                " \"body\": [{\"name\": \"inner\", \"op\": \"loop\", \"over\": {\"row\": \"$block\"},"
                "  \"body\": [{\"name\": \"next\", \"op\": \"call\", \"calls\": {\"model\": \"count\"}, "
                "\"inputs\": {\"x\": "
                "\"$row\"}}],"
                "  \"collect\": {\"y\": \"$next\"}}],"
                " \"collect\": {\"all\": \"$inner\"}}],"
                "\"outputs\": {\"all\": \"$outer\"}}";

typedef struct heard {
    char paths[20][80];
    double first[20];
    size_t n, fails_at;
    sib_cancel *cancel;
    size_t n_texts, n_progress;
} heard;

static sib_code decode_tap(void *context, const char *path, const sib_tensor *t, sib_error *err)
{
    heard *h = context;
    (void)err;
    assert_true(h->n < 20);
    sib_tensor *wide = NULL;
    CHECK_OK(sib_tensor_convert(t, SIB_F64, SIB_OVERFLOW_IEEE, &wide, NULL), (sib_error)SIB_ERROR_INIT);
    snprintf(h->paths[h->n], sizeof h->paths[0], "%s", path);
    h->first[h->n] = sib_tensor_count(wide) ? *(const double *)sib_tensor_data(wide) : -1;
    sib_tensor_free(&wide);
    h->n++;
    if (h->cancel)
        sib_cancel_set(h->cancel);
    return h->n == h->fails_at ? SIB_ERR_VALUE : SIB_OK;
}

TEST(loops_stand_in_one_another_and_are_tapped)
{
    sib_job *j = job_of(nested);
    sib_tensor *x = tiny_tensor(SIB_F32, DIMS(2, 2, 1), OF(10, 20, 30, 40));
    sib_job_value in = a_tensor("x", x);
    static const struct {
        const char *taps[2];
        size_t n_taps, n;
        const char *paths[6];
        double first[6];
    } cases[] = {
        {{"outer/step[1]/inner/step[0]/next/y"}, 1, 1, {"outer/step[1]/inner/step[0]/next/y"}, {30}},
        {{"outer/step[?]/inner/y"}, 1, 2, {"outer/step[0]/inner/y", "outer/step[1]/inner/y"}, {10, 30}},
        {{"count/step[3]/y", "outer/all"}, 2, 2, {"count/step[3]/y", "outer/all"}, {41, 10}},
        {{"count/step[2]/model/less"}, 1, 1, {"count/step[2]/model/less"}, {-30}},
        {{"*/model/s*e"},
         1,
         4,
         {"count/step[0]/model/same", "count/step[1]/model/same", "count/step[2]/model/same",
          "count/step[3]/model/same"},
         {10, 20, 30, 40}},
        {{"*[1]*y"},
         1,
         5,
         {"outer/step[0]/inner/step[1]/next/y", "count/step[1]/model/y", "count/step[1]/y"},
         {0}},
        {{"nowhere/*"}, 1, 0, {0}, {0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        heard h = {0};
        sib_job_run_options o = {
            .context = &h, .on_tap = decode_tap, .taps = cases[i].taps, .n_taps = cases[i].n_taps};
        sib_job_result *r = run_with(j, 1, &in, &o);
        expect_tensor(sib_job_result_find(r, "all"), SIB_F32, DIMS(2, 2, 1), OF(10, 21, 30, 41));
        sib_job_result_free(&r);
        if (i == 5) { /* in another order: checks only that they come */
            assert_true(h.n >= cases[i].n);
            for (size_t k = 0; k < 3; k++) {
                bool found = false;
                for (size_t m = 0; m < h.n; m++)
                    found = found || !strcmp(h.paths[m], cases[i].paths[k]);
                assert_true(found);
            }
            continue;
        }
        assert_int_equal(h.n, cases[i].n);
        for (size_t k = 0; k < h.n; k++) {
            assert_string_equal(h.paths[k], cases[i].paths[k]);
            assert_true(h.first[k] == cases[i].first[k]);
        }
    }
    sib_tensor_free(&x);
    sib_job_free(&j);
}

TEST(only_what_is_needed_runs)
{
    sib_error err = SIB_ERROR_INIT;
    /* `bad` would fail if it ran: it has no input */
    sib_job *j = job_of(HEAD TOKENIZE
                        "\"inputs\": {\"words\": {\"type\": \"text\", \"default\": \"ab\"}}, \"nodes\": ["
                        "{\"name\": \"bad\", \"op\": \"tokenize\", \"tokenizer\": \"t\"},"
                        "{\"name\": \"good\", \"op\": \"tokenize\", \"tokenizer\": \"t\", \"inputs\": "
                        "{\"text\": \"$words\"}},"
                        "{\"name\": \"worse\", \"op\": \"detokenize\", \"tokenizer\": \"t\", \"inputs\": "
                        "{\"tokens\": \"$bad\"}}],"
                        "\"outputs\": {\"good\": \"$good\", \"worse\": \"$worse.text\"}}");
    const char *good[] = {"good", "good"}, *worse[] = {"worse"}, *unknown[] = {"best"};
    sib_job_result *r = NULL;
    CHECK_OK(sib_job_run(j, 0, NULL, 2, good, NULL, &r, &err), err);
    sib_job_value v;
    assert_true(sib_job_result_get(r, 1, &v));
    expect_tokens(&v.value, 2, (int32_t[]){'a', 'b'});
    sib_job_result_free(&r);
    CHECK_OK(sib_job_run(j, 0, NULL, 0, good, NULL, &r, &err), err); /* no outputs wanted */
    assert_false(sib_job_result_get(r, 0, &v));
    sib_job_result_free(&r);
    CHECK_FAILS(sib_job_run(j, 0, NULL, 1, worse, NULL, &r, &err), SIB_ERR_ARGUMENT, err,
                "bad: expected a text or tokens");
    CHECK_FAILS(sib_job_run(j, 0, NULL, 1, unknown, NULL, &r, &err), SIB_ERR_ARGUMENT, err,
                "has no output 'best'");
    assert_null(r);
    sib_job_free(&j);
}

TEST(inputs_are_told_by_name)
{
    sib_job *j = job_of(over_rows);
    sib_tensor *x = rows(1);
    static const double none = 0;
    const struct {
        sib_job_value in[2];
        size_t n;
        const char *words;
    } cases[] = {{{{0}}, 0, "needs a tensor with an axis"},
                 {{a_tensor("y", x)}, 1, "job 'tried' has no input 'y'"},
                 {{a_text("x", "0")}, 1, "input 'x' is of type tensor, but text is given"},
                 {{{"x", {.type = SIB_PORT_NONE}}}, 1, "but nothing is given"},
                 {{a_tensor("x", NULL)}, 1, "input 'x' is NULL"},
                 {{numbers("x", 3, NULL)}, 1, "input 'x' is NULL"},
                 {{a_tensor("x", x), numbers("x", 1, &none)}, 2, "input 'x' is given twice"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_fails(j, cases[i].n, cases[i].in, NULL, SIB_ERR_ARGUMENT, cases[i].words);
    sib_job_free(&j);
    j = job_of(
        HEAD
        "\"inputs\": {\"sound\": \"audio\", \"size\": \"number\"}, \"nodes\": [{\"name\": \"cut\", \"op\": "
        "\"windows\", \"inputs\": {\"audio\": \"$sound\", \"size\": \"$size\"}}], \"outputs\": {\"w\": "
        "\"$cut\", \"size\": \"$size\"}}");
    sib_job_value size = a_number("size", 2);
    run_fails(j, 1, &size, NULL, SIB_ERR_ARGUMENT, "input 'sound', which node 'cut' needs, has no value");
    sib_job_value both[] = {audio("sound", x), size};
    run_fails(j, 2, both, NULL, SIB_ERR_ARGUMENT, "rank 2, expected float32 samples");
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    CHECK_FAILS(sib_job_run(j, 0, NULL, 1, &(const char *){"size"}, NULL, &r, &err), SIB_ERR_VALUE, err,
                "output 'size' was not computed");
    CHECK_FAILS(sib_job_run(NULL, 0, NULL, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_job_run(j, 1, NULL, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_tensor_free(&x);
    sib_job_free(&j);
}

TEST(a_run_is_cancelled)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(nested);
    sib_tensor *x = tiny_tensor(SIB_F32, DIMS(2, 2, 1), OF(10, 20, 30, 40));
    sib_job_value in = a_tensor("x", x);
    heard h = {0};
    CHECK_OK(sib_cancel_create(&h.cancel, &err), err);
    sib_job_run_options o = {.context = &h,
                             .on_tap = decode_tap,
                             .taps = (const char *const[]){"*/next/y"},
                             .n_taps = 1,
                             .cancel = h.cancel};
    run_fails(j, 1, &in, &o, SIB_ERR_CANCELLED, "cancelled");
    assert_int_equal(h.n, 1); /* from the iteration that was cancelled */
    run_fails(j, 1, &in, &o, SIB_ERR_CANCELLED, "cancelled");
    assert_int_equal(h.n, 1);
    sib_cancel_free(&h.cancel);
    sib_tensor_free(&x);
    sib_job_free(&j);
}

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    heard *h = context;
    assert_true(size > 0 && text);
    if (++h->n_texts == h->fails_at) {
        *err = (sib_error){.code = SIB_ERR_IO};
        snprintf(err->message, sizeof err->message, "no more words");
        return SIB_ERR_IO;
    }
    return SIB_OK;
}

TEST(what_callbacks_say_ends_the_run)
{
    sib_job *j = job_of(nested);
    sib_tensor *x = tiny_tensor(SIB_F32, DIMS(2, 2, 1), OF(10, 20, 30, 40));
    sib_job_value in = a_tensor("x", x);
    static const char *const taps[] = {"*/model/less", "count/*/y", "outer*inner/y", "outer/all"};
    for (size_t k = 0; k < 4; k++) {
        heard h = {.fails_at = 1};
        sib_job_run_options o = {.context = &h, .on_tap = decode_tap, .taps = &taps[k], .n_taps = 1};
        sib_error err = SIB_ERROR_INIT;
        sib_job_result *r = NULL;
        assert_int_equal(sib_job_run(j, 1, &in, 0, NULL, &o, &r, &err), SIB_ERR_VALUE);
        assert_int_equal(h.n, 1);
        assert_null(r);
    }
    sib_tensor_free(&x);
    sib_job_free(&j);
    j = job_of(chosen);
    sib_tensor *logits = abc();
    sib_job_value given[] = {a_tensor("logits", logits), a_number("steps", 4)};
    heard h = {.fails_at = 2};
    sib_job_run_options o = {.context = &h, .on_text = on_text};
    run_fails(j, 2, given, &o, SIB_ERR_IO, "no more words");
    assert_int_equal(h.n_texts, 2);
    h = (heard){0};
    sib_job_result *r = run_with(j, 2, given, &o);
    assert_int_equal(h.n_texts, 4);
    sib_job_result_free(&r);
    sib_tensor_free(&logits);
    sib_job_free(&j);
}

typedef struct runner {
    const sib_job *job;
    float begin;
    bool right;
} runner;

static void *run_often(void *context)
{
    runner *me = context;
    me->right = true;
    for (int k = 0; k < 30; k++) {
        double x[8], y[8];
        for (int i = 0; i < 8; i++) {
            x[i] = me->begin + (float)(k * 8 + i);
            y[i] = x[i] + i / 2;
        }
        sib_tensor *t = tiny_tensor(SIB_F32, DIMS(4, 2), x);
        sib_job_value in = a_tensor("x", t);
        sib_job_result *r = NULL;
        me->right = me->right && sib_job_run(me->job, 1, &in, 0, NULL, NULL, &r, NULL) == SIB_OK;
        const float *all = r ? sib_tensor_data(sib_job_result_find(r, "all")->tensor) : NULL;
        for (int i = 0; i < 8; i++)
            me->right = me->right && all && all[i] == (float)y[i];
        sib_job_result_free(&r);
        sib_tensor_free(&t);
    }
    return NULL;
}

TEST(threads_share_a_job)
{
    sib_job *j = job_of(over_rows);
    runner all[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        all[i] = (runner){j, 1000 * (float)i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &all[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(all[i].right);
    }
    sib_job_free(&j);
}

/* Runs a job with each allocation failing; there are more than `least`. */
static void check_runs(sib_job *j, size_t n, const sib_job_value *in, uint64_t least)
{
    sib_job_result *r = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILED_ALLOCATIONS(check_k + 1, sib_job_run(j, n, in, 0, NULL, NULL, &r, &err), {
        assert_true(err.code == SIB_OK ? r && check_k >= least : !r);
        sib_job_result_free(&r);
    });
}

TEST(memory_may_fail_anywhere)
{
    sib_job_options options = {.threads = 1};
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = NULL;
    uint64_t before = check_held();
    CHECK_SOME_ALLOCATIONS(check_k + 1,
                           sib_job_open_text(over_rows, sizeof over_rows - 1, folder, &options, &j, &err), {
                               assert_true((err.code == SIB_OK) == (j != NULL));
                               sib_job_free(&j);
                           });
    j = job_of(over_rows);
    sib_tensor *x = rows(2);
    sib_job_value in[] = {a_tensor("x", x), a_number("first", 3)};
    check_runs(j, 2, in, 20);
    sib_tensor_free(&x);
    sib_job_free(&j);
    j = job_of(chosen);
    sib_tensor *logits = abc();
    sib_job_value given[] = {a_tensor("logits", logits), a_number("steps", 2)};
    check_runs(j, 2, given, 0);
    sib_tensor_free(&logits);
    sib_job_free(&j);
    assert_int_equal(check_held(), before);
}

TEST_FIXTURE(make_counting_folder, drop_folder)
