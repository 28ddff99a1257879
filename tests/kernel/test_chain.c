/* Chains of elementwise functions: operands broadcast in every way, results, ranges, results in place, and
   functions that are joined into one. */
#include "base/alloc.h"
#include "base/cpu.h"
#include "check.h"
#include "kernel/chain/chain.h"
#include "kernel/kernel.h"
#include "tensor/convert.h"

#include <float.h>
#include <math.h>

#define MAX 1203

/* ---- Chains -------------------------------------------------------------------------------------------- */

typedef struct box {
    size_t rank;
    int64_t dims[6];
} box;

static size_t count_of(const box *b)
{
    size_t n = 1;
    for (size_t i = 0; i < b->rank; i++)
        n *= (size_t)b->dims[i];
    return n;
}

/* Index in an operand of the element that belongs to `place` of the result, by the definition of
   broadcasting. */
static size_t place_of(const box *in, const box *out, size_t place)
{
    size_t at = 0, stride = 1;
    for (size_t i = 0; i < out->rank; i++) {
        size_t axis = out->rank - 1 - i, index = place % (size_t)out->dims[axis];
        place /= (size_t)out->dims[axis];
        if (i >= in->rank)
            continue;
        size_t size = (size_t)in->dims[in->rank - 1 - i];
        at += size == 1 ? 0 : index * stride;
        stride *= size;
    }
    return at;
}

static const box results[] = {
    {0, {0}},
    {1, {1}},
    {1, {7}},
    {2, {3, 5}},
    {2, {40, 600}},
    {2, {3, 5000}},
    {3, {4, 3, 700}},
    {3, {30, 7, 11}},
    {4, {2, 3, 4, 5}},
    {4, {2, 5, 3, 1030}},
    {1, {9001}},
    {2, {600, 40}},
    {5, {2, 1, 3, 1, 600}},
    {2, {1, 3000}},
    {2, {3000, 1}},
    {3, {2, 1536, 3}},
    {2, {0, 4}},
};

/* Dims that broadcast to `out`, chosen by the bits of `form`: some axes become 1, and leading ones are left
   out. */
static box operand_of(const box *out, unsigned form)
{
    box in = {0, {0}};
    size_t skipped = out->rank ? form / 64 % (out->rank + 1) : 0;
    for (size_t i = skipped; i < out->rank; i++)
        in.dims[in.rank++] = form >> i & 1 ? 1 : out->dims[i];
    return in;
}

typedef struct trial {
    box out, in[3];
    sib_dtype dtype;
    bool constant[3];
    double *values[3]; /* as doubles */
    void *memory[3];
} trial;

static void fill_trial(trial *w, check_random *r)
{
    for (int k = 0; k < 3; k++) {
        size_t n = count_of(&w->in[k]);
        w->values[k] = malloc((n + 1) * sizeof(double));
        w->memory[k] = malloc((n + 1) * 8);
        assert_non_null(w->values[k]);
        assert_non_null(w->memory[k]);
        for (size_t i = 0; i < n; i++)
            w->values[k][i] = trunc(check_uniform(r) * 40);
        convert_dense(SIB_F64, w->values[k], w->dtype, w->memory[k], n, SIB_OVERFLOW_IEEE);
    }
}

static void clear_trial(trial *w)
{
    for (int k = 0; k < 3; k++) {
        free(w->values[k]);
        free(w->memory[k]);
    }
}

/* Results: (a + b) - c, and a < c ? b : a, on integers that every dtype holds exactly, computed in ranges of
   an odd length. */
