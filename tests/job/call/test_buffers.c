/* Caches as buffers of rows give what caches that grow give, bit for bit, and steps that plan and allocate nothing. */
#include "check_memory.h"
#include "gpu/device.h"
#include "job/call/call.h"
#include "job/call/plan_inner.h"
#include "job/nodes/nodes.h"
#include "job/tiny_decoder.h"

#include <sibyl/watch.h>

TEST_FIXTURE(make_folder, drop_folder)

#define WINDOW ", \"sliding_window\": 20, \"use_sliding_window\": true, \"max_window_layers\": 0"

/* The call of a decoder. */
typedef struct decoding {
    job_doc *d;
    sib_model *m;
    call_plan *plan;
    job_call *call;
} decoding;

/* grows: caches grow even where they could be buffers. */
static decoding decoding_of(const char *file, const char *backends, bool grows)
{
    static const char text[] =
        "{\"sibyl_job\": 1, \"kind\": \"k\", \"name\": \"tried\", \"models\": {\"m\": \"\"}, "
        "\"tokenizers\": {\"t\": {\"kind\": \"bytes\"}}, \"calls\": {\"c\": {\"model\": \"m\", \"inputs\": "
        "{\"tokens\": \"tokens\"}, \"outputs\": {\"logits\": \"logits\"}, \"state\": {\"past_k.*\": "
        "\"present_k.*\", \"past_v.*\": \"present_v.*\"}, \"fixed\": {\"at\": [-1]}}}, \"inputs\": {}, "
        "\"nodes\": [{\"name\": \"w\", \"op\": \"tokenize\", \"tokenizer\": \"t\", \"inputs\": {\"text\": "
        "\"a\"}}], \"outputs\": {\"t\": \"$w\"}}";
    sib_error err = SIB_ERROR_INIT;
    decoding d = {NULL};
    CHECK_OK(job_doc_read("file", text, strlen(text), job_ops, NULL, &d.d, &err), err);
    CHECK_OK(sib_model_open(in_folder(file), NULL, &d.m, &err), err);
    CHECK_OK(call_plan_make(d.d, 0, &d.m, &(sib_session_options){.threads = 1, .backends = backends}, &d.plan,
                            &err),
             err);
    if (grows)
        sib_session_free(&d.plan->buffered);
    CHECK_OK(job_call_begin(d.plan, NULL, NULL, NULL, &d.call, &err), err);
    return d;
}

static void decoding_end(decoding *d)
{
    job_call_end(&d->call);
    call_plan_free(&d->plan);
    sib_model_free(&d->m);
    job_doc_free(&d->d);
}

static job_value *tokens_value(size_t rows, size_t n, int first)
{
    const int64_t dims[] = {(int64_t)rows, (int64_t)n};
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_create(SIB_I64, 2, dims, &t, &err), err);
    for (size_t i = 0; i < rows * n; i++)
        ((int64_t *)sib_tensor_data(t))[i] = (first + 7 * (int)i) % DECODER_VOCAB;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return job_value_tensor(v, SIB_PORT_TENSOR);
}

/* The logits of a step of n tokens for each of `rows` sequences. */
static sib_value *stepped(decoding *d, size_t rows, size_t n, int first)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out = NULL;
    job_value *in = tokens_value(rows, n, first);
    CHECK_OK(job_call_run(d->call, &in, &out, &err), err);
    job_value_release(in);
    return out;
}

static void expect_within(double tolerance, sib_value *a, sib_value *b)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    CHECK_OK(sib_value_compare(a, b, &(sib_tolerance){tolerance, tolerance, 0}, &c, &err), err);
    assert_true(c.equal);
    sib_value_free(&a);
    sib_value_free(&b);
}

static sib_code on_value(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)context;
    (void)event;
    (void)err;
    return SIB_OK;
}

static sib_watch *watch(decoding *d)
{
    static const char *const names[] = {"logits"};
    sib_error err = SIB_ERROR_INIT;
    sib_watch *w = NULL;
    const sib_watch_options o = {.on_value = on_value, .names = names, .n_names = 1};
    CHECK_OK(sib_watch_add(d->plan->session, &o, &w, &err), err);
    return w;
}

/* Steps of both ways over lengths where buffers are doubled, rows of sequences taken between. tolerance: 0 for the same
   bits. */
static void check_model(const char *file, const char *backends, int steps, double tolerance)
{
    sib_error err = SIB_ERROR_INIT;
    decoding buffered = decoding_of(file, backends, false), grown = decoding_of(file, backends, true);
    assert_non_null(buffered.plan->buffered);
    for (int i = 0; i < 2; i++) {
        size_t rows = 1;
        expect_within(tolerance, stepped(&buffered, 1, 1, 5), stepped(&grown, 1, 1, 5));
        for (int k = 0; k < steps; k++) {
            const size_t n = k % 4 ? 1 : 13;
            expect_within(tolerance, stepped(&buffered, rows, n, k), stepped(&grown, rows, n, k));
            if (k % 7 == 3) {
                static const size_t from[] = {0, 0, 1};
                rows = rows == 1 ? 2 : 3;
                CHECK_OK(job_call_reorder(buffered.call, rows, from, &err), err);
                CHECK_OK(job_call_reorder(grown.call, rows, from, &err), err);
            }
        }
        sib_watch *seen[] = {watch(&buffered), watch(&grown)}; /* the rest of the run grows its caches */
        expect_within(tolerance, stepped(&buffered, rows, 2, 3), stepped(&grown, rows, 2, 3));
        sib_watch_remove(&seen[0]);
        sib_watch_remove(&seen[1]);
        expect_within(tolerance, stepped(&buffered, rows, 1, 4), stepped(&grown, rows, 1, 4));
        job_call_reset(buffered.call);
        job_call_reset(grown.call);
    }
    decoding_end(&buffered);
    decoding_end(&grown);
}

