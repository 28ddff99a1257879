/* Nodes that no exporter writes: every case of a .cases file with inputs dropped, omitted, added, swapped or
   of other types and ranks; attributes of other kinds, empty, too long or extreme; other numbers of outputs
   and other opsets. Each is inferred, rewritten by all passes, planned and run on "ref" and on "cpu,ref"; it
   must end with outputs or an error, in time, and free all memory.

   test_malformed FILE...: SIBYL_MUTATIONS is the number of mutations per case, SIBYL_MUTATION_SEED the
   seed. */
#include "case.h"
#include "run/watch.h"

#include <math.h>

#define INPUTS_MAX     48
#define OUTPUTS_MAX    48
#define ATTRIBUTES_MAX 64
#define LIST_MAX       24
#define MEMORY_LIMIT   (64u << 20)

/* A case with room for what mutations add. */
typedef struct mutant {
    op_case c;
    case_value in[INPUTS_MAX], out[OUTPUTS_MAX];
    attribute attributes[ATTRIBUTES_MAX];
    sib_value *made[INPUTS_MAX]; /* (n_made) owned */
    size_t n_made;
    int64_t ints[ATTRIBUTES_MAX][LIST_MAX]; /* the lists of generated attributes */
    float floats[ATTRIBUTES_MAX][LIST_MAX];
    sib_str strings[ATTRIBUTES_MAX][LIST_MAX];
    const sib_tensor *tensors[ATTRIBUTES_MAX][LIST_MAX];
    value_type type;
} mutant;

typedef struct tally {
    check_random random;
    uint64_t times;
    size_t built, ran;
} tally;

static size_t below(check_random *r, size_t n)
{
    return (size_t)(check_u64(r) % n);
}

/* ---- Random parts ------------------------------------------------------------------------------------- */

static int64_t random_int(check_random *r)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, -1,  0,
                                    1,         2,         3,         7,         255, 1 << 20};
    return below(r, 3) ? (int64_t)below(r, 9) - 3 : edges[below(r, sizeof edges / sizeof *edges)];
}

static float random_float(check_random *r)
{
    const float edges[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 3.4e38f, -3.4e38f, 1e-40f, -1, 1e10f};
    return below(r, 2) ? (float)check_uniform(r) * 4 : edges[below(r, sizeof edges / sizeof *edges)];
}

static sib_str random_string(check_random *r)
{
    static const char *const words[] = {"",     "x",        "SAME_UPPER", "sum", "linear",
                                        "LEAF", "\xff\xfe", "i,ij->j",    "..."};
    return str_of(words[below(r, sizeof words / sizeof *words)]);
}

/* A small tensor of any dtype. Memory must be available. */
static sib_value *random_value(check_random *r)
{
    static const sib_dtype dtypes[] = {SIB_F32,  SIB_F32, SIB_I64, SIB_I64,    SIB_U8,
                                       SIB_I8,   SIB_I32, SIB_F64, SIB_F16,    SIB_BF16,
                                       SIB_BOOL, SIB_U4,  SIB_C64, SIB_STRING, SIB_F8E4M3FN};
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wide = NULL, *t = NULL;
    sib_value *v = NULL;
    sib_dtype dtype = dtypes[below(r, sizeof dtypes / sizeof *dtypes)];
    size_t rank = below(r, 5), count = 1;
    int64_t dims[8];
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)(dims[i] = (int64_t)below(r, 4));
    bool text = dtype == SIB_STRING || dtype == SIB_C64;
    CHECK_OK(sib_tensor_create(text ? dtype : SIB_F64, rank, dims, &wide, &err), err);
    for (size_t i = 0; i < count && !text; i++)
        ((double *)sib_tensor_data(wide))[i] =
            below(r, 8) ? (double)below(r, 7) - 3 : (double)random_float(r);
    if (!text)
        CHECK_OK(sib_tensor_convert(wide, dtype, SIB_OVERFLOW_SATURATE, &t, &err), err);
    CHECK_OK(sib_value_from_tensor(text ? wide : t, &v, &err), err);
    sib_tensor_free(&wide);
    sib_tensor_free(&t);
    return v;
}

