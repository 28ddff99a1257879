/* sibyl reduce MODEL: the smallest part of a model that still shows a fault. */
#include "child.h"
#include "command.h"
#include "files.h"
#include "messages.h"
#include "model/dump.h"
#include "model/model_inputs.h"
#include "model/peer.h"
#include "recording.h"
#include "shared_options.h"
#include "temporary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MAX_WORDS 64

typedef struct settings {
    input_settings in;
    extension_settings ext;
    const char *check, *out;
    long checks;
    bool json;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_TEXT("check", check, "'diff ...'",
             "how the fault shows: 'diff' with its options, without model and inputs"),
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
                           "one by one in the end. What the left out nodes made is given as inputs: values "
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
    char *text, *words[MAX_WORDS]; /* of the check */
    size_t n_words;
    recording ref; /* every value of the run on ref */
    dump theirs;   /* of --against */
    bool against;
    char *folder;  /* for models that are tried */
    char *fault;   /* the value that the check names, */
    bool unrun;    /* since it could not be compared */
    uint32_t node; /* that makes it */
    long done;     /* checks */
    reduced best;
} search;

static void reduced_free(reduced *r)
{
    sib_model_free(&r->model);
    model_inputs_free(&r->in);
}

/* ---- The check ---- */

/* Splits the check into words at blanks; those in quotes are one. */
static bool split_words(search *x)
{
    char *c = x->text = cli_format("%s", x->s->check);
    while (*c) {
        while (*c == ' ' || *c == '\t' || *c == '\n')
            *c++ = '\0';
        const char quote = *c == '\'' || *c == '"' ? *c : '\0';
        if (!*c)
            break;
        if (x->n_words == MAX_WORDS)
            return cli_fail("--check: has more than %d words", MAX_WORDS), false;
        x->words[x->n_words++] = quote ? ++c : c;
        while (*c && (quote ? *c != quote : *c != ' ' && *c != '\t' && *c != '\n'))
            c++;
        if (quote && !*c)
            return cli_fail("--check: a quote is not closed"), false;
        if (quote)
            *c++ = '\0';
    }
    if (!x->n_words || strcmp(x->words[0], "diff") != 0)
        return cli_fail("--check '%s': expected diff and its options", x->s->check), false;
    return true;
}

/* The value of an option among the check's words: "--NAME VALUE" or "--NAME=VALUE"; NULL where it is not
   there. */
static const char *option_of(const search *x, const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 1; i < x->n_words; i++) {
        const char *w = x->words[i];
        if (strncmp(w, "--", 2) != 0 || strncmp(w + 2, name, n) != 0)
            continue;
        if (w[2 + n] == '=')
            return w + 2 + n + 1;
        if (!w[2 + n])
            return i + 1 < x->n_words ? x->words[i + 1] : "";
    }
    return NULL;
}

/* What diff says of a model: its document, owned by the caller, or NULL. */
static json_t *run_check(search *x, const char *model, const char *inputs, bool quiet)
{
    const cli_list *lists[] = {&x->s->ext.plugins, &x->s->ext.functions};
    const char *const names[] = {"--plugin", "--functions"};
    const char **argv = cli_alloc(MAX_WORDS + 8 + 2 * (lists[0]->n + lists[1]->n), sizeof *argv);
    size_t n = 0;
    argv[n++] = "sibyl";
    for (size_t i = 0; i < x->n_words; i++)
        argv[n++] = x->words[i];
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n; i++) {
            argv[n++] = names[k];
            argv[n++] = lists[k]->items[i];
        }
    argv[n++] = "--json";
    argv[n++] = "-i";
    argv[n++] = inputs;
    argv[n++] = model;
    FILE *f;
    pid_t pid;
    json_t *found = NULL;
    x->done++;
    if (child_start("/proc/self/exe", (char *const *)(uintptr_t)argv, quiet, &f, &pid)) {
        found = json_loadf(f, 0, NULL);
        const int status = child_end(f, pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > CLI_FAILED) {
            json_decref(found);
            found = NULL;
        }
    }
    free(argv);
    return found;
}

/* The row of a value in the document, or NULL. */
static const json_t *row_of(const json_t *document, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(document, "values"), i, v)
    {
        const char *found = json_string_value(json_object_get(v, "name"));
        if (found && !strcmp(found, name))
            return v;
    }
    return NULL;
}