static void check_trial(trial *w, size_t step)
{
    size_t n = count_of(&w->out), bytes = sib_dtype_bits(w->dtype) / 8, v[3];
    chain *c = chain_create(w->out.rank, w->out.dims);
    assert_non_null(c);
    for (int k = 0; k < 3; k++)
        v[k] = chain_operand(c, w->dtype, w->in[k].rank, w->in[k].dims, w->constant[k] ? w->memory[k] : NULL);
    size_t sum = chain_apply(c, CHAIN_sub, chain_apply(c, CHAIN_add, v[0], v[1]), v[2]);
    size_t chosen = chain_where(c, chain_apply(c, CHAIN_less, v[0], v[2]), v[1], v[0]);
    assert_true(chain_result(c, sum) && chain_result(c, chosen) && chain_finish(c));
    unsigned char *out[2] = {malloc(n * bytes + 8), malloc(n * bytes + 8)};
    double *got = malloc((n + 1) * sizeof *got);
    for (size_t at = 0; at < n; at += step) {
        size_t count = n - at < step ? n - at : step;
        void *scratch = mem_alloc(chain_scratch(c, count) + 1, 1);
        assert_true(chain_run(c, (const void *const *)w->memory, (void *const *)out, at, count, scratch) ==
                    CHAIN_NONE);
        mem_free(scratch);
    }
    for (int k = 0; k < 2; k++) {
        convert_dense(w->dtype, out[k], SIB_F64, got, n, SIB_OVERFLOW_IEEE);
        for (size_t i = 0; i < n; i++) {
            double x[3];
            for (int j = 0; j < 3; j++)
                x[j] = w->values[j][place_of(&w->in[j], &w->out, i)];
            double want = k ? x[0] < x[2] ? x[1] : x[0] : x[0] + x[1] - x[2];
            if (!(got[i] == want))
                fail_msg("%s, result %d, element %zu of %zu: %g, expected %g; step %zu",
                         sib_dtype_name(w->dtype), k, i, n, got[i], want, step);
        }
    }
    free(out[0]), free(out[1]), free(got);
    chain_free(c);
}

TEST(broadcasting)
{
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_F64, SIB_I32, SIB_BF16, SIB_I64, SIB_I16};
    check_random r = {11};
    for (size_t i = 0; i < COUNT(results); i++)
        for (unsigned form = 0; form < 60; form++) {
            trial w = {.out = results[i], .dtype = dtypes[form % COUNT(dtypes)]};
            for (int k = 0; k < 3; k++) {
                w.in[k] = operand_of(&w.out, form < 3 && (int)form != k ? 0 : (unsigned)check_u64(&r) % 4096);
                w.constant[k] = check_u64(&r) % 3 == 0;
            }
            fill_trial(&w, &r);
            check_trial(&w, form % 3 ? 997 : SIZE_MAX);
            clear_trial(&w);
        }
}

/* A chain whose result overwrites its operand, which is read again after the result is computed. */
TEST(in_place)
{
    int64_t dims[] = {5000};
    float *x = mem_alloc(5000, sizeof *x), *other = mem_alloc(5000, sizeof *other);
    chain *c = chain_create(1, dims);
    size_t a = chain_operand(c, SIB_F32, 1, dims, NULL);
    size_t doubled = chain_apply(c, CHAIN_add, a, a), square = chain_apply(c, CHAIN_mul, a, doubled);
    chain_in_place(c, a);
    assert_true(chain_result(c, doubled) && chain_result(c, square) && chain_finish(c));
    for (int i = 0; i < 5000; i++)
        x[i] = (float)i;
    void *scratch = mem_alloc(chain_scratch(c, 5000) + 1, 1);
    chain_run(c, (const void *const[]){x}, (void *const[]){x, other}, 0, 5000, scratch);
    for (int i = 0; i < 5000; i++)
        assert_true(x[i] == 2.0f * (float)i && other[i] == (float)i * (2.0f * (float)i));
    mem_free(scratch), mem_free(x), mem_free(other);
    chain_free(c);
}

/* Which chains are recognised as clamps, and with which bounds. */
TEST(clamps)
{
    static const struct {
        chain_op op[3];
        float number[3]; /* the right operand, except in step 1 */
        size_t n;
        bool is;
        float low, high;
    } cases[] = {
        {{CHAIN_max}, {0}, 1, true, 0, INFINITY},
        {{CHAIN_min}, {6}, 1, true, -INFINITY, 6},
        {{CHAIN_max, CHAIN_min}, {0, 6}, 2, true, 0, 6},
        {{CHAIN_max, CHAIN_min}, {3, 2}, 2, true, 2, 2},
        {{CHAIN_min, CHAIN_max}, {2, 3}, 2, true, 3, 3},
        {{CHAIN_max, CHAIN_max, CHAIN_min}, {-1, 1, 4}, 3, true, 1, 4},
        {{CHAIN_max, CHAIN_add}, {0, 1}, 2, false, 0, 0},
        {{CHAIN_max}, {NAN}, 1, false, 0, 0},
        {{CHAIN_max}, {0}, 0, false, 0, 0},
    };
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_BF16};
    const int64_t dims[] = {10};
    for (size_t i = 0; i < COUNT(cases) * COUNT(dtypes); i++) {
        sib_dtype dtype = dtypes[i % COUNT(dtypes)];
        size_t at = i / COUNT(dtypes);
        chain *c = chain_create(1, dims);
        size_t head = chain_operand(c, dtype, 1, dims, NULL), v = head;
        uint32_t given[3]; /* elements */
        for (size_t k = 0; k < cases[at].n; k++) {
            convert_dense(SIB_F32, &cases[at].number[k], dtype, &given[k], 1, SIB_OVERFLOW_SATURATE);
            size_t number = chain_operand(c, dtype, 0, NULL, &given[k]);
            v = chain_apply(c, cases[at].op[k], k == 1 ? number : v, k == 1 ? v : number);
        }
        chain_in_place(c, head);
        assert_true(chain_result(c, v));
        float low, high;
        assert_int_equal(chain_clamp(c, &low, &high), cases[at].is);
        if (cases[at].is)
            assert_true(low == cases[at].low && high == cases[at].high);
        assert_true(chain_finish(c));
        chain_free(c);
    }
    /* an array of bounds is no clamp, nor is a number given only at run time, nor a chain with two results */
    float many[10] = {0};
    for (int i = 0; i < 3; i++) {
        float low, high;
        chain *c = chain_create(1, dims);
        size_t head = chain_operand(c, SIB_F32, 1, dims, NULL);
        size_t number = chain_operand(c, SIB_F32, i == 0, dims, i == 1 ? NULL : many);
        size_t v = chain_apply(c, CHAIN_max, head, number);
        chain_in_place(c, head);
        assert_true(chain_result(c, v) && (i < 2 || chain_result(c, v)));
        assert_false(chain_clamp(c, &low, &high));
        assert_true(chain_finish(c));
        chain_free(c);
    }
}

