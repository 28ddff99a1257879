/* Values that stay on a device between runs. */
#include "check_memory.h"
#include "run/tiny.h"
#include "session.h"

#include <math.h>
#include <pthread.h>

TEST_FIXTURE(find_device, NULL)

/* A cache that grows, present = past with the row Sqrt(x) behind it, and y = x * 2 + the largest of present. */
static sib_session *growing(const char *backends)
{
    tiny t = tiny_begin();
    attribute axis = {.name = {"axis", 4}, .kind = ATTR_INT, .i = 0};
    value_id past = tiny_input(&t, "past", SIB_F32, "P 4"), x = tiny_input(&t, "x", SIB_F32, "1 4"),
             two = tiny_constant(&t, "two", SIB_F32, DIMS(1), OF(2)),
             none = tiny_constant(&t, "none", SIB_I64, DIMS(1), OF(0));
    value_id row = tiny_op(&t, "Sqrt", x, NO_VALUE, "row"), present = tiny_made(&t, "present");
    tiny_node(&t, "Concat", "n_present", 2, (value_id[]){past, row}, 1, &present, 1, &axis);
    value_id largest = tiny_op(&t, "ReduceMax", present, none, "largest"),
             twice = tiny_op(&t, "Mul", x, two, "twice");
    tiny_output(&t, tiny_op(&t, "Add", twice, largest, "y"));
    tiny_output(&t, present);
    return tiny_session(&t, &(sib_session_options){.backends = backends, .threads = 1});
}

static const char *on_device(void)
{
    static char list[100];
    snprintf(list, sizeof list, "%s,ref", backend());
    return list;
}

static gpu_device *device(void)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d;
    CHECK_OK(gpu_open(strcmp(backend(), "gpu-host") ? backend() : "host", &d, &err), err);
    return d;
}

static const bool last_stays[] = {false, true}, both_stay[] = {true, true};

/* One step: *cache is replaced. Returns y. */
static sib_value *step_of(sib_session *s, double x, sib_value **cache, const bool *stay)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){1, 4}, (double[]){x, x + 1, x + 2, x + 3}), *out[2];
    sib_named_value in[] = {{"x", given}, {"past", *cache}};
    CHECK_OK(sib_session_run(s, 2, in, 0, NULL, out, &(sib_run_options){.stay = stay}, &err), err);
    sib_value_free(&given);
    sib_value_free(cache);
    *cache = out[1];
    return out[0];
}

/* One row of -1. */
static sib_value *first_cache(void)
{
    return tiny_given(SIB_F32, 2, (int64_t[]){1, 4}, (double[]){-1, -1, -1, -1});
}

static void expect_same(const sib_value *a, const sib_value *b)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    CHECK_OK(sib_value_compare(a, b, &(sib_tolerance){.atol = 1e-6, .rtol = 1e-6}, &c, &err), err);
    if (!c.equal)
        fail_msg("element %llu is %g, expected %g", (unsigned long long)c.worst, c.worst_a, c.worst_b);
}

/* A cache of 12 steps, whose plans a second sequence reuses, crosses the border never; then it is read, once. */
TEST(test_cache)
{
    const uint64_t before = check_held();
    gpu_device *d = device();
    sib_session *s = growing(on_device()), *ref = growing("ref");
    for (int sequence = 0; sequence < 2; sequence++) {
        sib_value *cache = first_cache(), *expected = first_cache();
        for (int i = 0; i < 12; i++) {
            const unsigned long long uploaded = d->uploaded, downloaded = d->downloaded;
            sib_value *y = step_of(s, i, &cache, last_stays), *z = step_of(ref, i, &expected, NULL);
            assert_true(sib_value_is_away(cache) && !sib_value_is_away(y) && !sib_value_is_away(expected));
            assert_int_equal(d->downloaded - downloaded, 4 * 4);
            if (sequence && i) /* constants are there, and the first cache */
                assert_int_equal(d->uploaded - uploaded, 4 * 4);
            else if (i > 2) /* of what plans read little depends on the length */
                assert_true(d->uploaded - uploaded < 1024);
            expect_same(y, z);
            sib_value_free(&y);
            sib_value_free(&z);
        }
        const unsigned long long downloaded = d->downloaded;
        expect_same(cache, expected);
        expect_same(cache, expected);
        assert_false(sib_value_is_away(cache));
        assert_int_equal(d->downloaded - downloaded, 13 * 4 * 4);
        sib_value_free(&cache);
        sib_value_free(&expected);
    }
    sib_session_free(&s);
    sib_session_free(&ref);
    gpu_close(&d);
    assert_int_equal(check_held(), before);
}

