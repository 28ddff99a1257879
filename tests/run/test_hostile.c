/* Hostile files: none may crash the process, and the cost of one is bounded by its size. */
#include "check.h"
#include "onnx/bytes.h"

#include <dirent.h>
#include <sibyl/session.h>
#include <sibyl/timing.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SECONDS_MAX 20.0 /* CPU time for one file: instrumented code takes up to 20 times as long */
#else
#define SECONDS_MAX 1.0 /* CPU time for one file */
#endif
#define BYTES_MAX (UINT64_C(200) << 20) /* peak memory to open it, make a session and run it */

static double seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec * 1e-6;
}

static const char *const backends[] = {"ref", "cpu,ref"};

/* Opens the bytes and makes a session. *err has the first failure, or SIB_OK and there is a session. Frees
   m. */
static sib_code open_session(bytes m, const sib_open_options *options, const char *names, sib_session **out,
                             sib_error *err)
{
    sib_model *model = NULL;
    *out = NULL;
    sib_code code = sib_model_open_bytes(m.data, m.n, options, &model, err);
    if (code == SIB_OK)
        code = sib_session_create(model, &(sib_session_options){.backends = names, .threads = 1}, out, err);
    sib_model_free(&model);
    b_free(&m);
    return code;
}

static void check_refused(bytes m, const sib_open_options *options, sib_code code, const char *words)
{
    for (int i = 0; i < 2; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = NULL;
        bytes copy = {0};
        b_append(&copy, m.data, m.n);
        CHECK_FAILS(open_session(copy, options, backends[i], &s, &err), code, err, words);
        assert_null(s);
    }
    b_free(&m);
}

/* A model of one node, which makes y; x is a float32 [2, 2] input. */
static bytes with_node(bytes node)
{
    bytes g = {0};
    b_message(&g, GRAPH_NODE, node);
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(SIB_F32, "2 2")));
    b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
    return b_model(10, g);
}

static bytes of_ml(bytes node)
{
    b_str(&node, NODE_DOMAIN, "ai.onnx.ml");
    return node;
}

static bytes with_attribute(bytes node, bytes attribute)
{
    b_message(&node, NODE_ATTRIBUTE, attribute);
    return node;
}

/* ---- Nodes ------------------------------------------------------------------------------------------- */

TEST(test_malformed_nodes)
{
    check_refused(with_node(b_node("Tanh", "t", "", "y")), NULL, SIB_ERR_ARGUMENT,
                  "node 't' (Tanh): has 0 inputs, expected 1");
    check_refused(with_node(b_node("Where", "w", "_ x x", "y")), NULL, SIB_ERR_ARGUMENT,
                  "input 0 is missing");
    check_refused(with_node(b_node("Add", "a", "x x x", "y")), NULL, SIB_ERR_ARGUMENT,
                  "has 3 inputs, expected 2");
    check_refused(with_node(b_node("Relu", "r", "x", "y z")), NULL, SIB_ERR_ARGUMENT,
                  "has 2 outputs, expected at most 1");
    bytes f = b_attribute("axis", 1);
    b_float(&f, ATTRIBUTE_F, 1);
    check_refused(with_node(with_attribute(b_node("Softmax", "s", "x", "y"), f)), NULL, SIB_ERR_ARGUMENT,
                  "attribute axis is a float, expected an int");
    check_refused(with_node(b_node("Unheard", "u", "x", "y")), NULL, SIB_ERR_UNSUPPORTED,
                  "operator Unheard is not known");
}

/* Many inputs, no output, and a lowering so long that the node is offered by its declared types: no array of
   inputs may overflow. Passes, which remove the node, are off. */
TEST(test_inputs_without_output)
{
    char inputs[2 * 400 + 1] = "";
    for (int i = 0; i < 400; i++)
        strcat(inputs, i ? " x" : "x");
    bytes g = {0};
    b_message(&g, GRAPH_NODE, b_node("Sum", "s", inputs, ""));
    b_message(&g, GRAPH_NODE, b_node("Neg", "n", "x", "y"));
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(SIB_F32, "2 2")));
    b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
    bytes m = b_model(10, g);
    sib_error err = SIB_ERROR_INIT;
    sib_model *model = NULL;
    sib_session *s = NULL;
    sib_tensor *t = NULL;
    sib_value *v = NULL, *out = NULL;
    sib_session_options options = {.backends = "cpu,ref", .passes = "-all", .threads = 1};
    CHECK_OK(sib_model_open_bytes(m.data, m.n, NULL, &model, &err), err);
    CHECK_OK(sib_session_create(model, &options, &s, &err), err);
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){2, 2}, &t, &err), err);
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", v}, 0, NULL, &out, NULL, &err), err);
    sib_value_free(&out);
    sib_value_free(&v);
    sib_tensor_free(&t);
    sib_session_free(&s);
    sib_model_free(&model);
    b_free(&m);
}