/* The index of the integer 0 that is a divisor is found. */
TEST(divisors)
{
    static const chain_op ops[] = {CHAIN_div, CHAIN_mod, CHAIN_fmod};
    int64_t dims[] = {3000};
    int32_t a[3000], b[3000], out[3000];
    for (size_t k = 0; k < COUNT(ops); k++) {
        chain *c = chain_create(1, dims);
        size_t x = chain_operand(c, SIB_I32, 1, dims, NULL), y = chain_operand(c, SIB_I32, 1, dims, NULL);
        assert_true(chain_result(c, chain_apply(c, ops[k], x, y)) && chain_finish(c));
        for (int i = 0; i < 3000; i++) {
            a[i] = i;
            b[i] = i == 2345 ? 0 : 7;
        }
        void *scratch = mem_alloc(chain_scratch(c, 3000) + 1, 1);
        assert_int_equal(chain_run(c, (const void *const[]){a, b}, (void *const[]){out}, 0, 3000, scratch),
                         2345);
        assert_true(chain_run(c, (const void *const[]){a, b}, (void *const[]){out}, 0, 2345, scratch) ==
                    CHAIN_NONE);
        mem_free(scratch);
        chain_free(c);
    }
}

/* ---- Joined functions ---------------------------------------------------------------------------------- */

static size_t number(chain *c, float x)
{
    return chain_converted(c, SIB_F32, 0, NULL, &x, SIB_F32);
}

static size_t unary(chain *c, chain_op op, size_t a)
{
    return chain_apply(c, op, a, CHAIN_NONE);
}

static size_t sigmoid_form(chain *c, size_t x)
{
    size_t power = unary(c, CHAIN_exp, unary(c, CHAIN_neg, x));
    return chain_apply(c, CHAIN_div, number(c, 1), chain_apply(c, CHAIN_add, number(c, 1), power));
}

static size_t silu_form(chain *c, size_t x)
{
    return chain_apply(c, CHAIN_mul, x, sigmoid_form(c, x));
}

static size_t hard_swish_form(chain *c, size_t x)
{
    size_t gate = chain_apply(c, CHAIN_add, chain_apply(c, CHAIN_div, x, number(c, 6)), number(c, 0.5f));
    size_t above = chain_apply(c, CHAIN_max, gate, number(c, 0));
    return chain_apply(c, CHAIN_mul, x, chain_apply(c, CHAIN_min, above, number(c, 1)));
}

static size_t softplus_form(chain *c, size_t x)
{
    size_t tail = unary(c, CHAIN_log1p, unary(c, CHAIN_exp, unary(c, CHAIN_neg, unary(c, CHAIN_abs, x))));
    return chain_apply(c, CHAIN_add, chain_apply(c, CHAIN_max, x, number(c, 0)), tail);
}

/* (x / 2) (1 + erf(x / 1.41421)) */
static size_t gelu_form(chain *c, size_t x)
{
    size_t bend = unary(c, CHAIN_erf, chain_apply(c, CHAIN_div, x, number(c, 1.41421356f)));
    return chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_mul, x, number(c, 0.5f)),
                       chain_apply(c, CHAIN_add, bend, number(c, 1)));
}

