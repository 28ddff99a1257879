/* Sessions on a GPU's backend beside ref: gpu-host, or the one that SIBYL_TEST_GPU_BACKEND names. */
#include "backend/gpu/alike.h"
#include "backend/gpu/constants.h"
#include "check_memory.h"
#include "gpu/fake/fake.h"
#include "run/tiny.h"
#include "session.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <sibyl/plan.h>
#include <time.h>

TEST_FIXTURE(find_device, NULL)

static const char *first_then(const char *second)
{
    static _Thread_local char list[100]; /* test_threads asks in each of its threads */
    snprintf(list, sizeof list, "%s,%s", backend(), second);
    return list;
}

static sib_value *run(sib_session *s, int64_t rows, const double *values, const sib_run_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *x = tiny_given(SIB_F32, 2, (int64_t[]){rows, 3}, values), *out = NULL;
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &out, options, &err), err);
    sib_value_free(&x);
    return out;
}

static void expect_same(const sib_value *a, const sib_value *b)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    CHECK_OK(sib_value_compare(a, b, &(sib_tolerance){.atol = 1e-6, .rtol = 1e-5}, &c, &err), err);
    if (!c.equal)
        fail_msg("element %llu is %g, expected %g", (unsigned long long)c.worst, c.worst_a, c.worst_b);
}

/* A product, its bias and activation, and a Softmax in milli-ops; with changing dims, and again with the
   first ones. */
TEST(test_layer)
{
    static const int64_t rows[] = {2, 5, 2, 40};
    sib_session *s = tiny_layer(first_then("ref")), *ref = tiny_layer("ref");
    double values[120];
    for (size_t i = 0; i < 120; i++)
        values[i] = sin((double)i * 3) * 2;
    for (size_t i = 0; i < 4; i++) {
        sib_value *a = run(s, rows[i], values, NULL), *b = run(ref, rows[i], values, NULL);
        expect_same(a, b);
        sib_value_free(&a);
        sib_value_free(&b);
    }
    sib_session_free(&s);
    sib_session_free(&ref);
}

/* Rates of the device: something, and no more than any has. */
TEST(test_measure)
{
    sib_error err = SIB_ERROR_INIT;
    sib_device_rates r;
    size_t i = 0;
    while (strcmp(sib_backend_name(i), backend()))
        i++;
    if (!strcmp(backend(), "cuda"))
        skip(); /* whose stand-in for a device counts no time */
    CHECK_OK(sib_backend_measure(i, 0, &r, &err), err);
    assert_true(r.upload > 1e6 && r.download > 1e6 && r.copy > 1e6 && r.flops > 1e6);
    assert_true(r.upload < 1e14 && r.download < 1e14 && r.copy < 1e14 && r.flops < 1e16);
    CHECK_FAILS(sib_backend_measure(0, 0, &r, &err), SIB_ERR_ARGUMENT, err, "ref has no devices");
}

/* A product and what follows it, which cpu would fuse, stay on the device that stands before it. */
TEST(test_order)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer(first_then("cpu,ref")), *ref = tiny_layer("ref");
    const double values[6] = {1, 2, 3, 4, 5, 6};
    sib_value *out = run(s, 2, values, NULL), *expected = run(ref, 2, values, NULL);
    sib_plan *plan = NULL;
    sib_plan_step made;
    size_t products = 0;
    expect_same(out, expected);
    CHECK_OK(sib_session_plan(s, &plan, &err), err);
    for (size_t i = 0; sib_plan_get_step(plan, 0, i, &made); i++)
        products += made.n_members && !strcmp(made.members[0], "MatMul") && !strcmp(made.backend, backend());
    assert_int_equal(products, 1);
    sib_plan_free(&plan);
    sib_value_free(&out);
    sib_value_free(&expected);
    sib_session_free(&s);
    sib_session_free(&ref);
}