static case_value random_input(mutant *m, check_random *r)
{
    if (m->n_made == INPUTS_MAX)
        return (case_value){.omitted = true};
    sib_value *v = m->made[m->n_made++] = random_value(r);
    return (case_value){.value = v, .type = type_tensor(sib_tensor_dtype(sib_value_tensor(v)))};
}

/* Sets attribute k to a random payload of a kind. */
static void random_payload(mutant *m, check_random *r, size_t k, attribute_kind kind)
{
    attribute *a = &m->attributes[k];
    a->kind = kind;
    a->n = below(r, 3) ? below(r, 6) : below(r, LIST_MAX);
    bool tensors = kind == ATTR_TENSOR || kind == ATTR_TENSORS || kind == ATTR_SPARSE;
    for (size_t i = 0; i < LIST_MAX; i++) {
        m->ints[k][i] = random_int(r);
        m->floats[k][i] = random_float(r);
        m->strings[k][i] = random_string(r);
        if (tensors && i < 3)
            random_input(m, r);
        m->tensors[k][i] = tensors ? sib_value_tensor(m->made[m->n_made - 1]) : NULL;
    }
    switch (kind) {
    case ATTR_FLOAT:
        a->f = random_float(r);
        break;
    case ATTR_INT:
        a->i = random_int(r);
        break;
    case ATTR_STRING:
        a->s = random_string(r);
        break;
    case ATTR_TENSOR:
        a->tensor = m->tensors[k][0];
        break;
    case ATTR_GRAPH: /* its text, see case.h */
        a->s =
            str_of(below(r, 2) ? "(a f32) { y = Relu(a) } (y)" : "() { y = Constant[value_int=1 ]() } (y)");
        break;
    case ATTR_FLOATS:
        a->floats = m->floats[k];
        break;
    case ATTR_INTS:
        a->ints = m->ints[k];
        break;
    case ATTR_STRINGS:
        a->strings = m->strings[k];
        break;
    case ATTR_TENSORS:
        a->tensors = m->tensors[k];
        break;
    case ATTR_SPARSE: /* values, indices, dims: the reader requires all three */
        a->n = 3;
        a->tensors = m->tensors[k];
        break;
    default:
        m->type = type_tensor(SIB_F32);
        a->kind = ATTR_TYPE;
        a->type = &m->type;
    }
}

static attribute_kind random_kind(check_random *r)
{
    static const attribute_kind kinds[] = {ATTR_FLOAT,  ATTR_INT,  ATTR_STRING,  ATTR_TENSOR,  ATTR_GRAPH,
                                           ATTR_FLOATS, ATTR_INTS, ATTR_STRINGS, ATTR_TENSORS, ATTR_TYPE};
    return kinds[below(r, sizeof kinds / sizeof *kinds)];
}

/* An attribute that many operators have, and its usual kind. */
static attribute_kind random_attribute(check_random *r, sib_str *name)
{
    static const struct {
        const char *name;
        attribute_kind kind;
    } usual[] = {
        {"axis", ATTR_INT},
        {"axes", ATTR_INTS},
        {"keepdims", ATTR_INT},
        {"pads", ATTR_INTS},
        {"strides", ATTR_INTS},
        {"dilations", ATTR_INTS},
        {"group", ATTR_INT},
        {"mode", ATTR_STRING},
        {"kernel_shape", ATTR_INTS},
        {"auto_pad", ATTR_STRING},
        {"alpha", ATTR_FLOAT},
        {"beta", ATTR_FLOAT},
        {"epsilon", ATTR_FLOAT},
        {"perm", ATTR_INTS},
        {"shape", ATTR_INTS},
        {"to", ATTR_INT},
        {"dtype", ATTR_INT},
        {"value", ATTR_TENSOR},
        {"num_heads", ATTR_INT},
        {"hidden_size", ATTR_INT},
        {"direction", ATTR_STRING},
        {"activations", ATTR_STRINGS},
        {"ceil_mode", ATTR_INT},
        {"block_size", ATTR_INT},
        {"batch_dims", ATTR_INT},
        {"output_shape", ATTR_INTS},
        {"scales", ATTR_FLOATS},
        {"is_causal", ATTR_INT},
        {"kv_num_heads", ATTR_INT},
        {"scale", ATTR_FLOAT},
        {"n_targets", ATTR_INT},
        {"tree_roots", ATTR_INTS},
        {"nodes_modes", ATTR_STRINGS},
        {"classlabels_int64s", ATTR_INTS},
        {"p", ATTR_INT},
        {"stash_type", ATTR_INT},
    };
    size_t i = below(r, sizeof usual / sizeof *usual);
    *name = str_of(usual[i].name);
    return below(r, 8) ? usual[i].kind : random_kind(r);
}

