/* Watches, spans and timelines: what is seen, when, from which thread, and what it costs not to look. */
#include "check_memory.h"
#include "tiny.h"

#include <sibyl/sibyl.h>

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static sib_code try_run(sib_session *s, const sib_run_options *o, sib_error *err)
{
    double numbers[6] = {1, 2, 3, 4, 5, NAN};
    sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, numbers), *out = NULL;
    sib_code code = sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out, o, err);
    sib_value_free(&given);
    sib_value_free(&out);
    return code;
}

static void run(sib_session *s, const sib_run_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(try_run(s, o, &err), err);
}

/* What a watch has seen. */
typedef struct seen {
    char text[4000];
    size_t n_values, n_digests, n_begun, n_ended;
    uint64_t last_run, nans;
    sib_session *session;
    sib_watch *own;
    sib_code answer;
} seen;

static void note(seen *s, const char *name)
{
    size_t length = strlen(s->text);
    snprintf(s->text + length, sizeof s->text - length, "%s%s", length ? " " : "", name);
}

static sib_code on_value(void *context, const sib_tap_event *e, sib_error *err)
{
    seen *s = context;
    s->n_values++;
    s->last_run = e->run;
    assert_true(e->time_ns <= sib_time_ns());
    note(s, e->name);
    if (s->answer != SIB_OK && err)
        *err = (sib_error){s->answer, SIB_NO_OFFSET, "the watch has had enough"};
    return s->answer;
}

static sib_code on_digest(void *context, const sib_tap_event *e, const sib_digest *d, sib_error *err)
{
    seen *s = context;
    (void)err;
    assert_int_equal(d->count, sib_tensor_count(sib_value_tensor(e->value)));
    s->n_digests++;
    s->nans += d->n_nan;
    return SIB_OK;
}

static void on_event(void *context, const sib_time_span *span, bool begins)
{
    seen *s = context;
    s->n_begun += begins;
    s->n_ended += !begins;
    assert_true(begins ? span->end == 0 || span->kind == SIB_SPAN_PACK : span->end >= span->begin);
    if (begins) {
        note(s, sib_span_kind_name(span->kind));
        if (span->op_type[0])
            note(s, span->op_type);
    }
}

static sib_watch *watch(sib_session *s, const sib_watch_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    sib_watch *w = NULL;
    CHECK_OK(sib_watch_add(s, o, &w, &err), err);
    return w;
}

TEST(every_value_and_its_digest)
{
    const char *backends[] = {"ref", "cpu,ref"};
    for (int i = 0; i < 2; i++) {
        sib_session *s = tiny_layer(backends[i]);
        seen got = {.answer = SIB_OK};
        sib_watch *w =
            watch(s, &(sib_watch_options){.context = &got, .on_value = on_value, .on_digest = on_digest});
        run(s, NULL);
        assert_string_equal(got.text, "x p a y s");
        assert_int_equal(got.n_digests, 5);
        assert_int_equal(got.nans, 1 + 4 + 4 + 4 + 4);
        assert_int_equal(got.last_run, 1);
        sib_watch_remove(&w);
        assert_null(w);
        run(s, NULL);
        assert_int_equal(got.n_values, 5);
        sib_session_free(&s);
    }
}

TEST(names_globs_and_values_inside)
{
    sib_session *s = tiny_layer("ref");
    seen some = {.answer = SIB_OK}, inside = {.answer = SIB_OK};
    const char *names[] = {"p", "[xy]"}, *in[] = {"*/milli*"};
    sib_watch *w =
        watch(s, &(sib_watch_options){.context = &some, .on_value = on_value, .names = names, .n_names = 2});
    run(s, NULL);
    assert_string_equal(some.text, "x p y");
    sib_watch *v =
        watch(s, &(sib_watch_options){
                     .context = &inside, .on_value = on_value, .names = in, .n_names = 1, .inside = true});
    run(s, NULL);
    assert_true(inside.n_values > 4 && strstr(inside.text, "milli.0:"));
    assert_string_equal(some.text, "x p y x p y");
    assert_int_equal(some.last_run, 2);
    sib_watch_remove(&w);
    sib_watch_remove(&v);
    sib_session_free(&s);
}

