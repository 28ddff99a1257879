#include "text/constrain/schema.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/buffer.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "base/size.h"
#include "text/constrain/json_grammar.h"
#include "text/constrain/pointer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* A schema that a reference names, and its node. */
typedef struct target {
    const json_t *schema;
    uint32_t node;
} target;

typedef struct compiler {
    grammar *g;
    json_grammar json;
    target *targets; /* (n) */
    size_t n, capacity;
    sib_error *err;
} compiler;

/* A schema under way: where it stands, and the document that its references are of. */
typedef struct place {
    const struct place *around;
    const char *key; /* within `around` */
    const json_t *schema, *root;
    int depth;
} place;

static uint32_t compile(compiler *c, const place *p);

/* ---- Errors -------------------------------------------------------------------------------------------- */

static void add_path(const place *p, byte_buffer *out)
{
    if (!p->around)
        return;
    add_path(p->around, out);
    buf_printf(out, NULL, "/%.60s", p->key);
}

static uint32_t fault(compiler *c, const place *p, sib_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static uint32_t fault(compiler *c, const place *p, sib_code code, const char *format, ...)
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

static uint32_t no_memory(compiler *c)
{
    if (c->g->code == SIB_OK)
        c->g->code = err_set(c->err, SIB_ERR_MEMORY, "out of memory for a JSON schema");
    return 0;
}

/* ---- Keywords ------------------------------------------------------------------------------------------ */

enum {
    OF_NULL = 1,
    OF_BOOLEAN = 2,
    OF_INTEGER = 4,
    OF_NUMBER = 8,
    OF_STRING = 16,
    OF_ARRAY = 32,
    OF_OBJECT = 64,
    OF_ANY = OF_NULL | OF_BOOLEAN | OF_NUMBER | OF_STRING | OF_ARRAY | OF_OBJECT,
    SAYS_NOTHING = 128, /* an annotation */
    STANDS_ALONE = 256, /* beside annotations; `type` beside a list of values */
    HAS_TYPE = 512
};

static const struct keyword {
    const char *name;
    unsigned kind; /* the types that it is about, or one of the above */
} keywords[] = {{"type", HAS_TYPE},           {"properties", OF_OBJECT},
                {"required", OF_OBJECT},      {"additionalProperties", OF_OBJECT},
                {"items", OF_ARRAY},          {"minItems", OF_ARRAY},
                {"maxItems", OF_ARRAY},       {"uniqueItems", OF_ARRAY},
                {"minLength", OF_STRING},     {"maxLength", OF_STRING},
                {"enum", STANDS_ALONE},       {"const", STANDS_ALONE},
                {"anyOf", STANDS_ALONE},      {"oneOf", STANDS_ALONE},
                {"allOf", STANDS_ALONE},      {"$ref", STANDS_ALONE},
                {"title", SAYS_NOTHING},      {"description", SAYS_NOTHING},
                {"default", SAYS_NOTHING},    {"examples", SAYS_NOTHING},
                {"deprecated", SAYS_NOTHING}, {"readOnly", SAYS_NOTHING},
                {"writeOnly", SAYS_NOTHING},  {"$schema", SAYS_NOTHING},
                {"$id", SAYS_NOTHING},        {"$comment", SAYS_NOTHING},
                {"$defs", SAYS_NOTHING},      {"definitions", SAYS_NOTHING}};

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

/* The types that "type" says; 0 where it is missing, or after a failure. */
static unsigned types_said(compiler *c, const place *p)
{
    const json_t *said = json_object_get(p->schema, "type");
    unsigned all = type_named(said);
    for (size_t i = 0; i < json_array_size(said); i++) {
        unsigned one = type_named(json_array_get(said, i));
        all = one && (all || !i) ? all | one : 0;
    }
    if (said && !all)
        fault(c, p, SIB_ERR_VALUE,
              "'type' must be null, boolean, integer, number, string, array or object, or a list of these");
    return all;
}

/* What the keywords are about, the `alone` of them. Refuses those that are not supported. */
static unsigned look(compiler *c, const place *p, const char **alone)
{
    unsigned kinds = 0;
    const char *name;
    json_t *value;
    *alone = NULL;
    json_object_foreach((json_t *)(uintptr_t)p->schema, name, value)
    {
        size_t i = 0, n = sizeof keywords / sizeof *keywords;
        while (i < n && strcmp(keywords[i].name, name) != 0)
            i++;
        if (i == n)
            return fault(c, p, SIB_ERR_UNSUPPORTED, "'%.60s' is not supported", name);
        if (keywords[i].kind == STANDS_ALONE && *alone)
            return fault(c, p, SIB_ERR_UNSUPPORTED, "'%s' beside '%s' is not supported", name, *alone);
        if (keywords[i].kind == STANDS_ALONE)
            *alone = keywords[i].name;
        kinds |= keywords[i].kind;
    }
    return kinds;
}

/* A count of a keyword, or `otherwise` where it is missing. */
static uint32_t count_of(compiler *c, const place *p, const char *name, uint32_t otherwise)
{
    const json_t *given = json_object_get(p->schema, name);
    double x = json_number_value(given);
    if (!given)
        return otherwise;
    if (!json_is_number(given) || !(x >= 0 && x <= SCHEMA_MAX_COUNT) || x != floor(x))
        return fault(c, p, SIB_ERR_VALUE, "'%s' must be an integer from 0 to %d", name, SCHEMA_MAX_COUNT);
    return (uint32_t)x;
}

/* Counts from *min to *max. */
static void counts_of(compiler *c, const place *p, const char *min_name, const char *max_name, uint32_t *min,
                      uint32_t *max)
{
    *min = count_of(c, p, min_name, 0);
    *max = count_of(c, p, max_name, JSON_NO_MAX);
    if (*min > *max)
        fault(c, p, SIB_ERR_VALUE, "'%s' is above '%s'", min_name, max_name);
}

/* ---- Values that are listed ---------------------------------------------------------------------------- */

static bool is_of(const json_t *value, unsigned type)
{
    static const unsigned of[] = {[JSON_OBJECT] = OF_OBJECT, [JSON_ARRAY] = OF_ARRAY,
                                  [JSON_STRING] = OF_STRING, [JSON_INTEGER] = OF_INTEGER | OF_NUMBER,
                                  [JSON_REAL] = OF_NUMBER,   [JSON_TRUE] = OF_BOOLEAN,
                                  [JSON_FALSE] = OF_BOOLEAN, [JSON_NULL] = OF_NULL};
    return (of[json_typeof(value)] & type) || (json_is_real(value) && (type & OF_INTEGER) &&
                                               json_real_value(value) == floor(json_real_value(value)));
}

/* A value in the fewest digits that give its numbers: free. NULL where memory fails. */
static char *text_of(const json_t *value)
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

static int by_bytes(const void *a, const void *b)
{
    return str_compare(*(const sib_str *)a, *(const sib_str *)b);
}

static void free_texts(sib_str *texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++)
        free((char *)(uintptr_t)texts[i].data);
    mem_free(texts);
}

