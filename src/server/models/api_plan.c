/* /api/models/{id}/plan: what the runs of a session made of the graph, segment by segment, and what passes did to it. */
#include "server/handlers.h"
#include "server/models/graph_route.h"

#define PAGE_BYTES (16u << 20) /* about: a page ends early where segments are large */

/* Adds to the bytes of the page; texts are counted in full. */
static json_t *counted(const char *text, size_t *bytes)
{
    json_t *value = text_or_null(text, MAX_NAME);
    *bytes += 24 + (json_is_string(value) ? json_string_length(value) : 0);
    return value;
}

static json_t *members_json(const sib_plan_step *s, size_t *bytes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_members; i++)
        json_array_append_new(list, counted(s->members[i], bytes));
    return list;
}

static json_t *steps_json(const sib_session *session, const sib_plan *p, size_t segment,
                          const sib_plan_segment *about, size_t *bytes)
{
    json_t *list = json_array();
    const sib_graph *g = about->of_file ? sib_model_graph(sib_session_model(session), about->graph)
                                        : sib_session_graph(session, about->graph);
    sib_plan_step s;
    for (size_t k = 0; sib_plan_get_step(p, segment, k, &s); k++) {
        sib_node_info n = {.name = "", .type = ""};
        if (g)
            sib_graph_node(g, s.node, &n);
        *bytes += 160 + 8 * (s.n_inputs + s.n_outputs + s.n_packed);
        json_array_append_new(
            list,
            json_pack("{s:I, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "node", (json_int_t)s.node,
                      "name", counted(n.name, bytes), "type", counted(n.type, bytes), "op_type",
                      counted(s.op_type, bytes), "milli", s.milli, "backend", counted(s.backend, bytes),
                      "kernel", counted(s.kernel, bytes), "inputs", numbers_json(s.inputs, s.n_inputs),
                      "outputs", numbers_json(s.outputs, s.n_outputs), "packed",
                      numbers_json(s.packed, s.n_packed), "members", members_json(&s, bytes)));
    }
    return list;
}

static json_t *places_json(const sib_plan *p, size_t segment, size_t *bytes)
{
    json_t *list = json_array();
    sib_plan_place a;
    for (size_t k = 0; sib_plan_get_place(p, segment, k, &a); k++) {
        *bytes += 160;
        json_array_append_new(list, json_pack("{s:o, s:o, s:s, s:o, s:I, s:I, s:o, s:o}", "name",
                                              counted(a.name, bytes), "type", counted(a.type, bytes), "kind",
                                              sib_place_kind_name(a.kind), "viewed", number_json(a.viewed),
                                              "offset", (json_int_t)a.offset, "bytes", (json_int_t)a.bytes,
                                              "first_step", number_json(a.first_step), "last_step",
                                              number_json(a.last_step)));
    }
    return list;
}

static json_t *segment_json(const sib_session *session, const sib_plan *p, size_t i,
                            const sib_plan_segment *s, size_t *bytes)
{
    return json_pack("{s:o, s:b, s:I, s:I, s:b, s:b, s:o, s:I, s:I, s:I, s:o, s:o}", "graph",
                     number_json(s->graph), "of_file", s->of_file, "begin", (json_int_t)s->begin, "end",
                     (json_int_t)s->end, "runs_graphs", s->runs_graphs, "tapped", s->tapped, "facts",
                     counted(s->facts, bytes), "arena_bytes", (json_int_t)s->arena_bytes, "own_bytes",
                     (json_int_t)s->own_bytes, "plan_bytes", (json_int_t)s->plan_bytes, "steps",
                     steps_json(session, p, i, s, bytes), "places", places_json(p, i, bytes));
}

/* ---- Edits ---- */

static json_t *edit_nodes(const sib_edit_node *nodes, size_t n, size_t *bytes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "type", counted(nodes[i].type, bytes), "name",
                                              counted(nodes[i].name, bytes)));
    return list;
}

static json_t *edit_json(const sib_edit *e, size_t *bytes)
{
    json_t *rewired = json_array();
    for (size_t i = 0; i < e->n_rewired; i++)
        json_array_append_new(rewired, json_pack("{s:o, s:o}", "from", counted(e->rewired[i].from, bytes),
                                                 "to", counted(e->rewired[i].to, bytes)));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "pass", counted(e->pass, bytes), "graph",
                     number_json(e->graph), "removed", edit_nodes(e->removed, e->n_removed, bytes), "added",
                     edit_nodes(e->added, e->n_added, bytes), "rewired", rewired);
}

static json_t *edits_json(const sib_session *session, size_t *bytes)
{
    json_t *list = json_array();
    sib_edit e;
    for (uint64_t i = 0; *bytes < PAGE_BYTES && sib_session_edit(session, i, &e); i++)
        json_array_append_new(list, edit_json(&e, bytes));
    return list;
}

/* ---- The route ---- */

/* Segments from `from` on, and with the first of them the edits. */
static void answer_plan(exchange *x, const sib_session *session, const sib_plan *p, size_t from)
{
    json_t *segments = json_array();
    sib_plan_segment s;
    size_t bytes = 0, edit_bytes = 0, total = 0;
    for (; sib_plan_get_segment(p, total, &s); total++)
        if (total >= from && bytes < PAGE_BYTES)
            json_array_append_new(segments, segment_json(session, p, total, &s, &bytes));
    answer_json(x, 200,
                json_pack("{s:I, s:o, s:o}", "total", (json_int_t)total, "segments", segments, "edits",
                          from ? json_array() : edits_json(session, &edit_bytes)));
}

void handle_plan(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    graph_set set;
    sib_plan *plan = NULL;
    uint64_t from;
    if (graphs_open_planned(x, &set) && exchange_query_number(x, "from", 0, INT64_MAX, &from)) {
        if (sib_session_plan(set.session, &plan, &err) == SIB_OK)
            answer_plan(x, set.session, plan, (size_t)from);
        else
            answer_failure(x, &err);
    }
    sib_plan_free(&plan);
    graphs_close(&set);
}
