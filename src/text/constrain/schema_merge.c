/* Schemas that all must hold, made one: those of `allOf`, what `$ref` names, and what stands beside these or
   beside alternatives. References stay as they are, so what they name is merged where it is met. */
#include "text/constrain/schema_inner.h"

#include <string.h>

/* Max schemas that are merged, and inside each other. */
#define MAX_MERGED 4096
#define MAX_CHAIN  64

/* Keywords that say nothing of a value. */
static const char *const nothing[] = {"title",      "description", "default",   "examples",
                                      "deprecated", "readOnly",    "writeOnly", "$schema",
                                      "$id",        "$comment",    "$defs",     "definitions"};

typedef struct merger {
    compiler *c;
    const place *p;
    int chain;
} merger;

static json_t *fault(merger *m, sib_code code, const char *why, const char *name)
{
    schema_fault(m->c, m->p, code, why, name);
    return NULL;
}

static json_t *made(merger *m, json_t *one)
{
    if (!one)
        schema_no_memory(m->c);
    return one;
}

/* ---- Two values of a keyword: a new reference, NULL after a failure ---------------------------------------- */

/* A schema for both, where a missing one allows everything. */
static json_t *both(merger *m, json_t *a, json_t *b)
{
    if (!a || json_is_true(a) || json_is_false(b) || (b && json_equal(a, b)))
        return b ? json_incref(b) : json_true();
    if (!b || json_is_true(b) || json_is_false(a))
        return json_incref(a);
    return made(m, json_pack("{s:[O,O]}", "allOf", a, b));
}

static bool is_above(const json_t *a, const json_t *b)
{
    return json_is_integer(a) && json_is_integer(b) ? json_integer_value(a) > json_integer_value(b)
                                                    : json_number_value(a) > json_number_value(b);
}

static json_t *larger(merger *m, const char *name, json_t *a, json_t *b)
{
    if (!json_is_number(a) || !json_is_number(b))
        return fault(m, SIB_ERR_VALUE, "'%s' must be a number", name);
    return json_incref(is_above(a, b) ? a : b);
}

static json_t *smaller(merger *m, const char *name, json_t *a, json_t *b)
{
    if (!json_is_number(a) || !json_is_number(b))
        return fault(m, SIB_ERR_VALUE, "'%s' must be a number", name);
    return json_incref(is_above(a, b) ? b : a);
}

static json_t *common_multiple(merger *m, const char *name, json_t *a, json_t *b)
{
    json_int_t x = json_integer_value(a), y = json_integer_value(b), u = x, v = y;
    if (x <= 0 || y <= 0 || x > INT32_MAX || y > INT32_MAX)
        return fault(m, SIB_ERR_UNSUPPORTED, "'%s' of several must be small integers", name);
    while (v) {
        json_int_t rest = u % v;
        u = v;
        v = rest;
    }
    return made(m, json_integer(x / u * y));
}

/* Those that are in both lists. */
static json_t *shared_values(merger *m, const char *name, json_t *a, json_t *b)
{
    json_t *list = json_array();
    if (!json_is_array(a) || !json_is_array(b)) {
        json_decref(list);
        return fault(m, SIB_ERR_VALUE, "'%s' must be a list of values", name);
    }
    for (size_t i = 0; list && i < json_array_size(a); i++)
        for (size_t k = 0; k < json_array_size(b); k++)
            if (json_equal(json_array_get(a, i), json_array_get(b, k))) {
                json_array_append(list, json_array_get(a, i));
                break;
            }
    return made(m, list);
}

static json_t *as_list(json_t *a)
{
    return json_is_array(a) ? json_copy(a) : json_pack("[O]", a);
}

static json_t *list_of_both(merger *m, const char *name, json_t *a, json_t *b)
{
    (void)name;
    json_t *list = as_list(a), *more = as_list(b);
    if (!list || !more || json_array_extend(list, more) != 0)
        schema_no_memory(m->c);
    json_decref(more);
    return list;
}

static json_t *the_same(merger *m, const char *name, json_t *a, json_t *b)
{
    return json_equal(a, b)
               ? json_incref(a)
               : fault(m, SIB_ERR_UNSUPPORTED, "different '%s' of several are not supported", name);
}

static json_t *either_true(merger *m, const char *name, json_t *a, json_t *b)
{
    (void)m;
    (void)name;
    return json_incref(json_is_true(a) ? a : b);
}

/* Whether a list of types, or one, has a type; an integer is a number too. */
static bool has_type(json_t *types, const char *name)
{
    for (size_t i = 0; i < json_array_size(types); i++)
        if (has_type(json_array_get(types, i), name))
            return true;
    const char *own = json_string_value(types);
    return own && (!strcmp(own, name) || (!strcmp(name, "integer") && !strcmp(own, "number")));
}