/* With `optimised` the plan stays fused: what the group makes in between does not exist. */
TEST(the_optimised_graph_stays_fused)
{
    sib_session *s = tiny_layer("cpu,ref");
    seen got = {.answer = SIB_OK};
    sib_watch *w =
        watch(s, &(sib_watch_options){
                     .context = &got, .on_value = on_value, .on_digest = on_digest, .optimised = true});
    run(s, NULL);
    assert_string_equal(got.text, "x y s");
    assert_int_equal(got.nans, 1 + 4 + 4);
    sib_watch_remove(&w);
    sib_plan *p = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_plan_segment about;
    CHECK_OK(sib_session_plan(s, &p, &err), err);
    assert_true(sib_plan_get_segment(p, 0, &about) && !about.tapped && !sib_plan_get_segment(p, 1, &about));
    sib_plan_free(&p);
    sib_session_free(&s);
}

/* A watch with a share is not called for most runs, and again once they have taken long enough. */
TEST(a_share_of_the_time)
{
    sib_session *s = tiny_layer("cpu,ref");
    sib_error err = SIB_ERROR_INIT;
    seen got = {.answer = SIB_OK};
    /* the 99 runs after the first would have to take a thousand million times as long as its digests */
    sib_watch *w = watch(
        s, &(sib_watch_options){.context = &got, .on_digest = on_digest, .optimised = true, .share = 1e-9});
    for (int i = 0; i < 100; i++)
        run(s, NULL);
    assert_int_equal(got.n_digests, 3);
    sib_watch_remove(&w);
    w = watch(s,
              &(sib_watch_options){.context = &got, .on_digest = on_digest, .optimised = true, .share = 1});
    while (got.n_digests < 12)
        run(s, NULL);
    sib_watch_remove(&w);
    CHECK_FAILS(sib_watch_add(s, &(sib_watch_options){.on_digest = on_digest, .share = 2}, &w, &err),
                SIB_ERR_ARGUMENT, err, "the share is 2");
    const sib_watch_options both = {.on_digest = on_digest, .share = 0.5, .every_run = true};
    CHECK_FAILS(sib_watch_add(s, &both, &w, &err), SIB_ERR_ARGUMENT, err, "wants every run");
    assert_int_equal(sib_watch_skipped(NULL), 0);
    sib_session_free(&s);
}

/* The first call takes twice the time that a share leaves free. */
static void slowly(size_t *calls)
{
    const uint64_t until = sib_time_ns() + (uint64_t)(2e9 * SIB_WATCH_SECONDS);
    while (!*calls && sib_time_ns() < until)
        continue;
    ++*calls;
}

static sib_code slow_digest(void *context, const sib_tap_event *e, const sib_digest *d, sib_error *err)
{
    (void)e, (void)d, (void)err;
    slowly(context);
    return SIB_OK;
}

static sib_code slow_value(void *context, const sib_tap_event *e, sib_error *err)
{
    (void)e, (void)err;
    slowly(context);
    return SIB_OK;
}

/* Digests alone have a share where nothing is said: a run that takes them long is followed by runs that are not seen, and
   counted. */
TEST(a_share_of_the_time_by_default)
{
    const char *names[] = {"p"};
    const sib_watch_options cases[] = {
        {.on_digest = slow_digest}, {.on_digest = slow_digest, .every_run = true}, {.on_value = slow_value}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_session *s = tiny_layer("cpu,ref");
        size_t calls = 0;
        sib_watch_options o = cases[i];
        o.context = &calls;
        o.names = names;
        o.n_names = 1;
        sib_watch *w = watch(s, &o);
        for (int j = 0; j < 3; j++)
            run(s, NULL);
        assert_int_equal(calls, i ? 3 : 1);
        assert_int_equal(sib_watch_skipped(w), i ? 0 : 2);
        sib_watch_remove(&w);
        sib_session_free(&s);
    }
}

