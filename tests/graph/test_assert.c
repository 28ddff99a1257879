/* The assertions of graph/ fire where ids are out of range or an expression is not in its normal form. */
#include "check_assert.h"
#include "graph/dims_table.h"
#include "graph/graph.h"

static graph *an_empty_graph(void)
{
    sib_error err = SIB_ERROR_INIT;
    graph_arena *arena = NULL;
    dim_table *dims = NULL;
    graph *g = NULL;
    CHECK_OK(arena_create(&arena, &err), err);
    CHECK_OK(dim_table_create(&dims, &err), err);
    CHECK_OK(graph_create(arena, dims, &g, &err), err);
    return g;
}

static void reads_an_unknown_value(void *context)
{
    (void)context;
    graph_add_output(an_empty_graph(), 3, NULL);
}

static void captures_from_nowhere(void *context)
{
    value_id inner;
    (void)context;
    graph_capture(an_empty_graph(), 0, &inner, NULL);
}

static void asks_for_an_unknown_constant(void *context)
{
    (void)context;
    graph_find_constant(an_empty_graph(), 7);
}

static void adds_a_dim_of_another_table(void *context)
{
    graph *g = an_empty_graph();
    (void)context;
    dim_add(g->dims, dim_const(g->dims, 1), (dim){1000});
}

static void takes_a_product_for_a_dim(void *context)
{
    graph *g = an_empty_graph();
    int64_t number;
    (void)context;
    dim_is_const(g->dims, (dim){g->dims->one}, &number);
}

static void sums_out_of_order(void *context)
{
    graph *g = an_empty_graph();
    sum s = {2, {{1, 5}, {1, 4}}};
    (void)context;
    dims_sum_end(g->dims, &s);
}

TEST(test_ids)
{
    check_asserts(reads_an_unknown_value, NULL, "v < g->n_values");
    check_asserts(captures_from_nowhere, NULL, "g->outer");
    check_asserts(asks_for_an_unknown_constant, NULL, "v < g->n_values");
}

TEST(test_dims)
{
    check_asserts(adds_a_dim_of_another_table, NULL, "d.id < t->n");
    check_asserts(takes_a_product_for_a_dim, NULL, "ENTRY_SUM");
    check_asserts(sums_out_of_order, NULL, "s->terms[i - 1].product < s->terms[i].product");
}