static json_t *shared_types(merger *m, const char *name, json_t *a, json_t *b)
{
    static const char *const types[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    json_t *list = json_array();
    (void)name;
    for (size_t i = 0; list && i < sizeof types / sizeof *types; i++)
        if (has_type(a, types[i]) && has_type(b, types[i]))
            json_array_append_new(list, json_string(types[i]));
    return made(m, list);
}

/* Alternatives of both: each of the first with the second. */
static json_t *both_alternatives(merger *m, const char *name, json_t *a, json_t *b)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < json_array_size(a); i++)
        json_array_append_new(list, json_pack("{s:[O,{s:O}]}", "allOf", json_array_get(a, i), name, b));
    return made(m, list);
}

static const struct rule {
    const char *name;
    json_t *(*merge)(merger *m, const char *name, json_t *a, json_t *b);
} rules[] = {{"type", shared_types},        {"enum", shared_values},
             {"required", list_of_both},    {"pattern", list_of_both},
             {"format", the_same},          {"minLength", larger},
             {"maxLength", smaller},        {"minItems", larger},
             {"maxItems", smaller},         {"minimum", larger},
             {"exclusiveMinimum", larger},  {"maximum", smaller},
             {"exclusiveMaximum", smaller}, {"multipleOf", common_multiple},
             {"uniqueItems", either_true},  {"anyOf", both_alternatives}};

/* ---- Members and items ------------------------------------------------------------------------------------- */

/* What each member must be: by its own schema, or by that for all others. Sets `properties` of `out`. */
static void merge_members(merger *m, json_t *out, json_t *a, json_t *b)
{
    json_t *of_a = json_object_get(a, "properties"), *of_b = json_object_get(b, "properties"),
           *others_a = json_object_get(a, "additionalProperties"),
           *others_b = json_object_get(b, "additionalProperties"), *all = json_object(), *one;
    const char *name;
    json_object_foreach(of_a, name, one)
    {
        json_t *other = json_object_get(of_b, name);
        json_object_set_new(all, name, both(m, one, other ? other : others_b));
    }
    json_object_foreach(of_b, name, one) if (!json_object_get(of_a, name))
        json_object_set_new(all, name, both(m, others_a, one));
    if (json_object_size(all))
        json_object_set(out, "properties", all);
    json_decref(all);
    if (others_a || others_b)
        json_object_set_new(out, "additionalProperties", both(m, others_a, others_b));
}

static void merge_items(merger *m, json_t *out, json_t *a, json_t *b)
{
    json_t *of_a = json_object_get(a, "prefixItems"), *of_b = json_object_get(b, "prefixItems"),
           *others_a = json_object_get(a, "items"), *others_b = json_object_get(b, "items"),
           *all = json_array();
    for (size_t i = 0; i < json_array_size(of_a) || i < json_array_size(of_b); i++) {
        json_t *one = json_array_get(of_a, i), *other = json_array_get(of_b, i);
        json_array_append_new(all, both(m, one ? one : others_a, other ? other : others_b));
    }
    if (json_array_size(all))
        json_object_set(out, "prefixItems", all);
    json_decref(all);
    if (others_a || others_b)
        json_object_set_new(out, "items", both(m, others_a, others_b));
}

/* ---- Schemas ----------------------------------------------------------------------------------------------- */

/* One schema that says what a and b say: a new reference. Takes both. */
static json_t *merge(merger *m, json_t *a, json_t *b)
{
    json_t *out = NULL;
    if (m->c->g->code != SIB_OK || !a || !b || json_is_boolean(a) || json_is_boolean(b)) {
        bool second = json_is_true(a) || json_is_false(b);
        out = a && b && m->c->g->code == SIB_OK ? json_incref(second ? b : a) : NULL;
    } else if ((out = made(m, json_copy(a)))) {
        json_object_update_missing(out, b);
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            json_t *x = json_object_get(a, rules[i].name), *y = json_object_get(b, rules[i].name);
            if (x && y)
                json_object_set_new(out, rules[i].name, rules[i].merge(m, rules[i].name, x, y));
        }
        merge_members(m, out, a, b);
        merge_items(m, out, a, b);
        json_t *types = json_object_get(out, "type");
        if (json_is_array(types) && !json_array_size(types)) {
            json_decref(out);
            out = json_false();
        }
    }
    json_decref(a);
    json_decref(b);
    return out;
}

static json_t *flat(merger *m, json_t *schema);