/* A tree ensemble without one list, and one whose last list is missing: the lengths of the lists are checked
   against each other. */
TEST(test_tree_without_lists)
{
    for (int i = 0; i < 2; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = NULL;
        sib_tensor *t = NULL;
        sib_value *v = NULL, *out = NULL;
        bytes node = of_ml(b_node("TreeEnsemble", "t", "x", "y"));
        CHECK_OK(open_session(with_node(node), NULL, backends[i], &s, &err), err);
        CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){2, 2}, &t, &err), err);
        CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
        CHECK_FAILS(sib_session_run(s, 1, &(sib_named_value){"x", v}, 0, NULL, &out, NULL, &err),
                    SIB_ERR_ARGUMENT, err, "nodes_featureids");
        sib_value_free(&v);
        sib_tensor_free(&t);
        sib_session_free(&s);
    }
}

/* ---- Budgets ----------------------------------------------------------------------------------------- */

static bytes function(const char *name)
{
    bytes f = {0};
    b_str(&f, FUNCTION_NAME, name);
    b_str(&f, FUNCTION_DOMAIN, "f");
    b_str(&f, FUNCTION_INPUT, "a");
    b_str(&f, FUNCTION_OUTPUT, "b");
    b_message(&f, FUNCTION_OPSET, b_opset("", 21));
    b_message(&f, FUNCTION_OPSET, b_opset("f", 1));
    return f;
}

static bytes call_of(const char *type, const char *name, const char *in, const char *out)
{
    bytes n = b_node(type, name, in, out);
    b_str(&n, NODE_DOMAIN, "f");
    return n;
}

/* F0 calls F1 twice and so on; name_length: of the names of the calls. */
static bytes doubling(int depth, size_t name_length)
{
    char *long_name = calloc(name_length + 1, 1);
    assert_non_null(long_name);
    memset(long_name, 'n', name_length);
    bytes m = with_node(call_of("F0", long_name, "x", "y"));
    b_message(&m, MODEL_OPSET, b_opset("f", 1));
    for (int i = 0; i < depth; i++) {
        char name[16], next[16];
        snprintf(name, sizeof name, "F%d", i);
        snprintf(next, sizeof next, "F%d", i + 1);
        bytes f = function(name);
        bool last = i + 1 == depth;
        b_message(&f, FUNCTION_NODE, last ? b_node("Neg", "", "a", "t") : call_of(next, long_name, "a", "t"));
        b_message(&f, FUNCTION_NODE, last ? b_node("Neg", "", "t", "b") : call_of(next, long_name, "t", "b"));
        b_message(&m, MODEL_FUNCTION, f);
    }
    free(long_name);
    return m;
}

/* One value of [n]. */
static bytes sparse(int64_t n)
{
    const float one = 1;
    const int64_t zero = 0;
    bytes s = {0}, values = {0}, indices = {0}, g = {0};
    b_int(&values, TENSOR_DIMS, 1);
    b_int(&values, TENSOR_DATA_TYPE, SIB_F32);
    b_str(&values, TENSOR_NAME, "w");
    b_raw(&values, TENSOR_RAW_DATA, &one, sizeof one);
    b_int(&indices, TENSOR_DIMS, 1);
    b_int(&indices, TENSOR_DATA_TYPE, SIB_I64);
    b_raw(&indices, TENSOR_RAW_DATA, &zero, sizeof zero);
    b_message(&s, SPARSE_VALUES, values);
    b_message(&s, SPARSE_INDICES, indices);
    b_int(&s, SPARSE_DIMS, n);
    b_message(&g, GRAPH_NODE, b_node("Neg", "n", "w", "y"));
    b_message(&g, GRAPH_SPARSE, s);
    b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
    return b_model(10, g);
}

