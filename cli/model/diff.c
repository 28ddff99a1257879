/* sibyl diff MODEL: where two backends, or Sibyl and another runtime, differ. */
#include "command.h"
#include "files.h"
#include "messages.h"
#include "model/compare_runs.h"
#include "model/model_inputs.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    extension_settings ext;
    pass_settings passes;
    const char *a, *b, *against;
    double rtol, atol;
    double factor;
    bool inside, all, oracle, local, json;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_BACKENDS("a", a, "reference backends (default: ref)"),
    OPT_BACKENDS("b", b, "backends to compare (default: all of this build)"),
    OPT_PASSES,
    OPT_FOLDER("against", against, "DIR", "compare with NAME.npy files of another runtime instead of --a",
               .more = "A value's file is searched under its name, and with characters like / and : as _."),
    OPT_FLAG("local", local,
             "compare node by node, which is done without it too, and refuse options "
             "that compare complete runs"),
    OPT_NUMBER("factor", factor, "X", 1, 1e9,
               "how many times what rounding explains is let pass (default: 64)"),
    OPT_FLAG("oracle", oracle, "run the reference side in double precision"),
    OPT_FLAG("inside", inside, "compare the values of milli-ops too"),
    OPT_FLAG("all", all, "show a line for values that agree too"),
    OPT_JSON,
    OPT_RTOL,
    OPT_ATOL("1e-5"),
    OPT_EXTENSIONS,
    OPT_END};

static const char more[] = "Feeds each node with the values of the reference side (another backend, or the "
                           "files of another runtime) and "
                           "compares what it makes of them with what that side made, so that a fault shows "
                           "in the node that has it and in "
                           "none behind it. What rounding explains is measured: the node in double "
                           "precision, on these inputs and on inputs "
                           "moved by their last bit. A value differs where it is --factor times as far away. "
                           "The table has the largest "
                           "difference, its norm and that of what rounding explains over the norm of the "
                           "value, how many times as far the "
                           "farthest element is, and how many elements are too far. Values inside bodies of "
                           "If, Loop and Scan are those of "
                           "their node.\n\n"
                           "With --rtol, --atol, --inside, --oracle, --passes or --pass-limit the model runs "
                           "twice from end to end, every "
                           "value is compared by name in graph order, and the first that leaves tolerance is "
                           "named: largest absolute and "
                           "relative difference, and distance in representable values (ULP). With --passes "
                           "or --pass-limit the graph of --b "
                           "is the one that passes leave, and values that they removed are not compared. "
                           "Exit code 1 where a value leaves "
                           "tolerance.";

/* Runs the model with every value recorded. passes: NULL for the graph as the file has it. */
static bool record(sib_model *m, const char *backends, bool oracle, bool inside, const pass_settings *passes,
                   const model_inputs *in, recording *out)
{
    sib_session *session = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = {.backends = backends, .oracle = oracle};
    sib_run_options run = {.tap = recording_tap,
                           .tap_context = out,
                           .tap_inside = inside,
                           .tap_optimised = passes && passes_named(passes)};
    if (passes)
        passes_apply(passes, &o);
    sib_model_info info;
    sib_model_get_info(m, &info);
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof *outputs);
    bool ok = sib_session_create(m, &o, &session, &err) == SIB_OK &&
              sib_session_run(session, in->n, in->items, 0, NULL, outputs, &run, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    sib_session_free(&session);
    return ok;
}

static int show(const settings *s, const comparison *c)
{
    if (s->json)
        cli_json_print(comparison_json(c, s->all));
    else
        comparison_show(c, s->all);
    if (!c->n)
        return cli_fail("no value is on both sides");
    return c->n_different ? CLI_FAILED : CLI_DONE;
}

/* The whole run of both sides. */
static int compare(sib_model *m, const settings *s, const model_inputs *in)
{
    sib_tolerance tolerance = {.atol = s->atol < 0 ? 1e-5 : s->atol, .rtol = s->rtol < 0 ? 1e-3 : s->rtol};
    recording a = {0}, b = {0};
    comparison c = {0};
    bool ok = record(m, s->b, false, s->inside, &s->passes, in, &b) &&
              (s->against || record(m, s->a, s->oracle, s->inside, NULL, in, &a));
    int code = CLI_FAILED;
    if (ok) {
        if (s->against)
            compare_with_folder(s->against, &b, &tolerance, &c);
        else
            compare_recordings(&a, &b, &tolerance, &c);
        code = show(s, &c);
    }
    comparison_free(&c);
    recording_free(&a);
    recording_free(&b);
    return code;
}

