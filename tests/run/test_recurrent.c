/* Recurrent nodes of many steps: runs in chunks and unrolled runs give the same bits. Planning of unrolled
   steps does not block other runs, ends when cancelled, and obeys the memory limit. */
#include "check_memory.h"
#include "tiny.h"

#include "run/session.h"

#include <pthread.h>
#include <unistd.h>

#define BATCH  2
#define INPUT  3
#define HIDDEN 4
#define MAX_IN 8

typedef struct recurrent_case {
    const char *type, *direction;
    bool batch_first, lengths, states, last_alone;
    sib_dtype dtype;
} recurrent_case;

static int gates_of(const recurrent_case *c)
{
    return !strcmp(c->type, "LSTM") ? 4 : !strcmp(c->type, "GRU") ? 3 : 1;
}

static bool is_lstm(const recurrent_case *c)
{
    return !strcmp(c->type, "LSTM");
}

static sib_value *drawn(sib_dtype dtype, size_t rank, const int64_t *dims)
{
    check_random r = {17};
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    double *values = mem_alloc(n, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = check_uniform(&r);
    sib_value *v = tiny_given(dtype, rank, dims, values);
    mem_free(values);
    return v;
}

/* A model of one node, all of whose inputs are inputs of the model. */
static sib_session *session_of(const recurrent_case *c, const sib_session_options *options)
{
    static const char *const names[MAX_IN] = {"x", "w", "r", "b", "lengths", "h", "c", "p"};
    tiny t = tiny_begin();
    value_id in[MAX_IN], out[3] = {NO_VALUE, NO_VALUE, NO_VALUE};
    size_t n_in = is_lstm(c) ? MAX_IN : 6, n_out = is_lstm(c) ? 3 : 2;
    for (size_t i = 0; i < n_in; i++) {
        bool wanted = i == 4 ? c->lengths : i < 5 || i == 7 || c->states;
        in[i] = wanted ? tiny_input(&t, names[i], i == 4 ? SIB_I32 : c->dtype, NULL) : NO_VALUE;
    }
    for (size_t i = c->last_alone ? 1 : 0; i < n_out; i++) {
        char name[24];
        snprintf(name, sizeof name, "y%zu", i);
        out[i] = tiny_made(&t, name);
        tiny_output(&t, out[i]);
    }
    attribute a[] = {{.name = str_of("hidden_size"), .kind = ATTR_INT, .i = HIDDEN},
                     {.name = str_of("direction"), .kind = ATTR_STRING, .s = str_of(c->direction)},
                     {.name = str_of("layout"), .kind = ATTR_INT, .i = c->batch_first}};
    tiny_node(&t, c->type, "cell", n_in, in, n_out, out, 3, a);
    return tiny_session(&t, options);
}

/* Inputs for this many steps. Returns their number; the caller frees the values. */
static size_t inputs_of(const recurrent_case *c, int64_t steps, sib_named_value *in)
{
    const int64_t d = strcmp(c->direction, "bidirectional") ? 1 : 2, g = gates_of(c) * HIDDEN;
    const int64_t x[2][3] = {{steps, BATCH, INPUT}, {BATCH, steps, INPUT}},
                  h[2][3] = {{d, BATCH, HIDDEN}, {BATCH, d, HIDDEN}};
    size_t n = 0;
    in[n++] = (sib_named_value){"x", drawn(c->dtype, 3, x[c->batch_first])};
    in[n++] = (sib_named_value){"w", drawn(c->dtype, 3, (int64_t[]){d, g, INPUT})};
    in[n++] = (sib_named_value){"r", drawn(c->dtype, 3, (int64_t[]){d, g, HIDDEN})};
    in[n++] = (sib_named_value){"b", drawn(c->dtype, 2, (int64_t[]){d, 2 * g})};
    if (c->lengths)
        in[n++] = (sib_named_value){
            "lengths", tiny_given(SIB_I32, 1, (int64_t[]){BATCH}, (double[]){70, (double)steps - 1})};
    if (c->states)
        in[n++] = (sib_named_value){"h", drawn(c->dtype, 3, h[c->batch_first])};
    if (c->states && is_lstm(c))
        in[n++] = (sib_named_value){"c", drawn(c->dtype, 3, h[c->batch_first])};
    if (is_lstm(c))
        in[n++] = (sib_named_value){"p", drawn(c->dtype, 2, (int64_t[]){d, 3 * HIDDEN})};
    return n;
}

static void free_inputs(size_t n, sib_named_value *in)
{
    for (size_t i = 0; i < n; i++) {
        sib_value *v = (sib_value *)(uintptr_t)in[i].value;
        sib_value_free(&v);
    }
}

static sib_code nothing(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)context;
    (void)event;
    (void)err;
    return SIB_OK;
}