TEST(buffers_give_the_same_bits)
{
    make_llama("llama", "llama", "", NULL);
    make_llama("window", "qwen2", WINDOW, NULL);
    make_decoder("gpt2", decoder_weights_gpt2, GPT2_CONFIG, NULL);
    check_model("gpt2.onnx", "cpu,ref", 24, 0);
    check_model("llama.onnx", "ref", 22, 0);
    check_model("window.onnx", "ref", 22, 0);
    /* angles of positions that a plan does not know are turned to cosines by cpu, not by ref when it is made */
    check_model("llama.onnx", "cpu,ref", 24, 1e-4);
    check_model("window.onnx", "cpu,ref", 24, 1e-4);
}

TEST(memory_may_fail_anywhere)
{
    sib_error err = SIB_ERROR_INIT;
    make_llama("llama", "llama", "", NULL);
    decoding d = decoding_of("llama.onnx", "cpu,ref", false);
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t allowed = 0; code != SIB_OK; allowed += 1 + allowed / 12) {
        const sib_session_options o = {.threads = 1, .backends = "cpu,ref"};
        const size_t from[] = {0, 0};
        job_value *in = tokens_value(1, 70, 0);
        call_plan *plan = NULL;
        job_call *call = NULL;
        sib_value *out = NULL;
        mem_fail_after(allowed);
        code = call_plan_make(d.d, 0, &d.m, &o, &plan, &err);
        if (code == SIB_OK)
            code = job_call_begin(plan, NULL, NULL, NULL, &call, &err);
        if (code == SIB_OK)
            code = job_call_run(call, &in, &out, &err);
        if (code == SIB_OK)
            code = job_call_reorder(call, 2, from, &err);
        mem_fail_never();
        assert_true(code == SIB_OK || code == SIB_ERR_MEMORY);
        err = (sib_error)SIB_ERROR_INIT;
        sib_value_free(&out);
        job_call_end(&call);
        call_plan_free(&plan);
        job_value_release(in);
    }
    decoding_end(&d);
}

/* With opset 21 attention is many operators, and the caches grow. */
TEST(other_decoders_grow_their_caches)
{
    make_llama("apart", "llama", "", &(sib_import_options){.opset = 21});
    decoding d = decoding_of("apart.onnx", "cpu,ref", false);
    assert_null(d.plan->buffered);
    for (int i = 0; i < 3; i++)
        sib_value_free(&(sib_value *){stepped(&d, 1, 1, i)});
    decoding_end(&d);
}

/* Of a step that neither doubles a buffer nor is the first of its kind: what the inputs need alone. */
TEST(steady_steps_plan_nothing)
{
    uint64_t each[2];
    make_llama("llama", "llama", "", NULL);
    decoding d = decoding_of("llama.onnx", "cpu,ref", false);
    sib_value_free(&(sib_value *){stepped(&d, 1, 3, 0)});
    for (int i = 0; i < 70; i++) {
        sib_alloc_counters before, after;
        sib_alloc_counters_get(&before);
        sib_value_free(&(sib_value *){stepped(&d, 1, 1, i)});
        sib_alloc_counters_get(&after);
        if (i == 4)
            each[0] = after.allocations - before.allocations;
        else if (i > 4 && i != 61 && i != 62) { /* 64 rows and the first step after them */
            each[1] = after.allocations - before.allocations;
            assert_int_equal(each[0], each[1]);
        }
    }
    assert_true(each[0] < 16);
    decoding_end(&d);
}

/* On a device the buffers stay: a step brings a token, the row of its logits, a position and two lengths there, and
   logits come back. */
TEST(steady_steps_on_a_device_bring_numbers_alone)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *g;
    make_llama("llama", "llama", "", NULL);
    CHECK_OK(gpu_open("host", &g, &err), err);
    decoding d = decoding_of("llama.onnx", "gpu-host,cpu,ref", false),
             expected = decoding_of("llama.onnx", "cpu,ref", false);
    for (int i = 0; i < 5; i++) {
        const unsigned long long allocated = g->allocated, uploaded = g->uploaded, downloaded = g->downloaded;
        expect_within(1e-4, stepped(&d, 1, 1, i), stepped(&expected, 1, 1, i));
        assert_int_equal(g->downloaded - downloaded, DECODER_VOCAB * sizeof(float));
        if (i) {
            assert_int_equal(g->allocated - allocated, 0);
            assert_true(g->uploaded - uploaded <= 5 * sizeof(int64_t));
        }
    }
    decoding_end(&d);
    decoding_end(&expected);
    gpu_close(&g);
}
