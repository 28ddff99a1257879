/* sibyl diff MODEL: where two backends, or Sibyl and another runtime, differ. */
#include "chart.h"
#include "command.h"
#include "interrupt.h"
#include "messages.h"
#include "model/compare_nodes.h"
#include "model/model_inputs.h"
#include "model/peer.h"
#include "shared_options.h"
#include "temporary.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    extension_settings ext;
    pass_settings passes;
    const char *a, *b, *against, *png;
    double rtol, atol;
    double factor;
    int peer; /* index into peer_names, -1: none */
    const sib_cancel *cancel;
    bool inside, all, oracle, local, json;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_BACKENDS("a", a, "reference backends (default: ref)"),
    OPT_BACKENDS("b", b, "backends to compare (default: all of this build)"),
    OPT_PASSES,
    OPT_AGAINST("compare with the values of another runtime instead of --a"),
    OPT_CHOICE(
        "peer", peer, peer_names, "run the model there too, and compare with the values that it computes",
        .more = "Every value of the main graph becomes an output, also where weights lie in files of their "
                "own. A Python that has the package runs it: the one that SIBYL_PYTHON names, or that of a "
                "virtual environment beside the build, or python3."),
    OPT_FLAG("local", local,
             "compare node by node, which is done without it too, and refuse options "
             "that compare complete runs"),
    OPT_NUMBER("factor", factor, "X", 1, 1e9,
               "how many times what rounding explains is let pass (default: 64)"),
    OPT_FLAG("oracle", oracle, "run the reference side in double precision"),
    OPT_FLAG("inside", inside, "compare the values of milli-ops too"),
    OPT_FLAG("all", all, "show a line for values that agree too"),
    OPT_FILE(
        "png", png, "P.png", "draw the errors of values in the order of the graph",
        .more =
            "As SVG where the name ends with .svg. The norm of the differences over that of the "
            "value, beside "
            "what rounding explains; of complete runs the largest difference. Exact values are left out."),
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
static bool record(sib_model *m, const settings *s, const char *backends, bool oracle, bool inside,
                   const pass_settings *passes, const model_inputs *in, recording *out)
{
    sib_session *session = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_session_options o = {.backends = backends, .oracle = oracle};
    sib_run_options run = {.cancel = s->cancel,
                           .tap = recording_tap,
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

static bool draw(const settings *s, const comparison *c)
{
    chart_error *errors = cli_alloc(c->n, sizeof *errors);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const difference *x = &c->items[i];
        const bool judged = c->by_node;
        if (!x->compared)
            continue;
        errors[n] = (chart_error){x->name, judged ? x->judged.error : x->figures.max_abs,
                                  judged ? x->judged.noise : 0,
                                  judged ? x->judged.differs : x->figures.n_different > 0};
        n += errors[n].error > 0 || errors[n].noise > 0 || errors[n].differs; /* exact ones are left out */
    }
    const bool done = chart_errors_write(errors, n,
                                         c->by_node ? "error of each value on the other side's inputs"
                                                    : "largest difference of each value",
                                         s->png);
    free(errors);
    return done;
}

static int show(const settings *s, const comparison *c)
{
    if (s->json)
        cli_json_print(comparison_json(c, s->all));
    else
        comparison_show(c, s->all);
    if (!c->n)
        return cli_fail("no value is on both sides");
    if (s->png && !draw(s, c))
        return CLI_FAILED;
    return c->n_different ? CLI_FAILED : CLI_DONE;
}

/* The whole run of both sides. */
static int compare(sib_model *m, const settings *s, const model_inputs *in, const dump *theirs)
{
    sib_tolerance tolerance = {.atol = s->atol < 0 ? 1e-5 : s->atol, .rtol = s->rtol < 0 ? 1e-3 : s->rtol};
    recording a = {0}, b = {0};
    comparison c = {0};
    bool ok = record(m, s, s->b, false, s->inside, &s->passes, in, &b) &&
              (theirs || record(m, s, s->a, s->oracle, s->inside, NULL, in, &a));
    int code = CLI_FAILED;
    if (ok) {
        if (!theirs)
            compare_recordings(&a, &b, &tolerance, &c);
        if (!theirs || compare_with_dump(theirs, &b, &tolerance, &c))
            code = show(s, &c);
    }
    comparison_free(&c);
    recording_free(&a);
    recording_free(&b);
    return code;
}

/* Every node on the values of the reference side. */
static int compare_by_node(sib_model *m, const settings *s, const model_inputs *in, const dump *theirs)
{
    const sib_diff_options how = {.backends = s->b, .factor = s->factor, .cancel = s->cancel};
    reference r = {.theirs = theirs};
    comparison c = {0};
    int code = CLI_FAILED;
    if ((theirs || record(m, s, s->a, false, false, NULL, in, &r.a)) && compare_nodes(m, &how, in, &r, &c))
        code = show(s, &c);
    comparison_free(&c);
    recording_free(&r.a);
    return code;
}

/* Whether options ask for what only a comparison of complete runs has. */
static bool is_whole(const settings *s)
{
    return s->rtol >= 0 || s->atol >= 0 || s->inside || s->oracle || passes_named(&s->passes);
}

/* The values of another runtime, where there is one. */
static bool open_theirs(const settings *s, const char *model, const model_inputs *in, dump *theirs)
{
    char *made = s->peer >= 0 ? temporary_folder() : NULL;
    bool ok = s->peer < 0 || (made && peer_dump(s->peer, model, in, made));
    if (ok && (made || s->against))
        ok = dump_open(made ? made : s->against, theirs);
    free(made);
    return ok;
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
    if (s->against && s->peer >= 0)
        return cli_usage(self, "--against and --peer are both the other side: give one of them");
    const bool other = s->against || s->peer >= 0;
    dump theirs = {0};
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_model_open(names[0], &(sib_open_options){.registry = s->ext.registry}, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    model_inputs in;
    int code = CLI_FAILED;
    if (model_inputs_read(m, &s->in, &in) && open_theirs(s, names[0], &in, &theirs))
        code = (is_whole(s) ? compare : compare_by_node)(m, s, &in, other ? &theirs : NULL);
    dump_close(&theirs);
    model_inputs_free(&in);
    sib_model_free(&m);
    return code;
}

static int diff(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS, .a = "ref", .rtol = -1, .atol = -1, .factor = 64, .peer = -1};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code)) {
        code = CLI_FAILED;
        if (extensions_load(&s.ext) && (s.cancel = interrupt_begin())) { /* files are removed at the end */
            code = diff_named(self, &s, n, argv);
            interrupt_end();
        }
    }
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
