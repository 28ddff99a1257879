/* Trained RWKV models, from files of rwkv.cpp: logits after the bytes `"in` from a zero state. */
#include "check_memory.h"

#include <math.h>
#include <sibyl/import.h>
#include <unistd.h>

#define LOGITS     256
#define STATES_MAX 64

static float expected[LOGITS];

static void read_expected(const char *folder, const char *name)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/rwkv/expected-logits-%s.bin", folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(expected, sizeof *expected, LOGITS, f), LOGITS);
    fclose(f);
}

static sib_value *value_of(sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

static sib_value *ints(size_t rank, const int64_t *dims, const int64_t *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    CHECK_OK(sib_tensor_create(SIB_I64, rank, dims, &t, &err), err);
    memcpy(sib_tensor_data(t), x, (size_t)sib_tensor_count(t) * sizeof *x);
    return value_of(t);
}

/* Runs the three bytes, `step` per run, and returns the distance of the last logits from the expected
   ones. */
static double run(sib_model *m, int64_t step)
{
    static const int64_t bytes[3] = {'"', 'i', 'n'};
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_value_info v;
    sib_named_value in[STATES_MAX + 2];
    sib_value *out[STATES_MAX + 1] = {NULL}, *state[STATES_MAX];
    const char *names[STATES_MAX + 1] = {"logits"};
    size_t n = 0;
    double max = 0;
    CHECK_OK(sib_session_create(m, NULL, &s, &err), err);
    for (size_t i = 0; sib_model_input(m, i, &v); i++) {
        sib_tensor *zero = NULL;
        if (strncmp(v.name, "state.", 6))
            continue;
        assert_true(n < STATES_MAX);
        CHECK_OK(sib_tensor_create(SIB_F32, v.rank, v.dims, &zero, &err), err);
        state[n] = value_of(zero);
        in[2 + n].name = v.name;
        for (size_t k = 0; sib_model_output(m, k, &v); k++)
            if (!strncmp(v.name, "next.", 5) && !strcmp(v.name + 5, in[2 + n].name + 6))
                names[1 + n] = v.name;
        assert_non_null(names[1 + n]);
        n++;
    }
    for (int64_t at = 0; at < 3; at += step) {
        sib_value *tokens = ints(2, (const int64_t[]){1, step}, bytes + at),
                  *last = ints(1, (const int64_t[]){1}, &(int64_t){step - 1});
        in[0] = (sib_named_value){"tokens", tokens};
        in[1] = (sib_named_value){"at", last};
        for (size_t i = 0; i < n; i++)
            in[2 + i].value = state[i];
        CHECK_OK(sib_session_run(s, n + 2, in, n + 1, names, out, NULL, &err), err);
        const float *logits = sib_tensor_data(sib_value_tensor(out[0]));
        max = 0;
        for (int i = 0; i < LOGITS; i++) {
            double d = fabs((double)logits[i] - expected[i]);
            max = d > max || isnan(d) ? d : max;
        }
        for (size_t i = 0; i < n; i++) {
            sib_value_free(&state[i]);
            state[i] = out[1 + i];
        }
        sib_value_free(&out[0]);
        sib_value_free(&tokens);
        sib_value_free(&last);
    }
    for (size_t i = 0; i < n; i++)
        sib_value_free(&state[i]);
    sib_session_free(&s);
    return max;
}

TEST(logits_are_as_expected)
{
    static const struct {
        const char *file, *logits;
        sib_dtype dtype;
        double max;
    } rows[] = {{"tiny-rwkv-4v0-660K-FP32.bin", "4v0-660K", SIB_F32, 1e-3},
                {"tiny-rwkv-5v2-730K-FP32.bin", "5v2-730K", SIB_F32, 1e-3},
                {"tiny-rwkv-7v0-834K-FP32.bin", "7v0-834K", SIB_F32, 1e-3},
                {"tiny-rwkv-7v0-834K-FP16.bin", "7v0-834K", SIB_F16, 2e-2},
                {"tiny-rwkv-4v0-660K-FP32.bin", "4v0-660K", SIB_F16, 2e-2},
                {"tiny-rwkv-5v2-730K-FP32.bin", "5v2-730K", SIB_F16, 2e-2}};
    const char *folder = check_data_folder();
    if (!folder) {
        print_message("skipped for want of the shared data ($SIBYL_DATA)\n");
        skip();
    }
    char made[200], out[240], data[260];
    snprintf(made, sizeof made, "%s/sibyl-rwkv-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(made));
    snprintf(out, sizeof out, "%s/m.onnx", made);
    snprintf(data, sizeof data, "%s.data", out);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[4300];
        const char *in = path;
        sib_error err = SIB_ERROR_INIT;
        sib_model *m = NULL;
        snprintf(path, sizeof path, "%s/rwkv/%s", folder, rows[i].file);
        read_expected(folder, rows[i].logits);
        CHECK_OK(sib_import(&in, 1, out, &(sib_import_options){.dtype = rows[i].dtype}, NULL, &err), err);
        CHECK_OK(sib_model_open(out, NULL, &m, &err), err);
        if (sib_model_diagnostic(m, 0))
            fail_msg("%s: %s", rows[i].file, sib_model_diagnostic(m, 0));
        double whole = run(m, 3), steps = run(m, 1);
        print_message("%s as %s: %.2g, by steps %.2g\n", rows[i].file, sib_dtype_name(rows[i].dtype), whole,
                      steps);
        if (!(whole < rows[i].max) || !(steps < rows[i].max))
            fail_msg("%s: %g and %g away, expected less than %g", rows[i].file, whole, steps, rows[i].max);
        sib_model_free(&m);
    }
    unlink(out);
    unlink(data);
    rmdir(made);
}

TEST(every_failed_allocation_is_clean)
{
    const char *folder = check_data_folder();
    if (!folder) {
        print_message("skipped for want of the shared data ($SIBYL_DATA)\n");
        skip();
    }
    char path[4300];
    const char *in = path;
    snprintf(path, sizeof path, "%s/rwkv/tiny-rwkv-4v0-660K-FP32.bin", folder);
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 13, sib_import(&in, 1, NULL, NULL, NULL, &err), (void)0);
}
