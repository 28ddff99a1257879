#include "bench/network.h"

#include "command.h"
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEAK_SECONDS 0.5

const char *network_weights_suffix(network_weights weights)
{
    static const char *const suffixes[] = {"", "_f16", "_bf16", "_int8", "_int4"};
    return suffixes[weights];
}

bool networks_begin(networks *n, const bench_settings *settings)
{
    const char *folder = getenv("TMPDIR");
    *n = (networks){.settings = settings};
    n->root = cli_format("%s/sibyl-bench-XXXXXX", folder && *folder ? folder : "/tmp");
    bool ok = mkdtemp(n->root) != NULL;
    if (!ok)
        cli_fail("%s: the folder for the models could not be created", n->root);
    n->checkpoint = file_join(n->root, "random.safetensors");
    return ok;
}

/* ---- Models -------------------------------------------------------------------------------------------- */

bool networks_import(const networks *n, network_weights weights, int opset, const char *config,
                     sib_model **out)
{
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_BF16, SIB_I8, SIB_F32};
    const sib_import_options options = {.dtype = dtypes[weights], .opset = opset};
    sib_error err = SIB_ERROR_INIT;
    char *path = file_join(n->root, "whole.onnx"), *data = cli_format("%s.data", path),
         *about = file_join(n->root, "config.json");
    const char *const files[] = {n->checkpoint, about};
    bool ok = !config || file_put(about, config, strlen(config));
    *out = NULL;
    if (ok) {
        sib_code code = sib_import(files, config ? 2 : 1, path, &options, NULL, &err);
        if (code == SIB_OK)
            code = sib_model_open(path, NULL, out, &err);
        if (code == SIB_OK && weights == NETWORK_INT4)
            code = sib_model_quantize(*out, &(sib_quantize_options){.weights = SIB_WEIGHTS_INT4}, NULL, &err);
        ok = code == SIB_OK || (cli_fail("%s", err.message), false);
    }
    unlink(path); /* what is open stays there */
    unlink(data);
    unlink(about);
    free(path);
    free(data);
    free(about);
    return ok;
}

/* Writes a part of the model. bytes: receives those of its weights. */
static bool save_part(const sib_model *whole, const char *path, size_t n_outputs, const char *const *outputs,
                      double *bytes)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *part = NULL;
    sib_model_info info;
    bool ok = sib_model_part(whole, outputs, n_outputs, &part, &err) == SIB_OK &&
              sib_model_save(part, path, NULL, &err) == SIB_OK;
    if (ok) {
        sib_model_get_info(part, &info);
        *bytes = (double)info.parameter_bytes;
    } else
        cli_fail("%s", err.message);
    sib_model_free(&part);
    return ok;
}

/* ---- Inputs -------------------------------------------------------------------------------------------- */

/* The value of a symbol of the model's dims: one row of logits. */
static int64_t size_of(const char *symbol, const network_part *p)
{
    return !strcmp(symbol, "P")   ? p->past
           : !strcmp(symbol, "N") ? p->tokens
           : !strcmp(symbol, "B") ? p->batch
                                  : 1;
}

/* Elements of a tensor: noise for floats, else ascending tokens, or the index of the last token. */
static bool save_input(const char *folder, size_t i, const sib_value_info *info, const network_part *p)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    int64_t dims[SIB_MAX_RANK], first = strcmp(info->name, "at") ? p->past : p->tokens - 1;
    uint64_t state = i + 1;
    char *path = cli_format("%s/input_%zu.pb", folder, i);
    for (size_t k = 0; k < info->rank; k++)
        dims[k] = info->dims[k] < 0 ? size_of(info->dim_names[k], p) : info->dims[k];
    bool ok = sib_tensor_create(info->dtype, info->rank, dims, &t, &err) == SIB_OK;
    float *x = ok ? sib_tensor_data(t) : NULL;
    for (uint64_t k = 0; ok && k < sib_tensor_count(t); k++)
        if (info->dtype == SIB_F32)
            x[k] = (float)bench_uniform(&state);
        else
            ((int64_t *)sib_tensor_data(t))[k] = first + (int64_t)k;
    ok = ok && sib_value_from_tensor(t, &v, &err) == SIB_OK &&
         sib_value_save_pb(path, v, info->name, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s: %s", path, err.message);
    sib_value_free(&v);
    sib_tensor_free(&t);
    free(path);
    return ok;
}

