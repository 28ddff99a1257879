#include "server/values/tensor_answer.h"

#include "server/values/json.h"
#include "server/values/slice.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COPY        (UINT64_C(64) << 20) /* bytes of elements that are gathered for one answer */
#define MAX_STRINGS     (1u << 20)
#define MAX_STRING_SIZE 4096 /* bytes of a string in a .npy, which has as much room for each */

/* What is sent; the last to go frees it. */
typedef struct payload {
    sib_tensor *tensor;
    sib_npy_image *image; /* NULL: raw */
} payload;

static void payload_free(void *context)
{
    payload *p = context;
    sib_npy_image_free(&p->image);
    sib_tensor_free(&p->tensor);
    free(p);
}

/* "attachment; filename=NAME.npy" with what is safe in a header and a file name. */
static void name_file(exchange *x, const char *name, const char *extension)
{
    char text[160] = "attachment; filename=";
    size_t at = strlen(text);
    for (; *name && at < sizeof text - 8; name++)
        text[at++] = isalnum((unsigned char)*name) || strchr("-_.", *name) ? *name : '_';
    snprintf(text + at, sizeof text - at, ".%s", extension);
    answer_header(x, "Content-Disposition", text);
}

/* X-Dtype and X-Shape ("2,5"), without which raw elements have no meaning. */
static void describe_elements(exchange *x, const sib_tensor *t)
{
    char shape[24 * SIB_MAX_RANK] = "";
    size_t at = 0;
    for (size_t k = 0; k < sib_tensor_rank(t); k++)
        at += (size_t)snprintf(shape + at, sizeof shape - at, "%s%lld", k ? "," : "",
                               (long long)sib_tensor_dims(t)[k]);
    answer_header(x, "X-Dtype", sib_dtype_name(sib_tensor_dtype(t)));
    answer_header(x, "X-Shape", shape);
}

/* Whether strings fit a .npy of bounded size; else answers. */
static bool strings_fit(exchange *x, const sib_tensor *t)
{
    uint64_t n = sib_tensor_count(t), longest = 0;
    const sib_str *strings = sib_tensor_data(t);
    for (uint64_t i = 0; i < n && n <= MAX_STRINGS; i++)
        longest = strings[i].length > longest ? strings[i].length : longest;
    if (n <= MAX_STRINGS && longest <= MAX_STRING_SIZE && n * longest * 4 <= MAX_COPY)
        return true;
    answer_error(x, 400, "slice", "the strings take too much room together: ask for fewer of them");
    return false;
}

/* Takes p. */
static void send_payload(exchange *x, payload *p)
{
    size_t head = 0, size;
    const void *begin = p->image ? sib_npy_image_header(p->image, &head) : NULL;
    const void *data = p->image ? sib_npy_image_data(p->image, &size) : sib_tensor_bytes(p->tensor);
    if (!p->image) /* the count fits: the elements are in memory */
        size = (size_t)((sib_tensor_count(p->tensor) * sib_dtype_bits(sib_tensor_dtype(p->tensor)) + 7) / 8);
    answer_memory(x, "application/octet-stream", begin, head, data, size, payload_free, p);
}

void answer_tensor(exchange *x, const sib_tensor *t, const char *name)
{
    sib_error err = SIB_ERROR_INIT;
    const char *format = exchange_query(x, "format");
    bool raw = format && !strcmp(format, "raw"), strings = sib_tensor_dtype(t) == SIB_STRING;
    if (format && !raw && strcmp(format, "npy") != 0) {
        answer_error(x, 400, "format", "'format' must be 'npy' or 'raw', not '%.40s'", format);
        return;
    }
    if (raw && strings) {
        answer_error(x, 400, "format", "strings have no raw form: ask for 'npy'");
        return;
    }
    payload *p = calloc(1, sizeof *p);
    if (!p) {
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
        return;
    }
    sib_code code = slice_take(t, exchange_query(x, "slice"), true, MAX_COPY, &p->tensor, &err);
    if (code == SIB_OK && strings && !strings_fit(x, p->tensor)) {
        payload_free(p);
        return;
    }
    if (code == SIB_OK && !raw)
        code = sib_npy_image_create(p->tensor, &p->image, &err);
    if (code != SIB_OK) {
        payload_free(p);
        answer_failure(x, &err);
        return;
    }
    describe_elements(x, p->tensor);
    name_file(x, name, raw ? "bin" : "npy");
    send_payload(x, p);
}

sib_code tensor_digest(const sib_tensor *t, const char *slice, json_t **out, sib_error *err)
{
    sib_tensor *chosen = NULL;
    sib_value *value = NULL;
    sib_digest *digest = malloc(sizeof *digest);
    sib_code code = slice_take(t, slice, false, MAX_COPY, &chosen, err);
    *out = NULL;
    if (code == SIB_OK)
        code = sib_value_from_tensor(chosen, &value, err);
    if (code == SIB_OK && digest)
        code = sib_digest_of(value, NULL, digest, err);
    if (code == SIB_OK && digest)
        *out = digest_json(digest, true);
    free(digest);
    sib_value_free(&value);
    sib_tensor_free(&chosen);
    return code;
}

void answer_digest(exchange *x, const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *digest;
    if (tensor_digest(t, exchange_query(x, "slice"), &digest, &err) == SIB_OK)
        answer_json(x, 200, digest);
    else
        answer_failure(x, &err);
}