static void *run_often(void *context)
{
    const double values[6] = {1, 2, 3, 4, 5, 6};
    for (int i = 0; i < 10; i++) {
        sib_session *s = tiny_layer(first_then("ref"));
        sib_value *first = run(s, 2, values, NULL), *second = run(s, 2, values, NULL);
        expect_same(first, context);
        expect_same(second, context);
        sib_value_free(&first);
        sib_value_free(&second);
        sib_session_free(&s);
    }
    return NULL;
}

/* Sessions in several threads on one device, which they open and close. */
TEST(test_threads)
{
    const double values[6] = {1, 2, 3, 4, 5, 6};
    sib_session *ref = tiny_layer("ref");
    sib_value *expected = run(ref, 2, values, NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, expected), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    sib_value_free(&expected);
    sib_session_free(&ref);
}

/* Sessions of a model share its constants, and the last one frees them. */
TEST(test_constants)
{
    sib_error err = SIB_ERROR_INIT;
    const uint64_t before = check_held();
    gpu_device *d;
    gpu_constants *held[2];
    gpu_range ranges[3];
    const double values[2] = {3, 4};
    float made[2];
    sib_value *given = tiny_given(SIB_F32, 1, (int64_t[]){2}, values);
    value v = {.constant = sib_value_tensor(given), .lasting = true};
    CHECK_OK(gpu_open(strcmp(backend(), "gpu-host") ? backend() : "host", &d, &err), err);
    for (size_t i = 0; i < 3; i++) {
        if (i < 2)
            CHECK_OK(gpu_constants_create(d, &held[i], &err), err);
        CHECK_OK(gpu_constants_get(held[i % 2], &v, &ranges[i], &err), err);
        assert_ptr_equal(ranges[i].buffer, ranges[0].buffer);
    }
    gpu_constants_free(&held[0]);
    CHECK_OK(gpu_download(d, ranges[1], made, &err), err);
    assert_true(made[0] == 3 && made[1] == 4);
    gpu_constants_free(&held[1]);
    gpu_close(&d);
    sib_value_free(&given);
    assert_int_equal(check_held(), before);
}

/* Words that are the same are on the device once, until the last holder puts them back. */
TEST(test_alike)
{
    sib_error err = SIB_ERROR_INIT;
    const uint64_t before = check_held();
    const uint32_t words[] = {1, 2, 3, 4}, others[] = {1, 2, 3, 5};
    const double values[4] = {1, 2, 3, -4};
    float made[4];
    gpu_device *d;
    gpu_alike *a;
    gpu_same *same[5];
    sib_value *given = tiny_given(SIB_F64, 1, (int64_t[]){4}, values);
    CHECK_OK(gpu_open(strcmp(backend(), "gpu-host") ? backend() : "host", &d, &err), err);
    CHECK_OK(gpu_alike_create(d, &a, &err), err);
    const unsigned long long uploaded = d->uploaded;
    CHECK_OK(gpu_alike_get(a, words, 16, &same[0], &err), err);
    CHECK_OK(gpu_alike_get(a, words, 16, &same[1], &err), err);
    CHECK_OK(gpu_alike_get(a, others, 16, &same[2], &err), err);
    CHECK_OK(gpu_alike_get(a, words, 12, &same[3], &err), err);
    CHECK_OK(gpu_alike_tensor(a, sib_value_tensor(given), &same[4], &err), err);
    assert_ptr_equal(same[0], same[1]);
    assert_true(same[0] != same[2] && same[0] != same[3]);
    assert_int_equal(d->uploaded - uploaded, 16 + 16 + 12 + 16);
    CHECK_OK(gpu_download(d, (gpu_range){same[4]->buffer, 0, 16}, made, &err), err);
    assert_true(made[0] == 1 && made[3] == -4);
    gpu_alike_put(a, &same[0]);
    CHECK_OK(gpu_download(d, (gpu_range){same[1]->buffer, 0, 16}, made, &err), err);
    assert_memory_equal(made, words, 16);
    for (size_t i = 0; i < 5; i++)
        gpu_alike_put(a, &same[i]);
    gpu_alike_free(&a);
    gpu_close(&d);
    sib_value_free(&given);
    assert_int_equal(check_held(), before);
}

