/* Dims: identities, and random expressions against plain arithmetic. */
#include "base/alloc.h"
#include "check.h"
#include "graph/dims.h"

static dim_table *table(void)
{
    sib_error err = SIB_ERROR_INIT;
    dim_table *t = NULL;
    CHECK_OK(dim_table_create(&t, &err), err);
    return t;
}

static dim symbol(dim_table *t, const char *name)
{
    return dim_symbol(t, (sib_str){name, strlen(name)});
}

static dim number(dim_table *t, int64_t n)
{
    return dim_const(t, n);
}

static void check_text(const dim_table *t, dim d, const char *expected)
{
    char text[200];
    assert_string_equal(dim_text(t, d, text, sizeof text), expected);
}

#define SAME(a, b)      assert_true(dim_same(a, b) && (a).id)
#define DIFFERENT(a, b) assert_true(!dim_same(a, b) && (a).id && (b).id)

TEST(test_sums_and_products)
{
    dim_table *t = table();
    dim T = symbol(t, "T"), U = symbol(t, "U"), one = number(t, 1), two = number(t, 2);
    int64_t n;
    sib_str name;
    SAME(T, symbol(t, "T"));
    DIFFERENT(T, U);
    SAME(dim_add(t, dim_add(t, T, one), T), dim_add(t, dim_mul(t, two, T), one));
    SAME(dim_mul(t, dim_add(t, T, U), dim_sub(t, T, U)), dim_sub(t, dim_mul(t, T, T), dim_mul(t, U, U)));
    SAME(dim_sub(t, T, T), number(t, 0));
    SAME(dim_mul(t, T, number(t, 0)), number(t, 0));
    assert_true(dim_is_const(t, dim_sub(t, dim_add(t, T, two), T), &n) && n == 2);
    assert_false(dim_is_const(t, T, &n));
    assert_true(dim_is_symbol(t, T, &name) && name.length == 1 && name.data[0] == 'T');
    assert_false(dim_is_symbol(t, dim_add(t, T, one), &name));
    DIFFERENT(dim_fresh(t), dim_fresh(t));
    symbol(t, "?3");
    DIFFERENT(dim_fresh(t), symbol(t, "?3"));
    DIFFERENT(symbol(t, ""), symbol(t, ""));
    assert_int_equal(dim_table_failed(t), SIB_OK);
    dim_table_free(&t);
}

