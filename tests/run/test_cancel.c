/* Long nodes that are cancelled midway, and nodes whose results are above the limit of memory. */
#include "cancel_later.h"
#include "tiny.h"

#include <sibyl/timing.h>

#define N         ((int64_t)1 << 19) /* elements of the input x [N] */
#define LARGE     ((int64_t)1 << 23) /* of nodes whose work is in proportion to their input */
#define SOON_US   10000              /* until a run is cancelled first */
#define LIMIT     (UINT64_C(64) << 20)
#define BIG_LIMIT (UINT64_C(8) << 30)

/* Adds the node 'slow', which makes y of x: far more than LIMIT, in seconds. */
typedef struct long_node {
    const char *name;
    void (*add)(tiny *t, value_id x);
} long_node;

static attribute of_text(const char *name, const char *s)
{
    return (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(s)};
}

static void make(tiny *t, const char *type, size_t n, const value_id *in, size_t n_attributes,
                 attribute *attributes)
{
    value_id y = tiny_made(t, "y");
    tiny_node(t, type, "slow", n, in, 1, &y, n_attributes, attributes);
    tiny_output(t, y);
}

#define MAKE(t, type, ...)                                                                                   \
    make(t, type, sizeof((value_id[]){__VA_ARGS__}) / sizeof(value_id), (value_id[]){__VA_ARGS__}, 0, NULL)
#define INTS(t, name, ...)                                                                                   \
    tiny_constant(t, name, SIB_I64, 1, (int64_t[]){sizeof((double[]){__VA_ARGS__}) / sizeof(double)},        \
                  OF(__VA_ARGS__))
#define SCALAR(t, name, dtype, x) tiny_constant(t, name, dtype, 0, NULL, OF(x))

static void add_expand(tiny *t, value_id x)
{
    MAKE(t, "Expand", x, INTS(t, "dims", 1024, 1));
}

static void add_tile(tiny *t, value_id x)
{
    MAKE(t, "Tile", x, INTS(t, "repeats", 1024));
}

static void add_pad(tiny *t, value_id x)
{
    MAKE(t, "Pad", x, INTS(t, "pads", 0, 5e8));
}

static void add_constant(tiny *t, value_id x)
{
    (void)x;
    MAKE(t, "ConstantOfShape", INTS(t, "dims", 1024, 1 << 19));
}

static void add_range(tiny *t, value_id x)
{
    (void)x;
    MAKE(t, "Range", SCALAR(t, "a", SIB_F32, 0), SCALAR(t, "b", SIB_F32, 1 << 21),
         SCALAR(t, "c", SIB_F32, 1.0 / 64));
}

static void add_one_hot(tiny *t, value_id x)
{
    MAKE(t, "OneHot", x, SCALAR(t, "depth", SIB_I64, 1024),
         tiny_constant(t, "values", SIB_F32, DIMS(2), OF(0, 1)));
}

static void add_einsum(tiny *t, value_id x)
{
    attribute equation = of_text("equation", "a,b->ab");
    make(t, "Einsum", 2, (value_id[]){x, tiny_constant(t, "ones", SIB_F32, DIMS(128), NULL)}, 1, &equation);
}

static void add_concat(tiny *t, value_id x)
{
    value_id in[1024];
    attribute axis = {.name = str_of("axis"), .kind = ATTR_INT};
    for (size_t i = 0; i < 1024; i++)
        in[i] = x;
    make(t, "Concat", 1024, in, 1, &axis);
}

static void add_gather(tiny *t, value_id x)
{
    value_id i = tiny_op(t, "Expand", INTS(t, "zero", 0), INTS(t, "dims", 1024), "i");
    value_id row = tiny_op(t, "Unsqueeze", x, INTS(t, "axes", 0), "row");
    MAKE(t, "Gather", row, i);
}

static void add_random(tiny *t, value_id x)
{
    (void)x;
    const int64_t dims[] = {256, N};
    attribute shape = {.name = str_of("shape"), .kind = ATTR_INTS, .n = 2, .ints = dims};
    make(t, "RandomNormal", 0, NULL, 1, &shape);
}

