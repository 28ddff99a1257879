/* sibyl diff MODEL: where two backends, or Sibyl and values of another runtime, part. */
#include "command.h"
#include "compare_runs.h"
#include "files.h"
#include "model_inputs.h"
#include "pass_words.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    input_settings in;
    pass_settings passes;
    const char *a, *b, *against;
    double rtol, atol;
    bool inside, all, oracle;
} settings;

static const cli_option options[] = {
    INPUT_OPTIONS(settings),
    {.name = "a",
     .kind = CLI_TEXT,
     .field = offsetof(settings, a),
     .value = "LIST",
     .help = "backends taken as right (default ref)"},
    {.name = "b",
     .kind = CLI_TEXT,
     .field = offsetof(settings, b),
     .value = "LIST",
     .help = "backends to compare (default: all of this build)"},
    PASS_OPTIONS(settings),
    {.name = "against",
     .kind = CLI_TEXT,
     .field = offsetof(settings, against),
     .value = "DIR",
     .help = "compare with NAME.npy files of another runtime instead of --a"},
    {.name = "oracle", .kind = CLI_FLAG, .field = offsetof(settings, oracle), .help = "run --a in double"},
    {.name = "inside",
     .kind = CLI_FLAG,
     .field = offsetof(settings, inside),
     .help = "the values of milli-ops too"},
    {.name = "all",
     .kind = CLI_FLAG,
     .field = offsetof(settings, all),
     .help = "a line for values that agree too"},
    {.name = "rtol",
     .kind = CLI_NUMBER,
     .field = offsetof(settings, rtol),
     .value = "X",
     .help = "relative tolerance (default 1e-3)",
     .min = -1,
     .max = 1},
    {.name = "atol",
     .kind = CLI_NUMBER,
     .field = offsetof(settings, atol),
     .value = "X",
     .help = "absolute tolerance (default 1e-5)",
     .min = -1,
     .max = 1e9},
    {0}};

static const char more[] =
    "Runs the model twice and compares every value by name, in graph order: largest absolute and\n"
    "relative difference and distance in representable values (ULP). Files of --against are\n"
    "looked for under a value's name as it is, and with '/' and ':' as '_'. With --passes or\n"
    "--pass-limit the graph of --b is the one that passes leave, and values that they took away\n"
    "are not compared. Exit code 1 where a value leaves tolerance.\n";

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
    sib_value **outputs = cli_take(info.n_outputs + 1, sizeof *outputs);
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

/* Everything behind the options. */
static int diff_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "one model is compared at a time, %d are named", n);
    if (s->rtol < 0 || s->atol < 0)
        return cli_usage(self, "a tolerance is not negative");
    if (s->against && !file_is_folder(s->against))
        return cli_fail("%s: is not a folder, expected one with .npy files", s->against);
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_model_open(names[0], NULL, &m, &err) != SIB_OK)
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
        code = diff_named(self, &s, n, argv);
    free(s.in.inputs.items);
    free(s.in.dims.items);
    return code;
}

const cli_command command_diff = {.name = "diff",
                                  .summary = "where two backends or runtimes part",
                                  .operands = "MODEL -i NAME=WHAT... [options]",
                                  .options = options,
                                  .more = more,
                                  .run = diff};
