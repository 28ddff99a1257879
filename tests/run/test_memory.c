/* Memory that a model holds in addition to what its runs read. */
#include "check_memory.h"
#include "tiny.h"

#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>

/* ---- Weights in a file --------------------------------------------------------------------------------- */

#define ROWS    700
#define COLUMNS 96

/* (ROWS, COLUMNS) floats, one byte past an aligned address, as in files. */
typedef struct table {
    char *source;
    float *place; /* where they are copied to */
} table;

static void bring(void *context)
{
    table *w = context;
    memcpy(w->place, w->source, ROWS * COLUMNS * sizeof *w->place);
}

static float number_at(size_t i)
{
    return (float)((i * 7919) % 1000) / 1000 - 0.5f;
}

static value_id waiting_table(tiny *t, table *w)
{
    sib_error err = SIB_ERROR_INIT;
    const int64_t dims[] = {ROWS, COLUMNS};
    sib_tensor *made = NULL;
    char *memory = malloc(ROWS * COLUMNS * sizeof(float) + 1);
    w->source = memory + 1;
    w->place = malloc(ROWS * COLUMNS * sizeof *w->place);
    assert_true(memory && w->place);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        memcpy(w->source + i * sizeof(float), &(float){number_at(i)}, sizeof(float));
    CHECK_OK(tensor_wrap_waiting(SIB_F32, 2, dims, w->place, bring, NULL, w, &made, &err), err);
    made->storage->source = w->source;
    value_id v = tiny_made(t, "table");
    t->g->values[v].type = t->g->values[v].declared = type_of_dims(t->m->dims, SIB_F32, 2, dims);
    t->g->values[v].constant = made;
    t->g->values[v].from_file = true;
    CHECK_OK(arena_keep(t->m->arena, made, &err), err);
    return v;
}

static void free_table(table *w)
{
    free(w->source - 1);
    free(w->place);
}

static sib_value *run_one(sib_session *s, const sib_value *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_named_value in = {"x", x};
    sib_value *out = NULL;
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
    return out;
}

#define LOOKED_UP 64 /* so many that planning does not evaluate constant indices */

/* Rows are looked up in the mapped file, by constant indices too. */
TEST(a_table_is_read_in_place)
{
    double rows[LOOKED_UP];
    for (int i = 0; i < LOOKED_UP; i++)
        rows[i] = i % 3 ? i * 10 : -1 - i;
    tiny t = tiny_begin();
    table w;
    value_id x = tiny_input(&t, "x", SIB_I64, "N");
    value_id v = waiting_table(&t, &w);
    value_id list = tiny_constant(&t, "list", SIB_I64, 1, (int64_t[]){LOOKED_UP}, rows);
    value_id one = tiny_op(&t, "Gather", v, x, "one"), two = tiny_op(&t, "Gather", v, list, "two");
    tiny_output(&t, tiny_op(&t, "Mul", one, two, "y"));
    const sib_tensor *waits = t.g->values[v].constant;
    sib_session *s =
        tiny_session(&t, &(sib_session_options){.backends = "cpu,ref", .passes = "-all", .threads = 1});
    sib_value *given = tiny_given(SIB_I64, 1, (int64_t[]){LOOKED_UP}, rows), *out = run_one(s, given);
    const float *y = sib_tensor_data((sib_tensor *)sib_value_tensor(out));
    for (size_t i = 0; i < LOOKED_UP; i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            float wanted = number_at((size_t)(rows[i] + (rows[i] < 0 ? ROWS : 0)) * COLUMNS + k);
            assert_true(y[i * COLUMNS + k] == wanted * wanted);
        }
    assert_true(atomic_load(&waits->storage->waits));
    sib_value_free(&given);
    sib_value_free(&out);
    sib_session_free(&s);
    free_table(&w);
}