/* 0.5 (x (1 + erf(0.70710 x))) */
static size_t gelu_other(chain *c, size_t x)
{
    size_t bend = unary(c, CHAIN_erf, chain_apply(c, CHAIN_mul, number(c, 0.70710678f), x));
    return chain_apply(c, CHAIN_mul, number(c, 0.5f),
                       chain_apply(c, CHAIN_mul, x, chain_apply(c, CHAIN_add, number(c, 1), bend)));
}

static size_t gelu_tanh_form(chain *c, size_t x)
{
    size_t cube = chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_pow, x, number(c, 3)), number(c, 0.044715f));
    size_t inner = chain_apply(c, CHAIN_mul, number(c, 0.79788456f), chain_apply(c, CHAIN_add, x, cube));
    size_t bend = chain_apply(c, CHAIN_add, unary(c, CHAIN_tanh, inner), number(c, 1));
    return chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_mul, x, bend), number(c, 0.5f));
}

static const struct form_row {
    const char *name;
    size_t (*make)(chain *c, size_t x);
    chain_op op;
} forms[] = {
    {"sigmoid", sigmoid_form, CHAIN_sigmoid},          {"silu", silu_form, CHAIN_silu},
    {"softplus", softplus_form, CHAIN_softplus},       {"gelu", gelu_form, CHAIN_gelu},
    {"gelu, other", gelu_other, CHAIN_gelu},           {"gelu_tanh", gelu_tanh_form, CHAIN_gelu_tanh},
    {"hard_swish", hard_swish_form, CHAIN_hard_swish},
};

/* A form gives the same bits as the single function, so it was joined: of an operand, and of the product of
   three. */
TEST(joined)
{
    int64_t dims[] = {MAX};
    static float x[MAX], cube[MAX], y[MAX], want[MAX];
    check_random r = {3};
    for (size_t i = 0; i < MAX; i++) {
        x[i] = (float)(check_uniform(&r) * 8);
        cube[i] = x[i] * x[i] * x[i];
    }
    for (size_t k = 0; k < 2 * COUNT(forms); k++) {
        const struct form_row *form = &forms[k / 2];
        chain *c = chain_create(1, dims);
        size_t a = chain_operand(c, SIB_F32, 1, dims, NULL);
        if (k % 2)
            a = chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_mul, a, a), a);
        assert_true(chain_result(c, form->make(c, a)) && chain_finish(c));
        void *scratch = mem_alloc(chain_scratch(c, MAX) + 1, 1);
        chain_run(c, (const void *const[]){x}, (void *const[]){y}, 0, MAX, scratch);
        kernel_table_get()->chain.op[form->op][CHAIN_F32](k % 2 ? cube : x, NULL, NULL, want, MAX);
        if (memcmp(y, want, sizeof y) != 0 || (k % 2 == 0 && chain_scratch(c, MAX) != 0))
            fail_msg("%s of %s is not joined", form->name, k % 2 ? "a product" : "an operand");
        mem_free(scratch);
        chain_free(c);
    }
}

/* Fails every allocation once: nothing leaks. */
TEST(without_memory)
{
    int64_t dims[] = {4, 300};
    float x[300] = {0};
    for (uint64_t after = 0; after < 60; after++) {
        mem_fail_after(after);
        chain *c = chain_create(2, dims);
        if (c) {
            size_t a = chain_operand(c, SIB_F32, 2, dims, NULL),
                   b = chain_operand(c, SIB_F32, 1, dims + 1, x);
            size_t sum = chain_apply(c, CHAIN_add, a, b), byte = chain_cast(c, sum, SIB_U8, true);
            bool made = chain_result(c, gelu_form(c, sum)) && chain_result(c, byte) && chain_finish(c);
            mem_fail_never();
            assert_true(made || after < 59);
        }
        mem_fail_never();
        chain_free(c);
    }
}

/* What a finished chain keeps: a plan may hold tens of thousands of them. */
TEST(small)
{
    sib_alloc_counters before, after;
    int64_t dims[] = {4096};
    float zero = 0;
    sib_alloc_counters_get(&before);
    chain *c = chain_create(1, dims);
    size_t x = chain_operand(c, SIB_F32, 1, dims, NULL), low = chain_operand(c, SIB_F32, 0, NULL, &zero);
    assert_true(chain_result(c, chain_apply(c, CHAIN_max, x, low)) && chain_finish(c));
    sib_alloc_counters_get(&after);
    assert_true(after.bytes_current - before.bytes_current < 2048);
    chain_free(c);
}
