/* sibyl quantize MODEL -o OUT.onnx: a model whose weights take fewer bits. */
#include "command.h"
#include "files.h"
#include "messages.h"
#include "model/case_files.h"
#include "shared_options.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Size from which weights go to a second file: protobuf is limited to 2 GiB. */
#define EXTERNAL_FROM ((uint64_t)1900 << 20)

typedef struct settings {
    const char *out, *calibrate, *backend;
    int weights;
    long block, min_weights;
    bool dynamic, report, json;
    extension_settings ext;
} settings;

static const char *const weight_names[] = {"int8", "int4", "f16", NULL};

static const cli_option options[] = {
    OPT_FILE("out", out, "OUT.onnx", "the file to write", .letter = 'o',
             .more = "Not the model itself. Weights of 1.9 GiB and more go to a second file OUT.onnx.data in "
                     "its folder."),
    OPT_CHOICE(
        "weights", weights, weight_names, "type of the weights (default: int8)",
        .more =
            "int8 and int4 are integers with scales. MatMul and Gemm with constant weights are changed, for "
            "int8 Conv too, for f16 Conv and Gather."),
    OPT_INTEGER(
        "block", block, "N", 16, 65536,
        "weights of a column that share a scale, a power of two (default: int8 the entire column, int4 32)",
        .more = "Blocks of int8 before opset 21, and int4, are written as MatMulNBits of com.microsoft.",
        .offer = "32 64 128"),
    OPT_FLAG("dynamic", dynamic,
             "multiply bytes: inputs of layers are quantized by their range in every run (int8)",
             .more = "For int8 without blocks, from opset 11 on."),
    OPT_INTEGER("min-weights", min_weights, "N", 1, 1e15,
                "do not change layers of fewer weights (default: 4096)"),
    OPT_FOLDER("calibrate", calibrate, "DIR",
               "inputs to choose scales and measure errors by: folders test_data_set_N with input_N.pb, or "
               ".npz files",
               .more =
                   "input_N.pb are in the order of the model's inputs; arrays of a .npz have their names."),
    OPT_BACKENDS("backend", backend,
                 "backends in order of preference for the runs of --calibrate (default: all)"),
    OPT_FLAG("report", report,
             "show a line for each layer: bytes and relative RMS errors of weights and output"),
    OPT_FLAG("json", json, "print one JSON document, layers included"),
    OPT_EXTENSIONS,
    OPT_END};

static const char more[] =
    "Changes MatMul and Gemm with constant float32 weights, for int8 Conv too, for f16 Conv and Gather; "
    "everything else stays. The file is ordinary ONNX: DequantizeLinear, Cast, or, for int4 and for "
    "blocks before opset 21, MatMulNBits of com.microsoft. Reports bytes, and relative RMS errors: of "
    "the weights, and with --calibrate of each layer's and of the model's outputs.";

/* ---- Inputs for calibration
   ----------------------------------------------------------------------------- */

/* Sets of inputs, growing. */
typedef struct calibration {
    size_t n;
    sib_quantize_inputs *sets; /* (n) */
    sib_named_value **items;   /* (n) in the order of sets */
    case_values *values;       /* (n) */
} calibration;

static void calibration_free(calibration *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i]);
        case_values_free(&c->values[i]);
    }
    free(c->sets);
    free(c->items);
    free(c->values);
}