/* y = x W, W plain or transposed: packed directly from the mapped file. */
TEST(weights_are_packed_in_place)
{
    for (int turned = 0; turned < 2; turned++) {
        size_t k = turned ? COLUMNS : ROWS, n = turned ? ROWS : COLUMNS;
        double x[ROWS];
        tiny t = tiny_begin();
        table w;
        value_id in[2] = {tiny_input(&t, "x", SIB_F32, turned ? "1 96" : "1 700"), waiting_table(&t, &w)},
                 out = tiny_made(&t, "y");
        tiny_node(&t, "Gemm", "product", 2, in, 1, &out, 1,
                  &(attribute){.name = str_of("transB"), .kind = ATTR_INT, .i = turned});
        tiny_output(&t, out);
        const sib_tensor *waits = t.g->values[in[1]].constant;
        sib_session *s = tiny_session(&t, &(sib_session_options){.backends = "cpu,ref", .threads = 1});
        for (size_t p = 0; p < k; p++)
            x[p] = number_at(p + 17);
        sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){1, (int64_t)k}, x), *got = run_one(s, given);
        const float *y = sib_tensor_data((sib_tensor *)sib_value_tensor(got));
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)number_at(p + 17) * number_at(turned ? j * k + p : p * n + j);
            assert_true(fabs(y[j] - sum) <= 1e-5);
        }
        assert_true(atomic_load(&waits->storage->waits));
        sib_value_free(&given);
        sib_value_free(&got);
        sib_session_free(&s);
        free_table(&w);
    }
}

#define WIDE 600

/* Halves that a product reads directly are not converted to floats. */
TEST(what_nobody_reads_is_not_computed)
{
    const int64_t dims[] = {WIDE, WIDE};
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "1 600"), wide = tiny_made(&t, "wide");
    value_id narrow = tiny_constant(&t, "narrow", SIB_F16, 2, dims, NULL);
    tiny_node(&t, "Cast", "widen", 1, &narrow, 1, &wide, 1,
              &(attribute){.name = str_of("to"), .kind = ATTR_INT, .i = SIB_F32});
    tiny_output(&t, tiny_op(&t, "MatMul", x, wide, "y"));
    sib_model *m = tiny_model(&t);
    sib_session *s = NULL;
    sib_alloc_counters before, after;
    sib_alloc_counters_get(&before);
    CHECK_OK(sib_session_create(m, &(sib_session_options){.threads = 1}, &s, &err), err);
    sib_alloc_counters_get(&after);
    assert_true(after.bytes_current - before.bytes_current < WIDE * WIDE * sizeof(float));
    sib_session_free(&s);
    sib_model_free(&m);
}

/* ---- Plans for many lengths ---------------------------------------------------------------------------- */

#define WIDTH   16
#define LENGTHS 60

/* y = scale Softmax(Gelu(LayerNormalization(x) W)), rows from `from` on, for x: (1, N, WIDTH): operators that
   cpu claims entirely, and a shape that elements decide. */
static sib_session *growing_session(const char *backends)
{
    double numbers[WIDTH * WIDTH];
    const int64_t square[] = {WIDTH, WIDTH}, line[] = {WIDTH};
    tiny t = tiny_begin();
    for (int i = 0; i < WIDTH * WIDTH; i++)
        numbers[i] = number_at((size_t)i);
    value_id x = tiny_input(&t, "x", SIB_F32, "1 N 16"), from = tiny_input(&t, "from", SIB_I64, "1");
    value_id scale = tiny_constant(&t, "scale", SIB_F32, 1, line, numbers),
             bias = tiny_constant(&t, "bias", SIB_F32, 1, line, numbers + WIDTH),
             w = tiny_constant(&t, "w", SIB_F32, 2, square, numbers),
             end = tiny_constant(&t, "end", SIB_I64, 1, (int64_t[]){1}, (double[]){1000}),
             axis = tiny_constant(&t, "axis", SIB_I64, 1, (int64_t[]){1}, (double[]){1});
    value_id norm = tiny_made(&t, "norm"), cut = tiny_made(&t, "cut");
    tiny_node(&t, "LayerNormalization", "n_norm", 3, (value_id[]){x, scale, bias}, 1, &norm, 0, NULL);
    value_id product = tiny_op(&t, "MatMul", norm, w, "product");
    value_id bent = tiny_op(&t, "Gelu", product, NO_VALUE, "bent");
    value_id likely = tiny_op(&t, "Softmax", bent, NO_VALUE, "likely");
    tiny_node(&t, "Slice", "n_cut", 4, (value_id[]){likely, from, end, axis}, 1, &cut, 0, NULL);
    tiny_output(&t, tiny_op(&t, "Mul", cut, scale, "y"));
    return tiny_session(&t, &(sib_session_options){.backends = backends, .threads = 1});
}

