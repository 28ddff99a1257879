#include "job_model.h"

#include "files.h"
#include "interrupt.h"
#include "messages.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns FOLDER/NAME/job.json or FOLDER/NAME/NAME.onnx if one of them exists, else NULL. Released with
   free. */
static char *installed_in(const char *folder, const char *name)
{
    char *paths[] = {cli_format("%s/%s/job.json", folder, name),
                     cli_format("%s/%s/%s.onnx", folder, name, name)};
    char *found = NULL;
    for (size_t i = 0; i < 2; i++)
        if (!found && !access(paths[i], R_OK))
            found = paths[i];
        else
            free(paths[i]);
    return found;
}

/* Returns ../share/sibyl/models from the program's folder, NULL if that is unknown. Released with free. */
static char *own_models(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = 0;
    char *folder = file_folder(path), *models = cli_format("%s/../share/sibyl/models", folder);
    free(folder);
    return models;
}

static char *installed(const char *name)
{
    const char *set = getenv("SIBYL_MODELS");
    char *found = set && set[0] ? installed_in(set, name) : NULL, *own = found ? NULL : own_models();
    if (own)
        found = installed_in(own, name);
    free(own);
    return found;
}

static void show_progress(void *progress, double part, const char *what)
{
    cli_progress_show(progress, part, "importing", what);
}

/* The model in the cache that a checkpoint makes. Returns NULL, with a line on stderr, on failure. */
static char *imported(const char *checkpoint, const char *tokenizer)
{
    sib_error err = SIB_ERROR_INIT;
    cli_progress progress;
    char *model = NULL, *path = NULL;
    const sib_cancel *interrupted = interrupt_begin();
    if (!interrupted)
        return NULL;
    cli_progress_begin(&progress, 1);
    sib_import_options o = {
        .tokenizer = tokenizer, .on_progress = show_progress, .context = &progress, .cancel = interrupted};
    sib_code code = sib_import_cached(checkpoint, &o, &model, NULL, &err);
    cli_progress_clear(&progress);
    interrupt_end();
    if (code == SIB_OK)
        path = cli_format("%s", model);
    else
        cli_fail("%s", err.message);
    sib_free(model);
    return path;
}

char *job_model_path(const char *model, const char *tokenizer)
{
    if (strchr(model, '/') || !access(model, F_OK))
        return sib_import_takes(model) ? imported(model, tokenizer) : cli_format("%s", model);
    char *path = installed(model);
    if (!path)
        cli_fail("there is no file '%s', and no model of that name is installed; give the path of a model, a "
                 "checkpoint "
                 "or a job's document",
                 model);
    return path;
}

sib_job *job_model_open(const char *model, const sib_job_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *job = NULL;
    char *path = job_model_path(model, options->tokenizer);
    if (path && sib_job_open(path, options, &job, &err) != SIB_OK)
        cli_fail("%s", err.message);
    free(path);
    return job;
}