TEST(a_callback_stops_the_run)
{
    sib_session *s = tiny_layer("ref");
    sib_error err = SIB_ERROR_INIT;
    seen got = {.answer = SIB_ERR_CANCELLED};
    sib_watch *w = watch(s, &(sib_watch_options){.context = &got, .on_value = on_value});
    CHECK_FAILS(try_run(s, NULL, &err), SIB_ERR_CANCELLED, err, "had enough");
    assert_int_equal(got.n_values, 1);
    sib_watch_remove(&w);
    sib_session_free(&s);
}

TEST(events_nest)
{
    sib_session *s = tiny_layer("cpu,ref");
    seen got = {.answer = SIB_OK};
    sib_watch *w = watch(s, &(sib_watch_options){.context = &got, .on_event = on_event});
    run(s, NULL);
    assert_int_equal(got.n_begun, got.n_ended);
    assert_true(!strncmp(got.text, "run plan ", 9));
    assert_non_null(strstr(got.text, "pack MatMul"));
    assert_non_null(strstr(got.text, "node MatMul"));
    assert_non_null(strstr(got.text, "node Softmax"));
    got.text[0] = 0;
    run(s, NULL);
    assert_null(strstr(got.text, "plan"));
    sib_watch_remove(&w);
    sib_session_free(&s);
}

/* ---- Adding and removing while a run goes on ----------------------------------------------------------- */

static sib_code add_at(void *context, const sib_tap_event *e, sib_error *err)
{
    seen *s = context;
    (void)err;
    if (!strcmp(e->name, "p") && !s->own)
        s->own = watch(s->session, &(sib_watch_options){.context = s, .on_value = on_value});
    return SIB_OK;
}

TEST(added_within_a_run)
{
    sib_session *s = tiny_layer("ref");
    seen got = {.session = s, .answer = SIB_OK};
    sib_run_options o = {.tap = add_at, .tap_context = &got};
    run(s, &o);
    assert_string_equal(got.text, "p a y s");
    sib_watch_remove(&got.own);
    sib_session_free(&s);
}

static sib_code remove_own(void *context, const sib_tap_event *e, sib_error *err)
{
    seen *s = context;
    (void)err;
    note(s, e->name);
    if (!strcmp(e->name, "p"))
        sib_watch_remove(&s->own);
    return SIB_OK;
}

TEST(removed_by_its_own_callback)
{
    sib_session *s = tiny_layer("ref");
    seen got = {.answer = SIB_OK}, other = {.answer = SIB_OK};
    got.own = watch(s, &(sib_watch_options){.context = &got, .on_value = remove_own});
    sib_watch *w = watch(s, &(sib_watch_options){.context = &other, .on_value = on_value});
    run(s, NULL);
    assert_string_equal(got.text, "x p");
    assert_string_equal(other.text, "x p a y s");
    assert_null(got.own);
    sib_watch_remove(&w);
    sib_session_free(&s);
}

TEST(a_watch_may_outlive_its_session)
{
    sib_session *s = tiny_layer("ref");
    seen got = {.answer = SIB_OK};
    sib_watch *w = watch(s, &(sib_watch_options){.context = &got, .on_value = on_value});
    sib_session_free(&s);
    sib_watch_remove(&w);
    sib_watch_remove(&w);
    assert_int_equal(got.n_values, 0);
}

typedef struct runners {
    sib_session *s;
    atomic_bool stop;
    atomic_uint runs;
} runners;

static void *run_on(void *context)
{
    runners *r = context;
    while (!atomic_load(&r->stop)) {
        run(r->s, NULL);
        atomic_fetch_add(&r->runs, 1);
    }
    return NULL;
}

typedef struct alive {
    atomic_bool there;
    atomic_uint calls;
} alive;

static sib_code expect_alive(void *context, const sib_tap_event *e, const sib_digest *d, sib_error *err)
{
    alive *a = context;
    (void)e, (void)err;
    assert_true(atomic_load(&a->there) && d->count);
    atomic_fetch_add(&a->calls, 1);
    return SIB_OK;
}

