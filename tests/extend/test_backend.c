/* Registered backends: what they run, what goes to others, states, faults. */
#include "own.h"

#include "check_memory.h"

#include <stdatomic.h>

/* Runs Add of two float32 tensors of the same known dims, and the milli-op neg of float32; counts. */
typedef struct adder {
    atomic_int adds, negs, prepared, discarded, released;
    bool fails, forgets, wrong;
} adder;

static bool supports(void *context, const sib_node *n)
{
    (void)context;
    sib_node_info about;
    sib_value_info a, b;
    sib_node_get_info(n, &about);
    if (!sib_node_input(n, 0, &a) || a.dtype != SIB_F32)
        return false;
    if (!strcmp(about.domain, "milli"))
        return !strcmp(about.type, "neg");
    return !*about.domain && !strcmp(about.type, "Add") && sib_node_input(n, 1, &b) && b.rank == a.rank &&
           !memcmp(a.dims, b.dims, a.rank * sizeof *a.dims);
}

static sib_code prepare(void *context, const sib_node *n, void **state, sib_error *err)
{
    adder *all = context;
    sib_node_info about;
    sib_node_get_info(n, &about);
    if (all->fails) {
        snprintf(err->message, sizeof err->message, "no units are free");
        return err->code = SIB_ERR_UNSUPPORTED;
    }
    atomic_fetch_add(&all->prepared, 1);
    *state = strcmp(about.type, "Add") ? &all->negs : &all->adds;
    return SIB_OK;
}

static void discard(void *context, void *state)
{
    adder *all = context;
    assert_non_null(state);
    atomic_fetch_add(&all->discarded, 1);
}

static sib_code run(void *context, void *state, sib_call *c, sib_error *err)
{
    adder *all = context;
    const sib_tensor *x = sib_call_tensor(c, 0), *z = sib_call_tensor(c, 1);
    sib_tensor *y = NULL;
    if (all->forgets)
        return SIB_OK;
    sib_code code = sib_call_output(c, 0, all->wrong ? SIB_F64 : SIB_F32, sib_tensor_rank(x),
                                    sib_tensor_dims(x), &y, err);
    const float *a = sib_tensor_data(x), *b = z ? sib_tensor_data(z) : NULL;
    for (uint64_t i = 0; code == SIB_OK && i < sib_tensor_count(x); i++)
        ((float *)sib_tensor_data(y))[i] = b ? a[i] + b[i] : -a[i];
    atomic_fetch_add((atomic_int *)state, 1);
    return code;
}

static void release(void *context)
{
    atomic_fetch_add(&((adder *)context)->released, 1);
}

static sib_registry *with_adder(adder *all)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_backend_definition b = {.name = "adder",
                                      .context = all,
                                      .release = release,
                                      .supports = supports,
                                      .prepare = prepare,
                                      .discard = discard,
                                      .run = run};
    sib_registry *r = own_registry(NULL);
    CHECK_OK(sib_backend_register(r, &b, &err), err);
    assert_string_equal(sib_registry_backend(r, 0), "adder");
    assert_null(sib_registry_backend(r, 1));
    return r;
}

/* y = exp(-(x + x)) of the dims of x */
static tiny chain(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N");
    value_id sum = tiny_op(&t, "Add", x, x, "sum");
    tiny_output(&t, tiny_op(&t, "Floor", tiny_op(&t, "Neg", sum, NO_VALUE, "n"), NO_VALUE, "y"));
    return t;
}