/* ---- Mutations ---------------------------------------------------------------------------------------- */

static void mutate_inputs(mutant *m, check_random *r)
{
    op_case *c = &m->c;
    size_t i = c->n_in ? below(r, c->n_in) : 0, j = c->n_in ? below(r, c->n_in) : 0;
    switch (below(r, 8)) {
    case 0:
        c->n_in = 0;
        break;
    case 1:
        c->n_in = c->n_in ? c->n_in - 1 : 0;
        break;
    case 2:
        if (c->n_in)
            c->in[i] = (case_value){.omitted = true};
        break;
    case 3:
        if (c->n_in) {
            case_value kept = c->in[i];
            c->in[i] = c->in[j];
            c->in[j] = kept;
        }
        break;
    case 4:
        for (size_t more = 1 + below(r, 20); more && c->n_in < INPUTS_MAX; more--)
            c->in[c->n_in++] = random_input(m, r);
        break;
    default:
        if (c->n_in)
            c->in[i] = random_input(m, r);
    }
}

static void mutate_attributes(mutant *m, check_random *r)
{
    op_case *c = &m->c;
    size_t k = c->n_attributes ? below(r, c->n_attributes) : 0;
    attribute *a = &m->attributes[k];
    sib_str name;
    switch (below(r, 8)) {
    case 0:
        c->n_attributes = 0;
        break;
    case 1:
        if (c->n_attributes)
            *a = m->attributes[--c->n_attributes];
        break;
    case 2:
        if (c->n_attributes)
            random_payload(m, r, k, random_kind(r));
        break;
    case 3: /* a list of another length */
        if (c->n_attributes && a->kind >= ATTR_FLOATS && a->kind != ATTR_TYPE && a->n)
            a->n = below(r, a->n + 1);
        break;
    case 4: /* the same kind */
        if (c->n_attributes)
            random_payload(m, r, k, a->kind);
        break;
    default:
        if (c->n_attributes < ATTRIBUTES_MAX) {
            attribute_kind kind = random_attribute(r, &name);
            for (k = 0; k < c->n_attributes && !str_same(m->attributes[k].name, name);)
                k++;
            c->n_attributes += k == c->n_attributes;
            m->attributes[k].name = name;
            random_payload(m, r, k, kind);
        }
    }
}

static void mutate_case(mutant *m, check_random *r)
{
    switch (below(r, 8)) {
    case 0:
        m->c.n_out = below(r, 3) ? 1 + below(r, 4) : below(r, OUTPUTS_MAX);
        break;
    case 1:
        m->c.version = 1 + (int64_t)below(r, 28);
        break;
    case 2:
        if (m->c.n_out)
            m->out[below(r, m->c.n_out)].omitted = true;
        break;
    case 3:
    case 4:
        mutate_inputs(m, r);
        break;
    default:
        mutate_attributes(m, r);
    }
}

static void mutant_begin(mutant *m, const op_case *c)
{
    memset(m, 0, sizeof *m);
    m->c = *c;
    m->c.n_in = c->n_in < INPUTS_MAX ? c->n_in : INPUTS_MAX;
    m->c.n_out = c->n_out < OUTPUTS_MAX ? c->n_out : OUTPUTS_MAX;
    m->c.n_attributes = c->n_attributes < ATTRIBUTES_MAX ? c->n_attributes : ATTRIBUTES_MAX;
    if (m->c.n_in)
        memcpy(m->in, c->in, m->c.n_in * sizeof *m->in);
    if (m->c.n_out)
        memcpy(m->out, c->out, m->c.n_out * sizeof *m->out);
    if (m->c.n_attributes)
        memcpy(m->attributes, c->attributes, m->c.n_attributes * sizeof *m->attributes);
    m->c.in = m->in;
    m->c.out = m->out;
    m->c.attributes = m->attributes;
}

/* ---- End to end --------------------------------------------------------------------------------------- */