static char *write_inputs(const search *x, const model_inputs *in)
{
    char *path = file_join(x->folder, "inputs.npz");
    dump_writer w;
    bool ok = dump_begin(path, &w);
    for (size_t i = 0; i < in->n && ok; i++)
        ok = sib_value_tensor(in->items[i].value) && dump_put(&w, in->items[i].name, in->items[i].value);
    ok = ok && dump_end(&w);
    dump_discard(&w);
    if (!ok) {
        free(path);
        path = NULL;
    }
    return path;
}

/* Weights go into a file of their own where one is too small for them. */
static bool save(const sib_model *m, const char *path, sib_error *err)
{
    return sib_model_save(m, path, NULL, err) == SIB_OK ||
           (err->code == SIB_ERR_SIZE &&
            (*err = (sib_error)SIB_ERROR_INIT, sib_model_save(m, path, "model.onnx.data", err) == SIB_OK));
}

/* Whether a model shows the fault on these inputs. */
static bool shows(search *x, const sib_model *m, const model_inputs *in)
{
    if (x->done >= x->s->checks)
        return false;
    sib_error err = SIB_ERROR_INIT;
    char *model = file_join(x->folder, "model.onnx"), *inputs = write_inputs(x, in);
    json_t *document = inputs && save(m, model, &err) ? run_check(x, model, inputs, true) : NULL;
    const json_t *row = row_of(document, x->fault);
    const bool shown =
        row && !json_is_true(json_object_get(row, "equal")) && !!json_object_get(row, "why") == x->unrun;
    json_decref(document);
    free(model);
    free(inputs);
    return shown;
}

/* ---- Parts of the model ---- */

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
        bool read_inside = false, leaves = !strcmp(v.name, x->fault);
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
    reduced r = {.model = set[x->node] ? part_of(x, set) : NULL};
    if (r.model)
        r.in = inputs_of(x, r.model);
    const bool shown = r.model && shows(x, r.model, &r.in);
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
    set[x->node] = true;
    if (!try_nodes(x, set)) {
        mark_needed(x, set);
        if (!try_nodes(x, set))
            memset(set, true, x->n_nodes * sizeof *set);
        leave_out(x, set);
    }
    free(set);
}