/* One of the values of a list, those of the types that "type" says. */
static uint32_t compile_values(compiler *c, const place *p, const json_t *list)
{
    unsigned said = types_said(c, p);
    size_t n = json_array_size(list), used = 0;
    sib_str *texts = mem_calloc(n + 1, sizeof *texts);
    bool done = texts != NULL;
    for (size_t i = 0; i < n && done; i++) {
        const json_t *value = json_array_get(list, i);
        if (said && !is_of(value, said))
            continue;
        char *text = text_of(value);
        done = text != NULL;
        if (done)
            texts[used++] = str_of(text);
    }
    uint32_t node = 0;
    if (!done)
        no_memory(c);
    else if (!used)
        fault(c, p, SIB_ERR_VALUE, "no value fits");
    else {
        qsort(texts, used, sizeof *texts, by_bytes);
        node = json_one_of(&c->json, texts, used);
    }
    free_texts(texts, used);
    return node;
}

/* ---- Objects and arrays -------------------------------------------------------------------------------- */

static uint32_t compile_at(compiler *c, const place *around, const char *key, const json_t *schema)
{
    const json_t *root = json_object_get(schema, "$id") ? schema : around->root;
    return compile(c, &(place){around, key, schema, root, around->depth + 1});
}

static bool is_required(const json_t *required, const char *name)
{
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!strcmp(json_string_value(json_array_get(required, i)), name))
            return true;
    return false;
}

/* The member of this name: free its key. Returns false after a failure. */
static bool add_member(compiler *c, const place *p, json_member *m, const char *name, uint32_t value,
                       bool required)
{
    json_t *text = json_string(name);
    char *key = text ? text_of(text) : NULL;
    json_decref(text);
    if (strlen(name) > SCHEMA_MAX_NAME)
        fault(c, p, SIB_ERR_SIZE, "a name has more than %d bytes", SCHEMA_MAX_NAME);
    else if (!key)
        no_memory(c);
    *m = (json_member){key ? str_of(key) : (sib_str){"", 0}, value, required};
    return key != NULL;
}

/* Keys that no member has. */
static uint32_t other_keys(compiler *c, const json_member *members, size_t n)
{
    sib_str *names = mem_alloc(n + 1, sizeof *names);
    if (!names)
        return no_memory(c);
    for (size_t i = 0; i < n; i++)
        names[i] = str_from(members[i].key, 1);
    qsort(names, n, sizeof *names, by_bytes);
    uint32_t key = json_key_without(&c->json, names, n);
    mem_free(names);
    return key;
}