static uint64_t peak_since(uint64_t before)
{
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    return c.bytes_peak - before;
}

static uint64_t held(void)
{
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    return c.bytes_current;
}

TEST(test_budgets)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    uint64_t before = held();
    check_refused(doubling(14, 6000), NULL, SIB_ERR_SIZE, "(raised by max_graph_bytes");
    check_refused(doubling(17, 1), NULL, SIB_ERR_SIZE, "(raised by max_nodes");
    check_refused(sparse(INT64_C(1) << 30), NULL, SIB_ERR_SIZE, "(raised by max_bytes");
    assert_true(peak_since(before) < BYTES_MAX);
    assert_true(held() == before);
    /* limits can be raised and lowered */
    check_refused(doubling(4, 10), &(sib_open_options){.max_nodes = 15}, SIB_ERR_SIZE,
                  "limit of 15 (raised by max_nodes");
    check_refused(sparse(1024), &(sib_open_options){.max_bytes = 4095}, SIB_ERR_SIZE, "limit of 4095");
    check_refused(doubling(4, 10), &(sib_open_options){.max_graph_bytes = 4096}, SIB_ERR_SIZE,
                  "limit of 4096");
    CHECK_OK(open_session(doubling(9, 6000), &(sib_open_options){.max_graph_bytes = UINT64_C(1) << 30}, "ref",
                          &s, &err),
             err);
    sib_session_free(&s);
    CHECK_OK(open_session(sparse((64 << 18) + 100), &(sib_open_options){.max_bytes = UINT64_C(1) << 30},
                          "ref", &s, &err),
             err);
    sib_session_free(&s);
}

/* Runs strings that double from node to node, up to 2^42 characters. */
static void check_doubling_fails(uint64_t memory_limit, bool profiled, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_session *s = NULL;
    sib_tensor *t = NULL;
    sib_value *v = NULL, *out = NULL;
    sib_profile *profile = NULL;
    uint64_t before = held();
    sib_session_options options = {.backends = "ref", .threads = 1, .memory_limit = memory_limit};
    bytes g = {0};
    for (int i = 0; i < 40; i++) {
        char from[32], to[16];
        snprintf(from, sizeof from, "x%d x%d", i, i);
        snprintf(to, sizeof to, "x%d", i + 1);
        b_message(&g, GRAPH_NODE, b_node("StringConcat", "", from, to));
    }
    b_message(&g, GRAPH_INPUT, b_info("x0", b_type(SIB_STRING, "1")));
    b_message(&g, GRAPH_OUTPUT, b_info("x40", (bytes){0}));
    bytes file = b_model(10, g);
    CHECK_OK(sib_model_open_bytes(file.data, file.n, NULL, &m, &err), err);
    b_free(&file);
    CHECK_OK(sib_session_create(m, &options, &s, &err), err);
    CHECK_OK(sib_tensor_create(SIB_STRING, 1, (int64_t[]){1}, &t, &err), err);
    CHECK_OK(sib_tensor_set_string(t, (int64_t[]){0}, (sib_str){"abcd", 4}, &err), err);
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    if (profiled)
        CHECK_OK(sib_profile_create(&profile, &err), err);
    CHECK_FAILS(sib_session_run(s, 1, &(sib_named_value){"x0", v}, 0, NULL, &out,
                                &(sib_run_options){.profile = profile}, &err),
                SIB_ERR_MEMORY, err, words);
    sib_profile_free(&profile);
    sib_value_free(&v);
    sib_tensor_free(&t);
    sib_session_free(&s);
    sib_model_free(&m);
    assert_true(held() == before);
}

TEST(test_strings_count)
{
    check_doubling_fails(1 << 24, false, "above the limit of 16777216");
    check_doubling_fails(1 << 24, true, "above the limit of 16777216");
}

/* A run without a limit of its own ends at the process's limit. */
TEST(test_process_limit)
{
    char words[64];
    uint64_t limit = held() + (1 << 24);
    snprintf(words, sizeof words, "this process may hold %llu bytes", (unsigned long long)limit);
    sib_memory_limit_set(limit);
    check_doubling_fails(0, false, words);
    sib_memory_limit_set(0);
}

/* ---- The files ---------------------------------------------------------------------------------------- */