static void expect_alive_event(void *context, const sib_time_span *span, bool begins)
{
    (void)span, (void)begins;
    assert_true(atomic_load(&((alive *)context)->there));
}

/* After sib_watch_remove has returned no callback is called, whatever other threads do. */
TEST(added_and_removed_from_another_thread)
{
    runners r = {.s = tiny_layer("cpu,ref")};
    pthread_t threads[2];
    unsigned calls = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_on, &r), 0);
    for (int i = 0; i < 200 || (calls == 0 && i < 20000); i++) {
        alive a = {true, 0};
        sib_watch *w = watch(r.s, &(sib_watch_options){.context = &a,
                                                       .on_digest = expect_alive,
                                                       .on_event = expect_alive_event,
                                                       .optimised = i % 2});
        const unsigned before = atomic_load(&r.runs);
        while (i % 10 == 0 && atomic_load(&r.runs) < before + 3)
            sched_yield();
        sib_watch_remove(&w);
        atomic_store(&a.there, false);
        calls += atomic_load(&a.calls);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(calls > 0);
    sib_session_free(&r.s);
}

/* ---- Profiles ------------------------------------------------------------------------------------------- */

static sib_profile *profile(void)
{
    sib_error err = SIB_ERROR_INIT;
    sib_profile *p = NULL;
    CHECK_OK(sib_profile_create(&p, &err), err);
    return p;
}

TEST(a_timeline_nests)
{
    sib_session *s = tiny_layer("cpu,ref");
    sib_profile *p = profile();
    const uint64_t job = sib_profile_begin(p, SIB_SPAN_JOB, "my job");
    run(s, &(sib_run_options){.profile = p});
    sib_profile_end(p, job);
    sib_time_span span, outer;
    size_t n = sib_profile_spans(p, NULL), kinds[SIB_SPAN_COUNT] = {0};
    assert_true(n > 5 && !sib_profile_span(p, n, &span));
    for (size_t i = 0; sib_profile_span(p, i, &span); i++) {
        kinds[span.kind]++;
        assert_true(span.begin <= span.end && span.thread);
        assert_true(i ? span.parent < i : span.parent == SIB_NONE);
        if (i) {
            assert_true(sib_profile_span(p, span.parent, &outer));
            assert_true(outer.begin <= span.begin && span.end <= outer.end && outer.depth + 1 == span.depth);
        }
        if (span.kind == SIB_SPAN_NODE && !strcmp(span.op_type, "MatMul")) {
            assert_true(span.flops >= 2 * 2 * 3 * 4 && span.bytes_read >= 4 * (2 * 3 + 3 * 4));
            assert_int_equal(span.bytes_written, 4 * 2 * 4);
            assert_true(span.memory >= 4 * 2 * 4 && span.kernel[0]);
        }
    }
    assert_true(kinds[SIB_SPAN_JOB] == 1 && kinds[SIB_SPAN_RUN] == 1 && kinds[SIB_SPAN_PLAN] == 1);
    assert_true(kinds[SIB_SPAN_PACK] >= 1 && kinds[SIB_SPAN_NODE] >= 2);
    /* the phases are the time of the outermost span */
    sib_profile_row row;
    double sum = 0;
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_PHASE, i, &row); i++)
        sum += row.seconds;
    assert_true(sib_profile_span(p, 0, &outer));
    assert_true(fabs(sum - (double)(outer.end - outer.begin) * 1e-9) < 1e-9 * (double)n);
    sib_profile_free(&p);
    sib_session_free(&s);
}

