/* Passes in sessions: which graph a run uses, what taps see, the memory limit, and what the model retains. */
#include "check_memory.h"
#include "check_passes.h"

#include "attr.h"
#include "graph/copy.h"

#include <string.h>

/* y = -|x| through two Identity nodes, and a dead Exp. */
static tiny chain(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 2");
    value_id a = tiny_op(&t, "Abs", x, NO_VALUE, "a"), b = tiny_op(&t, "Identity", a, NO_VALUE, "b");
    value_id c = tiny_op(&t, "Identity", b, NO_VALUE, "c");
    tiny_op(&t, "Exp", c, NO_VALUE, "unused");
    tiny_output(&t, tiny_op(&t, "Neg", c, NO_VALUE, "y"));
    return t;
}

TEST(names_choose_passes)
{
    static const struct {
        const char *passes, *nodes;
    } cases[] = {{"all", "Abs Neg"},
                 {"-all", "Abs Identity Identity Exp Neg"},
                 {"-dead", "Abs Exp Neg"},
                 {"-all,dead", "Abs Identity Identity Neg"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny t = chain();
        passes_case c = {cases[i].passes, cases[i].nodes, 0, 0};
        passes_check_one(&t, &c, "x", passes_random(SIB_F32, DIMS(3, 2), 1, 7));
    }
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = {.backends = "ref", .passes = "-no_such"};
    sib_session *s = NULL;
    tiny t = chain();
    sib_model *m = tiny_model(&t);
    CHECK_FAILS(sib_session_create(m, &o, &s, &err), SIB_ERR_ARGUMENT, err,
                "'no_such' is not a pass; the passes are");
    sib_model_free(&m);
}

TEST(edits_are_counted_and_limited)
{
    static const char *const nodes[] = {"Abs Identity Identity Exp Neg", "Abs Identity Exp Neg",
                                        "Abs Exp Neg", "Abs Neg", "Abs Neg"};
    sib_error err = SIB_ERROR_INIT;
    tiny t = chain();
    sib_model *m = tiny_model(&t);
    char text[200];
    for (uint64_t limit = 0; limit < 5; limit++) {
        sib_session_options o = {
            .backends = "ref", .limit_passes = true, .pass_limit = limit, .passes = "-all,identity,dead"};
        sib_session *s = NULL;
        CHECK_OK(sib_session_create(m, &o, &s, &err), err);
        assert_string_equal(passes_nodes(s->optimised->graph, text, sizeof text), nodes[limit]);
        assert_int_equal(sib_session_edits(s), limit < 3 ? limit : 3);
        sib_session_free(&s);
    }
    sib_model_free(&m);
}

TEST(edits_are_listed)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = {.backends = "ref", .passes = "-all,identity,dead"};
    sib_session *s = NULL;
    sib_edit e;
    tiny t = chain();
    sib_model *m = tiny_model(&t);
    CHECK_OK(sib_session_create(m, &o, &s, &err), err);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(sib_session_edit(s, i, &e));
        assert_string_equal(e.pass, i < 2 ? "identity" : "dead");
        assert_int_equal(e.graph, 0);
        assert_int_equal(e.n_removed, 1);
        assert_int_equal(e.n_added, 0);
        assert_int_equal(e.n_rewired, i < 2 ? 1 : 0);
        assert_string_equal(e.removed[0].type, i < 2 ? "Identity" : "Exp");
    }
    assert_false(sib_session_edit(s, 3, &e));
    sib_session_free(&s);
    CHECK_OK(sib_session_create(m, &(sib_session_options){.backends = "ref"}, &s, &err), err);
    assert_false(sib_session_edit(s, 0, &e));
    sib_session_free(&s);
    sib_model_free(&m);
}

typedef struct seen {
    char names[400];
} seen;

static sib_code note(void *context, const sib_tap_event *e, sib_error *err)
{
    seen *s = context;
    (void)err;
    size_t used = strlen(s->names);
    snprintf(s->names + used, sizeof s->names - used, "%s ", e->name);
    return SIB_OK;
}

TEST(taps_see_the_graph_of_the_file)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = chain();
    sib_session_options o = {.backends = "ref", .passes = "all"};
    sib_session *s = tiny_session(&t, &o);
    sib_value *x = passes_random(SIB_F32, DIMS(2, 2), 1, 3), *out = NULL;
    sib_named_value in = {"x", x};
    for (int again = 0; again < 2; again++) {
        seen all = {""}, left = {""};
        sib_run_options file = {.tap = note, .tap_context = &all};
        sib_run_options rewritten = {.tap = note, .tap_context = &left, .tap_optimised = true};
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, &file, &err), err);
        sib_value_free(&out);
        assert_string_equal(all.names, "x a b c unused y ");
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, &rewritten, &err), err);
        sib_value_free(&out);
        assert_string_equal(left.names, "x a y ");
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
        sib_value_free(&out);
    }
    sib_value_free(&x);
    sib_session_free(&s);
}