static sib_value *small_input(const sib_value_info *info)
{
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    int64_t dims[SIB_MAX_RANK];
    for (size_t i = 0; i < info->rank; i++)
        dims[i] = info->dims[i] >= 0 ? info->dims[i] : 3;
    if (info->kind != SIB_VALUE_TENSOR ||
        sib_tensor_create(info->dtype, info->rank, dims, &t, NULL) != SIB_OK)
        return NULL;
    if (info->dtype == SIB_BOOL && sib_tensor_count(t))
        memset(sib_tensor_data(t), 1, (size_t)sib_tensor_count(t));
    if (info->dtype == SIB_I64)
        for (uint64_t i = 0; i < sib_tensor_count(t); i++)
            ((int64_t *)sib_tensor_data(t))[i] = 8;
    assert_int_equal(sib_value_from_tensor(t, &v, NULL), SIB_OK);
    sib_tensor_free(&t);
    return v;
}

/* Opens one file, makes a session and may run it; errors are allowed. */
static void go(const char *path, const char *names, bool runs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_session *s = NULL;
    sib_named_value given[8];
    sib_value *values[8] = {NULL}, *out[8] = {NULL};
    sib_value_info info;
    size_t n = 0;
    sib_session_options options = {.backends = names, .threads = 1, .memory_limit = BYTES_MAX / 2};
    sib_code code = sib_model_open(path, NULL, &m, &err);
    if (code == SIB_OK)
        code = sib_session_create(m, &options, &s, &err);
    for (; runs && code == SIB_OK && n < 8 && sib_model_input(m, n, &info); n++) {
        values[n] = small_input(&info);
        given[n] = (sib_named_value){info.name, values[n]};
    }
    if (runs && code == SIB_OK && !sib_model_output(m, 8, &info))
        code = sib_session_run(s, n, given, 0, NULL, out, NULL, &err);
    assert_true(code == SIB_OK || err.message[0]);
    for (size_t i = 0; i < 8; i++) {
        sib_value_free(&values[i]);
        sib_value_free(&out[i]);
    }
    sib_session_free(&s);
    sib_model_free(&m);
}

/* Opens every shared file, and may run it, each within SECONDS_MAX and BYTES_MAX. */
static void go_through(const char *folder, bool runs)
{
    char path[4600];
    DIR *files = opendir(folder);
    assert_non_null(files);
    for (struct dirent *e; (e = readdir(files));) {
        size_t n = strlen(e->d_name);
        if (n < 5 || strcmp(e->d_name + n - 5, ".onnx"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        for (int i = 0; i < 2; i++) {
            uint64_t before = held();
            double began = seconds();
            go(path, backends[i], runs);
            double took = seconds() - began;
            if (held() != before || took > SECONDS_MAX || peak_since(0) > BYTES_MAX)
                fail_msg("%s on %s: %.3f s, %llu bytes at once, %lld not given back", e->d_name, backends[i],
                         took, (unsigned long long)peak_since(0), (long long)(held() - before));
        }
    }
    closedir(files);
}

TEST(test_shared_files)
{
    char folder[4200];
    const char *data = check_data_folder();
    snprintf(folder, sizeof folder, "%s/hostile", data ? data : "");
    if (!data || access(folder, R_OK))
        CHECK_SKIP("the shared data's hostile files");
    go_through(folder, false);
    go_through(folder, true);
}

/* ---- Files found in use -------------------------------------------------------------------------------- */

TEST(test_newer_versions)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    bytes g = {0}, file = {0};
    b_message(&g, GRAPH_NODE, b_node("Relu", "r", "x", "y"));
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(SIB_F32, "2 2")));
    b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
    b_int(&file, MODEL_IR_VERSION, 99);
    b_message(&file, MODEL_OPSET, b_opset("", 1000));
    b_message(&file, MODEL_GRAPH, g);
    CHECK_OK(sib_model_open_bytes(file.data, file.n, NULL, &m, &err), err);
    assert_non_null(sib_model_diagnostic(m, 0));
    assert_non_null(strstr(sib_model_diagnostic(m, 0), "IR version 99 is newer"));
    sib_model_free(&m);
    sib_session *s = NULL;
    CHECK_OK(open_session(file, NULL, "ref", &s, &err), err);
    sib_session_free(&s);
}