/* A value outlives its session, and goes to others: on the same device, on none, and into what holds values. */
TEST(test_others)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = growing(on_device()), *ref = growing("ref"), *same = growing(on_device());
    sib_value *cache = first_cache(), *expected = first_cache(), *y = step_of(s, 3, &cache, both_stay),
              *z = step_of(ref, 3, &expected, NULL), *items[2], *list = NULL;
    assert_true(sib_value_is_away(y) && sib_value_is_away(cache));
    sib_session_free(&s);
    CHECK_OK(sib_value_copy(cache, &items[0], &err), err);
    CHECK_OK(sib_value_copy(cache, &items[1], &err), err);
    sib_value *more = step_of(same, 5, &items[0], last_stays), *less = step_of(ref, 5, &expected, NULL);
    expect_same(more, less);
    expect_same(items[0], expected);
    assert_true(sib_value_is_away(items[1]));
    sib_value *fetched = step_of(ref, 5, &items[1], last_stays); /* a session without a device */
    expect_same(fetched, less);
    assert_false(sib_value_is_away(items[1]) || sib_value_is_away(cache));
    assert_false(sib_value_is_sole(cache));
    CHECK_OK(sib_value_sequence(1, (const sib_value *const *)&y, &list, &err), err);
    assert_false(sib_value_is_away(y) || sib_value_is_away(list) || sib_value_is_away(NULL));
    expect_same(sib_value_item(list, 0), z);
    CHECK_OK(sib_value_fetch(list, &err), err);
    CHECK_FAILS(sib_value_fetch(NULL, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_value *all[] = {cache, expected, y, z, items[0], items[1], list, more, less, fetched};
    for (size_t i = 0; i < COUNT(all); i++)
        sib_value_free(&all[i]);
    sib_session_free(&ref);
    sib_session_free(&same);
}

/* What a caller holds is not written to by later runs; what it frees is taken again. */
TEST(test_held)
{
    sib_session *s = growing(on_device());
    sib_value *first = NULL, *later[8];
    for (int i = 0; i < 8; i++) {
        sib_value *cache = first_cache(), *y = step_of(s, i * i, &cache, last_stays);
        sib_value_free(&y);
        if (i)
            later[i] = cache;
        else
            first = cache;
        if (i == 3)
            for (int k = 1; k <= 3; k++)
                sib_value_free(&later[k]);
    }
    tiny_expect(first, SIB_F32, 2, (int64_t[]){2, 4}, (double[]){-1, -1, -1, -1, 0, 1, sqrtf(2), sqrtf(3)});
    for (int i = 4; i < 8; i++) {
        const double x = i * i;
        tiny_expect(later[i], SIB_F32, 2, (int64_t[]){2, 4},
                    (double[]){-1, -1, -1, -1, (double)i, sqrtf((float)x + 1), sqrtf((float)x + 2),
                               sqrtf((float)x + 3)});
        sib_value_free(&later[i]);
    }
    sib_value_free(&first);
    sib_session_free(&s);
}

static sib_code nothing(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)err;
    *(uint64_t *)context += sib_tensor_count(sib_value_tensor(event->value));
    return SIB_OK;
}

/* Outputs by name, in another order; a run with taps brings all to the host. */
TEST(test_options)
{
    sib_error err = SIB_ERROR_INIT;
    static const char *const names[] = {"present", "y", "present"};
    static const bool first_stays[] = {true, false, false};
    uint64_t seen = 0;
    sib_session *s = growing(on_device());
    sib_value *x = tiny_given(SIB_F32, 2, (int64_t[]){1, 4}, (double[]){1, 4, 9, 16}), *out[3],
              *past = first_cache();
    const sib_named_value in[] = {{"x", x}, {"past", past}};
    for (int tapped = 0; tapped < 2; tapped++) {
        sib_run_options o = {.stay = first_stays, .tap = tapped ? nothing : NULL, .tap_context = &seen};
        CHECK_OK(sib_session_run(s, 2, in, 3, names, out, &o, &err), err);
        assert_int_equal(sib_value_is_away(out[0]), !tapped);
        assert_false(sib_value_is_away(out[1]));
        tiny_expect(out[2], SIB_F32, 2, (int64_t[]){2, 4}, (double[]){-1, -1, -1, -1, 1, 2, 3, 4});
        for (int i = 0; i < 3; i++)
            sib_value_free(&out[i]);
    }
    assert_true(seen >= 4 * 4);
    sib_value_free(&past);
    sib_value_free(&x);
    sib_session_free(&s);
}

/* Reads elements of a value in a thread. */
static void *read_it(void *context)
{
    const float *data = sib_tensor_data(sib_value_tensor(context));
    assert_true(data[0] == -1 && data[4] == 1 && data[7] == 2);
    return NULL;
}

TEST(test_readers)
{
    sib_session *s = growing(on_device());
    for (int i = 0; i < 10; i++) {
        pthread_t threads[4];
        sib_value *cache = first_cache(), *y = step_of(s, 1, &cache, both_stay);
        for (size_t k = 0; k < COUNT(threads); k++)
            assert_int_equal(pthread_create(&threads[k], NULL, read_it, cache), 0);
        for (size_t k = 0; k < COUNT(threads); k++)
            pthread_join(threads[k], NULL);
        sib_value_free(&cache);
        sib_value_free(&y);
    }
    sib_session_free(&s);
}

