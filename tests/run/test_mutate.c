/* Mutated official models, end to end: opened with inference, inspected, planned and run on the inputs of
   their case, which are sometimes mutated too. Each must end with outputs or an error, and free all memory. A
   run that a mutation makes long (a Loop of a billion iterations) is cancelled after MAX_SECONDS / 2 and
   must end soon after; nothing else may take long. SIBYL_MUTATIONS is the number of files,
   SIBYL_MUTATION_SEED the seed, SIBYL_MUTATION_FIRST the first file: file k of a seed does not depend on
   those before it. */
#include "onnx/cases.h"
#include "onnx/mutate.h"
#include "watch.h"

#include <sys/resource.h>
#include <unistd.h>

#define MAX_BYTES    (8 << 20)
#define MAX_INPUTS   64
#define MAX_ELEMENTS (1 << 16) /* of an input generated here */
#define MEMORY_LIMIT (64u << 20)

typedef struct file {
    uint8_t *data; /* from malloc, with room for mutate */
    size_t n;
} file;

/* The inputs of one run. */
typedef struct inputs {
    size_t n;
    sib_named_value given[MAX_INPUTS]; /* (n) */
    sib_value *values[MAX_INPUTS];     /* (n) owned */
} inputs;

/* What comes with a model. */
typedef struct source {
    char folder[4300];
    bool change_inputs;
    uint64_t baked; /* bit i: input i is an initializer now */
} source;

static void input_path(const char *folder, size_t i, char path[4400])
{
    snprintf(path, 4400, "%s/test_data_set_0/input_%zu.pb", folder, i);
}

typedef struct tally {
    size_t opened, planned, ran, cancelled;
} tally;

static file read_file(const char *path)
{
    file f = {0};
    FILE *from = fopen(path, "rb");
    if (!from)
        return f;
    fseek(from, 0, SEEK_END);
    long size = ftell(from);
    rewind(from);
    f.n = size > MAX_BYTES ? MAX_BYTES : (size_t)(size > 0 ? size : 0);
    f.data = malloc(mutate_room(f.n));
    assert_non_null(f.data);
    f.n = fread(f.data, 1, f.n, from);
    fclose(from);
    return f;
}

static uint64_t held(void)
{
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    return c.bytes_current;
}

static void check_code(sib_code code, const sib_error *err)
{
    if (code != SIB_OK && (err->code != code || !err->message[0]))
        fail_msg("%s: code %d without a sentence", watch_doing(), (int)code);
}

/* ---- Inputs ------------------------------------------------------------------------------------------- */

/* Reads a value from a copy of its file, which may be mutated. */
static sib_value *read_value(check_random *r, const char *path, const sib_value_info *like, bool change)
{
    static const char pattern[] = "/tmp/sibyl_mutated_XXXXXX";
    char name[sizeof pattern], what[200];
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    if (!change) {
        check_code(sib_value_load_pb(path, like, &v, NULL, &err), &err);
        return v;
    }
    file f = read_file(path);
    memcpy(name, pattern, sizeof pattern);
    int to = mkstemp(name);
    assert_true(to >= 0);
    if (f.n && check_u64(r) % 3)
        f.n = mutate_meaning(r, f.data, f.n, NULL, 0, what, sizeof what);
    else if (f.n)
        f.n = mutate(r, f.data, f.n, what, sizeof what);
    bool written = write(to, f.data, f.n) == (ssize_t)f.n;
    close(to);
    free(f.data);
    if (written)
        check_code(sib_value_load_pb(name, like, &v, NULL, &err), &err);
    unlink(name);
    return v;
}

static bool fits(const sib_value_info *info, const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    if (info->kind != SIB_VALUE_TENSOR || !t)
        return info->kind == sib_value_get_kind(v);
    bool same = (!info->dtype || info->dtype == sib_tensor_dtype(t)) &&
                (!info->ranked || info->rank == sib_tensor_rank(t));
    for (size_t i = 0; same && info->ranked && i < info->rank; i++)
        same = info->dims[i] < 0 || info->dims[i] == sib_tensor_dims(t)[i];
    return same;
}

