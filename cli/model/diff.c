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
    bool inside, all, oracle, json;
} settings;

static const cli_option options[] = {
    OPT_INPUTS,
    OPT_BACKENDS("a", a, "reference backends (default: ref)"),
    OPT_BACKENDS("b", b, "backends to compare (default: all of this build)"),
    OPT_PASSES,
    OPT_FOLDER("against", against, "DIR", "compare with NAME.npy files of another runtime instead of --a",
               .more = "A value's file is searched under its name, and with characters like / and : as _."),
    OPT_FLAG("oracle", oracle, "run the reference side in double precision"),
    OPT_FLAG("inside", inside, "compare the values of milli-ops too"),
    OPT_FLAG("all", all, "show a line for values that agree too"),
    OPT_JSON,
    OPT_RTOL,
    OPT_ATOL("1e-5"),
    OPT_EXTENSIONS,
    OPT_END};

static const char more[] =
    "Runs the model twice, on two lists of backends or against the files of another runtime, compares every "
    "value by name in graph order, and names the first that leaves tolerance: largest absolute and relative "
    "difference, and distance in representable values (ULP). With --passes or --pass-limit the graph of --b "
    "is the one that passes leave, and values that they removed are not compared. Exit code 1 where a value "
    "leaves tolerance.";

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

static int compare(sib_model *m, const settings *s, const model_inputs *in)
{
    sib_tolerance tolerance = {.atol = s->atol, .rtol = s->rtol};
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
        if (s->json)
            cli_json_print(comparison_json(&c, s->all));
        else
            comparison_show(&c, s->all);
        if (!c.n)
            cli_fail("no value is on both sides");
        code = c.n && !c.n_different ? CLI_DONE : CLI_FAILED;
    }
    comparison_free(&c);
    recording_free(&a);
    recording_free(&b);
    return code;
}

/* The work after the options are parsed. */
static int diff_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (s->against && !file_is_folder(s->against))
        return cli_fail("%s: is not a folder, expected one with .npy files", s->against);
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_model_open(names[0], &(sib_open_options){.registry = s->ext.registry}, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    model_inputs in;
    int code = model_inputs_read(m, &s->in, &in) ? compare(m, s, &in) : CLI_FAILED;
    model_inputs_free(&in);
    sib_model_free(&m);
    return code;
}

static int diff(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS, .a = "ref", .rtol = 1e-3, .atol = 1e-5};
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