/* A body that declares its iteration number as [1] gets it as [1]: its ReduceSum over axis 0 works. */
TEST(test_loop_iteration_of_rank_1)
{
    for (int k = 0; k < 2; k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = NULL;
        sib_value *out = NULL;
        bytes body = {0}, g = {0}, trips = {0}, node = b_node("Loop", "l", "m", "y");
        const int64_t three = 3;
        b_message(&body, GRAPH_NODE, b_node("Identity", "", "c", "d"));
        b_message(&body, GRAPH_NODE, b_node("Identity", "", "i", "j"));
        b_message(&body, GRAPH_INPUT, b_info("i", b_type(SIB_I64, k ? "1" : "")));
        b_message(&body, GRAPH_INPUT, b_info("c", b_type(SIB_BOOL, "")));
        b_message(&body, GRAPH_OUTPUT, b_info("d", (bytes){0}));
        b_message(&body, GRAPH_OUTPUT, b_info("j", (bytes){0}));
        b_message(&node, NODE_ATTRIBUTE, b_graph_attribute("body", body));
        b_int(&trips, TENSOR_DATA_TYPE, SIB_I64);
        b_str(&trips, TENSOR_NAME, "m");
        b_raw(&trips, TENSOR_RAW_DATA, &three, sizeof three);
        b_message(&g, GRAPH_NODE, node);
        b_message(&g, GRAPH_INITIALIZER, trips);
        b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
        CHECK_OK(open_session(b_model(10, g), NULL, "ref", &s, &err), err);
        CHECK_OK(sib_session_run(s, 0, NULL, 0, NULL, &out, NULL, &err), err);
        const sib_tensor *t = sib_value_tensor(out);
        assert_int_equal(sib_tensor_rank(t), k ? 2 : 1);
        assert_int_equal(sib_tensor_count(t), 3);
        assert_int_equal(((const int64_t *)sib_tensor_data(t))[2], 2);
        sib_value_free(&out);
        sib_session_free(&s);
    }
}

static sib_value *ramp(size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 1, (int64_t[]){(int64_t)n}, &t, &err), err);
    for (size_t i = 0; i < n; i++)
        ((float *)sib_tensor_data(t))[i] = (float)i;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

/* Inputs that share a symbol but differ in size: one warning, and each keeps its size. */
TEST(test_shared_symbol)
{
    for (int k = 0; k < 2; k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = NULL;
        bytes g = {0}, axis = b_int_attribute("axis", 0), node = b_node("Concat", "c", "p q", "y");
        b_message(&node, NODE_ATTRIBUTE, axis);
        b_message(&g, GRAPH_NODE, b_node("Expand", "e", "a s", "p"));
        b_message(&g, GRAPH_NODE, b_node("Shape", "", "b", "s"));
        b_message(&g, GRAPH_NODE, b_node("Neg", "", "b", "q"));
        b_message(&g, GRAPH_NODE, node);
        b_message(&g, GRAPH_INPUT, b_info("a", b_type(SIB_F32, "N")));
        b_message(&g, GRAPH_INPUT, b_info("b", b_type(SIB_F32, "N")));
        b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
        CHECK_OK(open_session(b_model(10, g), NULL, backends[k], &s, &err), err);
        for (int times = 0; times < 3; times++) {
            size_t n = times == 1 ? 4 : 1; /* equal sizes in the second run */
            sib_value *out = NULL, *a = ramp(n), *b = ramp(4);
            sib_named_value given[] = {{"a", a}, {"b", b}};
            CHECK_OK(sib_session_run(s, 2, given, 0, NULL, &out, NULL, &err), err);
            assert_int_equal(sib_tensor_count(sib_value_tensor(out)), 8);
            assert_true(((const float *)sib_tensor_data(sib_value_tensor(out)))[7] == -3);
            sib_value_free(&out);
            sib_value_free(&a);
            sib_value_free(&b);
        }
        assert_non_null(sib_session_diagnostic(s, 0));
        assert_non_null(strstr(sib_session_diagnostic(s, 0), "its dim 'N' has another size"));
        assert_null(sib_session_diagnostic(s, 1));
        sib_session_free(&s);
    }
}

/* The last one, since the peak of the memory held stays. */
TEST(test_strings_have_a_limit)
{
    check_doubling_fails(0, false, "above the limit of 536870912 (raised by memory_limit)");
}
