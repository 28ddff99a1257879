/* Models made by calls: what they compute, what a file of them says, and wrong arguments. */
#include "check_memory.h"

#include <sibyl/build.h>
#include <sibyl/session.h>

#include <stdlib.h>
#include <unistd.h>

static sib_tensor *floats(size_t rank, const int64_t *dims, const float *elements)
{
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tensor_create(SIB_F32, rank, dims, &t, &err), err);
    memcpy(sib_tensor_data(t), elements, sib_tensor_count(t) * sizeof *elements);
    return t;
}

/* y = Gemm(x, w, transB = 1, alpha = 2), z = Cast(y, to = int64) */
static sib_code make(const sib_tensor *w, sib_model **out, sib_error *err)
{
    const int64_t yes = 1, to = SIB_I64;
    const float alpha = 2;
    const sib_attribute of_gemm[] = {
        {.name = "transB", .kind = SIB_ATTRIBUTE_INT, .n = 1, .ints = &yes},
        {.name = "alpha", .kind = SIB_ATTRIBUTE_FLOAT, .n = 1, .floats = &alpha}};
    const sib_attribute of_cast = {.name = "to", .kind = SIB_ATTRIBUTE_INT, .n = 1, .ints = &to};
    const sib_build_node gemm = {.type = "Gemm",
                                 .name = "product",
                                 .n_inputs = 3,
                                 .inputs = (const char *const[]){"x", "w", NULL},
                                 .n_outputs = 1,
                                 .outputs = (const char *const[]){"y"},
                                 .n_attributes = 2,
                                 .attributes = of_gemm};
    const sib_build_node cast = {.type = "Cast",
                                 .n_inputs = 1,
                                 .inputs = (const char *const[]){"y"},
                                 .n_outputs = 1,
                                 .outputs = (const char *const[]){"z"},
                                 .n_attributes = 1,
                                 .attributes = &of_cast};
    sib_build *b = NULL;
    sib_code code = sib_build_create(17, &b, err);
    if (code == SIB_OK)
        code = sib_build_input(b, "x", SIB_F32, 2, (const int64_t[]){-1, 3}, (const char *const[]){"N", NULL},
                               err);
    if (code == SIB_OK)
        code = sib_build_constant(b, "w", w, err);
    if (code == SIB_OK)
        code = sib_build_add(b, &gemm, err);
    if (code == SIB_OK)
        code = sib_build_add(b, &cast, err);
    if (code == SIB_OK)
        code = sib_build_output(b, "z", err);
    if (code == SIB_OK)
        code = sib_build_model(&b, out, err);
    sib_build_free(&b);
    return code;
}

static sib_tensor *weights(void)
{
    return floats(2, (const int64_t[]){2, 3}, (const float[]){1, 2, 3, 4, 5, 6});
}

static sib_model *made(void)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_tensor *w = weights();
    CHECK_OK(make(w, &m, &err), err);
    sib_tensor_free(&w);
    return m;
}

static void expect_run(sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_value *x = NULL, *z = NULL;
    sib_tensor *t = floats(2, (const int64_t[]){1, 3}, (const float[]){1, 10, 100});
    CHECK_OK(sib_value_from_tensor(t, &x, &err), err);
    CHECK_OK(sib_session_create(m, NULL, &s, &err), err);
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &z, NULL, &err), err);
    const int64_t *got = sib_tensor_data((sib_tensor *)sib_value_tensor(z));
    assert_int_equal(got[0], 642);
    assert_int_equal(got[1], 1308);
    sib_value_free(&x);
    sib_value_free(&z);
    sib_tensor_free(&t);
    sib_session_free(&s);
}

TEST(a_model_runs)
{
    sib_model *m = made();
    sib_value_info info;
    assert_true(sib_model_output(m, 0, &info));
    assert_string_equal(info.type, "int64 [N, 2]");
    expect_run(m);
    sib_model_free(&m);
}

TEST(a_file_of_it_reads_back)
{
    char path[] = "/tmp/sibyl-build-XXXXXX";
    int file = mkstemp(path);
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = made();
    sib_model_info info;
    assert_true(file >= 0);
    close(file);
    CHECK_OK(sib_model_save(m, path, NULL, &err), err);
    sib_model_free(&m);
    CHECK_OK(sib_model_open(path, NULL, &m, &err), err);
    sib_model_get_info(m, &info);
    assert_int_equal(info.ir_version, 8);
    assert_int_equal(info.n_diagnostics, 0);
    assert_int_equal(info.parameters, 6);
    expect_run(m);
    sib_model_free(&m);
    unlink(path);
}