static sib_code count(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)err;
    *(size_t *)context += event->name[0] == 'y';
    return SIB_OK;
}

/* When values inside operators are tapped, steps are unrolled, however many there are. */
static const char *const no_names[] = {"none"};
static const sib_run_options unrolled = {
    .tap = nothing, .tap_inside = true, .tap_names = no_names, .n_taps = 1};

TEST_ALONE(chunks_give_what_unrolled_steps_give)
{
    static const recurrent_case cases[] = {
        {"LSTM", "forward", false, false, false, false, SIB_F32},
        {"LSTM", "reverse", false, true, true, false, SIB_F32},
        {"LSTM", "bidirectional", false, true, true, false, SIB_F64},
        {"LSTM", "bidirectional", true, true, false, false, SIB_F16},
        {"LSTM", "forward", true, false, true, true, SIB_BF16},
        {"GRU", "forward", false, true, false, false, SIB_F32},
        {"GRU", "bidirectional", true, false, true, false, SIB_F32},
        {"RNN", "reverse", true, true, true, false, SIB_F32},
        {"RNN", "bidirectional", false, false, false, true, SIB_F16},
    };
    static const sib_session_options options[] = {{.backends = "ref", .threads = 1},
                                                  {.backends = "ref", .threads = 1, .oracle = true}};
    const int64_t steps = RECURRENT_UNROLLED + 47;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        if (check_left_out(i))
            continue;
        const recurrent_case *c = &cases[i / 2];
        sib_error err = SIB_ERROR_INIT;
        sib_named_value in[MAX_IN];
        sib_value *a[3] = {NULL}, *b[3] = {NULL};
        sib_session *s = session_of(c, &options[i % 2]);
        size_t n = inputs_of(c, steps, in);
        CHECK_OK(sib_session_run(s, n, in, 0, NULL, a, NULL, &err), err);
        assert_int_equal(s->running.items[0].n_segments, 1);
        assert_true(s->running.items[0].segments[0]->control);
        CHECK_OK(sib_session_run(s, n, in, 0, NULL, b, &unrolled, &err), err);
        for (size_t k = 0; k < s->running.items[0].g->outputs.n; k++) {
            const sib_tensor *x = sib_value_tensor(a[k]), *y = sib_value_tensor(b[k]);
            assert_int_equal(sib_tensor_dtype(x), sib_tensor_dtype(y));
            assert_int_equal(sib_tensor_rank(x), sib_tensor_rank(y));
            assert_memory_equal(sib_tensor_dims(x), sib_tensor_dims(y), sib_tensor_rank(x) * sizeof(int64_t));
            assert_memory_equal(sib_tensor_data((sib_tensor *)(uintptr_t)x),
                                sib_tensor_data((sib_tensor *)(uintptr_t)y),
                                sib_tensor_count(x) * (sib_dtype_bits(sib_tensor_dtype(x)) / 8));
            sib_value_free(&a[k]);
            sib_value_free(&b[k]);
        }
        free_inputs(n, in);
        sib_session_free(&s);
    }
}

static const recurrent_case plain = {"LSTM", "forward", false, false, false, false, SIB_F64};
static const sib_session_options on_ref = {.backends = "ref", .threads = 1};

TEST(taps_see_outputs_once)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = session_of(&plain, &on_ref);
    sib_named_value in[MAX_IN];
    sib_value *out[3];
    size_t n = inputs_of(&plain, 640, in), seen = 0;
    const sib_run_options o = {.tap = count, .tap_context = &seen};
    CHECK_OK(sib_session_run(s, n, in, 0, NULL, out, &o, &err), err);
    assert_int_equal(seen, 3);
    for (int k = 0; k < 3; k++)
        sib_value_free(&out[k]);
    free_inputs(n, in);
    sib_session_free(&s);
}

