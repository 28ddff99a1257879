/* The assertions of kernel/ fire where a caller breaks the contract of a driver. */
#include "check_assert.h"

#include "base/alloc.h"
#include "kernel/attention/attention.h"
#include "kernel/chain/chain.h"
#include "kernel/gemm/gemm.h"
#include "kernel/gemm/gemm_int.h"

static float numbers[64];

static void multiplies_into_its_operand(void *context)
{
    gemm g = {.m = 2, .n = 2, .k = 2, .a = numbers, .a_row = 2, .a_column = 1, .alpha = 1};
    (void)context;
    g.b = numbers + 32;
    g.b_row = 2;
    g.b_column = 1;
    g.c = numbers + 1;
    g.c_row = 2;
    gemm_run(&g, NULL);
}

static void multiplies_by_nothing(void *context)
{
    gemm g = {.m = 1, .n = 1, .k = 1, .a = numbers, .a_row = 1, .a_column = 1, .c = numbers + 8, .c_row = 1};
    (void)context;
    gemm_run(&g, NULL);
}

static void packs_odd_blocks(void *context)
{
    gemm_bits b = {.k = 9, .n = 1, .block = 3, .bits = 4};
    size_t bytes;
    (void)context;
    gemm_packed_bits_bytes(&b, &bytes);
}

static void has_more_products_than_places(void *context)
{
    int32_t c[4];
    uint8_t bytes[4] = {0};
    gemm_int g = {.m = 1, .n = 1, .k = 1, .a = bytes, .b = bytes, .c = c, .c_row = 1};
    (void)context;
    gemm_int_run_all(&g, 2, NULL, NULL, NULL);
}

static void attends_with_uneven_heads(void *context)
{
    attention_call c = {.batch = 1, .heads = 3, .kv_heads = 2, .queries = 1, .keys = 1, .d = 1, .dv = 1};
    (void)context;
    attention_run(&c, NULL, NULL, NULL);
}

static void chains_an_unknown_value(void *context)
{
    int64_t dims[] = {4};
    chain *c = chain_create(1, dims);
    (void)context;
    chain_apply(c, CHAIN_neg, 5, CHAIN_NONE);
}

TEST(test_contracts)
{
    check_asserts(multiplies_into_its_operand, NULL, "mem_are_apart");
    check_asserts(multiplies_by_nothing, NULL, "g->packed || g->b");
    check_asserts(packs_odd_blocks, NULL, "b->block % 2 == 0");
    check_asserts(has_more_products_than_places, NULL, "places || count == 1");
    check_asserts(attends_with_uneven_heads, NULL, "c->heads % c->kv_heads == 0");
    check_asserts(chains_an_unknown_value, NULL, "a < c->n_values");
}