TEST(test_divisions)
{
    dim_table *t = table();
    dim T = symbol(t, "T"), U = symbol(t, "U"), V = symbol(t, "V"), one = number(t, 1), two = number(t, 2);
    dim three = number(t, 3), half = dim_floor_div(t, T, two);
    DIFFERENT(dim_mul(t, half, two), T);
    SAME(dim_floor_div(t, dim_mul(t, T, two), two), T);
    SAME(dim_floor_div(t, dim_add(t, dim_mul(t, T, three), number(t, 5)), two),
         dim_add(t, dim_add(t, T, two), dim_floor_div(t, dim_add(t, T, one), two)));
    SAME(dim_floor_div(t, half, three), dim_floor_div(t, T, number(t, 6)));
    SAME(dim_floor_div(t, dim_add(t, dim_mul(t, T, two), one), number(t, 4)), half);
    SAME(dim_ceil_div(t, T, two), dim_floor_div(t, dim_add(t, T, one), two));
    SAME(dim_ceil_div(t, T, two), dim_add(t, one, dim_floor_div(t, dim_sub(t, T, one), two)));
    SAME(dim_ceil_div(t, number(t, -7), number(t, -2)), number(t, 4));
    SAME(dim_floor_div(t, number(t, -7), two), number(t, -4));
    SAME(dim_floor_div(t, T, number(t, -2)), dim_floor_div(t, dim_sub(t, number(t, 0), T), two));
    SAME(dim_mod(t, dim_add(t, dim_mul(t, T, three), number(t, 7)), two),
         dim_mod(t, dim_add(t, T, one), two));
    SAME(dim_mod(t, dim_mul(t, T, two), number(t, 4)), dim_mul(t, two, dim_mod(t, T, two)));
    SAME(dim_mod(t, number(t, -7), number(t, 3)), number(t, 2));
    SAME(dim_mod(t, number(t, 7), number(t, -3)), number(t, -2));
    SAME(dim_mod(t, number(t, INT64_MIN), three), number(t, 1));
    /* division by symbols */
    SAME(dim_floor_div(t, dim_mul(t, T, number(t, 80)), T), number(t, 80));
    dim rows = dim_mul(t, dim_add(t, T, one), dim_add(t, U, two));
    SAME(dim_floor_div(t, rows, dim_add(t, T, one)), dim_add(t, U, two));
    SAME(dim_ceil_div(t, rows, dim_add(t, U, two)), dim_add(t, T, one));
    SAME(dim_mod(t, rows, dim_add(t, T, one)), number(t, 0));
    SAME(dim_floor_div(t, dim_mul(t, T, U), dim_mul(t, T, V)), dim_floor_div(t, U, V));
    SAME(dim_floor_div(t, dim_mul(t, T, two), dim_mul(t, U, number(t, 4))),
         dim_floor_div(t, T, dim_mul(t, U, two)));
    SAME(dim_floor_div(t, dim_add(t, dim_mul(t, T, U), V), T), dim_add(t, U, dim_floor_div(t, V, T)));
    SAME(dim_floor_div(t, dim_mod(t, T, number(t, 4)), number(t, 4)), number(t, 0));
    assert_int_equal(dim_table_failed(t), SIB_OK);
    assert_false(dim_floor_div(t, T, number(t, 0)).id);
    assert_int_equal(dim_table_failed(t), SIB_ERR_ARGUMENT);
    assert_false(dim_mod(t, T, number(t, 0)).id);
    assert_int_equal(dim_table_failed(t), SIB_ERR_ARGUMENT);
    assert_int_equal(dim_table_failed(t), SIB_OK);
    dim_table_free(&t);
}

TEST(test_extremes)
{
    dim_table *t = table();
    dim T = symbol(t, "T"), U = symbol(t, "U"), V = symbol(t, "V"), one = number(t, 1), zero = number(t, 0);
    dim T1 = dim_add(t, T, one);
    SAME(dim_min(t, T, T1), T);
    SAME(dim_max(t, T, T1), T1);
    SAME(dim_max(t, T, zero), T);
    SAME(dim_min(t, U, T), dim_min(t, T, U));
    SAME(dim_max(t, dim_max(t, V, T), U), dim_max(t, dim_max(t, U, V), dim_max(t, T, U)));
    SAME(dim_min(t, dim_min(t, T, number(t, 9)), number(t, 4)), dim_min(t, T, number(t, 4)));
    DIFFERENT(dim_max(t, dim_sub(t, T, one), zero), dim_sub(t, T, one));
    SAME(dim_broadcast(t, T, one), T);
    SAME(dim_broadcast(t, T, T), T);
    SAME(dim_broadcast(t, number(t, 5), T), number(t, 5));
    SAME(dim_broadcast(t, zero, one), zero);
    /* even numbers are never 1, nor is what is at least 2 */
    dim even = dim_add(t, dim_mul(t, number(t, 6), T), dim_mul(t, number(t, 4), U));
    SAME(dim_broadcast(t, V, even), even);
    SAME(dim_broadcast(t, dim_add(t, T1, one), V), dim_add(t, T1, one));
    DIFFERENT(dim_broadcast(t, V, T1), T1);
    SAME(dim_broadcast(t, dim_broadcast(t, T, U), V), dim_broadcast(t, dim_broadcast(t, V, T), U));
    SAME(dim_broadcast(t, dim_broadcast(t, T, U), T), dim_broadcast(t, U, T));
    assert_int_equal(dim_table_failed(t), SIB_OK);
    assert_false(dim_broadcast(t, number(t, 2), number(t, 3)).id);
    assert_int_equal(dim_table_failed(t), SIB_ERR_ARGUMENT);
    assert_true(dim_at_least(t, T, 0) && !dim_at_least(t, T, 1) && dim_at_least(t, T1, 1));
    assert_true(dim_at_least(t, dim_mod(t, T, number(t, 4)), 0));
    assert_true(dim_at_least(t, dim_sub(t, number(t, 3), dim_mod(t, T, number(t, 4))), 0));
    assert_false(dim_at_least(t, dim_sub(t, T, U), 0));
    assert_false(dim_at_least(t, DIM_NONE, 0));
    dim_table_free(&t);
}

