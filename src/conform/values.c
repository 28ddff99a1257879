/* The files of a data set: FOLDER/input_N.pb and output_N.pb. */
#include <sibyl/conform.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/path.h"

#include <stdio.h>
#include <unistd.h>

/* What is read of one data set. */
typedef struct reader {
    const char *folder, *kind; /* "input" or "output" */
    bool recast;
} reader;

/* The path of file i, or NULL where memory fails. */
static char *file_of(const reader *r, size_t i)
{
    char name[48];
    snprintf(name, sizeof name, "%s_%zu.pb", r->kind, i);
    return path_join(r->folder, name);
}

/* Whether file i exists; false also where memory fails, which reading it tells then. */
static bool has_file(const reader *r, size_t i)
{
    char *path = file_of(r, i);
    const bool there = path && access(path, F_OK) == 0;
    mem_free(path);
    return there;
}

/* The test data of release 1.12 and before hold bfloat16 as uint16 of the same bits, which are reinterpreted
   as the model's type. */
static sib_code recast_bfloat16(reader *r, const sib_value_info *like, sib_value **v, sib_error *err)
{
    const sib_tensor *t = *v ? sib_value_tensor(*v) : NULL;
    sib_tensor *wrapped = NULL, *copy = NULL;
    sib_value *made = NULL;
    if (!t || like->dtype != SIB_BF16 || sib_tensor_dtype(t) != SIB_U16)
        return SIB_OK;
    sib_code code = sib_tensor_wrap(SIB_BF16, sib_tensor_rank(t), sib_tensor_dims(t), sib_tensor_strides(t),
                                    sib_tensor_data(t), NULL, NULL, &wrapped, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(wrapped, &copy, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(copy, &made, err);
    if (code == SIB_OK) {
        sib_value_free(v);
        *v = made;
        r->recast = true;
    }
    sib_tensor_free(&wrapped);
    sib_tensor_free(&copy);
    return code;
}

/* Reads file i; *out stays NULL where there is none. */
static sib_code load_one(reader *r, size_t i, const sib_value_info *like, sib_value **out, sib_error *err)
{
    char *path = file_of(r, i);
    if (!path)
        return err_memory(err, 0, "a path");
    sib_error why = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    if (access(path, F_OK) == 0)
        code = sib_value_load_pb(path, like, out, NULL, &why);
    if (code == SIB_OK)
        code = recast_bfloat16(r, like, out, &why);
    if (code != SIB_OK)
        err_set(err, code, "%s: %s", path, why.message);
    mem_free(path);
    return code;
}

/* Whether there are more input files than inputs without defaults, so that they are numbered as all inputs are. */
static bool numbered_as_all(const sib_model *m, const reader *r)
{
    sib_value_info in;
    size_t needed = 0;
    for (size_t i = 0; sib_model_input(m, i, &in); i++)
        needed += !in.optional_input;
    return has_file(r, needed);
}

sib_code sib_case_values(const sib_model *m, const char *folder, sib_case_side side, sib_value **items,
                         bool *recast, sib_error *err)
{
    const bool inputs = side == SIB_CASE_INPUTS;
    reader r = {.folder = folder, .kind = inputs ? "input" : "output"};
    sib_model_info info;
    sib_value_info like;
    sib_model_get_info(m, &info);
    const size_t n = inputs ? info.n_inputs : info.n_outputs;
    const bool all = !inputs || numbered_as_all(m, &r);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n; i++)
        items[i] = NULL;
    for (size_t i = 0, file = 0; i < n && code == SIB_OK; i++) {
        if (inputs)
            sib_model_input(m, i, &like);
        else
            sib_model_output(m, i, &like);
        if (all || !like.optional_input)
            code = load_one(&r, file++, &like, &items[i], err);
    }
    for (size_t i = 0; i < n && code != SIB_OK; i++)
        sib_value_free(&items[i]);
    if (recast)
        *recast = r.recast;
    return code;
}
