#include "model/model_inputs.h"

#include "files.h"
#include "messages.h"

#include <stdlib.h>
#include <string.h>

/* Largest file of text. */
#define TEXT_LIMIT ((size_t)64 << 20)

/* ---- Text to tensors ---------------------------------------------------------------------------------- */

/* Elements of a nested JSON array in row-major order, and its dims. */
typedef struct nested {
    size_t rank, n;
    int64_t dims[SIB_MAX_RANK];
} nested;

/* Measures the array; false where rows have different lengths. */
static bool measure(const json_t *j, size_t depth, nested *out)
{
    if (!json_is_array(j)) {
        out->n++;
        return depth == out->rank;
    }
    if (depth >= SIB_MAX_RANK)
        return false;
    size_t n = json_array_size(j);
    if (depth >= out->rank) {
        if (out->n)
            return false;
        out->rank = depth + 1;
        out->dims[depth] = (int64_t)n;
    }
    if (out->dims[depth] != (int64_t)n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!measure(json_array_get(j, i), depth + 1, out))
            return false;
    return true;
}

static bool fill(const json_t *j, sib_tensor *flat, int64_t *at, sib_error *err)
{
    for (size_t i = 0; json_is_array(j) && i < json_array_size(j); i++)
        if (!fill(json_array_get(j, i), flat, at, err))
            return false;
    if (json_is_array(j))
        return true;
    int64_t index = (*at)++;
    if (json_is_string(j)) {
        sib_str s = {json_string_value(j), json_string_length(j)};
        return sib_tensor_set_string(flat, &index, s, err) == SIB_OK;
    }
    char number[40];
    if (json_is_integer(j))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(j));
    else
        snprintf(number, sizeof number, "%.17g", json_is_true(j) ? 1.0 : json_number_value(j));
    return sib_tensor_set_string(flat, &index, (sib_str){number, strlen(number)}, err) == SIB_OK;
}

/* Text as JSON: a value that is not an array becomes one; text that is not JSON becomes strings, split at
   commas. */
static json_t *as_json(const char *text, bool strings, bool *bare)
{
    json_error_t ignored;
    *bare = text[0] != '[';
    if (!*bare)
        return json_loads(text, JSON_DECODE_ANY, &ignored);
    json_t *list = json_array();
    const char *separators = strings ? "\n" : ", \t\r\n";
    char *copy = cli_format("%s", text), *state = NULL;
    for (char *w = strtok_r(copy, separators, &state); w; w = strtok_r(NULL, separators, &state))
        json_array_append_new(list, json_string(w));
    free(copy);
    return list;
}

/* Dims of text without brackets: those that the model declares if the count fits, else [n]. */
static void shape_bare(const sib_value_info *info, nested *shape)
{
    int64_t known = 1;
    size_t open = 0, at = 0;
    for (size_t i = 0; i < info->rank; i++)
        if (info->dims[i] >= 0)
            known *= info->dims[i];
        else {
            open++;
            at = i;
        }
    if (!info->ranked || open > 1 || known == 0 || (int64_t)shape->n % known ||
        (!open && (int64_t)shape->n != known))
        return;
    shape->rank = info->rank;
    for (size_t i = 0; i < info->rank; i++)
        shape->dims[i] = info->dims[i];
    if (open)
        shape->dims[at] = (int64_t)shape->n / known;
}

static sib_value *from_text(const sib_value_info *info, const char *text)
{
    sib_tensor *flat = NULL, *shaped = NULL, *typed = NULL;
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    nested shape = {0};
    bool bare;
    sib_dtype dtype = info->dtype ? info->dtype : SIB_F32;
    json_t *j = as_json(text, dtype == SIB_STRING, &bare);
    int64_t at = 0;
    if (!j || !measure(j, 0, &shape)) {
        cli_fail("input '%s': '%.60s' is not a list of elements, or its rows differ in length", info->name,
                 text);
        json_decref(j);
        return NULL;
    }
    int64_t count = (int64_t)shape.n;
    if (bare)
        shape_bare(info, &shape);
    bool ok = sib_tensor_create(SIB_STRING, 1, &count, &flat, &err) == SIB_OK && fill(j, flat, &at, &err) &&
              sib_tensor_reshape(flat, shape.rank, shape.dims, &shaped, &err) == SIB_OK &&
              (dtype == SIB_STRING ||
               sib_tensor_convert(shaped, dtype, SIB_OVERFLOW_SATURATE, &typed, &err) == SIB_OK) &&
              sib_value_from_tensor(typed ? typed : shaped, &v, &err) == SIB_OK;
    if (!ok)
        cli_fail("input '%s': %s", info->name, err.message);
    sib_tensor_free(&flat);
    sib_tensor_free(&shaped);
    sib_tensor_free(&typed);
    json_decref(j);
    return v;
}