TEST(sessions_of_a_model_share_graphs)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = chain();
    sib_model *m = tiny_model(&t);
    sib_session_options all = {.backends = "ref", .passes = "all"},
                        few = {.backends = "ref", .passes = "-dead"};
    sib_session_options oracle = {.backends = "ref", .passes = "all", .oracle = true};
    sib_session *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    CHECK_OK(sib_session_create(m, &all, &a, &err), err);
    CHECK_OK(sib_session_create(m, &all, &b, &err), err);
    CHECK_OK(sib_session_create(m, &few, &c, &err), err);
    CHECK_OK(sib_session_create(m, &oracle, &d, &err), err);
    assert_ptr_equal(a->optimised, b->optimised);
    assert_ptr_not_equal(a->optimised, c->optimised);
    assert_null(d->optimised);
    assert_int_equal(sib_session_edits(d), 0);
    assert_int_equal(m->onnx->graph->n_nodes, 5);
    sib_session_free(&a);
    sib_session_free(&b);
    sib_session_free(&c);
    sib_session_free(&d);
    sib_model_free(&m);
}

/* If(c) { y = -(x captured) } else { y = Identity(x captured) }, with an Identity before and inside. */
static tiny branches(void)
{
    tiny t = tiny_begin();
    sib_error err = SIB_ERROR_INIT;
    value_id x = tiny_input(&t, "x", SIB_F32, "2"), c = tiny_input(&t, "c", SIB_BOOL, "");
    value_id a = tiny_op(&t, "Identity", x, NO_VALUE, "a"), y = tiny_made(&t, "y"), inner, kept;
    graph *sides[2];
    for (int i = 0; i < 2; i++) {
        graph *g = sides[i] = tiny_enter(&t);
        CHECK_OK(graph_capture(g, a, &inner, &err), err);
        kept = tiny_op(&t, "Identity", inner, NO_VALUE, "kept");
        tiny_op(&t, "Exp", kept, NO_VALUE, "waste");
        tiny_output(&t, tiny_op(&t, i ? "Abs" : "Neg", kept, NO_VALUE, "out"));
        tiny_leave(&t);
    }
    attribute attributes[] = {{.name = str_of("then_branch"), .kind = ATTR_GRAPH, .graph = sides[0]},
                              {.name = str_of("else_branch"), .kind = ATTR_GRAPH, .graph = sides[1]}};
    tiny_node(&t, "If", "choice", 1, &c, 1, &y, 2, attributes);
    tiny_output(&t, y);
    return t;
}

TEST(graphs_inside_are_rewritten_too)
{
    tiny t = branches();
    sib_value *x = passes_random(SIB_F32, DIMS(2), 1, 5), *yes = tiny_given(SIB_BOOL, 0, NULL, (double[]){1});
    sib_named_value in[] = {{"x", x}, {"c", yes}};
    passes_case c = {"all", "If", 0, 0};
    sib_session *s = passes_check(&t, &c, 2, in);
    const graph *file = s->model->onnx->graph, *g = s->optimised->graph;
    const graph *then = attr_graph(&g->nodes[0], "then_branch"),
                *was = attr_graph(&file->nodes[1], "then_branch");
    char text[100];
    assert_string_equal(passes_nodes(then, text, sizeof text), "Neg");
    assert_ptr_equal(then->outer, g);
    assert_int_equal(then->captures[0].outer, g->inputs.ids[0]);
    assert_string_equal(passes_nodes(was, text, sizeof text), "Identity Exp Neg");
    assert_int_equal(file->n_nodes, 2);
    sib_session_free(&s);
    sib_value_free(&x);
    sib_value_free(&yes);
}

/* Every allocation of a copy and of a session with passes may fail. */
TEST(memory_may_fail)
{
    tiny t = branches();
    sib_model *m = tiny_model(&t);
    sib_session_options o = {.backends = "ref", .threads = 1, .passes = "all"};
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    CHECK_FAILED_ALLOCATIONS(check_k + 1, sib_session_create(m, &o, &s, &err), sib_session_free(&s));
    sib_model_free(&m);
}