TEST(test_texts)
{
    dim_table *t = table();
    dim T = symbol(t, "T"), U = symbol(t, "U"), two = number(t, 2), one = number(t, 1);
    char text[8];
    check_text(t, dim_add(t, dim_mul(t, two, T), one), "2*T+1");
    check_text(t, dim_sub(t, one, T), "-T+1");
    check_text(t, number(t, 0), "0");
    check_text(t, number(t, INT64_MIN), "-9223372036854775808");
    check_text(t, dim_ceil_div(t, T, two), "ceil(T/2)");
    check_text(t, dim_ceil_div(t, dim_add(t, T, U), number(t, 3)), "ceil((T+U)/3)");
    check_text(t, dim_floor_div(t, T, two), "floor(T/2)");
    check_text(t, dim_floor_div(t, T, dim_add(t, U, one)), "floor(T/(U+1))");
    check_text(t, dim_min(t, T, number(t, 4)), "min(T, 4)");
    check_text(t, dim_mod(t, T, number(t, 8)), "T%8");
    check_text(t, dim_mul(t, two, dim_mod(t, dim_add(t, T, one), number(t, 8))), "2*((T+1)%8)");
    check_text(t, dim_mod(t, dim_mul(t, number(t, 3), T), number(t, 8)), "(3*T)%8");
    check_text(t, dim_floor_div(t, T, dim_mul(t, two, U)), "floor(T/(2*U))");
    check_text(t, dim_mul(t, T, T), "T*T");
    check_text(t, dim_broadcast(t, T, U), "broadcast(T, U)");
    check_text(t, DIM_NONE, "?");
    assert_string_equal(dim_text(t, dim_ceil_div(t, T, two), text, sizeof text), "ceil(T/");
    dim_shape s = {.ranked = true, .rank = 2, .dims = {T, number(t, 80)}};
    char shape[40];
    int64_t dims[SIB_MAX_RANK];
    assert_string_equal(dim_shape_text(t, &s, shape, sizeof shape), "[T, 80]");
    check_text(t, dim_shape_count(t, &s), "80*T");
    assert_true(dim_shape_same(&s, &s) && !dim_shape_const(t, &s, dims));
    s.rank = 0;
    assert_string_equal(dim_shape_text(t, &s, shape, sizeof shape), "[]");
    assert_true(dim_shape_const(t, &s, dims));
    s.ranked = false;
    assert_string_equal(dim_shape_text(t, &s, shape, sizeof shape), "?");
    assert_false(dim_shape_same(&s, &s) || dim_shape_const(t, &s, dims) || dim_shape_count(t, &s).id);
    dim_table_free(&t);
}

