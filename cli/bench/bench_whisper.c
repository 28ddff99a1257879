/* sibyl bench whisper: Whisper's networks with random weights, in Sibyl and in onnxruntime. */
#include "bench/bench_models.h"

#include "bench/whisper_model.h"
#include "command.h"
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The decoder's prompt in tokens, and the positions before its step. */
#define PROMPT       256
#define PAST         100
#define PEAK_SECONDS 0.5

static const char *const parts[] = {"encoder", "prompt", "step"};
static const whisper_part shapes[] = {{0, 0}, {PROMPT, 0}, {1, PAST}};
#define N_PARTS (sizeof parts / sizeof *parts)

/* ---- Files
   ----------------------------------------------------------------------------------------------------- */

/* The value of a symbol of the model's dims: one sequence, one row of logits. */
static int64_t size_of(const char *symbol, whisper_part p)
{
    return !strcmp(symbol, "P") ? p.past : !strcmp(symbol, "N") ? p.tokens : 1;
}

/* Elements of a tensor: noise for floats, else ascending tokens, or the index of the last token. */
static bool save_input(const char *folder, size_t i, const sib_value_info *info, whisper_part p)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    int64_t dims[SIB_MAX_RANK], first = strcmp(info->name, "at") ? p.past : p.tokens - 1;
    uint64_t state = i + 1;
    char *path = cli_format("%s/test_data_set_0/input_%zu.pb", folder, i);
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

static bool save_inputs(const char *folder, whisper_part p)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_value_info info;
    char *path = file_join(folder, "model.onnx"), *data = file_join(folder, "test_data_set_0");
    bool ok = sib_model_open(path, NULL, &m, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    mkdir(data, 0777);
    for (size_t i = 0; ok && sib_model_input(m, i, &info); i++)
        ok = save_input(folder, i, &info, p);
    sib_model_free(&m);
    free(path);
    free(data);
    return ok;
}

/* The request for the same network in peer_torch_whisper. */
static char *torch_request(size_t part)
{
    const whisper_dims *d = &whisper_tiny;
    return cli_format("%s %d %d %d %d %d %d %d %d %d", part == 0 ? "encoder" : "decoder", (int)d->mels,
                      (int)d->frames, (int)d->state, (int)d->heads, (int)d->layers, (int)d->positions,
                      (int)d->vocabulary, part == 1 ? PROMPT : 1, part == 2 ? PAST : 0);
}

/* Writes one network with its inputs and, if errors are measured, its counterpart with float32 weights, and
   adds it to the list. */
static bool make_case(models *list, const char *root, const char *checkpoint, size_t part, whisper_form form,
                      bool error)
{
    static const char *const weights[] = {"", "_f16", "_bf16", "_int8"};
    whisper_cost cost = {0};
    char *folder = cli_format("%s/%s%s%s", root, parts[part], weights[form.weights],
                              form.decomposed ? "_decomposed" : "");
    char *path = file_join(folder, "model.onnx");
    mkdir(folder, 0777);
    bool ok = whisper_write(path, checkpoint, &whisper_tiny, form, shapes[part], &cost) &&
              save_inputs(folder, shapes[part]);
    if (ok) {
        models_add(list, folder);
        list->items[list->n - 1].flops = cost.flops;
        list->items[list->n - 1].bytes = cost.bytes;
    }
    if (ok && form.weights == WHISPER_F32 && !form.decomposed)
        list->items[list->n - 1].torch = torch_request(part);
    if (ok && error && form.weights != WHISPER_F32) {
        list->items[list->n - 1].plain = file_join(folder, "plain.onnx");
        form.weights = WHISPER_F32; /* before they were rounded */
        ok = whisper_write(list->items[list->n - 1].plain, checkpoint, &whisper_tiny, form, shapes[part],
                           &cost);
    }
    free(folder);
    free(path);
    return ok;
}

/* Removes the files of make_case. */
static void remove_cases(const models *list, const char *root)
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
    rmdir(root);
}

/* ---- The benchmark
   ---------------------------------------------------------------------------------------------- */

static int measure(const bench_settings *settings, models *list)
{
    bench_report report;
    sib_pool *pool = NULL;
    sib_peak peak;
    sib_error err = SIB_ERROR_INIT;
    bench_settings own = *settings;
    own.seconds = settings->seconds > 0 ? settings->seconds : 3; /* runs are long */
    if ((settings->threads > 1 && sib_pool_create((unsigned)settings->threads, &pool, &err) != SIB_OK) ||
        sib_measure_peak(pool, PEAK_SECONDS, &peak, &err) != SIB_OK) {
        sib_pool_free(&pool);
        return cli_fail("%s", err.message);
    }
    sib_pool_free(&pool);
    int code = bench_report_begin(&report, &own, "whisper");
    if (code != CLI_DONE)
        return code;
    bench_report_note(
        &report,
        "Whisper tiny, random weights: the encoder on 30 s, a prompt of %d tokens, a step after %d positions",
        PROMPT, PAST);
    bench_report_note(&report,
                      "attention as the operator of opset 23, and of opset 20 as MatMul, Softmax, MatMul, "
                      "as exporters write it");
    bench_report_note(&report, "peak: %.1f GFLOP/s, %.1f GB/s read", 1e-9 * peak.flops,
                      1e-9 * peak.read_bytes);
    code = models_measure(&report, list, &peak) ? CLI_DONE : CLI_FAILED;
    bench_report_end(&report);
    return code;
}

int bench_whisper(const void *of)
{
    const bench_settings *settings = of;
    const char *folder = getenv("TMPDIR");
    char *root = cli_format("%s/sibyl-whisper-XXXXXX", folder && *folder ? folder : "/tmp");
    models list = {0};
    bool ok = mkdtemp(root) != NULL;
    int code = CLI_FAILED;
    if (!ok)
        cli_fail("%s: the folder for the models could not be created", root);
    char *checkpoint = file_join(root, "whisper.safetensors");
    ok = ok && whisper_checkpoint(checkpoint, &whisper_tiny);
    for (size_t part = 0; part < N_PARTS && ok; part++)
        for (int k = 0; k < 2 && ok; k++)
            ok = make_case(&list, root, checkpoint, part,
                           (whisper_form){(whisper_weights)settings->weights, k == 1}, settings->error);
    unlink(checkpoint);
    if (ok)
        code = measure(settings, &list);
    remove_cases(&list, root);
    models_free(&list);
    free(checkpoint);
    free(root);
    return code;
}
