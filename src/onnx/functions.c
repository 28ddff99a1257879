/* Model-local functions: each call is replaced by the function's nodes, prefixed with the call's name. */
#include "onnx/reader.h"

#include "base/alloc.h"
#include "onnx/text_function.h"

#include <stdio.h>
#include <string.h>

/* "domain\0name\0overload", in the scratch arena. */
static sib_code function_key(reader *r, sib_str domain, sib_str name, sib_str overload, sib_str *out)
{
    const sib_str parts[] = {domain, name, overload};
    char *text = arena_alloc(r->scratch, domain.length + name.length + overload.length + 3, 1), *at = text;
    if (!text)
        return reader_memory(r, name.length, "a name");
    for (int i = 0; i < 3; i++) {
        if (parts[i].length)
            memcpy(at, parts[i].data, parts[i].length);
        at += parts[i].length + 1;
    }
    *out = (sib_str){text, (size_t)(at - text)};
    return SIB_OK;
}

static sib_code make_label(reader *r, raw_function *f)
{
    size_t domain = f->domain.length ? f->domain.length + 1 : 0;
    char *text = arena_alloc(r->arena, domain + f->name.length + 1, 1);
    if (!text)
        return reader_memory(r, f->name.length, "a name");
    if (domain) {
        memcpy(text, f->domain.data, domain - 1);
        text[domain - 1] = ':';
    }
    if (f->name.length)
        memcpy(text + domain, f->name.data, f->name.length);
    f->label = (sib_str){text, domain + f->name.length};
    return SIB_OK;
}

sib_code functions_more(reader *r)
{
    size_t own = r->n_functions;
    sib_code code = SIB_OK;
    for (size_t i = 0; r->more && i < r->more->n && code == SIB_OK; i++) {
        const text_function *f = r->more->functions[i];
        bool there = false;
        for (size_t k = 0; k < own && !there; k++)
            there = str_same(r->functions[k].name, f->name) && str_same(r->functions[k].domain, f->domain);
        if (there)
            continue;
        wire_span bytes = {(const uint8_t *)f->bytes.data, f->bytes.length};
        code = raw_read_function(r, bytes, &r->functions[r->n_functions]);
        r->n_functions += code == SIB_OK;
    }
    return code;
}

sib_code function_names(reader *r)
{
    for (size_t i = 0; i < r->n_functions; i++) {
        raw_function *f = &r->functions[i];
        sib_str key;
        uint32_t other;
        sib_code code = function_key(r, f->domain, f->name, f->overload, &key);
        if (code == SIB_OK)
            code = make_label(r, f);
        if (code != SIB_OK)
            return code;
        if (name_map_find(&r->function_names, key, &other))
            return reader_fail(r, SIB_ERR_FORMAT, f->at, "two functions are named '%.*s' in domain '%.*s'",
                               STR_ARGS(f->name), STR_ARGS(f->domain));
        if (!name_map_put(&r->function_names, key, (uint32_t)i))
            return reader_memory(r, key.length, "a name");
    }
    return SIB_OK;
}

const raw_function *function_find(const reader *r, const raw_node *n)
{
    char text[512], *at = text;
    const sib_str parts[] = {n->domain, n->type, n->overload};
    uint32_t index;
    if (r->n_functions == 0)
        return NULL;
    if (n->domain.length > 160 || n->type.length > 160 || n->overload.length > 160) {
        for (size_t i = 0; i < r->n_functions; i++)
            if (str_same(r->functions[i].domain, n->domain) && str_same(r->functions[i].name, n->type) &&
                str_same(r->functions[i].overload, n->overload))
                return &r->functions[i];
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        if (parts[i].length)
            memcpy(at, parts[i].data, parts[i].length);
        at += parts[i].length;
        *at++ = '\0';
    }
    return name_map_find(&r->function_names, (sib_str){text, (size_t)(at - text)}, &index)
               ? &r->functions[index]
               : NULL;
}

const binding *call_binding(const call *c, sib_str name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_same(c->bindings[i].name, name))
            return &c->bindings[i];
    return NULL;
}

/* Binds the call's attributes, then defaults for those it omits. A call inside a function may pass on
   attributes of that function's call. */