static bool check_object(compiler *c, const place *p, const json_t *properties, const json_t *required)
{
    if (properties && !json_is_object(properties))
        return fault(c, p, SIB_ERR_VALUE, "'properties' must be an object");
    if (required && !json_is_array(required))
        return fault(c, p, SIB_ERR_VALUE, "'required' must be a list of names");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const json_t *name = json_array_get(required, i);
        if (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name))
            return fault(c, p, SIB_ERR_VALUE, "'required' must be a list of names");
    }
    return true;
}

/* Members of "properties" in their order, then those that are only required: (*n). */
static void add_members(compiler *c, const place *p, uint32_t other, json_member *members, size_t *n)
{
    const json_t *properties = json_object_get(p->schema, "properties"),
                 *required = json_object_get(p->schema, "required");
    const char *name;
    json_t *value;
    const place within = {p, "properties", properties, p->root, p->depth};
    json_object_foreach((json_t *)(uintptr_t)properties, name, value)
    {
        uint32_t node = compile_at(c, &within, name, value);
        *n += c->g->code == SIB_OK && add_member(c, p, &members[*n], name, node, is_required(required, name));
    }
    for (size_t i = 0; i < json_array_size(required) && c->g->code == SIB_OK; i++) {
        name = json_string_value(json_array_get(required, i));
        bool known = json_object_get(properties, name) != NULL;
        for (size_t k = 0; k < i; k++)
            known = known || !strcmp(json_string_value(json_array_get(required, k)), name);
        if (!known && !other)
            fault(c, p, SIB_ERR_VALUE, "'%.60s' is required, but is no property and no others are allowed",
                  name);
        else if (!known)
            *n += add_member(c, p, &members[*n], name, other, true);
    }
}

static uint32_t compile_object(compiler *c, const place *p)
{
    const json_t *properties = json_object_get(p->schema, "properties"),
                 *required = json_object_get(p->schema, "required"),
                 *more = json_object_get(p->schema, "additionalProperties");
    if (!check_object(c, p, properties, required))
        return 0;
    if (json_array_size(required) > SCHEMA_MAX_TARGETS)
        return fault(c, p, SIB_ERR_SIZE, "more than %d names are required", SCHEMA_MAX_TARGETS);
    size_t n = 0, n_max = json_object_size(properties) + json_array_size(required);
    json_member *members = mem_alloc(n_max + 1, sizeof *members);
    if (!members)
        return no_memory(c);
    uint32_t other = more ? compile_at(c, p, "additionalProperties", more) : c->json.value;
    add_members(c, p, other, members, &n);
    uint32_t node = 0;
    if (c->g->code == SIB_OK)
        node = json_object_of(&c->json, members, n, other ? other_keys(c, members, n) : 0, other);
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)members[i].key.data);
    mem_free(members);
    return node;
}

static uint32_t compile_array(compiler *c, const place *p)
{
    const json_t *items = json_object_get(p->schema, "items");
    uint32_t min, max, item = items ? compile_at(c, p, "items", items) : c->json.value;
    counts_of(c, p, "minItems", "maxItems", &min, &max);
    if (json_is_true(json_object_get(p->schema, "uniqueItems")))
        return fault(c, p, SIB_ERR_UNSUPPORTED, "'uniqueItems' is not supported");
    return json_array_of(&c->json, item, min, max);
}

static uint32_t compile_string(compiler *c, const place *p)
{
    uint32_t min, max;
    counts_of(c, p, "minLength", "maxLength", &min, &max);
    return min || max != JSON_NO_MAX ? json_string_of(&c->json, min, max) : c->json.string;
}

/* A value of one of these types. */
static uint32_t compile_types(compiler *c, const place *p, unsigned said)
{
    const json_grammar *j = &c->json;
    const struct {
        unsigned type;
        uint32_t node;
    } simple[] = {{OF_NULL, j->null},
                  {OF_BOOLEAN, j->boolean},
                  {OF_NUMBER, j->number},
                  {said & OF_NUMBER ? 0 : OF_INTEGER, j->integer}};
    uint32_t node = 0;
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        node = grammar_either(c->g, node, said & simple[i].type ? simple[i].node : 0);
    node = grammar_either(c->g, node, said & OF_STRING ? compile_string(c, p) : 0);
    node = grammar_either(c->g, node, said & OF_ARRAY ? compile_array(c, p) : 0);
    return grammar_either(c->g, node, said & OF_OBJECT ? compile_object(c, p) : 0);
}

/* ---- References, alternatives -------------------------------------------------------------------------- */

