/* sibyl reduce MODEL: the smallest part of a model that still shows a fault. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "messages.h"
#include "model/dump.h"
#include "model/model_inputs.h"
#include "model/reduce_case.h"
#include "model/reduce_check.h"
#include "recording.h"
#include "shared_options.h"
#include "temporary.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    extension_settings ext;
    const char *check, *out;
    long checks;
    bool json;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_TEXT(
        "check", check, "'diff ...'",
        "how the fault shows: 'diff' with its options, without model and inputs; or a command",
        .more = "A command is run by the shell with two more arguments: the model, and a .npz of its inputs. "
                "The fault shows where it ends as it does for the entire model, which is not with 0."),
    OPT_FOLDER("out", out, "DIR", "where the case goes: model.onnx, test_data_set_0", .letter = 'o',
               .more = FOLDER_IS_MADE),
    OPT_INTEGER("checks", checks, "N", 1, 1000000, "make at most N checks (default: 500)"),
    OPT_JSON,
    OPT_EXTENSIONS,
    OPT_END};

static const char more[] = "Runs the check on the model, takes the first value that it names, and looks for "
                           "the fewest nodes with which the "
                           "check still names it: the node that makes the value alone, else nodes are left "
                           "out in halves, quarters and so on, "
                           "one by one in the end; a command names no value, so all nodes are tried. What "
                           "the left out nodes made is given as inputs: values "
                           "of --against where the check has "
                           "them, else those of the run on ref. Then dims of inputs are halved as long as "
                           "the fault shows, but not with "
                           "--against. DIR gets the model and a data set in the layout of ONNX's test cases, "
                           "which 'sibyl conform' runs: the "
                           "outputs are those of the check's other side. Weights are kept entire.";

/* A model that shows the fault, and its inputs. */
typedef struct reduced {
    sib_model *model;
    model_inputs in;
} reduced;

typedef struct search {
    const settings *s;
    const char *path;
    sib_model *m;
    const sib_graph *g;
    const model_inputs *in;
    size_t n_nodes;
    reduce_check check;
    recording ref; /* every value of the run on ref */
    dump theirs;   /* of --against */
    bool against;
    uint32_t node; /* that makes the value that the check names */
    reduced best;
} search;

static void reduced_free(reduced *r)
{
    sib_model_free(&r->model);
    model_inputs_free(&r->in);
}

/* What the other side has for a value, owned by the caller; NULL: nothing. */
static sib_value *value_of(const search *x, const char *name)
{
    sib_value *v = NULL;
    for (size_t i = 0; i < x->in->n; i++)
        if (!strcmp(x->in->items[i].name, name))
            sib_value_copy(x->in->items[i].value, &v, NULL);
    if (!v && x->against)
        dump_value(&x->theirs, name, &v);
    const recorded *r = v ? NULL : recording_find(&x->ref, name);
    if (r)
        sib_value_copy(r->value, &v, NULL);
    return v;
}

static model_inputs inputs_of(const search *x, const sib_model *m)
{
    sib_model_info info;
    sib_value_info v;
    sib_model_get_info(m, &info);
    model_inputs in = {.items = cli_alloc(info.n_inputs + 1, sizeof *in.items),
                       .values = cli_alloc(info.n_inputs + 1, sizeof(sib_value *))};
    for (size_t i = 0; sib_model_input(m, i, &v); i++) {
        in.values[in.n] = value_of(x, v.name);
        if (in.values[in.n]) {
            in.items[in.n] = (sib_named_value){v.name, in.values[in.n]};
            in.n++;
        }
    }
    return in;
}

/* The model of the nodes in set, cut out; NULL where it cannot be. */
static sib_model *part_of(const search *x, const bool *set)
{
    sib_model *out = NULL;
    sib_model_info info;
    sib_graph_info graph;
    sib_value_info v;
    sib_model_get_info(x->m, &info);
    sib_graph_get_info(x->g, &graph);
    const char **in = cli_alloc(info.n_values + 1, sizeof *in),
               **made = cli_alloc(info.n_values + 1, sizeof *made);
    size_t n_in = 0, n_made = 0;
    for (uint32_t i = 0; sib_graph_value(x->g, i, &v); i++) {
        const uint32_t *users;
        const size_t n = sib_graph_users(x->g, i, &users);
        const bool inside = v.producer != SIB_NONE && set[v.producer];
        bool read_inside = false, leaves = x->check.fault && !strcmp(v.name, x->check.fault);
        for (size_t k = 0; k < n; k++)
            *(set[users[k]] ? &read_inside : &leaves) = true;
        for (size_t k = 0; k < graph.n_outputs; k++)
            leaves = leaves || graph.outputs[k] == i;
        if (inside && leaves && v.name[0])
            made[n_made++] = v.name;
        else if (!inside && read_inside && v.producer != SIB_NONE && !v.constant && v.name[0])
            in[n_in++] = v.name;
    }
    sib_model_between(x->m, in, n_in, made, n_made, &out, NULL);
    free(in);
    free(made);
    return out;
}