/* If(c): a node that runs graphs reads what stayed; so does a host's operator. c and x are given away. */
TEST(test_control)
{
    tiny t = tiny_begin();
    sib_error err = SIB_ERROR_INIT;
    value_id x = tiny_input(&t, "x", SIB_F32, "2 4"), c = tiny_input(&t, "c", SIB_BOOL, ""), branch[2];
    graph *graphs[2];
    for (int i = 0; i < 2; i++) {
        tiny_enter(&t);
        value_id inner;
        CHECK_OK(graph_capture(t.g, x, &inner, &err), err);
        branch[i] = tiny_op(&t, i ? "Exp" : "Neg", inner, NO_VALUE, i ? "e" : "n");
        tiny_output(&t, branch[i]);
        graphs[i] = tiny_leave(&t);
    }
    attribute arms[] = {{.name = {"then_branch", 11}, .kind = ATTR_GRAPH, .graph = graphs[0]},
                        {.name = {"else_branch", 11}, .kind = ATTR_GRAPH, .graph = graphs[1]}};
    value_id y = tiny_made(&t, "y");
    tiny_node(&t, "If", "choice", 1, &c, 1, &y, 2, arms);
    tiny_output(&t, y);
    tiny_output(&t, tiny_op(&t, "Sign", x, NO_VALUE, "z"));
    sib_session *s = tiny_session(&t, &(sib_session_options){.backends = on_device(), .threads = 1}),
                *makes = growing(on_device());
    sib_value *cache = first_cache(), *free_y = step_of(makes, 4, &cache, both_stay),
              *yes = tiny_given(SIB_BOOL, 0, NULL, (double[]){1}), *out[2];
    assert_true(sib_value_is_away(cache));
    const sib_named_value in[] = {{"x", cache}, {"c", yes}};
    CHECK_OK(sib_session_run(s, 2, in, 0, NULL, out, &(sib_run_options){.stay = both_stay}, &err), err);
    tiny_expect(out[0], SIB_F32, 2, (int64_t[]){2, 4},
                (double[]){1, 1, 1, 1, -2, -sqrtf(5), -sqrtf(6), -sqrtf(7)});
    tiny_expect(out[1], SIB_F32, 2, (int64_t[]){2, 4}, (double[]){-1, -1, -1, -1, 1, 1, 1, 1});
    sib_value *all[] = {cache, free_y, yes, out[0], out[1]};
    for (size_t i = 0; i < COUNT(all); i++)
        sib_value_free(&all[i]);
    sib_session_free(&s);
    sib_session_free(&makes);
}

/* Values of a device that is lost: who asks gets the error, who reads gets NaN, and no session takes them. */
TEST(test_lost)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d = device();
    sib_session *s = growing(on_device());
    sib_value *cache = first_cache(), *y = step_of(s, 4, &cache, both_stay), *list = NULL, *out[2];
    d->lost = true;
    gpu_close(&d);
    CHECK_FAILS(sib_value_fetch(cache, &err), SIB_ERR_UNSUPPORTED, err, "the device is lost");
    assert_true(sib_value_is_away(cache));
    const float *data = sib_tensor_data(sib_value_tensor(cache));
    assert_true(data[0] != data[0] && data[3] != data[3]);
    CHECK_FAILS(sib_value_fetch(cache, &err), SIB_ERR_UNSUPPORTED, err, "the device is lost");
    CHECK_FAILS(sib_value_sequence(1, (const sib_value *const *)&y, &list, &err), SIB_ERR_UNSUPPORTED, err,
                "the device is lost");
    CHECK_FAILS(sib_value_clone(y, &list, &err), SIB_ERR_UNSUPPORTED, err, "the device is lost");
    assert_null(list);
    sib_session *others[] = {s, growing(on_device()), growing("ref")};
    sib_value *x = tiny_given(SIB_F32, 2, (int64_t[]){1, 4}, (double[]){1, 4, 9, 16});
    const sib_named_value in[] = {{"x", x}, {"past", cache}};
    for (size_t i = 0; i < COUNT(others); i++) {
        CHECK_FAILS(sib_session_run(others[i], 2, in, 0, NULL, out, NULL, &err), SIB_ERR_UNSUPPORTED, err,
                    "the device is lost");
        sib_session_free(&others[i]);
    }
    sib_value_free(&x);
    sib_value_free(&cache);
    sib_value_free(&y);
}

/* Every allocation of a step fails once; nothing is left then. */
TEST(test_memory)
{
    const uint64_t before = check_held();
    gpu_device *d = device(); /* keeps its kernels from session to session */
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t k = 0; code != SIB_OK; k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = growing(on_device());
        sib_value *cache = first_cache(), *y = step_of(s, 4, &cache, last_stays), *out[2] = {NULL, NULL};
        const sib_named_value in[] = {{"x", y}, {"past", cache}};
        mem_fail_after(k);
        code = sib_session_run(s, 2, in, 0, NULL, out, &(sib_run_options){.stay = last_stays}, &err);
        mem_fail_never();
        check_failed_allocation("a run", k, code, &err);
        sib_value *all[] = {cache, y, out[0], out[1]};
        for (size_t i = 0; i < COUNT(all); i++)
            sib_value_free(&all[i]);
        sib_session_free(&s);
    }
    gpu_close(&d);
    assert_int_equal(check_held(), before);
}