/* [N] to [2048, N / 2048] and on. */
static value_id as_rows(tiny *t, value_id x)
{
    return tiny_op(t, "Reshape", x, INTS(t, "rows", 2048, -1), "as_rows");
}

static void add_resize(tiny *t, value_id x)
{
    const value_id in[] = {as_rows(t, x), NO_VALUE, tiny_constant(t, "scales", SIB_F32, DIMS(2), OF(16, 16))};
    attribute mode = of_text("mode", "linear");
    make(t, "Resize", 3, in, 1, &mode);
}

static void add_resize_nearest(tiny *t, value_id x)
{
    const value_id in[] = {as_rows(t, x), NO_VALUE, tiny_constant(t, "scales", SIB_F32, DIMS(2), OF(16, 16))};
    attribute mode = of_text("mode", "nearest");
    make(t, "Resize", 3, in, 1, &mode);
}

static void add_pad_reflect(tiny *t, value_id x)
{
    attribute mode = of_text("mode", "reflect");
    const value_id in[] = {as_rows(t, x), INTS(t, "pads", 2047, 4095, 2047, 4095)};
    make(t, "Pad", 2, in, 1, &mode);
}

static void add_text(tiny *t, value_id x)
{
    attribute to = {.name = str_of("to"), .kind = ATTR_INT, .i = 8};
    make(t, "Cast", 1, &x, 1, &to);
}

static void add_trilu(tiny *t, value_id x)
{
    MAKE(t, "Trilu", as_rows(t, x));
}

static void add_reverse(tiny *t, value_id x)
{
    value_id rows = as_rows(t, x);
    MAKE(t, "ReverseSequence", rows,
         tiny_op(t, "Expand", INTS(t, "lengths", 2000), INTS(t, "batches", 4096), "each"));
}

static void add_scatter(tiny *t, value_id x)
{
    value_id i = tiny_op(t, "Expand", INTS(t, "one", 1), INTS(t, "all", LARGE), "i");
    MAKE(t, "ScatterElements", x, i, x);
}

static void add_one_hot_of_integers(tiny *t, value_id x)
{
    (void)x;
    value_id i = tiny_op(t, "Expand", INTS(t, "one", 1), INTS(t, "all", 1 << 19), "i");
    MAKE(t, "OneHot", i, SCALAR(t, "depth", SIB_I64, 512),
         tiny_constant(t, "values", SIB_F32, DIMS(2), OF(0, 1)));
}

static void add_top_k(tiny *t, value_id x)
{
    MAKE(t, "TopK", x, INTS(t, "k", LARGE - 1));
}

static void add_top_fifth(tiny *t, value_id x)
{
    value_id d = tiny_made(t, "doubles");
    attribute to = {.name = str_of("to"), .kind = ATTR_INT, .i = 11};
    tiny_node(t, "Cast", "cast", 1, &x, 1, &d, 1, &to);
    MAKE(t, "TopK", d, INTS(t, "k", LARGE / 5));
}

static void add_unique(tiny *t, value_id x)
{
    MAKE(t, "Unique", x);
}

static void add_narrow(tiny *t, value_id x)
{
    value_id rows = tiny_op(t, "Reshape", x, INTS(t, "eights", -1, 8), "rows_of_8");
    value_id many = tiny_op(t, "Tile", rows, INTS(t, "repeats", 4, 1), "many");
    MAKE(t, "MatMul", many, tiny_constant(t, "w", SIB_F32, DIMS(8, 2), NULL));
}

static const long_node nodes[] = {{"Expand", add_expand},
                                  {"Tile", add_tile},
                                  {"Pad", add_pad},
                                  {"Resize", add_resize},
                                  {"ConstantOfShape", add_constant},
                                  {"Range", add_range},
                                  {"OneHot", add_one_hot},
                                  {"Einsum", add_einsum},
                                  {"Concat", add_concat},
                                  {"Gather", add_gather},
                                  {"RandomNormal", add_random},
                                  {"Resize nearest", add_resize_nearest}};
#define N_NODES (sizeof nodes / sizeof *nodes)