/* Whether the nodes in set show the fault; then they are the best so far. */
static bool try_nodes(search *x, const bool *set)
{
    reduced r = {.model = x->check.command || set[x->node] ? part_of(x, set) : NULL};
    if (r.model)
        r.in = inputs_of(x, r.model);
    const bool shown = r.model && reduce_check_shows(&x->check, r.model, &r.in);
    if (shown) {
        reduced_free(&x->best);
        x->best = r;
    } else
        reduced_free(&r);
    return shown;
}

/* Marks the nodes that a node needs, and itself. Nodes are in order, so one pass from it to the front sees
   all. */
static void mark_needed(const search *x, bool *set)
{
    sib_node_info node;
    set[x->node] = true;
    for (size_t i = x->node; i-- > 0 && sib_graph_node(x->g, i, &node);)
        for (size_t k = 0; k < node.n_outputs; k++) {
            const uint32_t *users;
            const size_t n = node.outputs[k] != SIB_NONE ? sib_graph_users(x->g, node.outputs[k], &users) : 0;
            for (size_t u = 0; u < n; u++)
                set[i] = set[i] || set[users[u]];
        }
}

/* Leaves nodes out of set in runs of half of them, a quarter and so on, where the fault still shows. */
static void leave_out(search *x, bool *set)
{
    bool *trial = cli_alloc(x->n_nodes, sizeof *trial);
    size_t n = 0;
    for (size_t i = 0; i < x->n_nodes; i++)
        n += set[i];
    for (size_t run = n / 2; run; run /= 2)
        for (size_t from = 0; from < n;) {
            size_t left = 0, seen = 0;
            for (size_t i = 0; i < x->n_nodes; i++) {
                trial[i] = set[i] && (seen < from || seen >= from + run);
                seen += set[i];
                left += trial[i];
            }
            if (try_nodes(x, trial)) {
                memcpy(set, trial, x->n_nodes * sizeof *set);
                n = left;
            } else
                from += run;
        }
    free(trial);
}

static void reduce_nodes(search *x)
{
    bool *set = cli_alloc(x->n_nodes, sizeof *set);
    if (x->check.command) {
        memset(set, true, x->n_nodes * sizeof *set);
        if (try_nodes(x, set))
            leave_out(x, set);
        free(set);
        return;
    }
    set[x->node] = true;
    if (!try_nodes(x, set)) {
        mark_needed(x, set);
        if (!try_nodes(x, set))
            memset(set, true, x->n_nodes * sizeof *set);
        leave_out(x, set);
    }
    free(set);
}

/* A copy of the inputs in which axes of `size` elements have the first half of them. Returns false where none
   has. */
static bool halve(const model_inputs *from, int64_t size, model_inputs *out)
{
    bool any = false;
    *out = (model_inputs){.items = cli_alloc(from->n + 1, sizeof *out->items),
                          .values = cli_alloc(from->n + 1, sizeof(sib_value *))};
    for (size_t i = 0; i < from->n; i++, out->n++) {
        const sib_tensor *t = sib_value_tensor(from->items[i].value);
        sib_value *now = NULL;
        sib_value_copy(from->items[i].value, &now, NULL);
        for (size_t k = 0; now && k < sib_tensor_rank(t); k++)
            if (sib_tensor_dims(t)[k] == size) {
                sib_tensor *part = NULL;
                sib_value *cut = NULL;
                any = sib_tensor_slice(sib_value_tensor(now), (int64_t)k, 0, (size + 1) / 2, 1, &part,
                                       NULL) == SIB_OK &&
                      sib_value_from_tensor(part, &cut, NULL) == SIB_OK;
                sib_tensor_free(&part);
                sib_value_free(&now);
                now = cut;
            }
        out->values[i] = now;
        out->items[i] = (sib_named_value){from->items[i].name, out->values[i]};
        if (!now)
            return false;
    }
    return any;
}

/* The best model with inputs of any dims, since files mostly declare numbers; NULL where there can be none.
   */
static sib_model *with_free_dims(search *x)
{
    sib_model *out = NULL;
    char *path = file_join(x->check.folder, "model.onnx");
    sib_error err = SIB_ERROR_INIT;
    const sib_open_options any = {.any_input_dims = true, .registry = x->s->ext.registry};
    if (reduce_check_save(&x->check, x->best.model, path) &&
        sib_model_open(path, &any, &out, &err) == SIB_ERR_IO)
        x->check.failed = (cli_fail("%s", err.message), true);
    free(path);
    return out;
}

/* The largest size of an axis below `limit`; 1 where there is none. */
static int64_t largest_size(const model_inputs *in, int64_t limit)
{
    int64_t size = 1;
    for (size_t i = 0; i < in->n; i++) {
        const sib_tensor *t = sib_value_tensor(in->items[i].value);
        for (size_t k = 0; k < sib_tensor_rank(t); k++)
            if (sib_tensor_dims(t)[k] > size && sib_tensor_dims(t)[k] < limit)
                size = sib_tensor_dims(t)[k];
    }
    return size;
}

