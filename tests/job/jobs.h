/* Helpers for tests of jobs: models saved in a temporary folder, documents as text, and short constructors of
   values. */
#ifndef TESTS_JOB_JOBS_H
#define TESTS_JOB_JOBS_H

#include "folder.h"
#include "run/tiny.h"

#include <sibyl/job.h>
#include <unistd.h>

static inline void save_model(tiny *t, const char *name)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = tiny_model(t);
    CHECK_OK(sib_model_save(m, in_folder(name), NULL, &err), err);
    sib_model_free(&m);
}

static inline void save_text(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

/* y = x + s and next.s = s + 1, of [N]; slow = x - s, which nothing else depends on. */
static inline tiny counting(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), s = tiny_input(&t, "s", SIB_F32, "1"),
             one = tiny_constant(&t, "one", SIB_F32, DIMS(1), OF(1));
    value_id twice = tiny_op(&t, "Neg", tiny_op(&t, "Neg", x, NO_VALUE, "less"), NO_VALUE, "same");
    tiny_output(&t, tiny_op(&t, "Add", twice, s, "y"));
    tiny_output(&t, tiny_op(&t, "Add", s, one, "next.s"));
    tiny_output(&t, tiny_op(&t, "Sub", x, s, "slow"));
    return t;
}

/* make_folder, with that model as count.onnx. */
static inline int make_counting_folder(void)
{
    if (make_folder())
        return -1;
    tiny t = counting();
    save_model(&t, "count.onnx");
    return 0;
}

static inline sib_job *job_of(const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = NULL;
    sib_job_options o = {.threads = 1};
    CHECK_OK(sib_job_open_text(text, strlen(text), folder, &o, &j, &err), err);
    return j;
}

static inline void job_fails(const char *text, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = NULL;
    sib_job_options o = {.threads = 1};
    CHECK_FAILS(sib_job_open_text(text, strlen(text), folder, &o, &j, &err), code, err, words);
    assert_null(j);
}

/* ---- Values -------------------------------------------------------------------------------------------- */

static inline sib_job_value a_number(const char *name, double x)
{
    return (sib_job_value){name, {.type = SIB_PORT_NUMBER, .number = x}};
}

static inline sib_job_value a_flag(const char *name, bool x)
{
    return (sib_job_value){name, {.type = SIB_PORT_FLAG, .flag = x}};
}

static inline sib_job_value a_text(const char *name, const char *text)
{
    return (sib_job_value){name, {.type = SIB_PORT_TEXT, .text = {text, strlen(text)}}};
}

static inline sib_job_value numbers(const char *name, size_t n, const double *data)
{
    return (sib_job_value){name, {.type = SIB_PORT_NUMBERS, .numbers = {data, n}}};
}

static inline sib_job_value tokens(const char *name, size_t n, const int32_t *ids)
{
    return (sib_job_value){name, {.type = SIB_PORT_TOKENS, .tokens = {ids, n}}};
}

static inline sib_job_value a_tensor(const char *name, const sib_tensor *t)
{
    return (sib_job_value){name, {.type = SIB_PORT_TENSOR, .tensor = t}};
}

static inline sib_job_value audio(const char *name, const sib_tensor *t)
{
    return (sib_job_value){name, {.type = SIB_PORT_AUDIO, .tensor = t}};
}

static inline void expect_tensor(const sib_port_value *v, sib_dtype dtype, size_t rank, const int64_t *dims,
                                 const double *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *seen = NULL;
    assert_non_null(v);
    assert_true(v->type == SIB_PORT_TENSOR || v->type == SIB_PORT_AUDIO);
    CHECK_OK(sib_value_from_tensor(v->tensor, &seen, &err), err);
    tiny_expect(seen, dtype, rank, dims, values);
    sib_value_free(&seen);
}

static inline void expect_tokens(const sib_port_value *v, size_t n, const int32_t *ids)
{
    assert_non_null(v);
    assert_int_equal(v->type, SIB_PORT_TOKENS);
    assert_int_equal(v->tokens.n, n);
    if (n)
        assert_memory_equal(v->tokens.ids, ids, n * sizeof *ids);
}

static inline void expect_text(const sib_port_value *v, const char *text)
{
    assert_non_null(v);
    assert_int_equal(v->type, SIB_PORT_TEXT);
    assert_string_equal(v->text.data, text);
    assert_int_equal(v->text.size, strlen(text));
}

static inline sib_job_result *run_with(const sib_job *j, size_t n, const sib_job_value *in,
                                       const sib_job_run_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    CHECK_OK(sib_job_run(j, n, in, 0, NULL, o, &r, &err), err);
    return r;
}

static inline void run_fails(const sib_job *j, size_t n, const sib_job_value *in,
                             const sib_job_run_options *o, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    CHECK_FAILS(sib_job_run(j, n, in, 0, NULL, o, &r, &err), code, err, words);
    assert_null(r);
}

#endif