/* ---- Dims ---- */

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
static sib_model *with_free_dims(const search *x)
{
    sib_model *out = NULL;
    char *path = file_join(x->folder, "model.onnx");
    if (save(x->best.model, path, &(sib_error)SIB_ERROR_INIT))
        sib_model_open(path, &(sib_open_options){.any_input_dims = true, .registry = x->s->ext.registry},
                       &out, NULL);
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
    while (x->done < x->s->checks && (size = largest_size(&now.in, limit)) > 1) {
        model_inputs in;
        const bool shown = halve(&now.in, size, &in) && shows(x, now.model, &in);
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

/* ---- The case ---- */

static bool run_on_ref(sib_model *m, const model_inputs *in, sib_tap tap, void *context, sib_value **outputs)
{
    sib_session *session = NULL;
    sib_error err = SIB_ERROR_INIT;
    bool ok = sib_session_create(m, &(sib_session_options){.backends = "ref"}, &session, &err) == SIB_OK &&
              sib_session_run(session, in->n, in->items, 0, NULL, outputs,
                              &(sib_run_options){.tap = tap, .tap_context = context}, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    sib_session_free(&session);
    return ok;
}

static bool save_value(const char *folder, const char *side, size_t i, const sib_value *v, const char *name)
{
    sib_error err = SIB_ERROR_INIT;
    char *path = cli_format("%s/%s_%zu.pb", folder, side, i);
    const bool ok = sib_value_save_pb(path, v, name, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    free(path);
    return ok;
}

/* The value that the input was given, or its default. */
static bool save_input(const search *x, const char *folder, size_t i, const sib_value_info *input)
{
    sib_value *plain = NULL;
    const sib_value *v = NULL;
    for (size_t k = 0; k < x->best.in.n; k++)
        if (!strcmp(x->best.in.items[k].name, input->name))
            v = x->best.in.items[k].value;
    if (!v && input->constant && sib_value_from_tensor(input->constant, &plain, NULL) == SIB_OK)
        v = plain;
    const bool ok = !v || save_value(folder, "input", i, v, input->name);
    sib_value_free(&plain);
    return ok;
}

/* The values of the check's other side for the outputs, by position; what it does not have stays. */
static bool take_theirs(search *x, const char *model, sib_value **outputs)
{
    const char *peer = option_of(x, "peer");
    char *made = peer ? temporary_folder() : NULL;
    dump d = {0};
    sib_value_info v;
    bool ok = !peer || (made && peer_dump(0, model, &x->best.in, made) && dump_open(made, &d));
    for (size_t i = 0; ok && (peer || x->against) && sib_model_output(x->best.model, i, &v); i++) {
        sib_value *found;
        ok = dump_value(peer ? &d : &x->theirs, v.name, &found);
        if (found) {
            sib_value_free(&outputs[i]);
            outputs[i] = found;
        }
    }
    dump_close(&d);
    free(made);
    return ok;
}

static bool write_case(search *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_value_info v;
    sib_model_get_info(x->best.model, &info);
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof(sib_value *));
    char *model = file_join(x->s->out, "model.onnx"), *set = file_join(x->s->out, "test_data_set_0");
    bool ok = file_folder_ready(x->s->out) && file_folder_ready(set);
    if (ok && !save(x->best.model, model, &err))
        ok = (cli_fail("%s", err.message), false);
    ok = ok && run_on_ref(x->best.model, &x->best.in, NULL, NULL, outputs) && take_theirs(x, model, outputs);
    for (size_t i = 0; ok && sib_model_input(x->best.model, i, &v); i++)
        ok = save_input(x, set, i, &v);
    for (size_t i = 0; ok && sib_model_output(x->best.model, i, &v); i++)
        ok = save_value(set, "output", i, outputs[i], v.name);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    free(model);
    free(set);
    return ok;
}

static void tell(const search *x)
{
    sib_node_info node;
    sib_model_info info;
    sib_graph_node(x->g, x->node, &node);
    sib_model_get_info(x->best.model, &info);
    if (x->s->json)
        cli_json_print(json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "value", cli_json_text(x->fault),
                                 "node", cli_json_text(node.name ? node.name : ""), "operator",
                                 cli_json_text(node.type), "nodes", (json_int_t)info.n_nodes, "of",
                                 (json_int_t)x->n_nodes, "checks", (json_int_t)x->done, "case",
                                 cli_json_text(x->s->out)));
    else
        printf("%s: %zu of %zu nodes show the fault in '%s' of node '%s' (%s), after %ld checks\n", x->s->out,
               info.n_nodes, x->n_nodes, x->fault, node.name ? node.name : "", node.type, x->done);
}

/* ---- All of it ---- */

/* The node of the main graph that makes a value of this name; SIB_NONE for others, such as those inside
   bodies. */
static uint32_t maker_of(const search *x, const char *name)
{
    sib_value_info v;
    for (size_t i = 0; name && sib_graph_value(x->g, i, &v); i++)
        if (!strcmp(v.name, name))
            return v.producer;
    return SIB_NONE;
}

/* Runs the check on the entire model and takes the first value of the main graph that it names. */
static bool find_fault(search *x)
{
    char *inputs = write_inputs(x, x->in);
    json_t *document = inputs ? run_check(x, x->path, inputs, false) : NULL, *row;
    size_t i;
    x->node = SIB_NONE;
    json_array_foreach(json_object_get(document, "values"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        x->node = json_is_true(json_object_get(row, "equal")) ? SIB_NONE : maker_of(x, name);
        if (x->node == SIB_NONE)
            continue;
        x->fault = cli_format("%s", name);
        x->unrun = json_object_get(row, "why");
        break;
    }
    if (!document)
        cli_fail("%s: the check could not be made%s", x->path, inputs ? "" : ": inputs that are no tensors");
    else if (!x->fault)
        cli_fail("%s: the check names no fault: every value that nodes of the main graph make agrees",
                 x->path);
    json_decref(document);
    free(inputs);
    return x->fault;
}

static bool reduce_model(search *x)
{
    sib_model_info info;
    sib_model_get_info(x->m, &info);
    x->n_nodes = info.n_nodes;
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof(sib_value *));
    const char *against = option_of(x, "against");
    bool ok = (x->folder = temporary_folder()) && find_fault(x) &&
              run_on_ref(x->m, x->in, recording_tap, &x->ref, outputs);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    x->against = against != NULL;
    ok = ok && (!against || dump_open(against, &x->theirs));
    if (!ok)
        return false;
    reduce_nodes(x);
    if (!x->best.model)
        return cli_fail("%s: no part of it shows the fault in '%s'", x->path, x->fault), false;
    reduce_dims(x);
    if (!write_case(x))
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
    search x = {.s = s, .path = names[0]};
    model_inputs in = {0};
    bool ok = split_words(&x);
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
    free(x.folder);
    free(x.fault);
    free(x.text);
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
