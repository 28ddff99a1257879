/* Values that a schema lists, objects and arrays. */
#include "base/alloc.h"
#include "base/error.h"
#include "text/constrain/schema_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void free_texts(sib_str *texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++)
        free((char *)(uintptr_t)texts[i].data);
    mem_free(texts);
}

/* One of the values of a list, those of the types that "type" says. */
uint32_t schema_values(compiler *c, const place *p, const json_t *list)
{
    unsigned said = schema_types(c, p);
    size_t n = json_array_size(list), used = 0;
    sib_str *texts = mem_calloc(n + 1, sizeof *texts);
    bool done = texts != NULL;
    for (size_t i = 0; i < n && done; i++) {
        const json_t *value = json_array_get(list, i);
        if (said && !is_of(value, said))
            continue;
        char *text = schema_text_of(value);
        done = text != NULL;
        if (done)
            texts[used++] = str_of(text);
    }
    uint32_t node = 0;
    if (!done)
        schema_no_memory(c);
    else if (!used && !schema_is_merged(c, p))
        schema_fault(c, p, SIB_ERR_VALUE, "no value fits");
    else {
        qsort(texts, used, sizeof *texts, schema_by_bytes);
        node = json_one_of(&c->json, texts, used);
    }
    free_texts(texts, used);
    return node;
}

/* ---- Objects and arrays -------------------------------------------------------------------------------- */

uint32_t schema_compile_at(compiler *c, const place *around, const char *key, const json_t *schema)
{
    const json_t *root = json_object_get(schema, "$id") ? schema : around->root;
    return schema_compile(c, &(place){around, key, schema, root, around->depth + 1});
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
    char *key = text ? schema_text_of(text) : NULL;
    json_decref(text);
    if (strlen(name) > SCHEMA_MAX_NAME)
        schema_fault(c, p, SIB_ERR_SIZE, "a name has more than %d bytes", SCHEMA_MAX_NAME);
    else if (!key)
        schema_no_memory(c);
    *m = (json_member){key ? str_of(key) : (sib_str){"", 0}, value, required};
    return key != NULL;
}

/* Keys that no member has. */
static uint32_t other_keys(compiler *c, const json_member *members, size_t n)
{
    sib_str *names = mem_alloc(n + 1, sizeof *names);
    if (!names)
        return schema_no_memory(c);
    for (size_t i = 0; i < n; i++)
        names[i] = str_from(members[i].key, 1);
    qsort(names, n, sizeof *names, schema_by_bytes);
    uint32_t key = json_key_without(&c->json, names, n);
    mem_free(names);
    return key;
}

static bool check_object(compiler *c, const place *p, const json_t *properties, const json_t *required)
{
    if (properties && !json_is_object(properties))
        return schema_fault(c, p, SIB_ERR_VALUE, "'properties' must be an object");
    if (required && !json_is_array(required))
        return schema_fault(c, p, SIB_ERR_VALUE, "'required' must be a list of names");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const json_t *name = json_array_get(required, i);
        if (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name))
            return schema_fault(c, p, SIB_ERR_VALUE, "'required' must be a list of names");
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
        uint32_t node = schema_compile_at(c, &within, name, value);
        *n += c->g->code == SIB_OK && add_member(c, p, &members[*n], name, node, is_required(required, name));
    }
    for (size_t i = 0; i < json_array_size(required) && c->g->code == SIB_OK; i++) {
        name = json_string_value(json_array_get(required, i));
        bool known = json_object_get(properties, name) != NULL;
        for (size_t k = 0; k < i; k++)
            known = known || !strcmp(json_string_value(json_array_get(required, k)), name);
        if (!known && !other && !schema_is_merged(c, p)) /* of several alternatives one may have no value */
            schema_fault(c, p, SIB_ERR_VALUE,
                         "'%.60s' is required, but is no property and no others are allowed", name);
        else if (!known)
            *n += add_member(c, p, &members[*n], name, other, true);
    }
}

uint32_t schema_object(compiler *c, const place *p)
{
    const json_t *properties = json_object_get(p->schema, "properties"),
                 *required = json_object_get(p->schema, "required"),
                 *more = json_object_get(p->schema, "additionalProperties");
    if (!check_object(c, p, properties, required))
        return 0;
    if (json_array_size(required) > SCHEMA_MAX_TARGETS)
        return schema_fault(c, p, SIB_ERR_SIZE, "more than %d names are required", SCHEMA_MAX_TARGETS);
    size_t n = 0, n_max = json_object_size(properties) + json_array_size(required);
    json_member *members = mem_alloc(n_max + 1, sizeof *members);
    if (!members)
        return schema_no_memory(c);
    uint32_t other = more ? schema_compile_at(c, p, "additionalProperties", more) : c->json.value;
    add_members(c, p, other, members, &n);
    uint32_t node = 0;
    if (c->g->code == SIB_OK)
        node = json_object_of(&c->json, members, n, other ? other_keys(c, members, n) : 0, other);
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)members[i].key.data);
    mem_free(members);
    return node;
}

/* The items of "prefixItems": (*n), free with mem_free. NULL after a failure. */
static uint32_t *first_items(compiler *c, const place *p, size_t *n)
{
    const json_t *list = json_object_get(p->schema, "prefixItems");
    uint32_t *items = mem_alloc(json_array_size(list) + 1, sizeof *items);
    const place within = {p, "prefixItems", list, p->root, p->depth};
    *n = json_array_size(list);
    if (!items)
        schema_no_memory(c);
    else if (list && !*n)
        schema_fault(c, p, SIB_ERR_VALUE, "'prefixItems' must be a list of schemas");
    for (size_t i = 0; items && i < *n; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        items[i] = schema_compile_at(c, &within, number, json_array_get(list, i));
    }
    return items;
}

uint32_t schema_array(compiler *c, const place *p)
{
    const json_t *items = json_object_get(p->schema, "items");
    uint32_t min, max, item = items ? schema_compile_at(c, p, "items", items) : c->json.value, node = 0;
    size_t n;
    if (!schema_counts(c, p, "minItems", "maxItems", &min, &max))
        return 0;
    if (json_is_true(json_object_get(p->schema, "uniqueItems")) && max > 1)
        return schema_fault(c, p, SIB_ERR_UNSUPPORTED, "'uniqueItems' is not supported");
    uint32_t *first = first_items(c, p, &n);
    if (first)
        node = json_array_of(&c->json, first, n, item, min, max);
    mem_free(first);
    return node;
}
