#include "model/value_text.h"

#include "files.h"
#include "messages.h"

#include <stdlib.h>
#include <string.h>

/* Elements shown of a tensor. */
#define SHOWN 6

const char *value_type_text(const sib_value *v, char *text, size_t size)
{
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    if (!v || (sib_value_get_kind(v) == SIB_VALUE_OPTIONAL && !sib_value_count(v))) {
        snprintf(text, size, "nothing");
        return text;
    }
    if (!t) {
        const char *kind = sib_value_get_kind(v) == SIB_VALUE_SEQUENCE ? "sequence"
                           : sib_value_get_kind(v) == SIB_VALUE_MAP    ? "map"
                                                                       : "optional";
        size_t n = sib_value_keys(v) ? (size_t)sib_tensor_count(sib_value_keys(v)) : sib_value_count(v);
        snprintf(text, size, "%s of %zu", kind, n);
        return text;
    }
    int used = snprintf(text, size, "%s (", sib_dtype_name(sib_tensor_dtype(t)));
    for (size_t i = 0; i < sib_tensor_rank(t) && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, "%s%lld", i ? ", " : "",
                         (long long)sib_tensor_dims(t)[i]);
    if (used > 0 && (size_t)used + 1 < size)
        snprintf(text + used, size - (size_t)used, ")");
    return text;
}

static void show_elements(const sib_tensor *t, FILE *out)
{
    uint64_t n = sib_tensor_count(t);
    sib_tensor *dense = NULL, *flat = NULL;
    int64_t count = (int64_t)n;
    sib_error err = SIB_ERROR_INIT;
    if (sib_tensor_copy(t, &dense, &err) == SIB_OK &&
        sib_tensor_reshape(dense, 1, &count, &flat, &err) == SIB_OK) {
        for (int64_t i = 0; i < count && i < SHOWN; i++) {
            double x;
            sib_str s;
            if (sib_tensor_dtype(t) == SIB_STRING && sib_tensor_get_string(flat, &i, &s, NULL) == SIB_OK)
                fprintf(out, " \"%.*s\"", (int)(s.length > 40 ? 40 : s.length), s.data);
            else if (sib_tensor_get(flat, &i, &x, NULL) == SIB_OK)
                fprintf(out, " %.6g", x);
        }
        if (count > SHOWN)
            fprintf(out, " ...");
    } else if (err.code == SIB_ERR_MEMORY) {
        exit(cli_fail("%s", err.message));
    }
    sib_tensor_free(&dense);
    sib_tensor_free(&flat);
}

void value_show(const char *name, const sib_value *v, FILE *out)
{
    char type[300];
    sib_stats s;
    const sib_tensor *t = sib_value_tensor(v);
    fprintf(out, "%s  %s", name, value_type_text(v, type, sizeof type));
    if (t) {
        sib_error err = SIB_ERROR_INIT;
        bool many = sib_tensor_count(t) > 1;
        if (many && sib_tensor_stats(t, &s, NULL, 0, 0, 0, &err) == SIB_ERR_MEMORY)
            exit(cli_fail("%s", err.message));
        if (many && err.code == SIB_OK) {
            fprintf(out, "  %.6g to %.6g, mean %.6g", s.min, s.max, s.mean);
            if (s.n_nan || s.n_inf)
                fprintf(out, ", %llu NaN, %llu infinite", (unsigned long long)s.n_nan,
                        (unsigned long long)s.n_inf);
        }
        fprintf(out, " :");
        show_elements(t, out);
    }
    fprintf(out, "\n");
    for (size_t i = 0; !t && i < sib_value_count(v); i++) {
        char *item = cli_format("  %s[%zu]", name, i);
        value_show(item, sib_value_item(v, i), out);
        free(item);
    }
}

sib_code value_save(const char *path, const char *name, const sib_value *v, sib_error *err)
{
    return sib_value_tensor(v) ? sib_npy_save(path, sib_value_tensor(v), err)
                               : sib_value_save_pb(path, v, name, err);
}

bool value_write(const char *folder, const char *file, const char *name, const sib_value *v)
{
    sib_error err = SIB_ERROR_INIT;
    char *path = file_join(folder, file);
    const bool ok = value_save(path, name, v, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    free(path);
    return ok;
}