/* The same of LARGE elements, whose results may be below LIMIT. */
static const long_node large_nodes[] = {{"Pad by reflection", add_pad_reflect},
                                        {"Trilu", add_trilu},
                                        {"ReverseSequence", add_reverse},
                                        {"ScatterElements", add_scatter},
                                        {"OneHot of integers", add_one_hot_of_integers},
                                        {"TopK", add_top_k},
                                        {"TopK of a fifth", add_top_fifth},
                                        {"Unique", add_unique},
                                        {"MatMul of two columns", add_narrow}};
#define N_LARGE (sizeof large_nodes / sizeof *large_nodes)

/* The same of N elements. */
static const long_node text_nodes[] = {{"Cast to strings", add_text}};

static sib_session *session_of(const long_node *row, const char *backends, uint64_t limit)
{
    tiny t = tiny_begin();
    row->add(&t, tiny_input(&t, "x", SIB_F32, "N"));
    return tiny_session(&t, &(sib_session_options){
                                .backends = backends, .threads = 1, .passes = "-all", .memory_limit = limit});
}

static uint64_t peak(void)
{
    sib_memory m;
    sib_memory_usage(&m);
    return m.resident_peak;
}

TEST(results_above_the_limit_are_refused_by_its_name)
{
    static const char *const backends[] = {"ref", "cpu,ref"};
    sib_value *x = tiny_given(SIB_F32, DIMS(N), NULL), *out = NULL;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < N_NODES; i++) {
            sib_error err = SIB_ERROR_INIT;
            sib_session *s = session_of(&nodes[i], backends[k], LIMIT);
            const uint64_t before = peak();
            sib_code code = sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &out, NULL, &err);
            if (code != SIB_ERR_MEMORY || !strstr(err.message, "67108864") || peak() > before + 2 * LIMIT)
                fail_msg("%s on %s: %s, %llu more bytes", nodes[i].name, backends[k], err.message,
                         (unsigned long long)(peak() - before));
            sib_session_free(&s);
        }
    sib_value_free(&x);
}

/* A node that does not heed ends in each try. *late: seconds of a processor that the run took after the cancel. */
static sib_code run_cancelled(sib_session *s, const sib_value *x, unsigned us, double *late)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out = NULL;
    cancel_later l;
    cancel_later_begin(&l, us);
    sib_code code = sib_session_run(s, 1, &(sib_named_value){"x", x}, 0, NULL, &out,
                                    &(sib_run_options){.cancel = l.cancel}, &err);
    *late = cancel_later_end(&l);
    sib_value_free(&out);
    return code;
}

/* x [n]: floats of any order. */
static sib_value *random_value(int64_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 1, &n, &t, &err), err);
    for (int64_t i = 0; i < n; i++)
        ((float *)sib_tensor_data(t))[i] = (float)((uint32_t)i * UINT32_C(2654435761)) / 3;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

static void check_cancelled(const char *backends, const long_node *rows, size_t n_rows, int64_t n)
{
    sib_value *x = random_value(n);
    size_t failed = 0;
    for (size_t i = 0; i < n_rows; i++) {
        sib_session *s = session_of(&rows[i], backends, BIG_LIMIT);
        sib_code code = SIB_OK;
        double late = 0;
        for (unsigned try = 0; try < CANCEL_TRIES && code == SIB_OK; try++)
            code = run_cancelled(s, x, cancel_sooner(SOON_US, try), &late);
        if ((code != SIB_ERR_CANCELLED || late > HEEDED_S) && ++failed)
            print_error("%s on %s: %s after %.3f s, expected cancelled\n", rows[i].name, backends,
                        sib_code_name(code), late);
        sib_session_free(&s);
    }
    sib_value_free(&x);
    assert_int_equal(failed, 0);
}

TEST(nodes_of_ref_heed_cancel)
{
    check_cancelled("ref", nodes, N_NODES, N);
}

TEST(nodes_of_cpu_heed_cancel)
{
    check_cancelled("cpu,ref", nodes, N_NODES, N);
}

TEST(nodes_of_large_inputs_heed_cancel)
{
    check_cancelled("ref", large_nodes, N_LARGE, LARGE);
    check_cancelled("cpu,ref", large_nodes, N_LARGE, LARGE);
}

TEST(conversions_to_text_heed_cancel)
{
    check_cancelled("ref", text_nodes, 1, N);
}