/* The schema that p is, as others name it too: the node of each is made once. */
static uint32_t compile_target(compiler *c, const place *p)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->targets[i].schema == p->schema)
            return c->targets[i].node;
    if (c->n == SCHEMA_MAX_TARGETS)
        return fault(c, p, SIB_ERR_SIZE, "references name more than %d schemas", SCHEMA_MAX_TARGETS);
    uint32_t node = grammar_place(c->g);
    if (c->g->code == SIB_OK)
        c->g->code =
            ARRAY_PUSH(c->targets, c->n, c->capacity, "a JSON schema", c->err, (target){p->schema, node});
    grammar_set(c->g, node, compile(c, p));
    return node;
}

static uint32_t compile_reference(compiler *c, const place *p)
{
    const char *text = json_string_value(json_object_get(p->schema, "$ref"));
    if (!text)
        return fault(c, p, SIB_ERR_VALUE, "'$ref' must be a text");
    const json_t *found = json_pointer(p->root, text);
    if (!found)
        return fault(c, p, SIB_ERR_VALUE,
                     "'$ref' names '%.80s', but only what is in this schema can be named: #/$defs/NAME",
                     text);
    const json_t *root = json_object_get(found, "$id") ? found : p->root;
    return compile_target(c, &(place){p, "$ref", found, root, p->depth + 1});
}

static uint32_t compile_alternatives(compiler *c, const place *p, const char *name)
{
    const json_t *list = json_object_get(p->schema, name);
    size_t n = json_array_size(list);
    uint32_t node = 0;
    if (!n)
        return fault(c, p, SIB_ERR_VALUE, "'%s' must be a list of schemas", name);
    if (n > 1 && !strcmp(name, "allOf"))
        return fault(c, p, SIB_ERR_UNSUPPORTED, "'allOf' of more than one schema is not supported");
    const place within = {p, name, list, p->root, p->depth};
    for (size_t i = 0; i < n && c->g->code == SIB_OK; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        node = grammar_either(c->g, node, compile_at(c, &within, number, json_array_get(list, i)));
    }
    return node;
}

static uint32_t compile_alone(compiler *c, const place *p, const char *name)
{
    const json_t *value = json_object_get(p->schema, name);
    if (!strcmp(name, "$ref"))
        return compile_reference(c, p);
    if (strcmp(name, "enum") != 0 && strcmp(name, "const") != 0)
        return compile_alternatives(c, p, name);
    if (!strcmp(name, "enum") && !json_is_array(value))
        return fault(c, p, SIB_ERR_VALUE, "'enum' must be a list of values");
    json_t *list = json_is_array(value) && strcmp(name, "const") != 0
                       ? json_incref((json_t *)(uintptr_t)value)
                       : json_pack("[O]", value);
    uint32_t node = list ? compile_values(c, p, list) : no_memory(c);
    json_decref(list);
    return node;
}

static uint32_t compile(compiler *c, const place *p)
{
    const char *alone;
    if (c->g->code != SIB_OK)
        return 0;
    if (p->depth > SCHEMA_MAX_DEPTH)
        return fault(c, p, SIB_ERR_SIZE, "schemas nest more than %d deep", SCHEMA_MAX_DEPTH);
    if (json_is_boolean(p->schema))
        return json_is_true(p->schema) ? c->json.value : 0;
    if (!json_is_object(p->schema))
        return fault(c, p, SIB_ERR_VALUE, "a schema must be an object, true or false");
    unsigned kinds = look(c, p, &alone), about = kinds & OF_ANY, said = types_said(c, p);
    if (c->g->code != SIB_OK)
        return 0;
    bool values = alone && (!strcmp(alone, "enum") || !strcmp(alone, "const"));
    if (alone && (about || (said && !values)))
        return fault(c, p, SIB_ERR_UNSUPPORTED, "other keywords beside '%s' are not supported", alone);
    if (alone)
        return compile_alone(c, p, alone);
    if (!said && !about)
        return c->json.value;
    return compile_types(c, p, said ? said : about);
}

sib_code schema_grammar(sib_str schema, grammar *g, sib_error *err)
{
    c_locale locale; /* for numbers */
    json_error_t at;
    grammar_begin(g, err);
    if (schema.length > SCHEMA_MAX_BYTES)
        return g->code = err_set(err, SIB_ERR_SIZE, "the JSON schema has %zu bytes, the limit is %zu",
                                 schema.length, SCHEMA_MAX_BYTES);
    sib_code code = c_locale_enter(&locale, err);
    if (code != SIB_OK)
        return code;
    json_t *root = json_loadb(schema.data, schema.length,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    compiler c = {.g = g, .err = err};
    json_grammar_begin(&c.json, g);
    uint32_t start = 0;
    if (!root)
        g->code = err_set(err, SIB_ERR_FORMAT, "the JSON schema is no JSON: line %d: %s", at.line, at.text);
    else
        start = compile_target(&c, &(place){NULL, "", root, root, 0});
    json_decref(root);
    mem_free(c.targets);
    c_locale_leave(&locale);
    return grammar_end(g, json_blank(&c.json, start), err);
}