TEST(runs_what_it_supports)
{
    static const struct {
        const char *backends;
        int adds, negs;
    } cases[] = {{NULL, 1, 0}, {"adder,ref", 1, 1}, {"ref,adder", 1, 0}, {"cpu,ref", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        adder all = {0};
        tiny t = chain();
        sib_session *s = own_session(&t, with_adder(&all),
                                     &(sib_session_options){.backends = cases[i].backends, .passes = "-all"});
        own_expect(s, 2, OF(1, 2.25), 2, OF(-2, -5));
        assert_int_equal(all.adds, cases[i].adds);
        if (cases[i].backends)
            assert_int_equal(all.negs, cases[i].negs);
        own_expect(s, 1, OF(3), 1, OF(-6));
        assert_int_equal(all.adds, 2 * cases[i].adds);
        assert_int_equal(all.released, 0);
        sib_session_free(&s);
        assert_int_equal(all.prepared, all.discarded);
        assert_int_equal(all.released, 1);
    }
}

TEST(is_named_in_profiles_and_plans)
{
    sib_error err = SIB_ERROR_INIT;
    adder all = {0};
    tiny t = chain();
    sib_session *s = own_session(&t, with_adder(&all), &(sib_session_options){.passes = "-all"});
    sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
    sib_profile *p = NULL;
    sib_profile_row row;
    bool found = false;
    CHECK_OK(sib_profile_create(&p, &err), err);
    CHECK_OK(own_run(s, in, &out, &(sib_run_options){.profile = p}, &err), err);
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_NODE, i, &row); i++)
        found |= !strcmp(row.op_type, "Add") && !strcmp(row.backend, "adder") && row.calls == 1;
    assert_true(found);
    sib_profile_free(&p);
    sib_value_free(&in);
    sib_value_free(&out);
    sib_session_free(&s);
}

static void expect_fault(adder all, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = chain();
    sib_session *s = own_session(&t, with_adder(&all), NULL);
    sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
    CHECK_FAILS(own_run(s, in, &out, NULL, &err), code, err, words);
    sib_value_free(&in);
    sib_session_free(&s);
}

TEST(faults_are_named)
{
    expect_fault((adder){.fails = true}, SIB_ERR_UNSUPPORTED, "(Add): no units are free");
    expect_fault((adder){.forgets = true}, SIB_ERR_VALUE, "(Add): adder did not set output 0");
    expect_fault((adder){.wrong = true}, SIB_ERR_VALUE,
                 "(Add): output 0 is float64 (2,), expected float32 [2]");
}

TEST(registering)
{
    sib_error err = SIB_ERROR_INIT;
    adder all = {0};
    sib_registry *r = with_adder(&all);
    sib_backend_definition b = {.name = "adder", .supports = supports, .run = run};
    CHECK_FAILS(sib_backend_register(r, &b, &err), SIB_ERR_ARGUMENT, err,
                "backend adder is registered already");
    b.name = "cpu";
    CHECK_FAILS(sib_backend_register(r, &b, &err), SIB_ERR_ARGUMENT, err,
                "backend cpu is one of Sibyl's own");
    b.name = "a,b";
    CHECK_FAILS(sib_backend_register(r, &b, &err), SIB_ERR_ARGUMENT, err, "a backend is called 'a,b'");
    b.name = "other";
    b.run = NULL;
    CHECK_FAILS(sib_backend_register(r, &b, &err), SIB_ERR_ARGUMENT, err, "backend other has no run");
    CHECK_FAILS(sib_backend_register(NULL, &b, &err), SIB_ERR_ARGUMENT, err, "NULL");
    tiny t = chain();
    sib_model *m = own_model(&t, NULL);
    sib_session *s = NULL;
    CHECK_FAILS(sib_session_create(m, &(sib_session_options){.backends = "adder,ref"}, &s, &err),
                SIB_ERR_ARGUMENT, err, "there is no backend 'adder'");
    sib_model_free(&m);
    sib_registry_free(&r);
}

static sib_code create_and_run(sib_model *m, sib_value *in, sib_value **out, sib_error *err)
{
    sib_session *s = NULL;
    sib_code code =
        sib_session_create(m, &(sib_session_options){.threads = 1, .backends = "adder,ref"}, &s, err);
    if (code == SIB_OK)
        code = own_run(s, in, out, NULL, err);
    sib_session_free(&s);
    return code;
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    adder all = {0};
    tiny t = chain();
    sib_registry *r = with_adder(&all);
    sib_model *m = own_model(&t, r);
    sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
    CHECK_OK(create_and_run(m, in, &out, &err), err);
    sib_value_free(&out);
    CHECK_EVERY_ALLOCATION(create_and_run(m, in, &out, &err), sib_value_free(&out));
    sib_value_free(&in);
    sib_model_free(&m);
    sib_registry_free(&r);
}
