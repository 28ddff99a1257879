/* Products of bytes, exact: signs, zero points, transposes, batches and threads. */
#include "base/alloc.h"
#include "base/size.h"
#include "check.h"
#include "kernel/kernel.h"

/* ---- The driver ---------------------------------------------------------------------------------------- */

typedef struct example {
    size_t m, n, k, count;
    bool a_signed, b_signed, trans_a, trans_b, packed, each;
} example;

CHECK_UNWATCHED static uint8_t *bytes_of(check_random *r, size_t n)
{
    uint8_t *x = malloc(n + 1);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)check_u64(r);
    return x;
}

static int32_t value_of(uint8_t byte, bool is_signed)
{
    return is_signed ? (int8_t)byte : byte;
}

static void mark(void *context, int32_t *c, size_t rows, size_t columns)
{
    size_t *seen = context;
    (void)c;
    __atomic_fetch_add(seen, rows * columns, __ATOMIC_RELAXED);
}

static void *room(size_t bytes)
{
    void *block = mem_alloc(bytes, 1);
    assert_non_null(block);
    return block;
}

static void check_example(const example *e, sib_pool *pool, check_random *r)
{
    size_t all = e->m * e->n, bytes, seen = 0;
    uint8_t *a = bytes_of(r, e->count * e->m * e->k), *b = bytes_of(r, e->count * e->k * e->n);
    int32_t *c = malloc(e->count * all * sizeof *c), *za = malloc(e->m * sizeof *za),
            *zb = malloc(e->n * sizeof *zb);
    gemm_int_place *places = malloc(e->count * sizeof *places);
    size_t *at = malloc(e->count * sizeof *at);
    assert_true(c && za && zb && places && at);
    for (size_t i = 0; i < e->count; i++) {
        at[i] = i * e->k * e->n;
        places[i] = (gemm_int_place){i * e->m * e->k, e->packed ? i : at[i], i * all};
    }
    for (size_t i = 0; i < e->m; i++)
        za[i] = value_of((uint8_t)check_u64(r), e->a_signed);
    for (size_t j = 0; j < e->n; j++)
        zb[j] = value_of((uint8_t)check_u64(r), e->b_signed);
    gemm_int g = {.m = e->m, .n = e->n, .k = e->k, .a = a, .b = b, .c = c, .c_row = e->n, .done = mark};
    g.context = &seen;
    g.a_row = e->trans_a ? 1 : e->k;
    g.a_column = e->trans_a ? e->m : 1;
    g.b_row = e->trans_b ? 1 : e->n;
    g.b_column = e->trans_b ? e->k : 1;
    g.a_signed = e->a_signed;
    g.b_signed = e->b_signed;
    g.a_zero = e->k % 3 ? za : NULL;
    g.b_zero = e->k % 2 ? zb : NULL;
    g.a_zero_each = g.b_zero_each = e->each;
    gemm_int_packed *packed = NULL;
    if (e->packed) {
        assert_true(gemm_int_packed_bytes(e->k, e->n, e->count, &bytes));
        gemm_int_pack(b, e->b_signed, g.b_row, g.b_column, e->k, e->n, e->count, e->k * e->n,
                      packed = room(bytes));
    }
    g.packed = packed;
    char *scratch = mem_alloc(gemm_int_scratch(&g, e->count, pool), 1);
    assert_non_null(scratch);
    gemm_int_run_all(&g, e->count, places, pool, scratch);
    assert_int_equal(seen, e->count * all);
    for (size_t s = 0; s < e->count * size_min(all, 300); s++) {
        size_t which = s % e->count, place = all <= 300 ? s / e->count : check_u64(r) % all;
        size_t i = place / e->n, j = place % e->n;
        int32_t sum = 0;
        for (size_t p = 0; p < e->k; p++) {
            int32_t x = value_of(a[which * e->m * e->k + i * g.a_row + p * g.a_column], e->a_signed);
            int32_t y = value_of(b[which * e->k * e->n + p * g.b_row + j * g.b_column], e->b_signed);
            sum += (x - (g.a_zero ? za[e->each ? i : 0] : 0)) * (y - (g.b_zero ? zb[e->each ? j : 0] : 0));
        }
        if (c[which * all + place] != sum)
            fail_msg("%zu x %zu x %zu at %zu, %zu: %d, expected %d", e->m, e->k, e->n, i, j,
                     c[which * all + place], sum);
    }
    mem_free(scratch), mem_free(packed);
    free(a), free(b), free(c), free(za), free(zb), free(places), free(at);
}

TEST(products)
{
    static const size_t sizes[][3] = {{1, 1, 1},    {1, 5, 7},      {3, 40, 2},     {9, 8, 8},
                                      {13, 33, 19}, {40, 100, 257}, {300, 90, 800}, {2, 600, 3000}};
    check_random r = {22};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (unsigned form = 0; form < 128; form++) {
            example e = {sizes[i][0], sizes[i][1], sizes[i][2], form & 64 ? 3 : 1, form & 1,
                         form & 2,    form & 4,    form & 8,    form & 16,         form & 32};
            /* of the large sizes some forms; in quick runs a third of them, different ones for each size */
            if ((i < 6 || form % 7 == 0) && !(getenv("SIBYL_QUICK") && i >= 5 && form % 3 != i % 3))
                check_example(&e, form % 5 ? pool : NULL, &r);
        }
    sib_pool_free(&pool);
}
