/* The plan of a model for random inputs: steps, who runs them, and where values are stored. */
#include "command.h"
#include "inspect_parts.h"
#include "model_inputs.h"

#include <stdlib.h>
#include <string.h>

/* ---- As text --------------------------------------------------------------------------------------- */

static void add_output(char **text, const sib_plan *p, size_t segment, uint32_t id)
{
    sib_plan_place place;
    if (id == SIB_NONE || !sib_plan_get_place(p, segment, id, &place))
        return;
    inspect_add(text, " -> %s%s%s %s", place.name, *place.name ? " " : "", place.type,
                sib_place_kind_name(place.kind));
    if (place.kind == SIB_PLACE_ARENA)
        inspect_add(text, " %llu..%llu until %u", (unsigned long long)place.offset,
                    (unsigned long long)(place.offset + place.bytes), place.last_step);
}

static void step_row(const sib_session *s, const sib_plan *p, size_t segment, size_t k,
                     const sib_plan_segment *about)
{
    sib_plan_step step;
    sib_node_info node = {.name = ""};
    sib_plan_get_step(p, segment, k, &step);
    if (about->graph != SIB_NONE)
        sib_graph_node(sib_session_graph(s, about->graph), step.node, &node);
    char *text =
        cli_format("  %5zu %-5u %-24s %-18s %s%s%s", k, step.node, *node.name ? node.name : "-", step.op_type,
                   step.backend, step.kernel ? "/" : "", step.kernel ? step.kernel : "");
    for (size_t i = 0; i < step.n_members; i++)
        inspect_add(&text, "%s%s", i ? "+" : " ", step.members[i]);
    if (step.n_packed)
        inspect_add(&text, ", %zu packed", step.n_packed);
    if (step.bytes_in)
        inspect_add(&text, ", copies %llu bytes to the device", (unsigned long long)step.bytes_in);
    if (step.bytes_out)
        inspect_add(&text, ", copies %llu bytes from the device", (unsigned long long)step.bytes_out);
    for (size_t i = 0; i < step.n_outputs; i++)
        add_output(&text, p, segment, step.outputs[i]);
    inspect_row(text);
}

static void add_nodes(char **text, size_t n, const sib_edit_node *nodes)
{
    for (size_t i = 0; i < n; i++)
        inspect_add(text, "%s %s%s%s", i ? "," : "", nodes[i].type, *nodes[i].name ? " " : "", nodes[i].name);
}

/* "gelu: Div d, Erf e, Add a, Mul m -> Gelu g" */
static void edit_row(const sib_edit *e)
{
    char *text = cli_format("  %s:", e->pass);
    add_nodes(&text, e->n_removed, e->removed);
    inspect_add(&text, " ->");
    add_nodes(&text, e->n_added, e->added);
    inspect_row(text);
}

/* How many edits each pass made, then those that put nodes in the place of others. */
static void edits_text(const sib_session *s)
{
    const char *pass;
    sib_edit e;
    char *text = cli_format("%llu edits of passes", (unsigned long long)sib_session_edits(s));
    bool any = false;
    for (size_t i = 0; (pass = sib_pass_name(i, NULL)); i++) {
        size_t n = 0;
        for (uint64_t k = 0; sib_session_edit(s, k, &e); k++)
            n += !strcmp(e.pass, pass);
        if (n)
            inspect_add(&text, "%s %s %zu", any ? "," : ":", pass, n);
        any |= n > 0;
    }
    inspect_row(text);
    for (uint64_t i = 0; sib_session_edit(s, i, &e); i++)
        if (e.n_added)
            edit_row(&e);
}

static void plan_text(const sib_session *s, const sib_plan *p)
{
    edits_text(s);
    inspect_row(cli_format("kernels of level %s, chosen by the costs of '%s'", sib_cpu_level_name(),
                           sib_cpu_class_name()));
    sib_plan_segment about;
    for (size_t i = 0; sib_plan_get_segment(p, i, &about); i++) {
        char *graph = about.graph == SIB_NONE ? cli_format("chunks") : cli_format("graph %u", about.graph);
        inspect_row(cli_format("%s, nodes %u to %u, planned for %s", graph, about.begin,
                               about.end ? about.end - 1 : 0, *about.facts ? about.facts : "any input"));
        if (about.runs_graphs)
            inspect_row(cli_format("  runs its graphs, which have plans of their own"));
        else
            inspect_row(cli_format("  %zu steps, arena of %llu bytes, %llu bytes of values with memory of "
                                   "their own, plan of %llu bytes",
                                   about.n_steps, (unsigned long long)about.arena_bytes,
                                   (unsigned long long)about.own_bytes,
                                   (unsigned long long)about.plan_bytes));
        for (size_t k = 0; k < about.n_steps; k++)
            step_row(s, p, i, k, &about);
        free(graph);
    }
}

/* ---- As JSON --------------------------------------------------------------------------------------- */

static json_t *number_or_null(uint32_t id)
{
    return id == SIB_NONE ? json_null() : json_integer(id);
}