/* Halves axes of equal sizes together, the largest first, as long as the fault shows. */
static void reduce_dims(search *x)
{
    reduced now = {.model = x->against ? NULL : with_free_dims(x)};
    if (!now.model)
        return;
    now.in = inputs_of(x, now.model);
    bool any = false;
    int64_t limit = INT64_MAX, size;
    while (x->check.done < x->check.limit && (size = largest_size(&now.in, limit)) > 1) {
        model_inputs in;
        const bool shown = halve(&now.in, size, &in) && (!x->check.command || reduce_runs(now.model, &in)) &&
                           reduce_check_shows(&x->check, now.model, &in);
        if (shown) {
            const model_inputs before = now.in;
            now.in = in;
            in = before;
            any = true;
        } else
            limit = size;
        model_inputs_free(&in);
    }
    if (any) {
        const reduced before = x->best;
        x->best = now;
        now = before;
    }
    reduced_free(&now);
}

/* value, node and operator are null of a command, which names none. */
static void tell(const search *x)
{
    sib_node_info node = {.name = NULL};
    sib_model_info info;
    const bool command = x->check.command;
    if (!command)
        sib_graph_node(x->g, x->node, &node);
    sib_model_get_info(x->best.model, &info);
    if (x->s->json)
        cli_json_print(json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "value",
                                 command ? json_null() : cli_json_text(x->check.fault), "node",
                                 command ? json_null() : cli_json_text(node.name ? node.name : ""),
                                 "operator", command ? json_null() : cli_json_text(node.type), "nodes",
                                 (json_int_t)info.n_nodes, "of", (json_int_t)x->n_nodes, "checks",
                                 (json_int_t)x->check.done, "case", cli_json_text(x->s->out)));
    else if (command)
        printf("%s: %zu of %zu nodes show the fault, after %ld checks\n", x->s->out, info.n_nodes, x->n_nodes,
               x->check.done);
    else
        printf("%s: %zu of %zu nodes show the fault in '%s' of node '%s' (%s), after %ld checks\n", x->s->out,
               info.n_nodes, x->n_nodes, x->check.fault, node.name ? node.name : "", node.type,
               x->check.done);
}

static bool reduce_model(search *x)
{
    sib_model_info info;
    sib_model_get_info(x->m, &info);
    x->n_nodes = info.n_nodes;
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof(sib_value *));
    const char *against = reduce_check_option(&x->check, "against");
    x->node = x->check.command ? SIB_NONE : reduce_check_find(&x->check, x->path, x->g, x->in);
    bool ok = x->check.command ? reduce_check_command(&x->check, x->path, x->in) : x->node != SIB_NONE;
    ok = ok && reduce_run(x->m, x->in, recording_tap, &x->ref, false, outputs);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    x->against = against != NULL;
    ok = ok && (!against || dump_open(against, &x->theirs));
    if (!ok)
        return false;
    reduce_nodes(x);
    if (x->best.model)
        reduce_dims(x);
    if (interrupt_came())
        return cli_fail("%s: interrupted", x->path), false;
    if (x->check.failed)
        return false;
    if (!x->best.model)
        return cli_fail("%s: no part of it shows the fault in '%s'", x->path,
                        x->check.command ? x->s->check : x->check.fault),
               false;
    if (!reduce_case_write(x->s->out, x->best.model, &x->best.in, reduce_check_option(&x->check, "peer"),
                           x->against ? &x->theirs : NULL))
        return false;
    tell(x);
    return true;
}

static int reduce_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (!s->check || !s->out)
        return cli_usage(self, "--check and --out must be given");
    sib_error err = SIB_ERROR_INIT;
    char *folder = interrupt_begin() ? temporary_folder() : NULL; /* removed at the end */
    search x = {.s = s, .path = names[0], .check = {.ext = &s->ext, .folder = folder, .limit = s->checks}};
    model_inputs in = {0};
    bool ok = folder && reduce_check_read(s->check, &x.check);
    if (ok &&
        sib_model_open(names[0], &(sib_open_options){.registry = s->ext.registry}, &x.m, &err) != SIB_OK)
        ok = (cli_fail("%s", err.message), false);
    x.g = ok ? sib_model_graph(x.m, 0) : NULL;
    x.in = &in;
    ok = ok && model_inputs_read(x.m, &s->in, &in) && reduce_model(&x);
    reduced_free(&x.best);
    recording_free(&x.ref);
    dump_close(&x.theirs);
    model_inputs_free(&in);
    sib_model_free(&x.m);
    reduce_check_free(&x.check);
    free(folder);
    interrupt_end();
    return ok ? CLI_DONE : CLI_FAILED;
}

static int reduce(const cli_command *self, int argc, char **argv)
{
    settings s = {.checks = 500};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? reduce_named(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    return code;
}

const cli_command command_reduce = {.name = "reduce",
                                    .summary = "the smallest part of a model that still shows a fault",
                                    .operands = "MODEL -i NAME=WHAT... --check 'diff ...' -o DIR",
                                    .options = options,
                                    .more = more,
                                    .run = reduce};
