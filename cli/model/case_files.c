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

/* The test data of release 1.12 and before hold bfloat16 as uint16 of the same bits, which are reinterpreted
   as the model's type. */
static void recast_bfloat16(case_reading *r, const sib_value_info *like, sib_value **v)
{
    const sib_tensor *t = *v ? sib_value_tensor(*v) : NULL;
    sib_tensor *wrapped = NULL, *copy = NULL;
    sib_value *made = NULL;
    if (!t || like->dtype != SIB_BF16 || sib_tensor_dtype(t) != SIB_U16)
        return;
    if (sib_tensor_wrap(SIB_BF16, sib_tensor_rank(t), sib_tensor_dims(t), sib_tensor_strides(t),
                        sib_tensor_data(t), NULL, NULL, &wrapped, NULL) == SIB_OK &&
        sib_tensor_copy(wrapped, &copy, NULL) == SIB_OK &&
        sib_value_from_tensor(copy, &made, NULL) == SIB_OK) {
        sib_value_free(v);
        *v = made;
        r->recast = true;
    }
    sib_tensor_free(&wrapped);
    sib_tensor_free(&copy);
}

/* Reads FOLDER/KIND_i.pb. Returns NULL if there is no such file. */
static bool load_one(case_reading *r, const char *folder, const char *kind, size_t i,
                     const sib_value_info *like, sib_value **out)
{
    sib_error err = SIB_ERROR_INIT;
    char *file = cli_format("%s/%s_%zu.pb", folder, kind, i);
    bool ok = access(file, F_OK) != 0 || sib_value_load_pb(file, like, out, NULL, &err) == SIB_OK;
    if (!ok)
        snprintf(r->why, sizeof r->why, "%s: %s", file, err.message);
    else
        recast_bfloat16(r, like, out);
    free(file);
    return ok;
}

/* The index of the input that a file is for: files are numbered like the inputs without defaults, unless
   there are as many files as inputs. */
static size_t *input_places(const sib_model *m, const char *folder, size_t *n)
{
    sib_model_info info;
    sib_value_info in;
    sib_model_get_info(m, &info);
    size_t *places = cli_alloc(info.n_inputs + 1, sizeof *places), needed = 0, files = 0;
    for (size_t i = 0; sib_model_input(m, i, &in); i++)
        if (!in.optional_input)
            places[needed++] = i;
    for (bool there = true; there; files += there) {
        char *file = cli_format("%s/input_%zu.pb", folder, files);
        there = access(file, F_OK) == 0;
        free(file);
    }
    *n = needed;
    if (files > needed) {
        for (size_t i = 0; i < info.n_inputs; i++)
            places[i] = i;
        *n = info.n_inputs;
    }
    return places;
}

bool case_load_inputs(const sib_model *m, const char *folder, case_values *out, case_reading *reading)
{
    sib_model_info info;
    sib_value_info like;
    size_t n;
    size_t *places = input_places(m, folder, &n);
    bool ok = true;
    sib_model_get_info(m, &info);
    out->n = info.n_inputs;
    out->items = cli_alloc(out->n + 1, sizeof *out->items);
    for (size_t i = 0; i < n && ok; i++) {
        sib_model_input(m, places[i], &like);
        ok = load_one(reading, folder, "input", i, &like, &out->items[places[i]]);
    }
    free(places);
    return ok;
}

bool case_load_outputs(const sib_model *m, const char *folder, case_values *out, case_reading *reading)
{
    sib_model_info info;
    sib_value_info like;
    bool ok = true;
    sib_model_get_info(m, &info);
    out->n = info.n_outputs;
    out->items = cli_alloc(out->n + 1, sizeof *out->items);
    for (size_t i = 0; i < out->n && ok; i++) {
        sib_model_output(m, i, &like);
        ok = load_one(reading, folder, "output", i, &like, &out->items[i]);
    }
    return ok;
}