/* ---- Files
   ---------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

static sib_value *from_tensor(sib_tensor *t)
{
    sib_value *v = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_value_from_tensor(t, &v, &err) != SIB_OK)
        cli_fail("%s", err.message);
    sib_tensor_free(&t);
    return v;
}

static sib_value *from_npz(const char *path, const char *name, bool must)
{
    sib_npz_entry *entries = NULL;
    size_t n = 0;
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    if (sib_npz_load(path, &entries, &n, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        return NULL;
    }
    for (size_t i = 0; i < n && !v; i++)
        if (!strcmp(entries[i].name, name) && sib_value_from_tensor(entries[i].tensor, &v, &err) != SIB_OK)
            cli_fail("%s", err.message);
    if (!v && must)
        cli_fail("%s: holds no array '%s'", path, name);
    sib_npz_free(&entries, n);
    return v;
}

static sib_value *read_input(const sib_value_info *info, const char *what)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    if (ends_with(what, ".npz"))
        return from_npz(what, info->name, true);
    if (ends_with(what, ".npy")) {
        if (sib_npy_load(what, &t, &err) == SIB_OK)
            return from_tensor(t);
        cli_fail("%s", err.message);
        return NULL;
    }
    if (ends_with(what, ".pb")) {
        if (sib_value_load_pb(what, info, &v, NULL, &err) != SIB_OK)
            cli_fail("%s", err.message);
        return v;
    }
    if (ends_with(what, ".txt")) {
        char *text = file_read(what, TEXT_LIMIT, NULL);
        v = text ? from_text(info, text) : NULL;
        free(text);
        return v;
    }
    return from_text(info, what);
}

/* ---- Random inputs
   ---------------------------------------------------------------------------------------- */

/* Sizes of symbolic dims as --dim gives them (s->dims.n). names: their names, for one free. */
static sib_dim *given_sizes(const input_settings *s, char **names)
{
    sib_dim *sizes = cli_alloc(s->dims.n + 1, sizeof *sizes);
    size_t room = 1;
    for (size_t i = 0; i < s->dims.n; i++)
        room += strlen(s->dims.items[i]) + 1;
    char *at = *names = cli_alloc(room, 1);
    for (size_t i = 0; i < s->dims.n; i++) {
        const char *equals = strchr(s->dims.items[i], '='); /* check_names saw it */
        const size_t n = (size_t)(equals - s->dims.items[i]);
        memcpy(at, s->dims.items[i], n);
        sizes[i] = (sib_dim){at, strtoll(equals + 1, NULL, 10)};
        at += n + 1;
    }
    return sizes;
}

/* Returns the first symbolic dim whose size is not given, or NULL. */
static const char *open_dim(const sib_value_info *info, size_t n, const sib_dim *sizes)
{
    for (size_t i = 0; i < info->rank; i++) {
        size_t k = 0;
        while (k < n && info->dim_names[i] && strcmp(sizes[k].name, info->dim_names[i]) != 0)
            k++;
        if (info->dims[i] < 0 && k == n)
            return info->dim_names[i];
    }
    return NULL;
}

static sib_value *random_input(const sib_value_info *info, const input_settings *s, uint64_t *state)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    char *names = NULL;
    sib_dim *sizes = given_sizes(s, &names);
    const sib_code code = sib_value_random(info, s->dims.n, sizes, state, &v, &err);
    const char *open = code == SIB_ERR_ARGUMENT ? open_dim(info, s->dims.n, sizes) : NULL;
    if (open)
        cli_fail("input '%s' is %s: give the size of %s with --dim %s=N", info->name, info->type, open, open);
    else if (code != SIB_OK)
        cli_fail("%s%s", err.message, code == SIB_ERR_UNSUPPORTED ? ": give it with -i" : "");
    free(sizes);
    free(names);
    return v;
}