/* Arrays of a .npz by the names of inputs. */
static bool load_npz(const sib_model *m, const char *path, case_values *out)
{
    sib_npz_entry *entries = NULL;
    size_t n = 0;
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_value_info in;
    sib_model_get_info(m, &info);
    out->n = info.n_inputs;
    out->items = cli_alloc(out->n + 1, sizeof *out->items);
    bool ok = sib_npz_load(path, &entries, &n, &err) == SIB_OK;
    for (size_t i = 0; ok && sib_model_input(m, i, &in); i++)
        for (size_t k = 0; k < n && ok; k++)
            if (!strcmp(entries[k].name, in.name) && !out->items[i])
                ok = sib_value_from_tensor(entries[k].tensor, &out->items[i], &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    sib_npz_free(&entries, n);
    return ok;
}

static bool add_set(calibration *c, const sib_model *m, const char *path)
{
    case_values *v = &c->values[c->n];
    case_reading reading = {0};
    bool ok = true;
    if (file_is_folder(path)) {
        ok = case_load_inputs(m, path, v, &reading);
        if (!ok)
            cli_fail("%s", reading.why);
    } else
        ok = load_npz(m, path, v);
    c->items[c->n] = cli_alloc(v->n + 1, sizeof **c->items);
    if (ok)
        c->sets[c->n] = (sib_quantize_inputs){case_named_inputs(m, v, c->items[c->n]), c->items[c->n]};
    c->n++;
    return ok;
}

static int is_set(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return !strncmp(e->d_name, "test_data_set_", 14) || (n > 4 && !strcmp(e->d_name + n - 4, ".npz"));
}

/* Adds every set of the folder; the folder itself if it holds input_0.pb and no set. */
static bool read_sets(const sib_model *m, const char *folder, calibration *c)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_set, alphasort);
    bool ok = n > 0;
    c->sets = cli_alloc((size_t)(n > 0 ? n : 0) + 1, sizeof *c->sets);
    c->items = cli_alloc((size_t)(n > 0 ? n : 0) + 1, sizeof *c->items);
    c->values = cli_alloc((size_t)(n > 0 ? n : 0) + 1, sizeof *c->values);
    if (!ok)
        cli_fail("%s: holds no folder test_data_set_N and no .npz file", folder);
    for (int i = 0; i < n; i++) {
        char *path = file_join(folder, entries[i]->d_name);
        ok = ok && add_set(c, m, path);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* ---- The report
   --------------------------------------------------------------------------------------- */

static const char *error_text(double x, char *text, size_t size)
{
    if (isnan(x))
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%.3g", x);
    return text;
}

static void show(const sib_quantize_report *r, const settings *s)
{
    sib_quantize_totals t;
    sib_quantize_row row;
    sib_quantize_output o;
    char a[32], b[32];
    sib_quantize_report_totals(r, &t);
    if (s->report && t.n_rows)
        printf("%10s %10s %10s %10s  %-8s %13s  %s\n", "before", "after", "weights", "output", "operator",
               "k x n", "layer");
    for (size_t i = 0; s->report && sib_quantize_report_row(r, i, &row); i++) {
        char size[48];
        snprintf(size, sizeof size, "%llu x %llu", (unsigned long long)row.k, (unsigned long long)row.n);
        printf("%10llu %10llu %10s %10s  %-8s %13s  %s\n", (unsigned long long)row.bytes_before,
               (unsigned long long)row.bytes_after, error_text(row.weight_error, a, sizeof a),
               error_text(row.output_error, b, sizeof b), row.op_type, size, row.node);
    }
    for (size_t i = 0; s->calibrate && sib_quantize_report_output(r, i, &o); i++)
        printf("output %s: relative RMS error %s\n", o.name, error_text(o.error, a, sizeof a));
    if (t.n_rows)
        printf("%zu layers as %s: %llu bytes of weights became %llu\n", t.n_rows, weight_names[s->weights],
               (unsigned long long)t.bytes_before, (unsigned long long)t.bytes_after);
    else
        printf("no layer found whose weights can be %s: the model stays as it is\n",
               weight_names[s->weights]);
}

static json_t *document(const sib_quantize_report *r, const settings *s)
{
    sib_quantize_totals t;
    sib_quantize_row row;
    sib_quantize_output o;
    json_t *layers = json_array(), *outputs = json_array();
    sib_quantize_report_totals(r, &t);
    for (size_t i = 0; sib_quantize_report_row(r, i, &row); i++)
        json_array_append_new(
            layers,
            json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "node", cli_json_text(row.node),
                      "operator", cli_json_text(row.op_type), "weights", cli_json_text(row.weights), "k",
                      (json_int_t)row.k, "n", (json_int_t)row.n, "bytes_before", (json_int_t)row.bytes_before,
                      "bytes_after", (json_int_t)row.bytes_after, "weight_error",
                      cli_json_number(row.weight_error), "output_error", cli_json_number(row.output_error)));
    for (size_t i = 0; sib_quantize_report_output(r, i, &o); i++)
        json_array_append_new(outputs, json_pack("{s:o, s:o}", "name", cli_json_text(o.name), "error",
                                                 cli_json_number(o.error)));
    return json_pack("{s:o, s:s, s:I, s:I, s:o, s:o}", "path", cli_json_text(s->out), "weights",
                     weight_names[s->weights], "bytes_before", (json_int_t)t.bytes_before, "bytes_after",
                     (json_int_t)t.bytes_after, "layers", layers, "outputs", outputs);
}

/* ---- The command
   ---------------------------------------------------------------------------------------- */

static bool save(const sib_model *m, const char *path, sib_error *err)
{
    sib_model_info info;
    sib_model_get_info(m, &info);
    const char *slash = strrchr(path, '/');
    char *external = cli_format("%s.data", slash ? slash + 1 : path);
    bool ok = sib_model_save(m, path, info.parameter_bytes >= EXTERNAL_FROM ? external : NULL, err) == SIB_OK;
    free(external);
    return ok;
}

static int change(const settings *s, sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    calibration c = {0};
    sib_quantize_report *report = NULL;
    bool ok = !s->calibrate || read_sets(m, s->calibrate, &c);
    sib_quantize_options o = {.weights = (sib_weights)s->weights,
                              .block = s->block,
                              .dynamic = s->dynamic,
                              .min_weights = (uint64_t)s->min_weights,
                              .n_sets = c.n,
                              .sets = c.sets,
                              .backends = s->backend};
    if (ok) {
        ok = sib_model_quantize(m, &o, &report, &err) == SIB_OK && save(m, s->out, &err);
        if (!ok)
            cli_fail("%s", err.message);
    }
    if (ok && s->json)
        cli_json_print(document(report, s));
    else if (ok)
        show(report, s);
    sib_quantize_report_free(&report);
    calibration_free(&c);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* The work after the options are parsed. */
static int quantize_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (!s->out)
        return cli_usage(self, "give the file to write with -o");
    if (s->block && s->weights == SIB_WEIGHTS_F16)
        return cli_usage(self, "float16 weights cannot be in blocks");
    if (s->dynamic && (s->weights != SIB_WEIGHTS_INT8 || s->block))
        return cli_usage(self, "--dynamic is for int8 weights without --block");
    if (s->calibrate && !file_is_folder(s->calibrate))
        return cli_fail("%s: is not a folder, expected one with inputs", s->calibrate);
    if (file_same(names[0], s->out))
        return cli_fail("%s: is the model itself, expected another file to write", s->out);
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_model_open(names[0], &(sib_open_options){.registry = s->ext.registry}, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    int code = change(s, m);
    sib_model_free(&m);
    return code;
}

static int quantize(const cli_command *self, int argc, char **argv)
{
    settings s = {0};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? quantize_named(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    return code;
}

const cli_command command_quantize = {.name = "quantize",
                                      .summary = "write a model whose weights take fewer bits",
                                      .operands = "MODEL -o OUT.onnx [options]",
                                      .options = options,
                                      .more = more,
                                      .run = quantize};
