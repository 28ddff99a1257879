/* The assertions of run/ fire where a plan, its memory or its counts break an invariant. */
#include "check_assert.h"

#include "base/alloc.h"
#include "run/execute/spares.h"
#include "run/execute/stack.h"
#include "run/plan/plan.h"

static void frees_a_plan_in_use(void *context)
{
    segment *s = mem_calloc(1, sizeof *s);
    (void)context;
    s->users = 1;
    segment_free(&s);
}

/* One node whose output is packed for steps out of order: step 1 before step 0. */
static void packs_steps_out_of_order(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    segment s = {0};
    node nodes[2] = {{.origin = 0}};
    node_id order[2] = {1, 0};
    graph g = {.nodes = nodes, .n_nodes = 2};
    (void)context;
    s.graph = &g;
    s.n_steps = 2;
    s.step_nodes = order;
    plan_pack(&s, &err);
}

static void packs_an_alias_of_an_alias(void *context)
{
    sib_error err = SIB_ERROR_INIT;
    uint32_t made = 1;
    node nodes[1] = {{.outputs = {1, &made}}};
    value values[2] = {{.producer = NO_NODE}, {.producer = 0}};
    slot slots[2] = {{.kind = SLOT_ALIAS, .root = 0}, {.kind = SLOT_ALIAS, .root = 0}};
    node_id order[1] = {0};
    graph g = {.nodes = nodes, .n_nodes = 1, .values = values, .n_values = 2};
    segment s = {.graph = &g, .n_steps = 1, .step_nodes = order, .slots = slots};
    (void)context;
    plan_pack(&s, &err);
}

static void keeps_too_many_spares(void *context)
{
    spares s = {0};
    (void)context;
    spares_add(&s, SPARES_MAX + 1, NULL);
}

static void gives_back_more_than_it_took(void *context)
{
    run_state run = {.memory = 5};
    stack s = {.run = &run, .charged = 6};
    (void)context;
    stack_drop(&s);
}

TEST(test_plans)
{
    check_asserts(frees_a_plan_in_use, NULL, "s->users == 0");
    check_asserts(packs_steps_out_of_order, NULL, "s->step_nodes[i - 1] < s->step_nodes[i]");
    check_asserts(packs_an_alias_of_an_alias, NULL, "kind != SLOT_ALIAS");
}

TEST(test_memory)
{
    check_asserts(keeps_too_many_spares, NULL, "max <= SPARES_MAX");
    check_asserts(gives_back_more_than_it_took, NULL, "s->run->memory >= s->charged");
}
