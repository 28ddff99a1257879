/* If, Loop and Scan in cases that the official ones do not cover: no iterations, captures through two graphs,
   dims that change between iterations, several rows of Scan 8. */
#include "tiny.h"

#include <sibyl/watch.h>

static const sib_session_options on_ref = {.backends = "ref", .threads = 1};

static attribute of_graph(const char *name, graph *g)
{
    return (attribute){.name = str_of(name), .kind = ATTR_GRAPH, .graph = g};
}

/* A Loop over [v] that appends x, captured from the outer graph, and collects the length before each
   iteration. */
static tiny growing(void)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id n = tiny_input(&t, "n", SIB_I64, ""), x = tiny_input(&t, "x", SIB_F32, "K"),
             start = tiny_input(&t, "start", SIB_F32, "S");
    value_id last = tiny_made(&t, "last"), lengths = tiny_made(&t, "lengths");
    graph *body = tiny_enter(&t);
    tiny_input(&t, "i", SIB_I64, "");
    value_id go = tiny_input(&t, "go", SIB_BOOL, ""), v = tiny_input(&t, "v", SIB_F32, NULL), inner,
             longer = tiny_made(&t, "longer");
    CHECK_OK(graph_capture(body, x, &inner, &err), err);
    value_id parts[] = {v, inner};
    attribute axis = {.name = str_of("axis"), .kind = ATTR_INT, .i = 0};
    tiny_node(&t, "Concat", "append", 2, parts, 1, &longer, 1, &axis);
    value_id size = tiny_op(&t, "Size", v, NO_VALUE, "size");
    tiny_output(&t, tiny_op(&t, "Identity", go, NO_VALUE, "go_on"));
    tiny_output(&t, longer);
    tiny_output(&t, size);
    tiny_leave(&t);
    attribute a = of_graph("body", body);
    value_id in[] = {n, NO_VALUE, start}, out[] = {last, lengths};
    tiny_node(&t, "Loop", "grow", 3, in, 2, out, 1, &a);
    tiny_output(&t, last);
    tiny_output(&t, lengths);
    return t;
}

TEST(loops_change_dims)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = growing();
    sib_session *s = tiny_session(&t, &on_ref);
    for (int turns = 0; turns < 4; turns++) {
        sib_value *n = tiny_given(SIB_I64, 0, NULL, OF(turns)), *x = tiny_given(SIB_F32, DIMS(2), OF(7, 8));
        sib_value *start = tiny_given(SIB_F32, DIMS(1), OF(1)), *out[2];
        sib_named_value in[] = {{"n", n}, {"x", x}, {"start", start}};
        CHECK_OK(sib_session_run(s, 3, in, 0, NULL, out, NULL, &err), err);
        tiny_expect(out[0], SIB_F32, DIMS(1 + 2 * turns), OF(1, 7, 8, 7, 8, 7, 8));
        tiny_expect(out[1], SIB_I64, DIMS(turns), OF(1, 3, 5));
        sib_value *all[] = {n, x, start, out[0], out[1]};
        for (size_t i = 0; i < 5; i++)
            sib_value_free(&all[i]);
    }
    sib_session_free(&s);
}

/* A watch that an event of the second iteration adds. */
typedef struct late {
    sib_session *session;
    sib_watch *watch, *events;
    char names[2000];
} late;

static sib_code note_name(void *context, const sib_tap_event *e, sib_error *err)
{
    late *l = context;
    size_t length = strlen(l->names);
    (void)err;
    snprintf(l->names + length, sizeof l->names - length, "%s ", e->name);
    return SIB_OK;
}

static void add_late(void *context, const sib_time_span *span, bool begins)
{
    late *l = context;
    sib_error err = SIB_ERROR_INIT;
    if (!l->watch && begins && span->kind == SIB_SPAN_BODY && !strcmp(span->name, "grow[1]"))
        CHECK_OK(sib_watch_add(l->session, &(sib_watch_options){.context = l, .on_value = note_name},
                               &l->watch, &err),
                 err);
}