static double number_of(const json_t *event, const char *key)
{
    const json_t *v = json_object_get(event, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

/* The shape that Perfetto and chrome://tracing read: complete events with times in microseconds. */
TEST(a_trace_is_json)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer("cpu,ref");
    sib_profile *p = profile();
    char path[] = "/tmp/sibyl-trace-XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    const uint64_t job = sib_profile_begin(p, SIB_SPAN_JOB, "a \"name\"\n\xff of \xc3\xa9");
    run(s, &(sib_run_options){.profile = p});
    sib_profile_end(p, job);
    CHECK_OK(sib_profile_save_trace(p, path, &err), err);
    json_error_t why;
    json_t *trace = json_load_file(path, 0, &why), *event;
    if (!trace)
        fail_msg("%s at %d", why.text, why.line);
    char *text;
    size_t size;
    CHECK_OK(sib_profile_trace_text(p, &text, &size, &err), err);
    json_t *same = json_loads(text, 0, &why);
    assert_int_equal(size, strlen(text));
    assert_true(json_equal(trace, same));
    json_decref(same);
    sib_free(text);
    json_t *events = json_object_get(trace, "traceEvents");
    size_t i, complete = 0;
    bool product = false;
    json_array_foreach(events, i, event)
    {
        const char *ph = json_string_value(json_object_get(event, "ph"));
        assert_true(json_is_string(json_object_get(event, "name")) && number_of(event, "pid") == 1);
        if (strcmp(ph, "X"))
            continue;
        complete++;
        assert_true(number_of(event, "ts") >= 0 && number_of(event, "dur") >= 0 &&
                    number_of(event, "tid") > 0);
        const json_t *args = json_object_get(event, "args");
        const char *type = json_string_value(json_object_get(args, "operator"));
        product |= type && !strcmp(type, "MatMul") && json_number_value(json_object_get(args, "flops")) >= 48;
        if (complete == 1)
            assert_string_equal(json_string_value(json_object_get(event, "name")),
                                "a \"name\"\n? of \xc3\xa9");
    }
    assert_true(product && complete == sib_profile_spans(p, NULL));
    json_decref(trace);
    remove(path);
    CHECK_FAILS(sib_profile_save_trace(p, "/no/such/folder/x.json", &err), SIB_ERR_IO, err,
                "/no/such/folder");
    CHECK_FAILS(sib_profile_trace_text(NULL, &text, &size, &err), SIB_ERR_ARGUMENT, err, "profile");
    sib_profile_free(&p);
    sib_session_free(&s);
}

TEST(the_number_of_spans_is_limited)
{
    sib_session *s = tiny_layer("ref");
    sib_profile *p = profile();
    uint64_t dropped;
    sib_profile_row row;
    sib_profile_limit(p, 3);
    run(s, &(sib_run_options){.profile = p});
    assert_int_equal(sib_profile_spans(p, &dropped), 3);
    assert_true(dropped > 3);
    /* rows go on */
    run(s, &(sib_run_options){.profile = p});
    assert_true(sib_profile_get(p, SIB_PROFILE_BY_NODE, 0, &row) && row.calls == 2);
    sib_profile_free(&p);
    sib_session_free(&s);
}

TEST(out_of_memory)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer("ref");
    sib_watch *w = NULL;
    seen got = {.answer = SIB_OK};
    const char *names[] = {"a", "b"};
    const sib_watch_options o = {.context = &got, .on_value = on_value, .names = names, .n_names = 2};
    sib_watch *first = watch(s, &o); /* makes the list of watches */
    CHECK_FAILED_ALLOCATIONS(check_k + 1, sib_watch_add(s, &o, &w, &err), sib_watch_remove(&w));
    sib_watch_remove(&first);
    sib_session_free(&s);
}

/* The failure of any allocation leaves a profile that can be read and freed. */
TEST(profiles_without_memory)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer("ref");
    double numbers[6] = {1, 2, 3, 4, 5, 6};
    sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, numbers), *out = NULL;
    run(s, NULL);
    for (uint64_t k = 0; k < 120; k++) {
        sib_profile *p = profile();
        sib_time_span span;
        sib_profile_row row;
        mem_fail_after(k);
        sib_code code = sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out,
                                        &(sib_run_options){.profile = p}, &err);
        mem_fail_never();
        sib_value_free(&out);
        assert_true(code == SIB_OK || code == SIB_ERR_MEMORY);
        for (size_t i = 0; sib_profile_span(p, i, &span); i++)
            assert_true(span.name && span.op_type);
        for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_NODE, i, &row); i++)
            assert_non_null(row.op_type);
        memset(&err, 0, sizeof err);
        sib_profile_free(&p);
    }
    sib_value_free(&given);
    sib_session_free(&s);
}