TEST(test_values)
{
    sib_error err = SIB_ERROR_INIT;
    dim_table *t = table();
    dim T = symbol(t, "T"), U = symbol(t, "U"), V = symbol(t, "V");
    dim_binding b = {0};
    int64_t n;
    CHECK_OK(dim_bind(t, &b, T, 3, &err), err);
    CHECK_OK(dim_bind(t, &b, T, 7, &err), err);
    assert_true(dim_bound(&b, T, &n) && n == 7 && !dim_bound(&b, U, &n));
    CHECK_FAILS(dim_eval(t, dim_add(t, T, U), &b, &n, &err), SIB_ERR_ARGUMENT, err, "'U'");
    CHECK_FAILS(dim_bind(t, &b, dim_add(t, T, U), 1, &err), SIB_ERR_ARGUMENT, err, "symbol");
    CHECK_FAILS(dim_bind(t, &b, U, -1, &err), SIB_ERR_ARGUMENT, err, "'U'");
    CHECK_FAILS(dim_eval(t, DIM_NONE, &b, &n, &err), SIB_ERR_ARGUMENT, err, "missing");
    CHECK_OK(dim_bind(t, &b, U, 0, &err), err);
    CHECK_FAILS(dim_eval(t, dim_floor_div(t, T, U), &b, &n, &err), SIB_ERR_ARGUMENT, err, "divided by 0");
    CHECK_OK(dim_bind(t, &b, V, 2, &err), err);
    CHECK_FAILS(dim_eval(t, dim_broadcast(t, T, V), &b, &n, &err), SIB_ERR_ARGUMENT, err, "7 and 2");
    CHECK_OK(dim_bind(t, &b, V, INT64_MAX, &err), err);
    CHECK_FAILS(dim_eval(t, dim_mul(t, T, V), &b, &n, &err), SIB_ERR_SIZE, err, "overflows");
    CHECK_FAILS(dim_eval(t, dim_add(t, T, V), &b, &n, &err), SIB_ERR_SIZE, err, "overflows");
    CHECK_OK(dim_eval(t, dim_mul(t, dim_mul(t, T, V), dim_mul(t, U, V)), &b, &n, &err), err);
    assert_int_equal(n, 0);
    CHECK_OK(dim_eval(t, dim_sub(t, dim_mul(t, number(t, 2), V), V), &b, &n, &err), err);
    assert_true(n == INT64_MAX);
    dim half = dim_substitute(t, dim_add(t, dim_mul(t, T, V), U),
                              &(dim_binding){.n = b.n - 1, .items = b.items ? b.items : b.few});
    check_text(t, half, "7*V");
    dim_binding_clear(&b);
    dim_table_free(&t);
}

/* More symbols than a binding has room for by itself, and a table with its copy. */
TEST(test_many_values)
{
    enum { N = 40 };
    sib_error err = SIB_ERROR_INIT;
    dim_table *t = table(), *copy = NULL;
    dim_binding b = {0};
    dim symbols[N], sum = number(t, 0);
    int64_t n;
    for (int i = 0; i < N; i++) {
        char name[8];
        snprintf(name, sizeof name, "s%d", i);
        symbols[i] = symbol(t, name);
        if (i % 4 == 0)
            sum = dim_add(t, sum, dim_mul(t, symbols[i], number(t, i + 1)));
        CHECK_OK(dim_bind(t, &b, symbols[i], i * 10, &err), err);
        for (int k = 0; k <= i; k++)
            assert_true(dim_bound(&b, symbols[k], &n) && n == k * 10);
    }
    int64_t wanted = 0;
    for (int i = 0; i < N; i += 4)
        wanted += i * 10 * (i + 1);
    CHECK_OK(dim_eval(t, sum, &b, &n, &err), err);
    assert_int_equal(n, wanted);
    CHECK_OK(dim_table_copy(t, &copy, &err), err);
    CHECK_OK(dim_eval(copy, sum, &b, &n, &err), err);
    assert_int_equal(n, wanted);
    char text[400], same[400];
    assert_string_equal(dim_text(copy, sum, same, sizeof same), dim_text(t, sum, text, sizeof text));
    assert_true(dim_same(symbol(copy, "s7"), symbols[7])); /* found again, not made */
    assert_int_equal(symbol(copy, "new").id, symbol(t, "new").id);
    for (size_t size = 1; size <= strlen(same) + 1; size++) { /* cut where it does not fit */
        char *cut = malloc(size);
        assert_non_null(cut);
        dim_text(t, sum, cut, size);
        assert_true(strlen(cut) == size - 1 && !memcmp(cut, same, size - 1));
        free(cut);
    }
    dim_binding_clear(&b);
    dim_table_free(&t);
    CHECK_FAILS(dim_eval(copy, sum, &(dim_binding){0}, &n, &err), SIB_ERR_ARGUMENT, err, "'s");
    dim_table_free(&copy);
}