static json_t *ids_json(size_t n, const uint32_t *ids)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, number_or_null(ids[i]));
    return list;
}

static json_t *step_json(const sib_plan_step *s)
{
    json_t *members = json_array();
    for (size_t i = 0; i < s->n_members; i++)
        json_array_append_new(members, cli_json_text(s->members[i]));
    return json_pack("{s:I, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "node", (json_int_t)s->node,
                     "type", cli_json_text(s->op_type), "milli", s->milli, "backend", s->backend, "kernel",
                     s->kernel ? cli_json_text(s->kernel) : json_null(), "inputs",
                     ids_json(s->n_inputs, s->inputs), "outputs", ids_json(s->n_outputs, s->outputs),
                     "packed", ids_json(s->n_packed, s->packed), "members", members, "bytes_in",
                     (json_int_t)s->bytes_in, "bytes_out", (json_int_t)s->bytes_out);
}

static json_t *place_json(const sib_plan_place *p)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:I, s:I, s:o, s:o}", "name", cli_json_text(p->name), "type",
                     cli_json_text(p->type), "kind", sib_place_kind_name(p->kind), "viewed",
                     number_or_null(p->viewed), "offset", (json_int_t)p->offset, "bytes",
                     (json_int_t)p->bytes, "first_step", number_or_null(p->first_step), "last_step",
                     number_or_null(p->last_step));
}

static json_t *nodes_json(size_t n, const sib_edit_node *nodes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "type", cli_json_text(nodes[i].type), "name",
                                              cli_json_text(nodes[i].name)));
    return list;
}

static json_t *edits_json(const sib_session *s)
{
    json_t *edits = json_array();
    sib_edit e;
    for (uint64_t i = 0; sib_session_edit(s, i, &e); i++) {
        json_t *rewired = json_array();
        for (size_t k = 0; k < e.n_rewired; k++)
            json_array_append_new(rewired, json_pack("{s:o, s:o}", "from", cli_json_text(e.rewired[k].from),
                                                     "to", cli_json_text(e.rewired[k].to)));
        json_array_append_new(edits, json_pack("{s:s, s:o, s:o, s:o, s:o}", "pass", e.pass, "graph",
                                               number_or_null(e.graph), "removed",
                                               nodes_json(e.n_removed, e.removed), "added",
                                               nodes_json(e.n_added, e.added), "rewired", rewired));
    }
    return edits;
}

static json_t *plan_json(const sib_session *s, const sib_plan *p)
{
    json_t *segments = json_array();
    sib_plan_segment about;
    sib_plan_step step;
    sib_plan_place place;
    for (size_t i = 0; sib_plan_get_segment(p, i, &about); i++) {
        json_t *steps = json_array(), *places = json_array();
        for (size_t k = 0; sib_plan_get_step(p, i, k, &step); k++)
            json_array_append_new(steps, step_json(&step));
        for (size_t k = 0; sib_plan_get_place(p, i, k, &place); k++)
            json_array_append_new(places, place_json(&place));
        json_array_append_new(
            segments, json_pack("{s:o, s:I, s:I, s:b, s:o, s:I, s:I, s:I, s:o, s:o}", "graph",
                                number_or_null(about.graph), "begin", (json_int_t)about.begin, "end",
                                (json_int_t)about.end, "runs_graphs", about.runs_graphs, "facts",
                                cli_json_text(about.facts), "arena_bytes", (json_int_t)about.arena_bytes,
                                "own_bytes", (json_int_t)about.own_bytes, "plan_bytes",
                                (json_int_t)about.plan_bytes, "steps", steps, "places", places));
    }
    return json_pack("{s:o, s:o}", "edits", edits_json(s), "segments", segments);
}

/* ---- The run that makes it ------------------------------------------------------------------------- */

/* Runs once with random inputs. */
static sib_code run_once(sib_session *s, const model_inputs *in, sib_error *err)
{
    sib_model_info info;
    sib_model_get_info(sib_session_model(s), &info);
    sib_value **out = cli_alloc(info.n_outputs + 1, sizeof *out);
    sib_code code = sib_session_run(s, in->n, in->items, 0, NULL, out, NULL, err);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&out[i]);
    free(out);
    return code;
}

int inspect_plan(sib_model *m, const char *backends, const input_settings *settings, sib_logger log,
                 bool json)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_plan *p = NULL;
    model_inputs in = {0};
    if (!model_inputs_read(m, settings, &in))
        return CLI_FAILED;
    sib_code code = sib_session_create(m, &(sib_session_options){.backends = backends, .log = log}, &s, &err);
    if (code == SIB_OK)
        code = run_once(s, &in, &err);
    if (code == SIB_OK)
        code = sib_session_plan(s, &p, &err);
    if (code == SIB_OK && json)
        cli_json_print(plan_json(s, p));
    else if (code == SIB_OK)
        plan_text(s, p);
    sib_plan_free(&p);
    sib_session_free(&s);
    model_inputs_free(&in);
    return code == SIB_OK ? CLI_DONE : cli_fail("%s", err.message);
}