/* A small tensor of the declared type with numbers from -3 to 3. Returns NULL if it is large or not a
   tensor. */
static sib_value *make_value(check_random *r, const sib_value_info *info)
{
    sib_tensor *t = NULL, *typed = NULL;
    sib_value *v = NULL;
    int64_t dims[SIB_MAX_RANK], count = 1;
    size_t rank = info->ranked ? info->rank : (size_t)(check_u64(r) % 4);
    if (info->kind != SIB_VALUE_TENSOR || !info->dtype)
        return NULL;
    for (size_t i = 0; i < rank; i++) {
        dims[i] = info->ranked && info->dims[i] >= 0 ? info->dims[i] : (int64_t)(check_u64(r) % 5);
        if (dims[i] > MAX_ELEMENTS || (count *= dims[i]) > MAX_ELEMENTS)
            return NULL;
    }
    sib_code code = sib_tensor_create(info->dtype == SIB_STRING ? SIB_STRING : SIB_F64, rank, dims, &t, NULL);
    double *x = code == SIB_OK ? sib_tensor_data(t) : NULL; /* (count) */
    for (int64_t i = 0; x && info->dtype != SIB_STRING && i < count; i++)
        x[i] = check_u64(r) % 4 ? (double)(check_u64(r) % 4) : 3 * check_uniform(r);
    if (code == SIB_OK && info->dtype != SIB_STRING)
        code = sib_tensor_convert(t, info->dtype, SIB_OVERFLOW_SATURATE, &typed, NULL);
    if (code == SIB_OK)
        code = sib_value_from_tensor(typed ? typed : t, &v, NULL);
    sib_tensor_free(&t);
    sib_tensor_free(&typed);
    return v;
}

/* Inputs by position, except those that are initializers now (bits of `baked`): those of the case if they
   fit, else generated ones. */
static void find_inputs(check_random *r, const sib_model *m, const source *from, inputs *in)
{
    sib_value_info info;
    char path[4400];
    in->n = 0;
    for (size_t i = 0, k = 0; in->n < MAX_INPUTS && sib_model_input(m, i, &info); i++, k++) {
        while (from->baked >> k % 64 & 1)
            k++;
        input_path(from->folder, k, path);
        bool there = access(path, R_OK) == 0;
        if (info.optional_input && !there)
            continue;
        bool insist = check_u64(r) % 16 == 0; /* inputs that do not fit must be rejected */
        sib_value *v = there ? read_value(r, path, &info, from->change_inputs && check_u64(r) % 2) : NULL;
        if (v && !insist && !fits(&info, v))
            sib_value_free(&v);
        if (!v)
            v = make_value(r, &info);
        if (!v)
            continue;
        in->values[in->n] = v;
        in->given[in->n++] = (sib_named_value){info.name, v};
    }
}

/* ---- End to end ---------------------------------------------------------------------------------------- */

/* Queries everything about a graph, the milli-ops of its nodes too. */
static size_t look_through_graph(const sib_graph *g, bool milli)
{
    sib_graph_info info;
    sib_value_info value;
    sib_node_info node;
    sib_attribute attribute;
    const uint32_t *users;
    size_t letters = 0;
    sib_graph_get_info(g, &info);
    for (size_t i = 0; sib_graph_value(g, i, &value); i++)
        letters += strlen(value.type) + sib_graph_users(g, i, &users);
    for (size_t i = 0; sib_graph_node(g, i, &node); i++) {
        sib_graph *made = NULL;
        letters += node.flops ? strlen(node.flops) : 0;
        for (size_t k = 0; sib_graph_attribute(g, i, k, &attribute); k++) {
            letters += strlen(attribute.name) + strlen(attribute.text);
            letters += sib_graph_inner(g, i, k, 0) == SIB_NONE;
        }
        if (milli && sib_graph_milli(g, i, 0, NULL, &made, NULL) == SIB_OK)
            letters += look_through_graph(made, false);
        sib_graph_free(&made);
    }
    return letters;
}

