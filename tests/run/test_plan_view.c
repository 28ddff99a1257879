/* Plans as data: steps, kernels, fused groups, places in the arena and how long they are needed. */
#include "check_memory.h"
#include "tiny.h"

#include <sibyl/plan.h>

static void run_layer(sib_session *s, int64_t n)
{
    sib_error err = SIB_ERROR_INIT;
    double zeros[30] = {0};
    sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){n, 3}, zeros), *out = NULL;
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out, NULL, &err), err);
    sib_value_free(&given);
    sib_value_free(&out);
}

static sib_plan *plan_of(sib_session *s)
{
    sib_error err = SIB_ERROR_INIT;
    sib_plan *p = NULL;
    CHECK_OK(sib_session_plan(s, &p, &err), err);
    return p;
}

TEST(no_plan_before_a_run)
{
    sib_session *s = tiny_layer("ref");
    sib_plan *p = plan_of(s);
    sib_plan_segment segment;
    assert_false(sib_plan_get_segment(p, 0, &segment));
    sib_plan_free(&p);
    assert_null(p);
    sib_plan_free(&p);
    sib_session_free(&s);
}

TEST(a_plan_for_each_length)
{
    sib_session *s = tiny_layer("ref");
    run_layer(s, 2);
    run_layer(s, 5);
    sib_plan *p = plan_of(s);
    sib_plan_segment a, b;
    assert_true(sib_plan_get_segment(p, 0, &a) && sib_plan_get_segment(p, 1, &b));
    assert_false(sib_plan_get_segment(p, 2, &b));
    assert_string_equal(a.facts, "x float32 [2, 3]");
    assert_string_equal(b.facts, "x float32 [5, 3]");
    assert_true(a.graph == 0 && a.begin == 0 && a.end == 4 && !a.runs_graphs && !a.tapped);
    sib_plan_free(&p);
    sib_session_free(&s);
}

TEST(steps_of_ref_are_milli_ops)
{
    sib_session *s = tiny_layer("ref");
    run_layer(s, 2);
    sib_plan *p = plan_of(s);
    sib_plan_step step;
    size_t n = 0, last = 0;
    for (; sib_plan_get_step(p, 0, n, &step); n++) {
        assert_string_equal(step.backend, "ref");
        assert_true(step.milli && step.node >= last && step.node < 4 && step.n_packed == 0);
        last = step.node;
    }
    assert_true(n > 4);
    sib_plan_free(&p);
    sib_session_free(&s);
}

TEST(steps_of_cpu_name_kernels_and_members)
{
    sib_session *s = tiny_layer("cpu,ref");
    run_layer(s, 2);
    sib_plan *p = plan_of(s);
    sib_plan_step step;
    bool packed = false, fused = false;
    for (size_t k = 0; sib_plan_get_step(p, 0, k, &step); k++) {
        assert_string_equal(step.backend, "cpu");
        assert_non_null(step.kernel);
        for (size_t i = 0; i < step.n_packed; i++) {
            sib_plan_place place;
            assert_true(sib_plan_get_place(p, 0, step.packed[i], &place));
            assert_int_equal(place.kind, SIB_PLACE_CONSTANT);
            packed |= !strcmp(place.type, "float32 [3, 4]");
        }
        for (size_t i = 0; i < step.n_members; i++)
            fused |= !strcmp(step.members[i], "add");
    }
    assert_true(packed && fused);
    sib_plan_free(&p);
    sib_session_free(&s);
}