/* Only the plan of a chunk is kept of many steps. */
TEST_ALONE(plans_of_many_steps_stay_small)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = session_of(&plain, &on_ref);
    sib_named_value in[MAX_IN];
    sib_value *out[3];
    uint64_t bytes[2];
    for (int i = 0; i < 2; i++) {
        size_t n = inputs_of(&plain, i ? 6400 : 640, in);
        CHECK_OK(sib_session_run(s, n, in, 0, NULL, out, NULL, &err), err);
        bytes[i] = s->shared.plan_bytes;
        for (int k = 0; k < 3; k++)
            sib_value_free(&out[k]);
        free_inputs(n, in);
    }
    assert_true(bytes[0] > 0);
    assert_int_equal(bytes[0], bytes[1]);
    sib_session_free(&s);
}

typedef struct long_run {
    sib_session *s;
    sib_cancel *cancel;
    atomic_bool began, ended;
    sib_code code;
} long_run;

/* 100,000 unrolled steps: seconds of planning, and gigabytes. */
static void *plan_long(void *context)
{
    long_run *l = context;
    sib_error err = SIB_ERROR_INIT;
    sib_named_value in[MAX_IN];
    sib_value *out[3];
    sib_run_options o = unrolled;
    o.cancel = l->cancel;
    size_t n = inputs_of(&plain, 100000, in);
    atomic_store(&l->began, true);
    l->code = sib_session_run(l->s, n, in, 0, NULL, out, &o, &err);
    atomic_store(&l->ended, true);
    free_inputs(n, in);
    return NULL;
}

TEST(planning_keeps_nobody_waiting)
{
    sib_error err = SIB_ERROR_INIT;
    long_run l = {.s = session_of(&plain, &on_ref)};
    sib_named_value in[MAX_IN];
    sib_value *out[3];
    pthread_t thread;
    CHECK_OK(sib_cancel_create(&l.cancel, &err), err);
    assert_int_equal(pthread_create(&thread, NULL, plan_long, &l), 0);
    while (!atomic_load(&l.began))
        usleep(1000);
    usleep(50000); /* planning is under way then */
    size_t n = inputs_of(&plain, 3, in);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(sib_session_run(l.s, n, in, 0, NULL, out, NULL, &err), err);
        for (int k = 0; k < 3; k++)
            sib_value_free(&out[k]);
    }
    assert_false(atomic_load(&l.ended));
    sib_cancel_set(l.cancel);
    pthread_join(thread, NULL);
    assert_int_equal(l.code, SIB_ERR_CANCELLED);
    free_inputs(n, in);
    sib_cancel_free(&l.cancel);
    sib_session_free(&l.s);
}

TEST_ALONE(planning_keeps_to_the_limit)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = on_ref;
    o.memory_limit = UINT64_C(32) << 20;
    sib_session *s = session_of(&plain, &o);
    sib_named_value in[MAX_IN];
    sib_value *out[3];
    size_t n = inputs_of(&plain, 100000, in);
    CHECK_FAILS(sib_session_run(s, n, in, 0, NULL, out, &unrolled, &err), SIB_ERR_MEMORY, err,
                "planning needs more than");
    free_inputs(n, in);
    for (int64_t steps = 100; steps < 108; steps++) { /* each with a plan of some megabytes */
        n = inputs_of(&plain, steps, in);
        CHECK_OK(sib_session_run(s, n, in, 0, NULL, out, NULL, &err), err);
        assert_true(s->shared.plan_bytes <= o.memory_limit);
        for (int k = 0; k < 3; k++)
            sib_value_free(&out[k]);
        free_inputs(n, in);
    }
    assert_true(s->running.items[0].n_segments > 1 && s->running.items[0].n_segments < 8);
    sib_session_free(&s);
}

/* Every allocation of a run in chunks fails once. */
TEST_ALONE(memory_that_fails)
{
    const recurrent_case c = {"GRU", "bidirectional", true, true, false, false, SIB_F16};
    sib_named_value in[MAX_IN];
    size_t n = inputs_of(&c, RECURRENT_UNROLLED + 1, in);
    sib_session *s = session_of(&c, &on_ref);
    sib_value *out[2] = {NULL, NULL};
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILED_ALLOCATIONS(check_k + 1 + check_k / 50, sib_session_run(s, n, in, 0, NULL, out, NULL, &err),
                             {
                                 sib_value_free(&out[0]);
                                 sib_value_free(&out[1]);
                             });
    free_inputs(n, in);
    sib_session_free(&s);
}