static void bind(call *c, const scope *caller, const scope *inside, const raw_node *n)
{
    for (uint32_t i = 0; i < n->n_attributes; i++) {
        const raw_attribute *a = &n->attributes[i];
        binding b = {.name = a->name, .attribute = a, .scope = caller};
        if (a->ref.length) {
            const binding *handed = caller->call ? call_binding(caller->call, a->ref) : NULL;
            if (!handed)
                continue;
            b.attribute = handed->attribute;
            b.scope = handed->scope;
        }
        c->bindings[c->n++] = b;
    }
    for (size_t i = 0; i < c->function->n_defaults; i++) {
        const raw_attribute *a = &c->function->defaults[i];
        if (!call_binding(c, a->name) && !a->ref.length)
            c->bindings[c->n++] = (binding){.name = a->name, .attribute = a, .scope = inside};
    }
}

static sib_code check_call(reader *r, const scope *s, const raw_node *n, const raw_function *f)
{
    if (r->depth >= r->max_depth)
        return reader_fail(r, SIB_ERR_SIZE, n->at,
                           "graphs and functions are nested deeper than the limit of %u", r->max_depth);
    for (const call *c = s->call; c; c = c->caller)
        if (c->function == f)
            return reader_fail(r, SIB_ERR_FORMAT, n->at, "function '%.*s' calls itself", STR_ARGS(f->name));
    if (n->n_inputs > f->n_inputs || n->n_outputs > f->n_outputs)
        return reader_fail(r, SIB_ERR_FORMAT, n->at,
                           "node '%.*s' has %u inputs and %u outputs, function '%.*s' has %zu and %zu",
                           STR_ARGS(n->name), n->n_inputs, n->n_outputs, STR_ARGS(f->name), f->n_inputs,
                           f->n_outputs);
    if (f->n_defaults > READER_MAX_ATTRIBUTES)
        return reader_fail(r, SIB_ERR_SIZE, f->at, "function '%.*s' has %zu attributes, expected at most %d",
                           STR_ARGS(f->name), f->n_defaults, READER_MAX_ATTRIBUTES);
    return SIB_OK;
}

/* "outer/call/": the call's name, or the function's with a number. */
static sib_code make_prefix(reader *r, const scope *s, const raw_node *n, const raw_function *f, sib_str *out)
{
    sib_str own = n->name.length ? n->name : f->name;
    size_t room = s->prefix.length + own.length + 16, at = s->prefix.length;
    char *text = arena_alloc(r->scratch, room, 1);
    if (!text)
        return reader_memory(r, room, "a name");
    if (at)
        memcpy(text, s->prefix.data, at);
    if (own.length)
        memcpy(text + at, own.data, own.length);
    at += own.length;
    if (n->name.length == 0)
        at += (size_t)snprintf(text + at, room - at, "_%u", r->n_calls++);
    text[at++] = '/';
    *out = (sib_str){text, at};
    return SIB_OK;
}