/* ---- All of them
   -------------------------------------------------------------------------------------------- */

static bool no_input(const sib_model *model, const char *name, int length)
{
    sib_value_info info;
    char *all = cli_format("%s", "");
    for (size_t k = 0; k < 8 && sib_model_input(model, k, &info); k++) {
        char *more = cli_format("%s%s%s", all, k ? ", " : "", info.name);
        free(all);
        all = more;
    }
    const bool others = sib_model_input(model, 8, &info);
    cli_fail("the model has no input '%.*s'; its inputs are %s%s", length, name, all, others ? ", ..." : "");
    free(all);
    return false;
}

static bool check_names(const sib_model *model, const input_settings *s)
{
    for (size_t i = 0; i < s->inputs.n; i++) {
        const char *item = s->inputs.items[i], *equals = strchr(item, '=');
        sib_value_info info;
        bool found = !equals && ends_with(item, ".npz");
        for (size_t k = 0; !found && equals && sib_model_input(model, k, &info); k++)
            found = strlen(info.name) == (size_t)(equals - item) &&
                    !strncmp(info.name, item, (size_t)(equals - item));
        if (!equals && !found) {
            cli_fail("'%s': give an input as NAME=VALUE, or a .npz file with all of them", item);
            return false;
        }
        if (!found) {
            return no_input(model, item, (int)(equals - item));
        }
    }
    if (s->random && (!*s->random || s->random[strspn(s->random, "0123456789")])) {
        cli_fail("--random takes an integer, the seed, not '%s'", s->random);
        return false;
    }
    for (size_t i = 0; i < s->dims.n; i++)
        if (!strchr(s->dims.items[i], '=') || strtoll(strchr(s->dims.items[i], '=') + 1, NULL, 10) < 0) {
            cli_fail("'%s': give a dim as NAME=SIZE, such as T=100", s->dims.items[i]);
            return false;
        }
    return true;
}

/* Returns the value given for an input, or NULL; sets *ok to false if it cannot be read. */
static sib_value *given_input(const sib_value_info *info, const input_settings *s, bool *ok)
{
    size_t n = strlen(info->name);
    for (size_t i = 0; i < s->inputs.n; i++) {
        const char *item = s->inputs.items[i];
        bool named = !strncmp(item, info->name, n) && item[n] == '=';
        sib_value *v = named               ? read_input(info, item + n + 1)
                       : strchr(item, '=') ? NULL
                                           : from_npz(item, info->name, false);
        *ok = v || !named;
        if (v || !*ok)
            return v;
    }
    return NULL;
}

bool model_inputs_read(const sib_model *model, const input_settings *s, model_inputs *out)
{
    sib_model_info info;
    sib_model_get_info(model, &info);
    uint64_t state = s->random ? strtoull(s->random, NULL, 10) * 2 + 0x9E3779B97F4A7C15u : 0;
    *out = (model_inputs){0};
    out->items = cli_alloc(info.n_inputs + 1, sizeof *out->items);
    out->values = cli_alloc(info.n_inputs + 1, sizeof *out->values);
    if (!check_names(model, s))
        return false;
    for (size_t i = 0; i < info.n_inputs; i++) {
        sib_value_info in;
        bool ok = true;
        sib_model_input(model, i, &in);
        sib_value *v = given_input(&in, s, &ok);
        if (ok && !v && s->random && !in.optional_input) {
            v = random_input(&in, s, &state);
            ok = v != NULL;
        }
        if (ok && !v && !in.optional_input && !in.constant) {
            cli_fail("input '%s' is missing: give it with -i %s=FILE, or have it drawn with --random SEED",
                     in.name, in.name);
            return false;
        }
        if (!ok)
            return false;
        if (v) {
            out->values[out->n] = v;
            out->items[out->n++] = (sib_named_value){in.name, v};
        }
    }
    return true;
}

void model_inputs_free(model_inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        sib_value_free(&in->values[i]);
    free(in->items);
    free(in->values);
    *in = (model_inputs){0};
}