/* What it sees has the names that a tap of the entire run would give. */
TEST(a_watch_within_a_loop)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = growing();
    late l = {.session = tiny_session(&t, &on_ref)};
    CHECK_OK(
        sib_watch_add(l.session, &(sib_watch_options){.context = &l, .on_event = add_late}, &l.events, &err),
        err);
    sib_value *n = tiny_given(SIB_I64, 0, NULL, OF(3)), *x = tiny_given(SIB_F32, DIMS(2), OF(7, 8));
    sib_value *start = tiny_given(SIB_F32, DIMS(1), OF(1)), *out[2];
    sib_named_value in[] = {{"n", n}, {"x", x}, {"start", start}};
    CHECK_OK(sib_session_run(l.session, 3, in, 0, NULL, out, NULL, &err), err);
    assert_null(strstr(l.names, "grow[0]"));
    assert_non_null(strstr(l.names, "grow[1]/longer "));
    assert_non_null(strstr(l.names, "grow[1]/size "));
    assert_non_null(strstr(l.names, "grow[2]/longer "));
    assert_non_null(strstr(l.names, " last lengths "));
    sib_value *all[] = {n, x, start, out[0], out[1]};
    for (size_t i = 0; i < 5; i++)
        sib_value_free(&all[i]);
    sib_watch_remove(&l.watch);
    sib_watch_remove(&l.events);
    sib_session_free(&l.session);
}

/* If inside If: the inner branch captures x through both graphs. */
TEST(captures_go_through_two_graphs)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id c = tiny_input(&t, "c", SIB_BOOL, ""), x = tiny_input(&t, "x", SIB_F32, "N"),
             y = tiny_made(&t, "y");
    graph *branches[2];
    for (int which = 0; which < 2; which++) {
        value_id outer_c, outer_x, made;
        graph *outer = tiny_enter(&t);
        CHECK_OK(graph_capture(outer, c, &outer_c, &err), err);
        CHECK_OK(graph_capture(outer, x, &outer_x, &err), err);
        made = tiny_made(&t, which ? "then_y" : "else_y");
        graph *inside[2];
        for (int k = 0; k < 2; k++) {
            value_id inner_x;
            graph *inner = tiny_enter(&t);
            CHECK_OK(graph_capture(inner, outer_x, &inner_x, &err), err);
            tiny_output(&t, tiny_op(&t, k ? "Neg" : "Abs", inner_x, NO_VALUE, "deep"));
            inside[k] = inner;
            tiny_leave(&t);
        }
        attribute a[] = {of_graph("then_branch", inside[1]), of_graph("else_branch", inside[0])};
        tiny_node(&t, "If", "inner", 1, &outer_c, 1, &made, 2, a);
        tiny_output(&t, made);
        branches[which] = outer;
        tiny_leave(&t);
    }
    attribute a[] = {of_graph("then_branch", branches[1]), of_graph("else_branch", branches[0])};
    tiny_node(&t, "If", "outer", 1, &c, 1, &y, 2, a);
    tiny_output(&t, y);
    sib_session *s = tiny_session(&t, &on_ref);
    for (int yes = 0; yes < 2; yes++) {
        sib_value *cv = tiny_given(SIB_BOOL, 0, NULL, OF(yes)),
                  *xv = tiny_given(SIB_F32, DIMS(2), OF(-3, -4)), *out = NULL;
        sib_named_value in[] = {{"c", cv}, {"x", xv}};
        CHECK_OK(sib_session_run(s, 2, in, 0, NULL, &out, NULL, &err), err);
        tiny_expect(out, SIB_F32, DIMS(2), OF(3, 4));
        sib_value_free(&cv);
        sib_value_free(&xv);
        sib_value_free(&out);
    }
    sib_session_free(&s);
}

/* Running sum: state + part, collected. */
static graph *summing(tiny *t)
{
    graph *body = tiny_enter(t);
    value_id sum = tiny_input(t, "sum", SIB_F32, NULL), part = tiny_input(t, "part", SIB_F32, NULL);
    value_id next = tiny_op(t, "Add", sum, part, "next");
    tiny_output(t, next);
    tiny_output(t, tiny_op(t, "Identity", next, NO_VALUE, "shown"));
    tiny_leave(t);
    return body;
}