TEST(test_limits)
{
    dim_table *t = table();
    dim T = symbol(t, "T"), d = T, max = number(t, INT64_MAX);
    assert_false(dim_mul(t, max, dim_mul(t, T, number(t, 2))).id);
    assert_int_equal(dim_table_failed(t), SIB_ERR_SIZE);
    assert_false(dim_add(t, max, number(t, 1)).id);
    assert_int_equal(dim_table_failed(t), SIB_ERR_SIZE);
    assert_false(dim_floor_div(t, number(t, INT64_MIN), number(t, -1)).id);
    assert_int_equal(dim_table_failed(t), SIB_ERR_SIZE);
    assert_false(dim_add(t, DIM_NONE, T).id || dim_max(t, T, DIM_NONE).id || dim_mod(t, DIM_NONE, T).id);
    assert_int_equal(dim_table_failed(t), SIB_OK);
    for (int i = 0; i < 200 && d.id; i++) /* up to the depth limit */
        d = dim_mod(t, dim_mul(t, d, d), dim_add(t, d, number(t, 1)));
    assert_int_equal(dim_table_failed(t), SIB_ERR_SIZE);
    d = T;
    for (int i = 0; i < 200 && d.id; i++)
        d = dim_mul(t, d, T);
    assert_int_equal(dim_table_failed(t), SIB_ERR_SIZE);
    d = number(t, 0);
    for (int i = 0; i < 100 && d.id; i++)
        d = dim_add(t, d, dim_fresh(t));
    assert_int_equal(dim_table_failed(t), SIB_ERR_SIZE);
    dim_table_free(&t);
}

/* ---- Random expressions ------------------------------------------------------------------------------- */

#define N_SYMBOLS 3
#define N_NODES   24

typedef struct expression {
    int op; /* 0: a number, 1: a symbol, then + - * floor ceil mod min max broadcast */
    int64_t number;
    int a, b;
} expression;

static int draw(check_random *r, int n)
{
    return (int)(check_u64(r) >> 33) % n;
}

/* Draws nodes, operands before their users; the last is the root. */
static void draw_expression(check_random *r, expression *e, int n)
{
    for (int i = 0; i < n; i++) {
        e[i].op = i < 3 ? draw(r, 2) : draw(r, 11);
        e[i].number = draw(r, 3) ? draw(r, 7) - 1 : draw(r, 41) - 20;
        e[i].a = i ? i - 1 - draw(r, i < 4 ? i : 4) : 0;
        e[i].b = i ? i - 1 - draw(r, i < 4 ? i : 4) : 0;
    }
}

/* swap: exchanges the operands of commutative operations. */
static dim build(dim_table *t, const expression *e, int n, const dim *symbols, bool swap)
{
    static dim (*const makers[])(dim_table * t, dim a, dim b) = {
        dim_add, dim_sub, dim_mul, dim_floor_div, dim_ceil_div, dim_mod, dim_min, dim_max, dim_broadcast};
    static const bool may_swap[] = {true, false, true, false, false, false, true, true, true};
    dim d[N_NODES];
    for (int i = 0; i < n; i++) {
        int k = e[i].op - 2;
        if (e[i].op == 0)
            d[i] = dim_const(t, e[i].number);
        else if (e[i].op == 1)
            d[i] = symbols[(uint64_t)e[i].number % N_SYMBOLS];
        else if (swap && may_swap[k])
            d[i] = makers[k](t, d[e[i].b], d[e[i].a]);
        else
            d[i] = makers[k](t, d[e[i].a], d[e[i].b]);
    }
    return d[n - 1];
}

static int64_t floored(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b > a || q * b < a ? q - ((a < 0) != (b < 0)) : q;
}

/* Returns false if there is no value, or one too large to be exact. */
static bool evaluate(const expression *e, int n, const int64_t *symbols, int64_t *out)
{
    int64_t v[N_NODES] = {0};
    bool ok[N_NODES];
    for (int i = 0; i < n; i++) {
        int64_t x = v[e[i].a], y = v[e[i].b];
        ok[i] = e[i].op < 2 || (ok[e[i].a] && ok[e[i].b]);
        if (!ok[i])
            continue;
        switch (e[i].op) {
        case 0:
            v[i] = e[i].number;
            break;
        case 1:
            v[i] = symbols[(uint64_t)e[i].number % N_SYMBOLS];
            break;
        case 2:
            v[i] = x + y;
            break;
        case 3:
            v[i] = x - y;
            break;
        case 4:
            v[i] = x * y;
            break;
        case 8:
            v[i] = x < y ? x : y;
            break;
        case 9:
            v[i] = x > y ? x : y;
            break;
        case 10:
            ok[i] = x == y || x == 1 || y == 1;
            v[i] = x == 1 ? y : x;
            break;
        default:
            ok[i] = y != 0;
            if (ok[i])
                v[i] = e[i].op == 5 ? floored(x, y) : e[i].op == 6 ? -floored(-x, y) : x - floored(x, y) * y;
        }
        ok[i] = ok[i] && v[i] < 1 << 30 && v[i] > -(1 << 30);
    }
    *out = v[n - 1];
    return ok[n - 1];
}

