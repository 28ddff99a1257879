#include "text/constrain/schema.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "text/constrain/schema_inner.h"

/* ---- Keywords ------------------------------------------------------------------------------------------ */

enum {
    SAYS_NOTHING = 128, /* an annotation */
    STANDS_ALONE = 256, /* beside annotations; `type` beside a list of values */
    HAS_TYPE = 512
};

static const struct keyword {
    const char *name;
    unsigned kind; /* the types that it is about, or one of the above */
} keywords[] = {{"type", HAS_TYPE},
                {"properties", OF_OBJECT},
                {"required", OF_OBJECT},
                {"additionalProperties", OF_OBJECT},
                {"items", OF_ARRAY},
                {"minItems", OF_ARRAY},
                {"maxItems", OF_ARRAY},
                {"uniqueItems", OF_ARRAY},
                {"prefixItems", OF_ARRAY},
                {"pattern", OF_STRING},
                {"format", OF_STRING},
                {"minimum", OF_NUMBER},
                {"maximum", OF_NUMBER},
                {"exclusiveMinimum", OF_NUMBER},
                {"exclusiveMaximum", OF_NUMBER},
                {"multipleOf", OF_NUMBER},
                {"minLength", OF_STRING},
                {"maxLength", OF_STRING},
                {"enum", STANDS_ALONE},
                {"const", STANDS_ALONE},
                {"anyOf", STANDS_ALONE},
                {"oneOf", STANDS_ALONE},
                {"allOf", STANDS_ALONE},
                {"$ref", STANDS_ALONE},
                {"title", SAYS_NOTHING},
                {"description", SAYS_NOTHING},
                {"default", SAYS_NOTHING},
                {"examples", SAYS_NOTHING},
                {"deprecated", SAYS_NOTHING},
                {"readOnly", SAYS_NOTHING},
                {"writeOnly", SAYS_NOTHING},
                {"$schema", SAYS_NOTHING},
                {"$id", SAYS_NOTHING},
                {"$comment", SAYS_NOTHING},
                {"$defs", SAYS_NOTHING},
                {"definitions", SAYS_NOTHING}};

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
            return schema_fault(c, p, SIB_ERR_UNSUPPORTED, "'%.60s' is not supported", name);
        if (keywords[i].kind == STANDS_ALONE && *alone)
            return schema_fault(c, p, SIB_ERR_UNSUPPORTED, "'%s' beside '%s' is not supported", name, *alone);
        if (keywords[i].kind == STANDS_ALONE)
            *alone = keywords[i].name;
        kinds |= keywords[i].kind;
    }
    return kinds;
}

/* ---- Types ---------------------------------------------------------------------------------------------- */

/* A value of one of these types. */
static uint32_t compile_types(compiler *c, const place *p, unsigned said)
{
    const json_grammar *j = &c->json;
    const struct {
        unsigned type;
        uint32_t node;
    } simple[] = {{OF_NULL, j->null}, {OF_BOOLEAN, j->boolean}};
    uint32_t node = 0;
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        node = grammar_either(c->g, node, said & simple[i].type ? simple[i].node : 0);
    if (said & (OF_NUMBER | OF_INTEGER))
        node = grammar_either(c->g, node, schema_number(c, p, !(said & OF_NUMBER)));
    node = grammar_either(c->g, node, said & OF_STRING ? schema_string(c, p) : 0);
    node = grammar_either(c->g, node, said & OF_ARRAY ? schema_array(c, p) : 0);
    return grammar_either(c->g, node, said & OF_OBJECT ? schema_object(c, p) : 0);
}

/* ---- References, alternatives -------------------------------------------------------------------------- */

/* The schema that p is, as others name it too: the node of each is made once. */
static uint32_t compile_target(compiler *c, const place *p)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->targets[i].schema == p->schema)
            return c->targets[i].node;
    if (c->n == SCHEMA_MAX_TARGETS)
        return schema_fault(c, p, SIB_ERR_SIZE, "references name more than %d schemas", SCHEMA_MAX_TARGETS);
    uint32_t node = grammar_place(c->g);
    if (c->g->code == SIB_OK)
        c->g->code = ARRAY_PUSH(c->targets, c->n, c->capacity, "a JSON schema", c->err,
                                (schema_target){p->schema, node});
    grammar_set(c->g, node, schema_compile(c, p));
    return node;
}

static uint32_t compile_reference(compiler *c, const place *p)
{
    const json_t *root, *found = schema_referred(c, p, &root);
    return found ? compile_target(c, &(place){p, "$ref", found, root, p->depth + 1}) : 0;
}

static uint32_t compile_alternatives(compiler *c, const place *p, const char *name)
{
    const json_t *list = json_object_get(p->schema, name);
    size_t n = json_array_size(list);
    uint32_t node = 0;
    if (!n)
        return schema_fault(c, p, SIB_ERR_VALUE, "'%s' must be a list of schemas", name);
    const place within = {p, name, list, p->root, p->depth};
    for (size_t i = 0; i < n && c->g->code == SIB_OK; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        node = grammar_either(c->g, node, schema_compile_at(c, &within, number, json_array_get(list, i)));
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
        return schema_fault(c, p, SIB_ERR_VALUE, "'enum' must be a list of values");
    json_t *list = json_is_array(value) && strcmp(name, "const") != 0
                       ? json_incref((json_t *)(uintptr_t)value)
                       : json_pack("[O]", value);
    uint32_t node = list ? schema_values(c, p, list) : schema_no_memory(c);
    json_decref(list);
    return node;
}

uint32_t schema_compile(compiler *c, const place *p)
{
    const char *alone;
    const json_t *one;
    if (c->g->code != SIB_OK)
        return 0;
    if (p->depth > SCHEMA_MAX_DEPTH)
        return schema_fault(c, p, SIB_ERR_SIZE, "schemas nest more than %d deep", SCHEMA_MAX_DEPTH);
    if (json_is_boolean(p->schema))
        return json_is_true(p->schema) ? c->json.value : 0;
    if (!json_is_object(p->schema))
        return schema_fault(c, p, SIB_ERR_VALUE, "a schema must be an object, true or false");
    if (schema_is_several(c, p, &one))
        return one ? schema_compile(c, &(place){p->around, p->key, one, p->root, p->depth + 1}) : 0;
    unsigned kinds = look(c, p, &alone), about = kinds & OF_ANY, said = schema_types(c, p);
    if (c->g->code != SIB_OK)
        return 0;
    bool values = alone && (!strcmp(alone, "enum") || !strcmp(alone, "const"));
    if (alone && (about || (said && !values)))
        return schema_fault(c, p, SIB_ERR_UNSUPPORTED, "other keywords beside '%s' are not supported", alone);
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
    compiler c = {.g = g, .merged = json_array(), .err = err};
    json_grammar_begin(&c.json, g);
    uint32_t start = 0;
    if (!root)
        g->code = err_set(err, SIB_ERR_FORMAT, "the JSON schema is no JSON: line %d: %s", at.line, at.text);
    else
        start = compile_target(&c, &(place){NULL, "", root, root, 0});
    json_decref(c.merged);
    json_decref(root);
    mem_free(c.targets);
    c_locale_leave(&locale);
    return grammar_end(g, json_blank(&c.json, start), err);
}