/* Queries everything about a model. */
static void look_through(const sib_model *m)
{
    sib_model_info info;
    sib_value_info value;
    size_t letters = 0;
    sib_model_get_info(m, &info);
    for (size_t i = 0; sib_model_output(m, i, &value); i++)
        letters += strlen(value.name);
    for (size_t n = 0; n < sib_model_graphs(m); n++)
        letters += look_through_graph(sib_model_graph(m, n), true);
    for (size_t i = 0; i < info.n_diagnostics; i++)
        letters += strlen(sib_model_diagnostic(m, i));
    assert_true(letters < SIZE_MAX);
}

static sib_code ignore(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)err;
    *(size_t *)context += strlen(event->name);
    return SIB_OK;
}

static void run_it(check_random *r, sib_session *s, const source *from, tally *sums)
{
    const sib_model *m = sib_session_model(s);
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_cancel *cancel = NULL;
    inputs in;
    size_t letters = 0;
    sib_model_get_info(m, &info);
    CHECK_OK(sib_cancel_create(&cancel, &err), err);
    sib_run_options options = {.cancel = cancel, .tap_context = &letters};
    if (check_u64(r) % 8 == 0) {
        options.tap = ignore;
        options.tap_inside = true;
    }
    sib_value **out = calloc(info.n_outputs + 1, sizeof *out);
    assert_non_null(out);
    find_inputs(r, m, from, &in);
    watch_cancel(cancel);
    sib_code code = sib_session_run(s, in.n, in.given, 0, NULL, out, &options, &err);
    watch_cancel(NULL);
    check_code(code, &err);
    sums->ran += code == SIB_OK;
    sums->cancelled += code == SIB_ERR_CANCELLED;
    for (size_t i = 0; i < info.n_outputs; i++) {
        if (code == SIB_OK && !out[i])
            fail_msg("%s: output %zu is missing", watch_doing(), i);
        if (code != SIB_OK && out[i])
            fail_msg("%s: output %zu is there after a failure", watch_doing(), i);
        sib_value_free(&out[i]);
    }
    for (size_t i = 0; i < in.n; i++)
        sib_value_free(&in.values[i]);
    free(out);
    sib_cancel_free(&cancel);
}