/* Nodes that the device takes, by the profile. */
TEST(test_claims)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer(first_then("ref"));
    sib_profile *p = NULL;
    sib_profile_row row;
    double values[6] = {1, 2, 3, 4, 5, 6};
    size_t taken = 0;
    CHECK_OK(sib_profile_create(&p, &err), err);
    sib_value *out = run(s, 2, values, &(sib_run_options){.profile = p});
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_OPERATOR, i, &row); i++)
        taken += !strcmp(row.op_type, "MatMul") && !strcmp(row.backend, backend());
    assert_int_equal(taken, 1);
    sib_value_free(&out);
    sib_plan *plan = NULL; /* x goes there and the result comes back, each once */
    sib_plan_step made;
    uint64_t in = 0, back = 0;
    CHECK_OK(sib_session_plan(s, &plan, &err), err);
    for (size_t i = 0; sib_plan_get_step(plan, 0, i, &made); i++) {
        in += made.bytes_in;
        back += made.bytes_out;
    }
    assert_int_equal(in, 2 * 3 * 4);
    assert_int_equal(back, 2 * 4 * 4);
    sib_plan_free(&plan);
    sib_profile_free(&p);
    sib_session_free(&s);
}

/* Lets the device rest for a fifth of a second: a stand-in by its own clock. */
static void rest(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    void *at = library ? dlsym(library, "fake_cuda_rest") : NULL;
    fake_rest *fake = NULL;
    memcpy(&fake, &at, sizeof fake);
    if (fake)
        fake(200);
    else
        nanosleep(&(struct timespec){0, 200000000}, NULL);
    if (library)
        dlclose(library);
}

/* What passed between runs is no step's time. */
TEST(test_profile)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer(first_then("ref"));
    const double values[6] = {1, 2, 3, 4, 5, 6};
    double seconds = 0;
    for (int k = 0; k < 2; k++) { /* after a run that nobody measured, and after one that was */
        sib_profile *p = NULL;
        sib_profile_row row;
        sib_value *out = run(s, 2, values, NULL);
        sib_value_free(&out);
        rest();
        CHECK_OK(sib_profile_create(&p, &err), err);
        for (int i = 0; i <= k; i++) {
            out = run(s, 2, values, &(sib_run_options){.profile = p});
            sib_value_free(&out);
            rest();
        }
        for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_NODE, i, &row); i++)
            seconds += row.seconds;
        sib_profile_free(&p);
    }
    assert_true(seconds > 0 && seconds < 0.2);
    sib_session_free(&s);
}

static sib_code count_finite(void *context, const sib_tap_event *event, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(event->value);
    (void)err;
    for (uint64_t i = 0; i < sib_tensor_count(t); i++)
        *(size_t *)context +=
            sib_tensor_dtype(t) == SIB_F32 && ((const float *)sib_tensor_data((sib_tensor *)t))[i] >= 1;
    return SIB_OK;
}

/* A tap sees values that otherwise stay on the device. */
TEST(test_tap)
{
    sib_session *s = tiny_layer(first_then("ref"));
    double values[6] = {1, 2, 3, 4, 5, 6};
    size_t seen = 0;
    sib_value *out = run(s, 2, values, &(sib_run_options){.tap = count_finite, .tap_context = &seen});
    assert_int_equal(seen, 6 + 8 + 8 + 8); /* x, and the results of MatMul, Add and Relu */
    sib_value_free(&out);
    sib_session_free(&s);
}

/* What steady runs launch is recorded no more after a few runs, where the device's driver keeps recordings; other
   dims, other weights, a tap and memory that was given back and taken again are not mistaken for them. */