/* ---- Every node on the values of the reference side ---- */

/* What the reference side has for a value, owned by the caller; NULL: nothing, or a weight. */
static sib_value *reference_of(const settings *s, const recording *a, const model_inputs *in,
                               const sib_value_info *value)
{
    sib_value *v = NULL;
    for (size_t i = 0; i < in->n; i++)
        if (!strcmp(in->items[i].name, value->name))
            sib_value_copy(in->items[i].value, &v, NULL);
    if (v || (value->constant && value->producer == SIB_NONE))
        return v;
    if (s->against)
        return value_from_folder(s->against, value->name);
    const recorded *r = recording_find(a, value->name);
    if (r)
        sib_value_copy(r->value, &v, NULL);
    return v;
}

/* Values of the main graph that the reference side has. Returns their number, or 0 where a node makes none of them; *out:
   owned by the caller. */
static size_t reference_values(const sib_model *m, const settings *s, const recording *a,
                               const model_inputs *in, sib_named_value **out)
{
    bool any = false;
    const sib_graph *g = sib_model_graph(m, 0);
    sib_model_info info;
    sib_model_get_info(m, &info);
    sib_value_info v;
    size_t n = 0;
    *out = cli_alloc(info.n_values + 1, sizeof **out);
    for (size_t i = 0; sib_graph_value(g, i, &v); i++) {
        sib_value *value = v.name && v.name[0] ? reference_of(s, a, in, &v) : NULL;
        if (value)
            (*out)[n++] = (sib_named_value){v.name, value};
        any = any || (value && v.producer != SIB_NONE);
    }
    for (; !any && n; n--)
        sib_value_free((sib_value **)&(*out)[n - 1].value);
    return n;
}

static int compare_nodes(sib_model *m, const settings *s, const model_inputs *in)
{
    const sib_diff_options how = {.backends = s->b, .factor = s->factor};
    recording a = {0};
    sib_named_value *values = NULL;
    sib_diff *d = NULL;
    comparison c = {0};
    sib_error err = SIB_ERROR_INIT;
    size_t n = 0;
    int code = CLI_FAILED;
    if (s->against || record(m, s->a, false, false, NULL, in, &a)) {
        n = reference_values(m, s, &a, in, &values);
        if (n && sib_diff_create(m, n, values, &how, &d, &err) != SIB_OK)
            cli_fail("%s", err.message);
        else {
            comparison_of_nodes(d, &c);
            code = show(s, &c);
        }
    }
    comparison_free(&c);
    sib_diff_free(&d);
    for (size_t i = 0; i < n; i++)
        sib_value_free((sib_value **)&values[i].value);
    free(values);
    recording_free(&a);
    return code;
}

/* Whether options ask for what only a comparison of complete runs has. */
static bool is_whole(const settings *s)
{
    return s->rtol >= 0 || s->atol >= 0 || s->inside || s->oracle || passes_named(&s->passes);
}

/* The work after the options are parsed. */
static int diff_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (s->local && is_whole(s))
        return cli_usage(
            self, "--local goes with none of --rtol, --atol, --inside, --oracle, --passes and --pass-limit, "
                  "which compare complete runs");
    if (s->against && !file_is_folder(s->against))
        return cli_fail("%s: is not a folder, expected one with .npy files", s->against);
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_model_open(names[0], &(sib_open_options){.registry = s->ext.registry}, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    model_inputs in;
    int code =
        model_inputs_read(m, &s->in, &in) ? (is_whole(s) ? compare : compare_nodes)(m, s, &in) : CLI_FAILED;
    model_inputs_free(&in);
    sib_model_free(&m);
    return code;
}

static int diff(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS, .a = "ref", .rtol = -1, .atol = -1, .factor = 64};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? diff_named(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    return code;
}

const cli_command command_diff = {.name = "diff",
                                  .summary = "find where two backends or runtimes differ",
                                  .operands = "MODEL -i NAME=WHAT... [options]",
                                  .options = options,
                                  .more = more,
                                  .run = diff};