/* Binds the function's input names to the call's inputs, and adds the values of the call's outputs. */
static sib_code bind_values(reader *r, scope *s, scope *in, const raw_node *n, const raw_function *f,
                            value_id *results)
{
    for (size_t i = 0; i < f->n_inputs; i++) {
        bool found = true;
        value_id v = NO_VALUE;
        sib_code code = i < n->n_inputs ? scope_find(r, s, n->inputs[i], &found, &v) : SIB_OK;
        if (code == SIB_OK && !found)
            code =
                reader_fail(r, SIB_ERR_FORMAT, n->at, "node '%.*s' (%.*s): its input '%.*s' does not exist",
                            STR_ARGS(n->name), STR_ARGS(n->type), STR_ARGS(n->inputs[i]));
        if (code == SIB_OK && !name_map_put(&in->names, f->inputs[i], v))
            code = reader_memory(r, 0, "a name");
        if (code != SIB_OK)
            return code;
    }
    for (size_t i = 0; i < n->n_outputs; i++) {
        uint32_t other;
        results[i] = NO_VALUE;
        if (n->outputs[i].length == 0)
            continue;
        sib_code code = scope_define(r, s, n->outputs[i], n->at, false, &results[i]);
        if (code == SIB_OK && !name_map_find(&in->results, f->outputs[i], &other) &&
            !name_map_put(&in->results, f->outputs[i], results[i]))
            code = reader_memory(r, 0, "a name");
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* An output that is also an input of the function, or listed twice, needs an Identity. */
static sib_code tie_result(reader *r, scope *s, scope *in, const raw_node *n, sib_str name, value_id result)
{
    value_id v = NO_VALUE;
    if (!name_map_find(&in->names, name, &v) || v == NO_VALUE)
        return reader_fail(r, SIB_ERR_FORMAT, n->at, "function '%.*s' does not compute its output '%.*s'",
                           STR_ARGS(n->type), STR_ARGS(name));
    if (v == result)
        return SIB_OK;
    node identity = {.domain = {"", 0},
                     .type = {"Identity", 8},
                     .doc = {"", 0},
                     .origin = NO_NODE,
                     .function = in->call->function->label,
                     .version = scope_version(r, in, (sib_str){"", 0}),
                     .inputs = {1, &v},
                     .outputs = {1, &result}};
    char *text = arena_alloc(r->arena, in->prefix.length + sizeof "Identity", 1);
    if (!text)
        return reader_memory(r, in->prefix.length, "a name");
    memcpy(text, in->prefix.data, in->prefix.length);
    memcpy(text + in->prefix.length, "Identity", 8);
    identity.name = (sib_str){text, in->prefix.length + 8};
    node_id id;
    return graph_add_node(s->g, &identity, &id, r->err);
}

/* Adds the opsets of a function that the model does not import. */
static sib_code add_opsets(reader *r, const raw_function *f)
{
    onnx_model *m = r->model;
    for (size_t i = 0; i < f->n_opsets; i++) {
        bool known = false;
        for (size_t k = 0; k < m->n_opsets && !known; k++)
            known = str_same(m->opsets[k].domain, f->opsets[i].domain) &&
                    m->opsets[k].version == f->opsets[i].version;
        if (known)
            continue;
        if (!reader_room(r->arena, &m->opsets, m->n_opsets, &r->opset_capacity, sizeof *m->opsets))
            return reader_memory(r, sizeof *m->opsets, "opsets");
        m->opsets[m->n_opsets].version = f->opsets[i].version;
        sib_code code = reader_string(r, f->opsets[i].domain, &m->opsets[m->n_opsets].domain);
        if (code != SIB_OK)
            return code;
        m->n_opsets++;
    }
    return SIB_OK;
}

static sib_code inline_inside(reader *r, scope *s, scope *in, const raw_node *n, const raw_function *f,
                              value_id *results)
{
    sib_code code = add_opsets(r, f);
    if (code == SIB_OK)
        code = bind_values(r, s, in, n, f, results);
    if (code == SIB_OK)
        code = body_read(r, in, &f->body);
    for (size_t i = 0; code == SIB_OK && i < n->n_outputs; i++)
        if (results[i] != NO_VALUE)
            code = tie_result(r, s, in, n, f->outputs[i], results[i]);
    return code == SIB_OK ? infos_read(r, in, f->n_infos, f->infos) : code;
}

sib_code function_inline(reader *r, scope *s, const raw_node *n, const raw_function *f)
{
    sib_code code = check_call(r, s, n, f);
    if (code != SIB_OK)
        return code;
    call c = {.function = f, .caller = s->call};
    scope in = {.g = s->g, .call = &c};
    sib_str prefix_before = r->dim_prefix;
    value_id *results = mem_alloc(n->n_outputs, sizeof *results);
    c.bindings = mem_alloc(n->n_attributes + f->n_defaults, sizeof *c.bindings);
    if (results && c.bindings) {
        bind(&c, s, &in, n);
        r->depth++;
        code = make_prefix(r, s, n, f, &in.prefix);
        r->dim_prefix = in.prefix;
        if (code == SIB_OK)
            code = inline_inside(r, s, &in, n, f, results);
        r->depth--;
        r->dim_prefix = prefix_before;
    } else {
        code = reader_memory(r, 0, "a call of a function");
    }
    name_map_clear(&in.names);
    name_map_clear(&in.results);
    mem_free(results);
    mem_free(c.bindings);
    return code;
}