static bool save_inputs(const char *path, const char *folder, const network_part *p)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_value_info info;
    bool ok = sib_model_open(path, NULL, &m, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    mkdir(folder, 0777);
    for (size_t i = 0; ok && sib_model_input(m, i, &info); i++)
        ok = save_input(folder, i, &info, p);
    sib_model_free(&m);
    return ok;
}

/* ---- Cases --------------------------------------------------------------------------------------------- */

bool networks_add(networks *n, const sib_model *whole, const sib_model *plain, const char *name,
                  const network_part *part, size_t n_outputs, const char *const *outputs)
{
    char *folder = file_join(n->root, name), *path = file_join(folder, "model.onnx"),
         *inputs = file_join(folder, "test_data_set_0");
    double bytes = 0, ignored;
    mkdir(folder, 0777);
    bool ok = save_part(whole, path, n_outputs, outputs, &bytes) && save_inputs(path, inputs, part);
    if (ok) {
        models_add(&n->list, folder);
        model_case *made = &n->list.items[n->list.n - 1];
        made->flops = part->flops;
        made->bytes = part->bytes + bytes;
        made->plain = plain ? file_join(folder, "plain.onnx") : NULL;
        ok = !plain || save_part(plain, made->plain, n_outputs, outputs, &ignored);
    }
    free(folder);
    free(path);
    free(inputs);
    return ok;
}

/* Removes the files of networks_add. */
static void remove_cases(const models *list)
{
    for (size_t i = 0; i < list->n; i++) {
        char *folder = file_folder(list->items[i].path);
        unlink(list->items[i].path);
        if (list->items[i].plain)
            unlink(list->items[i].plain);
        for (size_t k = 0;; k++) {
            char *input = cli_format("%s/test_data_set_0/input_%zu.pb", folder, k);
            bool there = unlink(input) == 0;
            free(input);
            if (!there)
                break;
        }
        if (list->items[i].data)
            rmdir(list->items[i].data);
        rmdir(folder);
        free(folder);
    }
}

void networks_end(networks *n)
{
    remove_cases(&n->list);
    models_free(&n->list);
    unlink(n->checkpoint);
    rmdir(n->root);
    free(n->checkpoint);
    free(n->root);
}

/* ---- Measuring ----------------------------------------------------------------------------------------- */

/* The rates of the device that the first backend of a list names, "cuda:1,cpu". Returns false where it is none. */
static bool device_peak(const char *backends, sib_peak *out)
{
    const size_t length = backends ? strcspn(backends, ":,") : 0;
    sib_device_rates r;
    for (size_t i = 0; length && sib_backend_name(i); i++)
        if (strlen(sib_backend_name(i)) == length && !strncmp(backends, sib_backend_name(i), length) &&
            sib_backend_measure(i, backends[length] == ':' ? (unsigned)atoi(backends + length + 1) : 0, &r,
                                NULL) == SIB_OK) {
            *out = (sib_peak){.flops = r.flops, .read_bytes = r.copy};
            return true;
        }
    return false;
}

static bool processor_peak(long threads, sib_peak *out)
{
    sib_pool *pool = NULL;
    sib_error err = SIB_ERROR_INIT;
    bool ok = (threads <= 1 || sib_pool_create((unsigned)threads, &pool, &err) == SIB_OK) &&
              sib_measure_peak(pool, PEAK_SECONDS, out, &err) == SIB_OK;
    sib_pool_free(&pool);
    if (!ok)
        cli_fail("%s", err.message);
    return ok;
}

int networks_measure(networks *n, const char *title, size_t n_notes, char *const *notes)
{
    bench_report report;
    sib_peak peak;
    unlink(n->checkpoint);
    bench_settings own = *n->settings;
    own.seconds = own.seconds > 0 ? own.seconds : 3; /* runs are long */
    const bool device = device_peak(own.backend, &peak);
    if (!device && !processor_peak(own.threads, &peak))
        return CLI_FAILED;
    int code = bench_report_begin(&report, &own, title);
    if (code != CLI_DONE)
        return code;
    for (size_t i = 0; i < n_notes; i++)
        bench_report_note(&report, "%s", notes[i]);
    bench_report_note(&report, "peak%s: %.1f GFLOP/s, %.1f GB/s %s",
                      device ? " of the device, by Sibyl's own kernels" : "", 1e-9 * peak.flops,
                      1e-9 * peak.read_bytes, device ? "copied, read and written" : "read");
    code = models_measure(&report, &n->list, &peak) ? CLI_DONE : CLI_FAILED;
    bench_report_end(&report);
    return code;
}