static sib_code see_nothing(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)context;
    (void)event;
    (void)err;
    return SIB_OK;
}

/* The failure of any allocation of the first run whose values are seen, for which the file's graph is made. */
TEST(taps_without_memory)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer("cpu,ref");
    double numbers[6] = {1, 2, 3, 4, 5, 6};
    sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, numbers), *out = NULL;
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t k = 0; code != SIB_OK; k++) {
        assert_true(code == SIB_ERR_MEMORY && k < 2000);
        mem_fail_after(k);
        code = sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out,
                               &(sib_run_options){.tap = see_nothing}, &err);
        mem_fail_never();
        sib_value_free(&out);
        memset(&err, 0, sizeof err);
    }
    sib_value_free(&given);
    sib_session_free(&s);
}

/* ---- Logs ------------------------------------------------------------------------------------------------ */

typedef struct logged {
    char text[20000];
    int worst; /* the finest level */
} logged;

static void on_log(void *context, sib_log_level level, const char *message)
{
    logged *l = context;
    size_t length = strlen(l->text);
    l->worst = (int)level > l->worst ? (int)level : l->worst;
    assert_null(strchr(message, '\n'));
    snprintf(l->text + length, sizeof l->text - length, "%s: %s\n", sib_log_level_name(level), message);
}

/* The session's choices, its plan, each step's kernel, packed weights, operators left to ref, failures. */
TEST(a_log_of_choices)
{
    sib_error err = SIB_ERROR_INIT;
    static logged l;
    tiny t = tiny_begin();
    double ones[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    value_id x = tiny_input(&t, "x", SIB_F32, "N 3");
    value_id w = tiny_constant(&t, "w", SIB_F32, 2, (int64_t[]){3, 4}, ones);
    value_id p = tiny_op(&t, "MatMul", x, w, "p");
    tiny_output(&t, tiny_op(&t, "Bernoulli", p, NO_VALUE, "y"));
    sib_session *s = tiny_session(
        &t, &(sib_session_options){.backends = "cpu,ref", .threads = 1, .log = {on_log, &l, SIB_LOG_DEBUG}});
    run(s, NULL);
    const char *expected[] = {"info: session on cpu, ref, threads: 1",
                              "info: planned nodes 0 to 1 of 2",
                              "x float32 [2, 3]",
                              "debug: step 0: node",
                              "debug: packed weights of node",
                              "info: Bernoulli: cpu has no kernel"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(l.text, expected[i]))
            fail_msg("no '%s' in:\n%s", expected[i], l.text);
    const size_t length = strlen(l.text);
    run(s, NULL); /* the plan is kept */
    assert_int_equal(strlen(l.text), length);
    sib_value *out;
    assert_int_equal(sib_session_run(s, 0, NULL, 0, NULL, &out, NULL, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(l.text, "error: a run failed: input 'x' is missing"));
    sib_session_free(&s);
}

TEST(a_level_is_kept)
{
    static logged l;
    sib_session *s;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N 3");
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, "y"));
    s = tiny_session(&t, &(sib_session_options){.threads = 1, .log = {on_log, &l, SIB_LOG_INFO}});
    run(s, NULL);
    assert_int_equal(l.worst, SIB_LOG_INFO);
    sib_session_free(&s);
    assert_string_equal(sib_log_level_name(SIB_LOG_WARNING), "warning");
    assert_null(sib_log_level_name((sib_log_level)0));
}

TEST(refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer("ref");
    sib_watch *w = NULL;
    CHECK_FAILS(sib_watch_add(s, &(sib_watch_options){.n_names = 0}, &w, &err), SIB_ERR_ARGUMENT, err,
                "no callback");
    CHECK_FAILS(sib_watch_add(NULL, &(sib_watch_options){.n_names = 0}, &w, &err), SIB_ERR_ARGUMENT, err,
                "NULL");
    sib_session_free(&s);
}
