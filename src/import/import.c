/* sib_import: opens a checkpoint, builds a graph by a recipe, and writes it with its weights. */
#include "base/alloc.h"
#include "base/error.h"
#include "import/chat.h"
#include "import/read/adapter.h"
#include "import/recipe/recipe.h"
#include "import/tokenizer.h"

#include <string.h>

static sib_code check_arguments(const char *const *paths, size_t n, const sib_import_options *options,
                                sib_error *err)
{
    sib_dtype dtype = options->dtype;
    if (!paths || !n)
        return err_set(err, SIB_ERR_ARGUMENT, "no checkpoint is given");
    for (size_t i = 0; i < n; i++)
        if (!paths[i])
            return err_set(err, SIB_ERR_ARGUMENT, "path %zu is NULL", i);
    if (dtype && dtype != SIB_F32 && dtype != SIB_F16 && dtype != SIB_BF16 && dtype != SIB_I8)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "weights cannot be %s; they can be float32, float16, bfloat16 and int8",
                       sib_dtype_name(dtype));
    if (dtype && options->keep)
        return err_set(err, SIB_ERR_ARGUMENT, "weights cannot be kept as they are and be %s",
                       sib_dtype_name(dtype));
    if (options->opset && (options->opset < BUILD_OPSET_FIRST || options->opset > BUILD_OPSET_LAST))
        return err_set(err, SIB_ERR_ARGUMENT, "the opset cannot be %d; it can be %d to %d", options->opset,
                       BUILD_OPSET_FIRST, BUILD_OPSET_LAST);
    return SIB_OK;
}

/* "model.onnx.data" for "folder/model.onnx". Release with mem_free. */
static char *external_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    char *out = mem_alloc(n + 6, 1);
    if (out) {
        memcpy(out, name, n);
        memcpy(out + n, ".data", 6);
    }
    return out;
}

static sib_code write_model(build *b, const char *path, sib_error *err)
{
    onnx_elements elements = {source_write, &b->sources};
    char *external = external_name(path);
    sib_code code = external ? onnx_write_file_with(b->m, path, external, &elements, err)
                             : err_memory(err, strlen(path), "a file name");
    mem_free(external);
    return code;
}

/* Builds and writes the model with a known recipe. The caller ends b. */
static sib_code make(build *b, const recipe *r, const char *out, const sib_import_options *options,
                     sib_error *err)
{
    b->report->recipe = r->name;
    b->g->name = str_of(r->name);
    build_add_metadata(b, "sibyl.recipe", "%s", r->name);
    /* Scales are read while the graph is made: 4 bytes of each weight, of which 1 is written later. */
    b->work->foreseen = options->dtype == SIB_I8 ? 5 * b->report->parameters : 0;
    r->make(b);
    build_finish(b);
    b->work->foreseen = 0;
    sib_code code = b->code;
    if (code == SIB_OK)
        code = report_refuse(b->report, checkpoint_file(b->c, 0), err);
    if (code == SIB_OK && options->audio_context && !build_metadata_int(b, "n_audio_ctx", 0))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: a model of the recipe %s has no windows of audio",
                       checkpoint_file(b->c, 0), r->name);
    if (code == SIB_OK && options->vocoder && !b->other)
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: a model of the recipe %s has no vocoder",
                       checkpoint_file(b->c, 0), r->name);
    if (code == SIB_OK && options->max_bytes && b->report->bytes_written > options->max_bytes)
        code = err_set(err, SIB_ERR_SIZE, "%s: its weights take %llu bytes, and %llu are allowed",
                       checkpoint_file(b->c, 0), (unsigned long long)b->report->bytes_written,
                       (unsigned long long)options->max_bytes);
    if (code == SIB_OK)
        code = graph_verify(b->m->graph, err);
    if (code == SIB_OK && options->check) {
        b->work->total += 4 * b->report->parameters;
        code = report_check(b->report, b->c, b->work, err);
    }
    import_tokenizer tokenizer = {0};
    if (code == SIB_OK)
        code = tokenizer_begin(&tokenizer, b, options->tokenizer, out, err);
    b->report->tokenizer = tokenizer.kind;
    if (code == SIB_OK)
        code = chat_add(b, options->chat_template, err);
    if (code == SIB_OK && out)
        code = write_model(b, out, err);
    if (code == SIB_OK)
        return tokenizer_commit(&tokenizer, err);
    tokenizer_abort(&tokenizer);
    return code;
}

sib_code sib_import(const char *const *paths, size_t n, const char *out, const sib_import_options *options,
                    sib_import_report **report, sib_error *err)
{
    static const sib_import_options plain;
    options = options ? options : &plain;
    import_work work = {.options = options};
    sib_import_report *r = NULL;
    checkpoint *c = NULL;
    const recipe *chosen = NULL;
    build b = {0};
    if (report)
        *report = NULL;
    sib_code code = check_arguments(paths, n, options, err);
    if (code == SIB_OK)
        code = checkpoint_open(paths, n, &c, err);
    if (code == SIB_OK && options->lora)
        code = adapter_merge(c, options->lora, err);
    if (code == SIB_OK)
        code = report_create(c, &r, err);
    if (code == SIB_OK)
        code = recipe_find(c, options->recipe, &chosen, err);
    if (code == SIB_OK)
        code = build_begin(&b, c, r, &work, err);
    if (code == SIB_OK)
        code = make(&b, chosen, out, options, err);
    build_end(&b);
    checkpoint_free(&c);
    if (report)
        *report = r;
    else
        sib_import_report_free(&r);
    return code;
}
