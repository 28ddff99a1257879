/* Sessions whose kernels are chosen by measuring, and files of such choices. */
#include "check_memory.h"
#include "folder.h"
#include "keeps.h"
#include "tiny.h"

#include <pthread.h>
#include <sibyl/plan.h>

TEST_KEEPS("the choices of the process")

TEST_FIXTURE(make_folder, drop_folder)

/* Rows of 10 pixels: several ways have similar costs at every CPU level. */
#define CHANNELS 16
#define SIDE     12
#define OUT      10

static sib_model *conv_model(void)
{
    check_random dice = {5};
    tiny t = tiny_begin();
    static double weights[CHANNELS * CHANNELS * 9];
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        weights[i] = check_uniform(&dice);
    value_id x = tiny_input(&t, "x", SIB_F32, "1 16 12 12");
    value_id w = tiny_constant(&t, "w", SIB_F32, 4, (int64_t[]){CHANNELS, CHANNELS, 3, 3}, weights);
    tiny_output(&t, tiny_op(&t, "Conv", x, w, "y"));
    return tiny_model(&t);
}

static sib_value *image(void)
{
    double numbers[CHANNELS * SIDE * SIDE];
    check_random dice = {6};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        numbers[i] = check_uniform(&dice);
    return tiny_given(SIB_F32, 4, (int64_t[]){1, CHANNELS, SIDE, SIDE}, numbers);
}

static sib_value *run_once(sib_session *s)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *given = image(), *out = NULL;
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out, NULL, &err), err);
    sib_value_free(&given);
    return out;
}

static sib_session *session_of(sib_model *m, const sib_session_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    CHECK_OK(sib_session_create(m, o, &s, &err), err);
    return s;
}

/* Runs the model, compares with ref, and fills the name of the kernel that ran. */
static void run_compared(const sib_session_options *o, char kernel[64])
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = conv_model();
    sib_session *s = session_of(m, o), *ref = session_of(m, &(sib_session_options){.backends = "ref"});
    sib_value *y = run_once(s), *expected = run_once(ref);
    sib_comparison c;
    sib_tolerance close = {.rtol = 1e-4, .atol = 1e-4};
    CHECK_OK(sib_tensor_compare(sib_value_tensor(y), sib_value_tensor(expected), &close, &c, &err), err);
    assert_true(c.equal);
    sib_plan *p = NULL;
    sib_plan_step step;
    CHECK_OK(sib_session_plan(s, &p, &err), err);
    assert_true(sib_plan_get_step(p, 0, 0, &step));
    assert_string_equal(step.op_type, "Conv");
    snprintf(kernel, 64, "%s", step.kernel);
    sib_plan_free(&p);
    sib_value_free(&y);
    sib_value_free(&expected);
    sib_session_free(&s);
    sib_session_free(&ref);
    sib_model_free(&m);
}

static size_t read_text(const char *path, char *text, size_t bytes)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, bytes - 1, f);
    text[n] = '\0';
    fclose(f);
    return n;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const struct {
    const char *method, *kernel;
} ways[] = {{"pixels", "conv pixels"},
            {"joined-rows", "conv joined rows"},
            {"features", "conv features"},
            {"winograd-2", "conv winograd"},
            {"winograd-4", "conv winograd"}};
#define N_WAYS (sizeof ways / sizeof *ways)

TEST(the_plan_follows_the_file)
{
    char text[1024], changed[1200], kernel[64];
    const char *path = in_folder("tuning");
    const sib_session_options o = {.backends = "cpu,ref", .threads = 1, .tuning_file = path};
    run_compared(&o, kernel);
    read_text(path, text, sizeof text);
    char *blank = strrchr(text, ' ');
    assert_non_null(blank);
    bool is_way = false; /* what was measured is one of the ways, and it ran */
    for (size_t i = 0; i < N_WAYS; i++)
        is_way |= strncmp(blank + 1, ways[i].method, strlen(ways[i].method)) == 0 &&
                  strcmp(ways[i].kernel, kernel) == 0;
    assert_true(is_way);
    *blank = '\0';
    for (size_t i = 0; i < N_WAYS; i++) {
        snprintf(changed, sizeof changed, "%s %s\n", text, ways[i].method);
        write_text(path, changed);
        run_compared(&o, kernel);
        assert_string_equal(kernel, ways[i].kernel);
        read_text(path, text, sizeof text);
        assert_string_equal(text, changed); /* nothing was measured again */
        *strrchr(text, ' ') = '\0';
    }
}

TEST(a_way_that_does_not_fit_is_measured_again_and_an_unknown_one_refused)
{
    char text[1024], changed[1200], unknown[1300], kernel[64];
    const char *path = in_folder("unfit");
    const sib_session_options o = {.backends = "cpu,ref", .threads = 1, .tuning_file = path};
    sib_error err = SIB_ERROR_INIT;
    run_compared(&o, kernel);
    read_text(path, text, sizeof text);
    *strrchr(text, ' ') = '\0';
    snprintf(changed, sizeof changed, "%s planes\n", text); /* is for depthwise windows */
    write_text(path, changed);
    run_compared(&o, kernel);
    assert_true(read_text(path, text, sizeof text) > strlen(changed));
    *strrchr(changed, ' ') = '\0';
    snprintf(unknown, sizeof unknown, "%s magic\n", changed);
    write_text(path, unknown);
    sib_model *m = conv_model();
    sib_session *s = session_of(m, &o);
    sib_value *given = image(), *out = NULL;
    CHECK_FAILS(sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out, NULL, &err),
                SIB_ERR_FORMAT, err, "names 'magic'");
    sib_value_free(&given);
    sib_session_free(&s);
    write_text(path, "a model\n");
    CHECK_FAILS(sib_session_create(m, &o, &s, &err), SIB_ERR_FORMAT, err, "is not a tuning file");
    sib_model_free(&m);
}