TEST(test_recorded)
{
    static const int64_t rows[] = {2, 5, 2};
    const double values[15] = {1, 2, 3, 4, 5, 6, 1.5, 1, 2, 3, 4, 1, 2, 1, 1};
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d;
    CHECK_OK(gpu_open(strcmp(backend(), "gpu-host") ? backend() : "host", &d, &err), err);
    sib_session *ref = tiny_layer("ref");
    for (int session = 0; session < 2; session++) {
        sib_session *s = tiny_layer(first_then("ref"));
        size_t seen = 0;
        for (size_t i = 0; i < COUNT(rows); i++) {
            sib_value *expected = run(ref, rows[i], values, NULL);
            for (int k = 0; k < 8; k++) {
                const unsigned long long submitted = d->submitted, recorded = d->recorded;
                const sib_run_options tapped = {.tap = count_finite, .tap_context = &seen};
                sib_value *out = run(s, rows[i], values, k == 3 ? &tapped : NULL);
                expect_same(out, expected);
                sib_value_free(&out);
                if (k == 7) /* by then each slot of the driver has had the same */
                    assert_int_equal(d->recorded, recorded);
                assert_true(!submitted || d->submitted > submitted);
            }
            sib_value_free(&expected);
        }
        assert_int_equal(seen, (2 + 5 + 2) * (3 + 3 * 4));
        assert_true(d->recorded < d->submitted || !d->submitted);
        sib_session_free(&s);
    }
    sib_session_free(&ref);
    gpu_close(&d);
}

/* Every allocation of a first run fails once; nothing is left then. */
TEST(test_memory)
{
    const double values[6] = {1, 2, 3, 4, 5, 6};
    sib_value *x = tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, values);
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t k = 0; code != SIB_OK; k++) {
        const uint64_t before = check_held();
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = tiny_layer(first_then("ref"));
        sib_value *out = NULL;
        mem_fail_after(k);
        code = sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &out, NULL, &err);
        mem_fail_never();
        check_failed_allocation("a run", k, code, &err);
        sib_value_free(&out);
        sib_session_free(&s);
        assert_int_equal(check_held(), before);
    }
    sib_value_free(&x);
}

/* The device is lost at each of its calls: an error, then again at once, and the process goes on with cpu and with
   a new device. */
TEST(test_lost)
{
    const double values[6] = {1, 2, 3, 4, 5, 6};
    sib_value *x = tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, values);
    sib_session *ref = tiny_layer("ref");
    sib_value *expected = run(ref, 2, values, NULL);
    int64_t k = 0;
    for (sib_code code = SIB_ERR_UNSUPPORTED; code != SIB_OK; k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = tiny_layer(first_then("ref"));
        sib_value *out = NULL;
        assert_true(k < 1000);
        gpu_lose_after(k);
        code = sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &out, NULL, &err);
        gpu_lose_after(INT64_MAX);
        if (code != SIB_OK) {
            CHECK_FAILS(code, SIB_ERR_UNSUPPORTED, err, "the device is lost");
            sib_session *more[] = {tiny_layer("cpu,ref"), k % 8 ? NULL : tiny_layer(first_then("ref"))};
            for (size_t i = 0; i < 2 && more[i]; i++) {
                out = run(more[i], 2, values, NULL);
                expect_same(out, expected);
                sib_value_free(&out);
                sib_session_free(&more[i]);
            }
            err = (sib_error)SIB_ERROR_INIT;
            CHECK_FAILS(sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &out, NULL, &err),
                        SIB_ERR_UNSUPPORTED, err, "the device is lost");
        }
        sib_value_free(&out);
        sib_session_free(&s);
    }
    assert_true(k > 5);
    sib_value_free(&expected);
    sib_value_free(&x);
    sib_session_free(&ref);
}

