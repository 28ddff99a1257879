/* One case of ONNX's backend tests: its verdicts, its files, and what is left where memory fails. */
#include "check_memory.h"
#include "folder.h"

#include <sibyl/build.h>
#include <sibyl/conform.h>
#include <sys/stat.h>

TEST_FIXTURE(make_folder, drop_folder)

static void save_tensor(const char *path, sib_dtype dtype, void *elements)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_wrap(dtype, 1, (int64_t[]){3}, NULL, elements, NULL, NULL, &t, &err), err);
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    CHECK_OK(sib_value_save_pb(path, v, "v", &err), err);
    sib_value_free(&v);
    sib_tensor_free(&t);
}

/* A model y = Abs(x) of 3 elements in a new folder. */
static const char *make_case(const char *name, sib_dtype dtype)
{
    const char *path = in_folder(name);
    char file[400];
    sib_error err = SIB_ERROR_INIT;
    sib_build *b = NULL;
    sib_model *m = NULL;
    const sib_build_node node = {.type = "Abs",
                                 .n_inputs = 1,
                                 .n_outputs = 1,
                                 .inputs = (const char *[]){"x"},
                                 .outputs = (const char *[]){"y"}};
    assert_int_equal(mkdir(path, 0700), 0);
    CHECK_OK(sib_build_create(21, &b, &err), err);
    CHECK_OK(sib_build_input(b, "x", dtype, 1, (int64_t[]){3}, NULL, &err), err);
    CHECK_OK(sib_build_add(b, &node, &err), err);
    CHECK_OK(sib_build_output(b, "y", &err), err);
    CHECK_OK(sib_build_model(&b, &m, &err), err);
    snprintf(file, sizeof file, "%s/model.onnx", path);
    CHECK_OK(sib_model_save(m, file, NULL, &err), err);
    sib_model_free(&m);
    return path;
}

static void add_set(const char *path, int number, sib_dtype dtype, void *in, void *out)
{
    char file[500];
    snprintf(file, sizeof file, "%s/test_data_set_%d", path, number);
    assert_int_equal(mkdir(file, 0700), 0);
    snprintf(file, sizeof file, "%s/test_data_set_%d/input_0.pb", path, number);
    save_tensor(file, dtype, in);
    snprintf(file, sizeof file, "%s/test_data_set_%d/output_0.pb", path, number);
    if (out)
        save_tensor(file, dtype, out);
}

static sib_conform_result judged(const char *path, const sib_conform_options *o)
{
    sib_conform_result r;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_conform_case(path, o, &r, &err), err);
    return r;
}

TEST(verdicts)
{
    float in[] = {1, -2, 3}, out[] = {1, 2, 3}, off[] = {1, 2, 3.25F};
    const char *path = make_case("verdicts", SIB_F32);
    sib_conform_result r = judged(path, NULL);
    assert_int_equal(r.verdict, SIB_CONFORM_SKIPPED);
    assert_non_null(strstr(r.reason, "test_data_set_0"));
    add_set(path, 0, SIB_F32, in, out);
    r = judged(path, NULL);
    assert_int_equal(r.verdict, SIB_CONFORM_PASSED);
    assert_int_equal(r.outputs, 1);
    assert_string_equal(r.reason, "");
    add_set(path, 1, SIB_F32, in, off);
    r = judged(path, NULL);
    assert_int_equal(r.verdict, SIB_CONFORM_FAILED);
    assert_int_equal(r.outputs, 2);
    assert_non_null(strstr(r.reason, "y: 1 of 3 elements differ; the first, element 2, is 3, expected 3.25"));
    r = judged(path, &(sib_conform_options){.tolerance = {.atol = 0.25}});
    assert_int_equal(r.verdict, SIB_CONFORM_PASSED);
    add_set(path, 2, SIB_F32, in, NULL);
    r = judged(path, &(sib_conform_options){.tolerance = {.atol = 0.25}});
    assert_int_equal(r.verdict, SIB_CONFORM_FAILED);
    assert_non_null(strstr(r.reason, "no expected output"));
    r = judged(in_folder("nothing"), NULL);
    assert_int_equal(r.verdict, SIB_CONFORM_FAILED);
    assert_non_null(strstr(r.reason, "model.onnx"));
}

TEST(bfloat16_as_its_bits)
{
    uint16_t in[] = {0x3F80, 0xC000, 0x4040}, out[] = {0x3F80, 0x4000, 0x4040};
    const char *path = make_case("bits", SIB_BF16);
    add_set(path, 0, SIB_U16, in, out);
    const sib_conform_result r = judged(path, NULL);
    assert_int_equal(r.verdict, SIB_CONFORM_PASSED);
    assert_true(r.recast);
}

/* A run that has no memory fails with a reason, and leaves nothing. */
TEST(memory)
{
    float in[] = {1, -2, 3}, out[] = {1, 2, 3};
    const char *path = make_case("memory", SIB_F32);
    const sib_session_options session = {.threads = 1, .backends = "ref"};
    const sib_conform_options o = {.session = &session};
    add_set(path, 0, SIB_F32, in, out);
    judged(path, &o); /* tables that are filled once */
    sib_conform_verdict verdict = SIB_CONFORM_FAILED;
    for (uint64_t k = 0; verdict != SIB_CONFORM_PASSED; k = check_next(k + 1)) {
        const uint64_t before = check_held();
        sib_conform_result r;
        sib_error err = SIB_ERROR_INIT;
        mem_fail_after(k);
        const sib_code code = sib_conform_case(path, &o, &r, &err);
        mem_fail_never();
        assert_true(code == SIB_OK || code == SIB_ERR_MEMORY);
        assert_true(k < 100000);
        verdict = code == SIB_OK ? r.verdict : SIB_CONFORM_FAILED;
        assert_int_not_equal(verdict, SIB_CONFORM_SKIPPED);
        assert_true(verdict == SIB_CONFORM_PASSED || code != SIB_OK || r.reason[0]);
        assert_int_equal(check_held(), before);
    }
}
