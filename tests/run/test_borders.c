/* Where values cross between the host and a device: which steps of a plan copy them. */
#include "run/plan/plan.h"
#include "run/tiny.h"

static const sib_backend host = {.name = "host"}, device = {.name = "device"};

TEST(test_borders)
{
    /* x and the constant w to a on the device, a to b on the device, b to c on the host, b and c to d on the
       device, which leaves; v is a view of a for the device */
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "4"),
             w = tiny_constant(&t, "w", SIB_F32, 1, (int64_t[]){4}, NULL);
    value_id a = tiny_op(&t, "A", x, w, "a"), b = tiny_op(&t, "B", a, NO_VALUE, "b"),
             c = tiny_op(&t, "C", b, NO_VALUE, "c"), d = tiny_op(&t, "D", b, c, "d"),
             v = tiny_op(&t, "V", a, NO_VALUE, "v"), e = tiny_op(&t, "E", v, x, "e");
    const value_id ins[5][2] = {{x, w}, {a, a}, {b, b}, {b, c}, {v, x}};
    const value *views[5][2];
    step steps[5] = {{.backend = &device},
                     {.backend = &device},
                     {.backend = &host},
                     {.backend = &device},
                     {.backend = &device}};
    slot slots[9] = {{0}};
    node_id step_nodes[] = {0, 1, 2, 3, 5};
    crossing leaves = {d, d};
    const opened_backend opened = {.backend = &device};
    segment s = {.graph = t.g,
                 .slots = slots,
                 .n_steps = 5,
                 .steps = steps,
                 .step_nodes = step_nodes,
                 .n_exports = 1,
                 .exports = &leaves,
                 .device = &opened,
                 .arena_bytes = 1024};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 2; k++)
            views[i][k] = &t.g->values[ins[i][k]];
        steps[i].view.in = views[i];
    }
    const value_id in_arena[] = {a, b, c, e};
    for (size_t i = 0; i < 4; i++)
        slots[in_arena[i]] = (slot){.kind = SLOT_ARENA, .sized = true, .bytes = 16, .offset = 256 * i};
    slots[x] = (slot){.kind = SLOT_LIVE, .sized = true, .bytes = 16};
    slots[d] = (slot){.kind = SLOT_OWN, .sized = true, .bytes = 16};
    slots[w] = (slot){.kind = SLOT_CONSTANT};
    slots[v] = (slot){.kind = SLOT_ALIAS, .root = a};
    plan_borders(&s);
    static const uint64_t arrive[] = {1, 0, 0, 2, 0}, leave[] = {0, 1, 0, 1, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(steps[i].arrive, arrive[i]);
        assert_int_equal(steps[i].leave, leave[i]);
    }
    assert_int_equal(s.device_bytes, 1024);
    assert_true(!slots[w].on_device && slots[c].on_device && slots[x].on_device);
    assert_true(slots[b].read_on_host && !slots[x].read_on_host && !slots[d].read_on_host);
    assert_true(slots[d].may_stay && !slots[a].may_stay && !slots[x].may_stay);
    tiny_output(&t, e);
    sib_model *m = tiny_model(&t);
    sib_model_free(&m);
}

/* A plan in which the device runs nothing takes no memory there. */
TEST(test_idle_device)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "4"), a = tiny_op(&t, "A", x, NO_VALUE, "a");
    step steps[] = {{.backend = &host}};
    slot slots[2] = {{.kind = SLOT_LIVE}, {.kind = SLOT_ARENA}};
    const opened_backend opened = {.backend = &device};
    segment s = {.graph = t.g,
                 .slots = slots,
                 .n_steps = 1,
                 .steps = steps,
                 .step_nodes = (node_id[]){0},
                 .device = &opened,
                 .arena_bytes = 1024};
    plan_borders(&s);
    assert_int_equal(s.device_bytes, 0);
    assert_int_equal(steps[0].arrive | steps[0].leave, 0);
    tiny_output(&t, a);
    sib_model *m = tiny_model(&t);
    sib_model_free(&m);
}