/* A copy of an object without what is merged, and with one name for alternatives and for values. */
static json_t *own_keywords(merger *m, json_t *schema)
{
    static const char *const shapes[][2] = {{"properties", "o"}, {"prefixItems", "a"}, {"required", "a"}};
    json_t *own = made(m, json_copy(schema)), *value = json_object_get(schema, "const");
    static const char *const merged[] = {"allOf", "$ref", "const", "oneOf"};
    for (size_t i = 0; i < sizeof merged / sizeof *merged; i++)
        json_object_del(own, merged[i]);
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        json_object_del(own, nothing[i]);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        json_t *of = json_object_get(own, shapes[i][0]);
        if (of && !(*shapes[i][1] == 'o' ? json_is_object(of) : json_is_array(of)))
            fault(m, SIB_ERR_VALUE, "'%s' has the wrong type", shapes[i][0]);
    }
    json_t *pattern = json_object_get(own, "pattern");
    if (pattern && !json_is_string(pattern) && !json_is_array(pattern))
        fault(m, SIB_ERR_VALUE, "'%s' must be a text", "pattern");
    if (value)
        own = merge(m, own, json_pack("{s:[O]}", "enum", value));
    return own;
}

/* Merges a list of schemas, or the alternatives of one, with `all`, which is taken. */
static json_t *with_list(merger *m, json_t *all, json_t *schema, const char *name)
{
    json_t *list = json_object_get(schema, name);
    if (!list)
        return all;
    if (!json_array_size(list))
        fault(m, SIB_ERR_VALUE, "'%s' must be a list of schemas", name);
    if (!strcmp(name, "oneOf"))
        return merge(m, all, json_pack("{s:O}", "anyOf", list));
    for (size_t i = 0; i < json_array_size(list) && m->c->g->code == SIB_OK; i++)
        all = merge(m, all, flat(m, json_array_get(list, i)));
    return all;
}

/* A schema with no `allOf`, `$ref`, `const` and `oneOf` of its own: a new reference, NULL after a failure. */
static json_t *flat(merger *m, json_t *schema)
{
    if (json_is_boolean(schema))
        return json_incref(schema);
    if (!json_is_object(schema))
        return fault(m, SIB_ERR_VALUE, "%s", "a schema must be an object, true or false");
    if (++m->chain > MAX_CHAIN || ++m->c->n_merged > MAX_MERGED)
        return fault(m, SIB_ERR_SIZE, "%s", "too many schemas must hold at once: see 'allOf' and '$ref'");
    json_t *all = own_keywords(m, schema);
    if (json_object_get(schema, "$ref") && m->c->g->code == SIB_OK) {
        const json_t *root,
            *found = schema_referred(m->c, &(place){m->p, "allOf", schema, m->p->root, m->p->depth}, &root);
        if (found && root != m->p->root)
            fault(m, SIB_ERR_UNSUPPORTED, "a schema with an '%s' cannot be one of several", "$id");
        all = merge(m, all, found ? flat(m, (json_t *)(uintptr_t)found) : NULL);
    }
    all = with_list(m, all, schema, "allOf");
    all = with_list(m, all, schema, "oneOf");
    m->chain--;
    return all;
}

/* Alternatives beside other keywords: each with those. Takes `all`. */
static json_t *distribute(merger *m, json_t *all)
{
    json_t *alternatives = json_object_get(all, "anyOf"), *list, *rest;
    if (!alternatives || json_object_size(all) == 1)
        return all;
    list = json_array();
    rest = json_copy(all);
    json_object_del(rest, "anyOf");
    for (size_t i = 0; list && i < json_array_size(alternatives); i++)
        json_array_append_new(list, json_pack("{s:[O,O]}", "allOf", json_array_get(alternatives, i), rest));
    json_decref(rest);
    json_decref(all);
    return made(m, json_pack("{s:o}", "anyOf", list));
}

bool schema_is_several(compiler *c, const place *p, const json_t **one)
{
    static const char *const outer[] = {"allOf", "$ref", "anyOf", "oneOf"};
    size_t n = json_object_size(p->schema), n_outer = 0;
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
        n_outer += json_object_get(p->schema, outer[i]) != NULL;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        n -= json_object_get(p->schema, nothing[i]) != NULL;
    if (!n_outer || (n == 1 && json_array_size(json_object_get(p->schema, "allOf")) < 2))
        return false;
    merger m = {.c = c, .p = p};
    *one = NULL;
    json_t *all = distribute(&m, flat(&m, (json_t *)(uintptr_t)p->schema));
    if (all && json_array_append_new(c->merged, all) != 0)
        schema_no_memory(c);
    else
        *one = all;
    return true;
}