TEST(scans_go_backward_along_other_axes)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id zero = tiny_input(&t, "zero", SIB_F32, "2"), x = tiny_input(&t, "x", SIB_F32, "2 3");
    value_id outs[] = {tiny_made(&t, "sum"), tiny_made(&t, "sums")}, in[] = {zero, x};
    int64_t one = 1;
    attribute a[] = {of_graph("body", summing(&t)),
                     {.name = str_of("num_scan_inputs"), .kind = ATTR_INT, .i = 1},
                     {.name = str_of("scan_input_axes"), .kind = ATTR_INTS, .n = 1, .ints = &one},
                     {.name = str_of("scan_input_directions"), .kind = ATTR_INTS, .n = 1, .ints = &one},
                     {.name = str_of("scan_output_axes"), .kind = ATTR_INTS, .n = 1, .ints = &one},
                     {.name = str_of("scan_output_directions"), .kind = ATTR_INTS, .n = 1, .ints = &one}};
    tiny_node(&t, "Scan", "add_up", 2, in, 2, outs, 6, a);
    tiny_output(&t, outs[0]);
    tiny_output(&t, outs[1]);
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *z = tiny_given(SIB_F32, DIMS(2), OF(0, 0)),
              *xv = tiny_given(SIB_F32, DIMS(2, 3), OF(1, 2, 3, 10, 20, 30)), *out[2];
    sib_named_value named[] = {{"zero", z}, {"x", xv}};
    CHECK_OK(sib_session_run(s, 2, named, 0, NULL, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, DIMS(2), OF(6, 60));
    /* steps take columns 2, 1, 0 and give 3, 5, 6; the output is written in reverse along axis 1 */
    tiny_expect(out[1], SIB_F32, DIMS(2, 3), OF(6, 5, 3, 60, 50, 30));
    sib_value *all[] = {z, xv, out[0], out[1]};
    for (size_t i = 0; i < 4; i++)
        sib_value_free(&all[i]);
    sib_session_free(&s);
}

/* Scan of opset 8: row 0 ends after two of three steps, row 1 before the first; the elements past the end are
   0. */
TEST(rows_of_scan_8_have_lengths)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id lengths = tiny_input(&t, "lengths", SIB_I64, "2"),
             start = tiny_input(&t, "start", SIB_F32, "2 1"), x = tiny_input(&t, "x", SIB_F32, "2 3 1");
    value_id outs[] = {tiny_made(&t, "sum"), tiny_made(&t, "sums")}, in[] = {lengths, start, x};
    graph *body = tiny_enter(&t);
    value_id sum = tiny_input(&t, "sum_before", SIB_F32, "1"), part = tiny_input(&t, "part", SIB_F32, "1");
    value_id next = tiny_op(&t, "Add", sum, part, "next");
    tiny_output(&t, next);
    tiny_output(&t, tiny_op(&t, "Identity", next, NO_VALUE, "shown"));
    tiny_leave(&t);
    attribute a[] = {of_graph("body", body), {.name = str_of("num_scan_inputs"), .kind = ATTR_INT, .i = 1}};
    node_id scan = tiny_node(&t, "Scan", "rows", 3, in, 2, outs, 2, a);
    t.g->nodes[scan].version = 8;
    tiny_output(&t, outs[0]);
    tiny_output(&t, outs[1]);
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *l = tiny_given(SIB_I64, DIMS(2), OF(2, 0)), *z = tiny_given(SIB_F32, DIMS(2, 1), OF(10, 20)),
              *xv = tiny_given(SIB_F32, DIMS(2, 3, 1), OF(1, 2, 3, 4, 5, 6)), *out[2];
    sib_named_value named[] = {{"lengths", l}, {"start", z}, {"x", xv}};
    CHECK_OK(sib_session_run(s, 3, named, 0, NULL, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, DIMS(2, 1), OF(13, 20));
    tiny_expect(out[1], SIB_F32, DIMS(2, 3, 1), OF(11, 13, 0, 0, 0, 0));
    sib_value *all[] = {l, z, xv, out[0], out[1]};
    for (size_t i = 0; i < 5; i++)
        sib_value_free(&all[i]);
    sib_session_free(&s);
}

TEST(a_body_that_is_wrong_is_named)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id zero = tiny_input(&t, "zero", SIB_F32, "2"), x = tiny_input(&t, "x", SIB_F32, "2 3");
    value_id outs[] = {tiny_made(&t, "sum"), tiny_made(&t, "sums")}, in[] = {zero, x};
    attribute a[] = {of_graph("body", summing(&t)),
                     {.name = str_of("num_scan_inputs"), .kind = ATTR_INT, .i = 3}};
    tiny_node(&t, "Scan", "add_up", 2, in, 2, outs, 2, a);
    tiny_output(&t, outs[0]);
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *z = tiny_given(SIB_F32, DIMS(2), OF(0, 0)), *xv = tiny_given(SIB_F32, DIMS(2, 3), NULL),
              *out = NULL;
    sib_named_value named[] = {{"zero", z}, {"x", xv}};
    CHECK_FAILS(sib_session_run(s, 2, named, 0, NULL, &out, NULL, &err), SIB_ERR_FORMAT, err,
                "'add_up' (Scan): num_scan_inputs is 3");
    sib_value_free(&z);
    sib_value_free(&xv);
    sib_session_free(&s);
}
