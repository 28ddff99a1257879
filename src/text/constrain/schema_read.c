/* What the files of schema.h read of a schema, and how they refuse it. */
#include "base/buffer.h"
#include "base/error.h"
#include "text/constrain/pointer.h"
#include "text/constrain/schema_inner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Errors -------------------------------------------------------------------------------------------- */

static void add_path(const place *p, byte_buffer *out)
{
    if (!p->around)
        return;
    add_path(p->around, out);
    buf_printf(out, NULL, "/%.60s", p->key);
}

uint32_t schema_fault(compiler *c, const place *p, sib_code code, const char *format, ...)
{
    char why[256];
    byte_buffer path = {.max = 200};
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    add_path(p, &path);
    if (c->g->code == SIB_OK)
        c->g->code = err_set(c->err, code, "the JSON schema: %s%s%s", why, path.n ? ", at " : "",
                             path.n ? path.data : "");
    buf_free(&path);
    return 0;
}

uint32_t schema_no_memory(compiler *c)
{
    if (c->g->code == SIB_OK)
        c->g->code = err_set(c->err, SIB_ERR_MEMORY, "out of memory for a JSON schema");
    return 0;
}

/* ---- Keywords ------------------------------------------------------------------------------------------ */

static const struct type_name {
    const char *name;
    unsigned type;
} types[] = {{"null", OF_NULL},     {"boolean", OF_BOOLEAN}, {"integer", OF_INTEGER}, {"number", OF_NUMBER},
             {"string", OF_STRING}, {"array", OF_ARRAY},     {"object", OF_OBJECT}};

static unsigned type_named(const json_t *name)
{
    const char *text = json_string_value(name);
    for (size_t i = 0; text && i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, text))
            return types[i].type;
    return 0;
}

unsigned schema_types(compiler *c, const place *p)
{
    const json_t *said = json_object_get(p->schema, "type");
    unsigned all = type_named(said);
    for (size_t i = 0; i < json_array_size(said); i++) {
        unsigned one = type_named(json_array_get(said, i));
        all = one && (all || !i) ? all | one : 0;
    }
    if (said && !all)
        schema_fault(
            c, p, SIB_ERR_VALUE,
            "'type' must be null, boolean, integer, number, string, array or object, or a list of these");
    return all;
}

/* A count of a keyword, or `otherwise` where it is missing. */
static uint32_t count_of(compiler *c, const place *p, const char *name, uint32_t otherwise)
{
    const json_t *given = json_object_get(p->schema, name);
    double x = json_number_value(given);
    if (!given)
        return otherwise;
    if (!json_is_number(given) || !(x >= 0 && x <= SCHEMA_MAX_COUNT) || x != floor(x))
        return schema_fault(c, p, SIB_ERR_VALUE, "'%s' must be an integer from 0 to %d", name,
                            SCHEMA_MAX_COUNT);
    return (uint32_t)x;
}

bool schema_counts(compiler *c, const place *p, const char *min_name, const char *max_name, uint32_t *min,
                   uint32_t *max)
{
    *min = count_of(c, p, min_name, 0);
    *max = count_of(c, p, max_name, JSON_NO_MAX);
    if (*min > *max && !schema_is_merged(c, p))
        schema_fault(c, p, SIB_ERR_VALUE, "'%s' is above '%s'", min_name, max_name);
    return *min <= *max;
}

const json_t *schema_referred(compiler *c, const place *p, const json_t **root)
{
    const char *text = json_string_value(json_object_get(p->schema, "$ref"));
    const json_t *found = text ? json_pointer(p->root, text) : NULL;
    if (!text)
        schema_fault(c, p, SIB_ERR_VALUE, "'$ref' must be a text");
    else if (!found)
        schema_fault(c, p, SIB_ERR_VALUE,
                     "'$ref' names '%.80s', but only what is in this schema can be named: #/$defs/NAME",
                     text);
    *root = json_object_get(found, "$id") ? found : p->root;
    return found;
}

/* ---- Values ---------------------------------------------------------------------------------------------- */

char *schema_text_of(const json_t *value)
{
    for (size_t digits = 15; digits <= 17; digits++) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
        bool same = !text || digits == 17 || json_equal(again, value);
        json_decref(again);
        if (same)
            return text;
        free(text);
    }
    return NULL;
}

int schema_by_bytes(const void *a, const void *b)
{
    return str_compare(*(const sib_str *)a, *(const sib_str *)b);
}

bool schema_is_merged(const compiler *c, const place *p)
{
    for (size_t i = 0; i < json_array_size(c->merged); i++)
        if (json_array_get(c->merged, i) == p->schema)
            return true;
    return false;
}