static void go_all_the_way(check_random *r, const uint8_t *data, size_t n, const source *from, tally *sums)
{
    sib_error err = SIB_ERROR_INIT;
    sib_open_options open = {.max_bytes = MEMORY_LIMIT, .max_nodes = 200000};
    open.any_input_dims = check_u64(r) % 8 == 0;
    sib_session_options options = {.backends = "ref", .threads = 1, .memory_limit = MEMORY_LIMIT};
    options.oracle = check_u64(r) % 8 == 0;
    options.passes = check_u64(r) % 2 ? "all" : NULL; /* on ref alone passes run only if asked for */
    sib_model *m = NULL;
    sib_session *s = NULL;
    uint64_t before = held();
    sib_code code = sib_model_open_bytes(data, n, &open, &m, &err);
    check_code(code, &err);
    if (code == SIB_OK) {
        sums->opened++;
        look_through(m);
        code = sib_session_create(m, &options, &s, &err);
        check_code(code, &err);
    }
    sib_model_free(&m);
    if (code == SIB_OK) {
        sums->planned++;
        run_it(r, s, from, sums);
    }
    sib_session_free(&s);
    if (held() != before)
        fail_msg("%s: %lld bytes were not given back", watch_doing(), (long long)(held() - before));
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Half of the files are mutated so that most stay readable, the others in any way. Returns the new number of
   bytes. */
static size_t change_file(check_random *r, file *f, const char *donor_path, char *what, size_t size)
{
    if (check_u64(r) % 2)
        return mutate(r, f->data, f->n, what, size);
    file donor = read_file(donor_path);
    size_t n = f->n;
    for (uint64_t times = 1 + check_u64(r) % 3; times > 0 && n + 8192 < mutate_room(f->n); times--)
        n = mutate_meaning(r, f->data, n, donor.data, donor.n, what, size);
    free(donor.data);
    return n;
}

/* Turns inputs into initializers, so that much is computed before the run. Their files are small. */
static void bake(check_random *r, file *f, source *from)
{
    char path[4400];
    size_t gone = 0;
    for (size_t i = 0; i < 16; i++) {
        input_path(from->folder, i, path);
        file value = {0};
        if (check_u64(r) % 3 == 0 || !(value = read_file(path)).data || value.n > 65536) {
            free(value.data);
            continue;
        }
        uint8_t *grown = realloc(f->data, mutate_room(f->n + value.n + 60));
        assert_non_null(grown);
        f->data = grown;
        size_t n = mutate_bake(f->data, f->n, i - gone, value.data, value.n);
        if (n != f->n) {
            from->baked |= UINT64_C(1) << i;
            gone++;
        }
        f->n = n;
        free(value.data);
    }
}

/* File k of a seed. */
static double go_one(uint64_t seed, uint64_t k, const case_list *cases, tally *sums)
{
    check_random r = {(seed << 32) + k + 1};
    for (int i = 0; i < 8; i++)
        check_u64(&r);
    const char *path = cases->paths[check_u64(&r) % cases->n];
    char what[200] = "only its inputs";
    source from = {.change_inputs = check_u64(&r) % 2};
    bool change_model = !from.change_inputs || check_u64(&r) % 2;
    snprintf(from.folder, sizeof from.folder, "%.*s", (int)(strlen(path) - strlen("/model.onnx")), path);
    file f = read_file(path);
    assert_non_null(f.data);
    if (check_u64(&r) % 3 == 0)
        bake(&r, &f, &from);
    if (change_model)
        f.n = change_file(&r, &f, cases->paths[check_u64(&r) % cases->n], what, sizeof what);
    /* A block of the exact size, so that a read past the end is detected. */
    uint8_t *exact = malloc(f.n ? f.n : 1);
    assert_non_null(exact);
    memcpy(exact, f.data, f.n);
    free(f.data);
    watch_begin("seed %llu, file %llu: %s (%s%s%s)", (unsigned long long)seed, (unsigned long long)k, path,
                what, from.change_inputs && change_model ? "; inputs" : "",
                from.baked ? "; some are initializers" : "");
    go_all_the_way(&r, exact, f.n, &from, sums);
    double seconds = watch_end();
    free(exact);
    return seconds;
}

TEST(test_mutations)
{
    uint64_t seed = number_from("SIBYL_MUTATION_SEED", 30), first = number_from("SIBYL_MUTATION_FIRST", 0),
             n = number_from("SIBYL_MUTATIONS", 500);
    tally sums = {0};
    char slowest[5000] = "";
    double longest = 0;
    case_list cases = cases_find();
    if (!cases.n)
        CHECK_SKIP("the official cases of ONNX");
    watch_start();
    for (uint64_t k = first; k < first + n; k++) {
        double seconds = go_one(seed, k, &cases, &sums);
        if (seconds > longest) {
            longest = seconds;
            snprintf(slowest, sizeof slowest, "%s", watch_doing());
        }
    }
    watch_stop();
    print_message(
        "%llu mutated files of %zu models: %zu opened, %zu planned, %zu run to the end, %zu cancelled; "
        "the longest took %.2f s (%s)\n",
        (unsigned long long)n, cases.n, sums.opened, sums.planned, sums.ran, sums.cancelled, longest,
        slowest);
    cases_free(&cases);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map more memory than they use */
static int limit_memory(void)
{
    const struct rlimit memory = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    return setrlimit(RLIMIT_AS, &memory);
}

TEST_FIXTURE(limit_memory, NULL)
#endif