/* Values in the arena that are needed at the same time do not overlap; views name what they view. */
static void check_places(const sib_plan *p, size_t segment)
{
    sib_plan_segment about;
    sib_plan_place a, b;
    assert_true(sib_plan_get_segment(p, segment, &about));
    for (size_t i = 0; sib_plan_get_place(p, segment, i, &a); i++) {
        assert_true((a.kind == SIB_PLACE_VIEW) == (a.viewed != SIB_NONE));
        if (a.kind != SIB_PLACE_ARENA || a.first_step == SIB_NONE)
            continue;
        assert_true(a.offset + a.bytes <= about.arena_bytes && a.first_step <= a.last_step);
        for (size_t k = 0; k < i; k++) {
            sib_plan_get_place(p, segment, k, &b);
            bool together = b.kind == SIB_PLACE_ARENA && b.first_step != SIB_NONE &&
                            a.first_step <= b.last_step && b.first_step <= a.last_step;
            assert_true(!together || a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
        }
    }
}

TEST(places_and_lifetimes)
{
    static const char *const backends[] = {"ref", "cpu,ref"};
    for (size_t i = 0; i < 2; i++) {
        sib_session *s = tiny_layer(backends[i]);
        run_layer(s, 4);
        sib_plan *p = plan_of(s);
        sib_session_free(&s); /* the copy stays */
        sib_plan_place place;
        bool in = false, out = false;
        check_places(p, 0);
        for (size_t k = 0; sib_plan_get_place(p, 0, k, &place); k++) {
            in |= place.kind == SIB_PLACE_LIVE && !strcmp(place.name, "x") &&
                  !strcmp(place.type, "float32 [4, 3]");
            out |= place.kind == SIB_PLACE_OWN && !strcmp(place.name, "s") && place.bytes == 64;
        }
        assert_true(in && out);
        sib_plan_free(&p);
    }
}

/* y = Relu(Identity(x)), of which passes leave the Relu. */
static sib_session *edited(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N 3");
    tiny_output(&t, tiny_op(&t, "Relu", tiny_op(&t, "Identity", x, NO_VALUE, "same"), NO_VALUE, "y"));
    return tiny_session(&t, &(sib_session_options){.passes = "all"});
}

TEST(the_graph_that_passes_left)
{
    sib_session *s = edited();
    sib_graph_info info;
    assert_int_equal(sib_session_graphs(s), 1);
    assert_null(sib_session_graph(s, 1));
    sib_graph_get_info(sib_session_graph(s, 0), &info);
    assert_int_equal(info.n_nodes, 1);
    sib_graph_get_info(sib_model_graph(sib_session_model(s), 0), &info);
    assert_int_equal(info.n_nodes, 2);
    sib_session_free(&s);
}

static sib_code see(void *context, const sib_tap_event *e, sib_error *err)
{
    (void)e, (void)err;
    ++*(size_t *)context;
    return SIB_OK;
}

/* Runs with a tap use the graph of the file, whose plans come last. */
TEST(plans_of_runs_with_taps)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = edited();
    sib_plan_segment left, whole;
    size_t seen = 0;
    run_layer(s, 2);
    double zeros[6] = {0};
    sib_value *given = tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, zeros), *out = NULL;
    sib_run_options tapped = {.tap = see, .tap_context = &seen};
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", given}, 0, NULL, &out, &tapped, &err), err);
    sib_value_free(&given);
    sib_value_free(&out);
    assert_true(seen > 0);
    sib_plan *p = plan_of(s);
    assert_true(sib_plan_get_segment(p, 0, &left) && sib_plan_get_segment(p, 1, &whole));
    assert_false(sib_plan_get_segment(p, 2, &left));
    assert_true(left.graph == 0 && left.end == 1 && !left.of_file && !left.tapped);
    assert_true(whole.graph == 0 && whole.end == 2 && whole.of_file && whole.tapped);
    sib_plan_free(&p);
    CHECK_EVERY_ALLOCATION(sib_session_plan(s, &p, &err), sib_plan_free(&p));
    sib_session_free(&s);
}

TEST(without_memory)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = tiny_layer("cpu,ref");
    sib_plan *p = NULL;
    run_layer(s, 2);
    CHECK_EVERY_ALLOCATION(sib_session_plan(s, &p, &err), sib_plan_free(&p));
    sib_session_free(&s);
}