static void check_code(sib_code code, const sib_error *err)
{
    if (code != SIB_OK && (err->code != code || !err->message[0]))
        fail_msg("%s: code %d without a sentence", watch_doing(), (int)code);
}

static sib_code run_session(const op_case *c, sib_session *s, sib_error *err)
{
    const sib_model *model = sib_session_model(s);
    sib_named_value given[INPUTS_MAX];
    sib_value *out[OUTPUTS_MAX + 1] = {NULL};
    sib_cancel *cancel = NULL;
    sib_value_info info;
    size_t n = 0;
    for (size_t i = 0; sib_model_input(model, i, &info) && n < INPUTS_MAX; i++) {
        size_t k = (size_t)atoi(info.name + 1); /* "x3" is input 3 */
        if (info.name[0] == 'x' && k < c->n_in && c->in[k].value)
            given[n++] = (sib_named_value){info.name, c->in[k].value};
    }
    CHECK_OK(sib_cancel_create(&cancel, err), *err);
    watch_cancel(cancel);
    sib_code code = sib_session_run(s, n, given, 0, NULL, out, &(sib_run_options){.cancel = cancel}, err);
    watch_cancel(NULL);
    for (size_t i = 0; i <= OUTPUTS_MAX; i++)
        sib_value_free(&out[i]);
    sib_cancel_free(&cancel);
    return code;
}

/* Builds, opens and runs the mutant. */
static void go(tally *t, const op_case *c, case_mode mode, const char *backends)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *onnx = NULL;
    sib_model *model = NULL;
    sib_session *s = NULL;
    sib_session_options options = {
        .backends = backends, .threads = 1, .memory_limit = MEMORY_LIMIT, .passes = "all"};
    if (case_model(c, mode, &onnx, &err) != SIB_OK)
        return;
    t->built++;
    sib_code code = model_from_onnx(onnx, &model, &err);
    check_code(code, &err);
    if (code == SIB_OK)
        code = sib_session_create(model, &options, &s, &err);
    check_code(code, &err);
    if (code == SIB_OK) {
        code = run_session(c, s, &err);
        check_code(code, &err);
        t->ran += code == SIB_OK;
    }
    sib_session_free(&s);
    sib_model_free(&model);
}

static uint64_t held(void)
{
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    return c.bytes_current;
}

static bool visit(void *context, const op_case *c)
{
    static const char *const backends[] = {"ref", "cpu,ref"};
    static mutant m;
    tally *t = context;
    for (uint64_t k = 0; k < t->times; k++) {
        uint64_t seed = t->random.state, before = held();
        mutant_begin(&m, c);
        for (size_t times = 1 + below(&t->random, 3); times; times--)
            mutate_case(&m, &t->random);
        case_mode mode = (case_mode)below(&t->random, CASE_MODES);
        for (size_t i = 0; i < 2; i++) {
            watch_begin("%s:%u: %s, mutation %llu (state %llx), %s on %s", c->file, c->line, c->label,
                        (unsigned long long)k, (unsigned long long)seed, case_mode_name(mode), backends[i]);
            go(t, &m.c, mode, backends[i]);
            watch_end();
        }
        for (size_t i = 0; i < m.n_made; i++)
            sib_value_free(&m.made[i]);
        if (held() != before)
            fail_msg("%s: %lld bytes were not given back", watch_doing(), (long long)(held() - before));
    }
    return true;
}

static bool malformed(void *context, const char *file, unsigned line, const char *words)
{
    (void)context;
    fail_msg("%s:%u: %s", file, line, words);
    return false;
}

static tally sums;
static const char *file;

static void test_malformed_nodes(void **state)
{
    (void)state;
    case_visitor visitor = {visit, malformed, &sums};
    sib_error err = SIB_ERROR_INIT;
    watch_start();
    CHECK_OK(case_each(file, &visitor, &err), err);
    watch_stop();
    print_message("%s: %zu models built, %zu ran\n", file, sums.built, sums.ran);
    assert_true(sums.built > 0);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_malformed_nodes)};
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        file = argv[i];
        sums = (tally){.random = {number_from("SIBYL_MUTATION_SEED", 1) * UINT64_C(0x9E3779B97F4A7C15)},
                       .times = number_from("SIBYL_MUTATIONS", 3)};
        failed += cmocka_run_group_tests_name("malformed", tests, NULL, NULL);
    }
    return failed;
}