static sib_value *run_length(sib_session *s, int64_t n, int64_t first)
{
    double x[LENGTHS * WIDTH], from = (double)first;
    sib_error err = SIB_ERROR_INIT;
    sib_value *out = NULL;
    for (size_t i = 0; i < (size_t)n * WIDTH; i++)
        x[i] = number_at(i + (size_t)n);
    sib_value *given[] = {tiny_given(SIB_F32, 3, (int64_t[]){1, n, WIDTH}, x),
                          tiny_given(SIB_I64, 1, (int64_t[]){1}, &from)};
    sib_named_value in[] = {{"x", given[0]}, {"from", given[1]}};
    CHECK_OK(sib_session_run(s, 2, in, 0, NULL, &out, NULL, &err), err);
    sib_value_free(&given[0]);
    sib_value_free(&given[1]);
    return out;
}

/* Plans made for other lengths and other elements do not change the results. */
TEST(each_length_gives_what_it_should)
{
    sib_session *fast = growing_session("cpu,ref"), *ref = growing_session("ref");
    for (int64_t k = 0; k < 6 * LENGTHS;
         k++) { /* each length twice: all nodes but one are known the second time */
        int64_t i = k / 2, first = k % 3;
        int64_t n = i < LENGTHS ? i + 1 : i < 2 * LENGTHS ? 2 * LENGTHS - i : 1 + i * 7 % LENGTHS;
        sib_error err = SIB_ERROR_INIT;
        sib_comparison c;
        sib_value *got = run_length(fast, n, first % n), *wanted = run_length(ref, n, first % n);
        CHECK_OK(sib_value_compare(got, wanted, &(sib_tolerance){1e-6, 1e-5, 0}, &c, &err), err);
        if (!c.equal)
            fail_msg("length %d: %g, expected %g", (int)n, c.worst_a, c.worst_b);
        sib_value_free(&got);
        sib_value_free(&wanted);
    }
    sib_session_free(&fast);
    sib_session_free(&ref);
}

/* The number of plans is bounded, however many lengths were seen. */
TEST(many_lengths_take_no_more_memory)
{
    sib_session *s = growing_session("cpu,ref");
    uint64_t after[3] = {0};
    for (int turn = 0; turn < 3; turn++) {
        for (int64_t n = 1; n <= LENGTHS; n++) {
            sib_value *out = run_length(s, n, 0);
            sib_value_free(&out);
        }
        sib_alloc_counters now;
        sib_alloc_counters_get(&now);
        after[turn] = now.bytes_current;
    }
    assert_true(after[1] <= after[0] + 1024 && after[2] <= after[1] + 1024);
    sib_alloc_counters before, now;
    sib_alloc_counters_get(&before);
    for (int64_t n = 1; n <= LENGTHS / 2; n++) {
        sib_value *out = run_length(s, n, 0);
        sib_value_free(&out);
    }
    sib_alloc_counters_get(&now);
    assert_true(now.bytes_current <= before.bytes_current);
    sib_session_free(&s);
}

/* If any allocation fails, a run of a new length fails with an error, or works. */
TEST(a_new_length_fails_well)
{
    sib_session *s = growing_session("cpu,ref");
    sib_value *out = run_length(s, 3, 0);
    sib_value_free(&out);
    double x[LENGTHS * WIDTH] = {0}, from = 0;
    for (int64_t n = 4; n < 6; n++) {
        sib_value *given[] = {tiny_given(SIB_F32, 3, (int64_t[]){1, n, WIDTH}, x),
                              tiny_given(SIB_I64, 1, (int64_t[]){1}, &from)};
        sib_named_value in[] = {{"x", given[0]}, {"from", given[1]}};
        sib_error err = SIB_ERROR_INIT;
        CHECK_FAILED_ALLOCATIONS(check_k + 1, sib_session_run(s, 2, in, 0, NULL, &out, NULL, &err),
                                 assert_true((out != NULL) == (err.code == SIB_OK)));
        sib_value_free(&out);
        sib_value_free(&given[0]);
        sib_value_free(&given[1]);
    }
    sib_session_free(&s);
}
