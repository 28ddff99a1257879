/* Inputs that a call makes of how many tokens it was given, and calls that are given all tokens so far. */
#include "base/error.h"
#include "check_memory.h"
#include "job/jobs.h"
#include "job/nodes/nodes.h"

/* Outputs o0 to o6: the tokens [B, N], and what else the model is given. */
static const struct {
    const char *name, *dims;
    sib_dtype dtype;
} borders[] = {{"ids", "B N", SIB_I64}, {"ones", "B M", SIB_I64}, {"zeros", "B N", SIB_I32},
               {"pos", "B N", SIB_I64}, {"before", "", SIB_I64},  {"all", "1", SIB_F32},
               {"last", "1", SIB_I32},  {"begun", "1", SIB_BOOL}};
enum { N_BORDERS = sizeof borders / sizeof *borders };

static const char counts[] =
    "{\"of\": \"t\", \"inputs\": {\"ones\": \"ones\", \"zeros\": \"zeros\", \"pos\": "
    "\"positions\", \"before\": \"before\", \"all\": \"all\", \"last\": \"last\", "
    "\"begun\": \"begun\"}%s}";

static job_doc *doc_of(const char *history)
{
    char text[2000], count[400];
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = NULL;
    snprintf(count, sizeof count, counts, history);
    int n = snprintf(
        text, sizeof text,
        "{\"sibyl_job\": 1, \"kind\": \"k\", \"models\": {\"m\": \"\"}, \"calls\": {\"c\": {\"model\": "
        "\"m\", \"inputs\": {\"t\": \"ids\"}, \"outputs\": {\"o.*\": \"o*\"}, \"count\": %s}}, "
        "\"inputs\": {\"a\": \"audio\"}, \"nodes\": [{\"name\": \"w\", \"op\": \"features\", \"inputs\": "
        "{\"audio\": \"$a\"}}], \"outputs\": {\"t\": \"$w\"}}",
        count);
    CHECK_OK(job_doc_read("file", text, (size_t)n, job_ops, NULL, &d, &err), err);
    return d;
}

static sib_model *echo(void)
{
    tiny t = tiny_begin();
    for (size_t i = 0; i < N_BORDERS; i++) {
        char name[8];
        snprintf(name, sizeof name, "o%zu", i);
        value_id in = tiny_input(&t, borders[i].name, borders[i].dtype, borders[i].dims);
        tiny_output(&t, tiny_op(&t, "Identity", in, NO_VALUE, name));
    }
    return tiny_model(&t);
}

static void expect(sib_value *const *out, size_t before, size_t given)
{
    const double all = (double)(before + given);
    double ones[16], zeros[16], positions[16];
    for (size_t i = 0; i < 16; i++) {
        ones[i] = 1;
        zeros[i] = 0;
        positions[i] = (double)(before + i);
    }
    const int64_t rows = (int64_t)given;
    assert_int_equal(sib_tensor_dims(sib_value_tensor(out[0]))[1], rows);
    tiny_expect(out[1], SIB_I64, DIMS(1, (int64_t)all), ones);
    tiny_expect(out[2], SIB_I32, DIMS(1, rows), zeros);
    tiny_expect(out[3], SIB_I64, DIMS(1, rows), positions);
    tiny_expect(out[4], SIB_I64, 0, NULL, OF((double)before));
    tiny_expect(out[5], SIB_F32, DIMS(1), OF(all));
    tiny_expect(out[6], SIB_I32, DIMS(1), OF(all - 1));
    tiny_expect(out[7], SIB_BOOL, DIMS(1), OF(before > 0));
}

/* Calls with n tokens, 7 and on, of which `before` were given; the model is given `given` of them. */
static sib_code step(job_call *c, bool look, size_t n, size_t before, size_t given, sib_error *err)
{
    int32_t ids[8];
    sib_value *out[N_BORDERS];
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(7 + i);
    job_value *in = job_value_tokens(ids, n);
    sib_code code = in ? job_call_run(c, &in, out, err) : err_memory(err, n, "tokens");
    job_value_release(in);
    if (code != SIB_OK)
        return code;
    if (look)
        expect(out, before, given);
    for (size_t i = 0; i < N_BORDERS; i++)
        sib_value_free(&out[i]);
    return SIB_OK;
}

