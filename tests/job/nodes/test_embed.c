/* Nodes `fill` and `pool`: integers for encoders, and means of vectors against sums of the test's own. */
#include "job/jobs.h"

#include <math.h>

static sib_job *one_node(const char *op, const char *inputs, const char *ports)
{
    char text[1000];
    snprintf(text, sizeof text,
             "{\"sibyl_job\": 1, \"kind\": \"test\", \"inputs\": {%s}, \"nodes\": [{\"name\": \"it\", "
             "\"op\": \"%s\", "
             "\"inputs\": {%s}}], \"outputs\": {\"out\": \"$it\"}}",
             inputs, op, ports);
    return job_of(text);
}

/* ---- fill ---- */

TEST(integers_for_tokens)
{
    static const struct {
        double value, step;
        int32_t expected[3];
    } cases[] = {{1, 0, {1, 1, 1}}, {0, 0, {0, 0, 0}}, {0, 1, {0, 1, 2}}, {7, 1, {7, 8, 9}}};
    sib_job *j = one_node("fill", "\"ids\": \"tokens\", \"v\": \"number\", \"s\": \"number\"",
                          "\"like\": \"$ids\", \"value\": \"$v\", \"step\": \"$s\"");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sib_job_value in[] = {tokens("ids", 3, (const int32_t[]){5, 6, 7}),
                                    a_number("v", cases[i].value), a_number("s", cases[i].step)};
        sib_job_result *r = run_with(j, 3, in, NULL);
        expect_tokens(sib_job_result_find(r, "out"), 3, cases[i].expected);
        sib_job_result_free(&r);
    }
    const sib_job_value none[] = {tokens("ids", 0, NULL), a_number("v", 1), a_number("s", 0)};
    sib_job_result *r = run_with(j, 3, none, NULL);
    expect_tokens(sib_job_result_find(r, "out"), 0, NULL);
    sib_job_result_free(&r);
    static const double wrong[][2] = {{-1, 0}, {0.5, 0}, {1, 2}, {1e9, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const sib_job_value in[] = {tokens("ids", 1, (const int32_t[]){5}), a_number("v", wrong[i][0]),
                                    a_number("s", wrong[i][1])};
        run_fails(j, 3, in, NULL, SIB_ERR_ARGUMENT, "expected an integer");
    }
    sib_job_free(&j);
}

/* ---- pool ---- */

static sib_tensor *vectors(sib_dtype dtype, size_t rank, const int64_t *dims, size_t n, const double *data)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(dtype, rank, dims, &t, &err), err);
    CHECK_OK(sib_convert(SIB_F64, data, dtype, sib_tensor_data(t), n, SIB_OVERFLOW_IEEE, &err), err);
    return t;
}

static sib_job *pool_job(void)
{
    return one_node(
        "pool",
        "\"h\": \"tensor\", \"m\": {\"type\": \"tokens\", \"default\": null}, \"n\": {\"type\": \"flag\", "
        "\"default\": null}",
        "\"hidden\": \"$h\", \"mask\": \"$m\", \"normalize\": \"$n\"");
}

TEST(means_of_vectors)
{
    static const double rows[] = {1, 2, 3, 4, -5, 7};
    const struct {
        sib_dtype dtype;
        size_t rank;
        int64_t dims[3];
        int32_t mask[3];
        size_t n_mask;
        double x, y; /* not normalised */
    } cases[] = {{SIB_F32, 3, {1, 3, 2}, {0}, 0, -1.0 / 3, 13.0 / 3},
                 {SIB_F16, 2, {3, 2}, {0}, 0, -1.0 / 3, 13.0 / 3},
                 {SIB_F32, 3, {1, 3, 2}, {1, 1, 0}, 3, 2, 3},
                 {SIB_F64, 3, {1, 3, 2}, {0, 0, 1}, 3, -5, 7},
                 {SIB_F32, 2, {1, 2}, {0}, 0, 1, 2},
                 {SIB_F32, 1, {2}, {0}, 0, 1, 2},
                 {SIB_F32, 3, {1, 3, 2}, {0, 0, 0}, 3, 0, 0}};
    sib_job *j = pool_job();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int normal = 0; normal < 2; normal++) {
            size_t n = 1;
            for (size_t k = 0; k < cases[i].rank; k++)
                n *= (size_t)cases[i].dims[k];
            sib_tensor *t = vectors(cases[i].dtype, cases[i].rank, cases[i].dims, n, rows);
            const sib_job_value in[] = {a_tensor("h", t), a_flag("n", normal),
                                        tokens("m", cases[i].n_mask, cases[i].mask)};
            const double x = cases[i].x, y = cases[i].y,
                         length = normal && (x != 0 || y != 0) ? hypot(x, y) : 1;
            sib_job_result *r = run_with(j, cases[i].n_mask ? 3 : 2, in, NULL);
            const sib_tensor *out = sib_job_result_find(r, "out")->tensor;
            assert_int_equal(sib_tensor_rank(out), 1);
            assert_int_equal(sib_tensor_dims(out)[0], 2);
            assert_float_equal(((const float *)sib_tensor_data(out))[0], x / length, 1e-6);
            assert_float_equal(((const float *)sib_tensor_data(out))[1], y / length, 1e-6);
            sib_job_result_free(&r);
            sib_tensor_free(&t);
        }
    sib_job_free(&j);
}

TEST(what_cannot_be_pooled)
{
    sib_job *j = pool_job();
    sib_tensor *t = vectors(SIB_F32, DIMS(1, 2, 2), 4, OF(1, 2, 3, 4)),
               *none = vectors(SIB_F32, DIMS(1, 0, 2), 0, NULL),
               *scalar = vectors(SIB_F32, 0, NULL, 1, OF(1));
    const sib_job_value in[] = {a_tensor("h", t), tokens("m", 3, (const int32_t[]){1, 1, 1})};
    run_fails(j, 2, in, NULL, SIB_ERR_ARGUMENT, "the mask has 3 numbers for 2 vectors");
    run_fails(j, 1, (const sib_job_value[]){a_tensor("h", none)}, NULL, SIB_ERR_ARGUMENT,
              "there are no vectors");
    run_fails(j, 1, (const sib_job_value[]){a_tensor("h", scalar)}, NULL, SIB_ERR_ARGUMENT,
              "there are no vectors");
    sib_tensor_free(&t);
    sib_tensor_free(&none);
    sib_tensor_free(&scalar);
    sib_job_free(&j);
}

TEST_FIXTURE(make_folder, drop_folder)