static void expect_refused(sib_code code, sib_error *err, const char *part)
{
    assert_int_equal(code, SIB_ERR_ARGUMENT);
    if (!strstr(err->message, part))
        fail_msg("'%s' does not contain '%s'", err->message, part);
    *err = (sib_error)SIB_ERROR_INIT;
}

TEST(wrong_arguments_are_refused_and_add_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    sib_build *b = NULL;
    sib_model *m = NULL;
    const int64_t dims[] = {2, -2}, one = 1;
    const char *const unknown[] = {"nothing"}, *const x[] = {"x"}, *const y[] = {"y"},
                      *const twice[] = {"y", "y"};
    sib_attribute a = {.name = "axis", .kind = SIB_ATTRIBUTE_INT, .n = 2, .ints = &one};
    sib_build_node n = {.type = "Relu", .n_inputs = 1, .inputs = unknown, .n_outputs = 1, .outputs = y};
    expect_refused(sib_build_create(0, &b, &err), &err, "the opset is 0");
    CHECK_OK(sib_build_create(13, &b, &err), err);
    expect_refused(sib_build_input(b, "", SIB_F32, 0, NULL, NULL, &err), &err, "no name");
    expect_refused(sib_build_input(b, "x", SIB_F32, 2, dims, NULL, &err), &err, "dim 1 of input 'x' is -2");
    expect_refused(sib_build_input(b, "x", (sib_dtype)99, 0, NULL, NULL, &err), &err, "dtype 99");
    expect_refused(sib_build_input(b, "x", SIB_F32, 1, NULL, NULL, &err), &err, "no dims");
    CHECK_OK(sib_build_input(b, "x", SIB_F32, 1, dims, NULL, &err), err);
    expect_refused(sib_build_input(b, "x", SIB_F32, 1, dims, NULL, &err), &err, "'x' already");
    expect_refused(sib_build_constant(b, "c", NULL, &err), &err, "constant 'c' is NULL");
    expect_refused(sib_build_opset(b, "", 3, &err), &err, "imported already");
    expect_refused(sib_build_add(b, &n, &err), &err, "Relu: there is no value 'nothing'");
    n.inputs = x;
    n.outputs = twice;
    n.n_outputs = 2;
    expect_refused(sib_build_add(b, &n, &err), &err, "'y' already");
    n.n_outputs = 1;
    n.domain = "my.domain";
    expect_refused(sib_build_add(b, &n, &err), &err, "'my.domain' is not imported");
    n.domain = NULL;
    n.n_attributes = 1;
    n.attributes = &a;
    expect_refused(sib_build_add(b, &n, &err), &err, "attribute 'axis' has 2 items");
    a = (sib_attribute){.name = "axis", .kind = SIB_ATTRIBUTE_STRINGS, .n = 2, .ints = &one};
    expect_refused(sib_build_add(b, &n, &err), &err, "items of attribute 'axis' are NULL");
    a = (sib_attribute){.name = "body", .kind = SIB_ATTRIBUTE_GRAPH, .n = 1};
    assert_int_equal(sib_build_add(b, &n, &err), SIB_ERR_UNSUPPORTED);
    err = (sib_error)SIB_ERROR_INIT;
    expect_refused(sib_build_output(b, "y", &err), &err, "no such value");
    n.n_attributes = 0;
    CHECK_OK(sib_build_add(b, &n, &err), err);
    CHECK_OK(sib_build_output(b, "y", &err), err);
    CHECK_OK(sib_build_model(&b, &m, &err), err);
    assert_null(b);
    sib_model_free(&m);
    CHECK_OK(sib_build_create(13, &b, &err), err);
    expect_refused(sib_build_model(&b, &m, &err), &err, "no outputs");
    assert_null(b);
}

TEST(each_allocation_may_fail)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_tensor *w = weights();
    CHECK_EVERY_ALLOCATION(make(w, &m, &err), sib_model_free(&m));
    sib_tensor_free(&w);
}