/* Three steps, and one more of a new run. */
static sib_code run(const job_doc *d, sib_model *m, bool look, sib_error *err)
{
    const bool again = d->calls[0].count.history;
    call_plan *p = NULL;
    job_call *c = NULL;
    sib_session_options o = {.threads = 1};
    sib_code code = call_plan_make(d, 0, &m, &o, &p, err);
    if (code == SIB_OK)
        code = job_call_begin(p, NULL, NULL, NULL, &c, err);
    const struct {
        size_t n, before;
    } steps[] = {{3, 0}, {1, 3}, {2, 4}};
    for (size_t i = 0; i < 3 && code == SIB_OK; i++)
        code = step(c, look, steps[i].n, again ? 0 : steps[i].before,
                    steps[i].n + (again ? steps[i].before : 0), err);
    if (code == SIB_OK) {
        job_call_reset(c);
        code = step(c, look, 2, 0, 2, err);
    }
    job_call_end(&c);
    call_plan_free(&p);
    return code;
}

TEST(tokens_are_counted)
{
    sib_error err = SIB_ERROR_INIT;
    static const char *const histories[] = {"", ", \"history\": true"};
    sib_model *m = echo();
    for (size_t i = 0; i < 2; i++) {
        job_doc *d = doc_of(histories[i]);
        CHECK_OK(run(d, m, true, &err), err);
        CHECK_EVERY_ALLOCATION(run(d, m, false, &err), );
        job_doc_free(&d);
    }
    sib_model_free(&m);
}

TEST(what_cannot_be_counted)
{
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = doc_of("");
    tiny t = counting();
    sib_model *m = tiny_model(&t);
    call_plan *p = NULL;
    CHECK_FAILS(call_plan_make(d, 0, &m, NULL, &p, &err), SIB_ERR_FORMAT, err, "no input 'ids'");
    sib_model_free(&m);
    m = echo();
    CHECK_OK(call_plan_make(d, 0, &m, NULL, &p, &err), err);
    job_call *c = NULL;
    CHECK_OK(job_call_begin(p, NULL, NULL, NULL, &c, &err), err);
    sib_value *out[N_BORDERS];
    job_value *in = job_value_flag(true);
    CHECK_FAILS(job_call_run(c, &in, out, &err), SIB_ERR_ARGUMENT, err,
                "'t': models have no inputs of this type");
    job_value_release(in);
    job_call_end(&c);
    call_plan_free(&p);
    sib_model_free(&m);
    job_doc_free(&d);
    static const struct {
        const char *count, *words;
    } wrong[] = {
        {"1", "/calls/c/count: expected an object"},
        {"{\"of\": \"u\"}", "'of' is 'u', which is no port of the call"},
        {"{\"inputs\": {}}", "'of' is '', which is no port"},
        {"{\"of\": \"t\", \"history\": 1}", "'history' is neither true nor false"},
        {"{\"of\": \"t\", \"inputs\": {\"a\": \"twos\"}}", "'a' is 'twos', expected ones"},
        {"{\"of\": \"t\", \"inputs\": {\"a\": 1}}", "'a' is '', expected ones"},
        {"{\"of\": \"t\", \"more\": 1}", "unknown member 'more'"},
        {"{\"of\": \"t\", \"history\": true}, \"state\": {\"a\": \"b\"}", "a state has no 'history'"},
        {"{\"of\": \"t\"}, \"batch\": {}", "a call with 'batch' counts nothing"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[800];
        int n = snprintf(
            text, sizeof text,
            "{\"sibyl_job\": 1, \"kind\": \"k\", \"models\": {\"m\": \"\"}, \"calls\": {\"c\": "
            "{\"model\": \"m\", \"inputs\": {\"t\": \"ids\"}, \"outputs\": {\"o\": \"o0\"}, \"count\": "
            "%s}}, \"inputs\": {}, \"nodes\": [], \"outputs\": {}}",
            wrong[i].count);
        CHECK_FAILS(job_doc_read("file", text, (size_t)n, job_ops, NULL, &d, &err), SIB_ERR_FORMAT, err,
                    wrong[i].words);
    }
}
