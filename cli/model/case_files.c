#include "model/case_files.h"

#include "files.h"
#include "messages.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Max depth of cases below the given folder. */
#define DEPTH_LIMIT 6

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void find(const char *folder, int depth, void (*found)(void *context, const char *path), void *context)
{
    struct dirent **entries = NULL;
    char *model = file_join(folder, "model.onnx");
    bool is_case = access(model, F_OK) == 0;
    free(model);
    if (is_case) {
        found(context, folder);
        return;
    }
    int n = depth < DEPTH_LIMIT ? scandir(folder, &entries, visible, alphasort) : 0;
    for (int i = 0; i < n; i++) {
        char *inside = file_join(folder, entries[i]->d_name);
        if (file_is_folder(inside))
            find(inside, depth + 1, found, context);
        free(inside);
        free(entries[i]);
    }
    free(entries);
}

void case_find(const char *folder, void (*found)(void *context, const char *path), void *context)
{
    find(folder, 0, found, context);
}

void case_values_free(case_values *v)
{
    for (size_t i = 0; v->items && i < v->n; i++)
        sib_value_free(&v->items[i]);
    free(v->items);
    *v = (case_values){0};
}

size_t case_named_inputs(const sib_model *m, const case_values *in, sib_named_value *given)
{
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        sib_value_info info;
        if (in->items[i] && sib_model_input(m, i, &info))
            given[n++] = (sib_named_value){info.name, in->items[i]};
    }
    return n;
}

/* Reads one side of a data set; n: values of that side. */
static bool load(const sib_model *m, const char *folder, sib_case_side side, size_t n, case_values *out,
                 case_reading *reading)
{
    sib_error err = SIB_ERROR_INIT;
    bool recast = false;
    out->n = n;
    out->items = cli_alloc(n + 1, sizeof *out->items);
    const bool ok = sib_case_values(m, folder, side, out->items, &recast, &err) == SIB_OK;
    reading->recast |= recast;
    if (!ok)
        snprintf(reading->why, sizeof reading->why, "%s", err.message);
    return ok;
}

bool case_load_inputs(const sib_model *m, const char *folder, case_values *out, case_reading *reading)
{
    sib_model_info info;
    sib_model_get_info(m, &info);
    return load(m, folder, SIB_CASE_INPUTS, info.n_inputs, out, reading);
}

bool case_load_outputs(const sib_model *m, const char *folder, case_values *out, case_reading *reading)
{
    sib_model_info info;
    sib_model_get_info(m, &info);
    return load(m, folder, SIB_CASE_OUTPUTS, info.n_outputs, out, reading);
}