TEST(test_random)
{
    check_random r = {20251};
    sib_error err = SIB_ERROR_INIT;
    unsigned compared = 0, symbolic = 0;
    for (int round = 0; round < 20000; round++) {
        dim_table *t = table();
        dim symbols[N_SYMBOLS] = {symbol(t, "T"), symbol(t, "U"), symbol(t, "V")};
        expression e[N_NODES];
        int n = 4 + draw(&r, N_NODES - 4);
        draw_expression(&r, e, n);
        dim d = build(t, e, n, symbols, false), other = build(t, e, n, symbols, true);
        int64_t constant, got, want, low = -3 + draw(&r, 6);
        if (d.id && other.id)
            assert_true(dim_same(d, other));
        bool at_least = dim_at_least(t, d, low);
        for (int k = 0; k < 12 && d.id; k++) {
            dim_binding all = {0}, some = {0};
            int64_t values[N_SYMBOLS];
            for (int i = 0; i < N_SYMBOLS; i++) {
                values[i] = draw(&r, k < 6 ? 3 : 40);
                CHECK_OK(dim_bind(t, &all, symbols[i], values[i], &err), err);
                if (draw(&r, 2))
                    CHECK_OK(dim_bind(t, &some, symbols[i], values[i], &err), err);
            }
            if (evaluate(e, n, values, &want)) {
                char text[400];
                if (dim_eval(t, d, &all, &got, &err) != SIB_OK || got != want)
                    fail_msg("round %d: %s with T=%d U=%d V=%d is %lld, %lld expected (%s)", round,
                             dim_text(t, d, text, sizeof text), (int)values[0], (int)values[1],
                             (int)values[2], (long long)got, (long long)want, err.message);
                dim partly = dim_substitute(t, d, &some), whole = dim_substitute(t, d, &all);
                CHECK_OK(dim_eval(t, partly, &all, &got, &err), err);
                assert_int_equal(got, want);
                assert_true(dim_is_const(t, whole, &got) && got == want);
                assert_true(!at_least || want >= low);
                compared++;
                symbolic += !dim_is_const(t, d, &constant);
            }
            dim_binding_clear(&all);
            dim_binding_clear(&some);
            err = (sib_error)SIB_ERROR_INIT;
        }
        dim_table_free(&t);
    }
    print_message("%u values compared, %u of expressions with symbols\n", compared, symbolic);
    assert_true(compared > 50000 && symbolic > 20000);
}

TEST(test_memory)
{
    uint64_t before = check_held();
    bool whole = false;
    for (uint64_t k = 0; !whole; k++) {
        sib_error err = SIB_ERROR_INIT;
        check_random r = {7};
        dim_table *t = NULL;
        mem_fail_after(k);
        sib_code code = dim_table_create(&t, &err);
        if (code == SIB_OK) {
            dim symbols[N_SYMBOLS] = {symbol(t, "T"), symbol(t, "U"), symbol(t, "V")};
            whole = true;
            for (int round = 0; round < 60; round++) {
                expression e[N_NODES];
                draw_expression(&r, e, 12);
                dim d = build(t, e, 12, symbols, false);
                sib_code failed = dim_table_failed(t);
                assert_true(d.id || failed != SIB_OK);
                whole = whole && failed != SIB_ERR_MEMORY;
            }
        } else {
            assert_int_equal(err.code, SIB_ERR_MEMORY);
            assert_null(t);
        }
        mem_fail_never();
        dim_table_free(&t);
        assert_int_equal(check_held(), before);
    }
}