/* A device is opened only where it is named, and a session has one at most. */
TEST(test_named)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    tiny_output(&t, tiny_op(&t, "Relu", tiny_input(&t, "x", SIB_F32, "2 3"), NO_VALUE, "y"));
    sib_model *m = tiny_model(&t);
    sib_session *s = NULL;
    sib_session_options options = {.backends = first_then(backend())};
    CHECK_FAILS(sib_session_create(m, &options, &s, &err), SIB_ERR_ARGUMENT, err, "one device");
    assert_null(s);
    static const struct {
        const char *name, *says;
        sib_code code;
    } numbered[] = {{":0,ref", NULL, SIB_OK},
                    {":200,ref", "200", SIB_ERR_UNSUPPORTED},
                    {":300,ref", "no backend", SIB_ERR_ARGUMENT},
                    {":1x,ref", "no backend", SIB_ERR_ARGUMENT},
                    {":,ref", "no backend", SIB_ERR_ARGUMENT},
                    {",cpu:0", "no backend", SIB_ERR_ARGUMENT},
                    {"", NULL, SIB_OK}};
    for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++) {
        char list[100];
        snprintf(list, sizeof list, "%s%s", backend(), numbered[i].name);
        options.backends = list;
        err = (sib_error)SIB_ERROR_INIT;
        if (numbered[i].code == SIB_OK)
            CHECK_OK(sib_session_create(m, &options, &s, &err), err);
        else
            CHECK_FAILS(sib_session_create(m, &options, &s, &err), numbered[i].code, err, numbered[i].says);
        sib_session_free(&s);
    }
    sib_model_free(&m);
}

/* Operators whose lowerings widen what rounds alone: all their milli-ops are the device's. */
TEST(test_narrow)
{
    static const char *const types[] = {"Softplus", "Mish", "Gelu"};
    double values[6] = {-1.5, 0.25, 3, 700, 1e-3, 7};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s[2];
        sib_value *out[2];
        sib_profile *p = NULL;
        sib_profile_row row;
        CHECK_OK(sib_profile_create(&p, &err), err);
        for (size_t k = 0; k < 2; k++) {
            tiny t = tiny_begin();
            value_id x = tiny_input(&t, "x", SIB_F32, "2 3");
            tiny_output(&t, tiny_op(&t, types[i], x, NO_VALUE, "y"));
            s[k] = tiny_session(&t, &(sib_session_options){.backends = k ? "ref" : first_then("ref")});
            out[k] = run(s[k], 2, values, &(sib_run_options){.profile = k ? NULL : p});
        }
        expect_same(out[0], out[1]);
        for (size_t k = 0; sib_profile_get(p, SIB_PROFILE_BY_MILLI, k, &row); k++)
            assert_string_equal(row.backend, backend());
        sib_profile_free(&p);
        for (size_t k = 0; k < 2; k++) {
            sib_value_free(&out[k]);
            sib_session_free(&s[k]);
        }
    }
}

/* Quotients that an integer hangs on keep their float64: these are just below ties. */
TEST(test_steps)
{
    const double scale = 0.1f, values[6] = {0.05f, 0.15f, 0.25f, 0.35f, 0.45f, 0.55f};
    sib_value *out[2];
    for (size_t k = 0; k < 2; k++) {
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "2 3"),
                 by = tiny_constant(&t, "s", SIB_F32, 0, NULL, &scale);
        tiny_output(&t, tiny_op(&t, "QuantizeLinear", x, by, "y"));
        sib_session *s = tiny_session(&t, &(sib_session_options){.backends = k ? "ref" : first_then("ref")});
        out[k] = run(s, 2, values, NULL);
        sib_session_free(&s);
    }
    expect_same(out[0], out[1]);
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
}

/* A model's own float64 stays what it is. */
TEST(test_wide_model)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F64, "2"), y = tiny_op(&t, "Add", x, x, "y");
    tiny_output(&t, tiny_op(&t, "Softsign", y, NO_VALUE, "z"));
    sib_session *s = tiny_session(&t, &(sib_session_options){.backends = first_then("ref")});
    const double values[2] = {1.0 / 3, 1e300}, made[2] = {2.0 / 3 / (1 + 2.0 / 3), 1};
    sib_value *in = tiny_given(SIB_F64, 1, (int64_t[]){2}, values), *out = NULL;
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", in}, 0, NULL, &out, NULL, &err), err);
    tiny_expect(out, SIB_F64, 1, (int64_t[]){2}, made);
    sib_value_free(&in);
    sib_value_free(&out);
    sib_session_free(&s);
}