TEST(without_a_file)
{
    char kernel[64];
    run_compared(&(sib_session_options){.backends = "cpu,ref", .threads = 2, .tune = true}, kernel);
    run_compared(&(sib_session_options){.backends = "cpu,ref", .threads = 2}, kernel);
}

/* y = x * w, or x * w^T, of two inputs. Returns the name of the kernel that ran. */
static const char *run_product(const char *path, bool transposed)
{
    sib_error err = SIB_ERROR_INIT;
    static double a[8 * 64], b[64 * 48];
    static char kernel[64];
    check_random dice = {7};
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        b[i] = check_uniform(&dice);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = check_uniform(&dice);
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "8 64");
    value_id w = tiny_input(&t, "w", SIB_F32, transposed ? "48 64" : "64 48"), y = tiny_made(&t, "y");
    attribute by = {.name = str_of("transB"), .kind = ATTR_INT, .i = transposed};
    tiny_node(&t, "Gemm", "product", 2, (value_id[]){x, w}, 1, &y, 1, &by);
    tiny_output(&t, y);
    sib_model *m = tiny_model(&t);
    sib_value *given[2] = {tiny_given(SIB_F32, 2, (int64_t[]){8, 64}, a),
                           tiny_given(SIB_F32, 2, transposed ? (int64_t[]){48, 64} : (int64_t[]){64, 48}, b)};
    const sib_named_value in[2] = {{"x", given[0]}, {"w", given[1]}};
    sib_value *out[2] = {NULL, NULL};
    sib_session *s[2] = {
        session_of(m, &(sib_session_options){.backends = "cpu", .threads = 1, .tuning_file = path}),
        session_of(m, &(sib_session_options){.backends = "ref"})};
    for (int i = 0; i < 2; i++)
        CHECK_OK(sib_session_run(s[i], 2, in, 0, NULL, &out[i], NULL, &err), err);
    sib_comparison c;
    sib_tolerance close = {.rtol = 1e-4, .atol = 1e-4};
    CHECK_OK(sib_tensor_compare(sib_value_tensor(out[0]), sib_value_tensor(out[1]), &close, &c, &err), err);
    assert_true(c.equal);
    sib_plan *p = NULL;
    sib_plan_step step;
    CHECK_OK(sib_session_plan(s[0], &p, &err), err);
    assert_true(sib_plan_get_step(p, 0, 0, &step));
    snprintf(kernel, sizeof kernel, "%s", step.kernel);
    sib_plan_free(&p);
    for (int i = 0; i < 2; i++) {
        sib_session_free(&s[i]);
        sib_value_free(&given[i]);
        sib_value_free(&out[i]);
    }
    sib_model_free(&m);
    return kernel;
}

TEST(products_follow_the_file)
{
    static const char *const names[2][2] = {{"direct", "packed"}, {"dots", "packed"}};
    char text[1024], changed[1200], kernel[64];
    const char *path = in_folder("products");
    assert_string_equal(run_product(NULL, false), "gemm");
    for (int transposed = 0; transposed < 2; transposed++) {
        remove(path);
        snprintf(kernel, sizeof kernel, "%s", run_product(path, transposed));
        read_text(path, text, sizeof text);
        char *blank = strrchr(text, ' ');
        assert_non_null(strstr(text, " product x1 m8 n48 k64 "));
        assert_int_equal(strncmp(blank + 1, kernel + strlen("product "), strlen(kernel) - strlen("product ")),
                         0);
        *blank = '\0';
        for (int i = 0; i < 2; i++) {
            snprintf(changed, sizeof changed, "%s %s\n", text, names[transposed][i]);
            write_text(path, changed);
            snprintf(kernel, sizeof kernel, "product %s", names[transposed][i]);
            assert_string_equal(run_product(path, transposed), kernel);
        }
    }
}

static void *plan_and_run(void *session)
{
    sib_value *y = run_once(session);
    sib_value_free(&y);
    return NULL;
}

TEST(two_threads_plan_at_once)
{
    char text[1024];
    const char *path = in_folder("threads");
    const sib_session_options o = {.backends = "cpu,ref", .threads = 3, .tuning_file = path};
    sib_model *m = conv_model();
    sib_session *s[2];
    pthread_t threads[4];
    for (int i = 0; i < 2; i++)
        s[i] = session_of(m, &o);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, plan_and_run, s[i % 2]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        sib_session_free(&s[i]);
    sib_model_free(&m);
    read_text(path, text, sizeof text);
    assert_non_null(strstr(text, " t3 conv "));
}
