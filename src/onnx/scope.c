/* Names and their values, across nested graphs. */
#include "onnx/reader.h"

#include <stdio.h>
#include <string.h>

/* Gets the value of graph `to` for v of graph `from`, which is `to` or encloses it, by captures. */
static sib_code bring(reader *r, const graph *from, value_id v, graph *to, value_id *out)
{
    value_id outer = v;
    if (to == from) {
        *out = v;
        return SIB_OK;
    }
    if (!to->outer)
        return reader_fail(r, SIB_ERR_FORMAT, NULL, "a value cannot be reached from a graph");
    sib_code code = bring(r, from, v, to->outer, &outer);
    return code == SIB_OK ? graph_capture(to, outer, out, r->err) : code;
}

sib_code scope_find(reader *r, scope *s, sib_str name, bool *found, value_id *out)
{
    *found = true;
    *out = NO_VALUE;
    if (name.length == 0 || name_map_find(&s->names, name, out))
        return SIB_OK;
    for (const scope *o = s->outer; o; o = o->outer) {
        value_id v;
        if (!name_map_find(&o->names, name, &v))
            continue;
        if (v == NO_VALUE)
            return SIB_OK;
        sib_code code = bring(r, o->g, v, s->g, out);
        if (code == SIB_OK && !name_map_put(&s->names, name, *out))
            code = reader_memory(r, name.length, "a name");
        return code;
    }
    *found = false;
    return SIB_OK;
}

/* Makes a name that no value of the model has: prefix, name, and a number where that is taken. In scratch
   memory. */
static sib_code scope_name(reader *r, const scope *s, sib_str name, sib_str *out)
{
    size_t room = s->prefix.length + name.length + 16; /* for "_4294967295" */
    char *text = arena_alloc(r->scratch, room, 1);
    if (!text)
        return reader_memory(r, room, "a name");
    if (s->prefix.length)
        memcpy(text, s->prefix.data, s->prefix.length);
    if (name.length)
        memcpy(text + s->prefix.length, name.data, name.length);
    sib_str plain = {text, s->prefix.length + name.length};
    uint32_t next = 0, unused;
    *out = plain;
    if (!name_map_find(&r->taken, plain, &next)) {
        if (!name_map_put(&r->taken, plain, 1))
            return reader_memory(r, room, "a name");
        return SIB_OK;
    }
    char *numbered = arena_alloc(r->scratch, room, 1);
    if (!numbered)
        return reader_memory(r, room, "a name");
    memcpy(numbered, text, plain.length);
    do {
        out->length =
            plain.length + (size_t)snprintf(numbered + plain.length, room - plain.length, "_%u", next++);
        out->data = numbered;
    } while (name_map_find(&r->taken, *out, &unused));
    if (!name_map_put(&r->taken, plain, next) || !name_map_put(&r->taken, *out, 1))
        return reader_memory(r, room, "a name");
    return SIB_OK;
}

static sib_code check_new(reader *r, const scope *s, sib_str name, const uint8_t *at, bool is_input)
{
    uint32_t v;
    if (name_map_find(&s->names, name, &v))
        return reader_fail(r, SIB_ERR_FORMAT, at, "two values are named '%.*s'", STR_ARGS(name));
    for (const scope *o = s->outer; o; o = o->outer) {
        if (!name_map_find(&o->names, name, &v))
            continue;
        if (!is_input)
            return reader_fail(r, SIB_ERR_FORMAT, at,
                               "a value is named '%.*s', which is also the name of one in the outer graph",
                               STR_ARGS(name));
        reader_notice(r, "input '%.*s' of a subgraph hides a value of the outer graph", STR_ARGS(name));
        break;
    }
    return SIB_OK;
}

sib_code scope_define(reader *r, scope *s, sib_str name, const uint8_t *at, bool is_input, value_id *out)
{
    static const value_type unknown;
    sib_str shown = name;
    *out = NO_VALUE;
    if (name.length == 0)
        return reader_fail(r, SIB_ERR_FORMAT, at, "an input or initializer of a graph has no name");
    sib_code code = check_new(r, s, name, at, is_input);
    if (code != SIB_OK)
        return code;
    if (!name_map_find(&s->results, name, out)) {
        if (s->prefix.length)
            code = scope_name(r, s, name, &shown);
        if (code == SIB_OK)
            code = graph_add_value(s->g, shown, &unknown, out, r->err);
    }
    if (code == SIB_OK && !name_map_put(&s->names, name, *out))
        code = reader_memory(r, name.length, "a name");
    return code;
}

/* The highest version of a domain that a list imports, or 0. */
static int64_t imported(const opset_import *list, size_t n, sib_str domain)
{
    int64_t version = 0;
    for (size_t i = 0; i < n; i++)
        if (str_same(list[i].domain, domain) && list[i].version > version)
            version = list[i].version;
    return version;
}

int64_t scope_version(reader *r, const scope *s, sib_str domain)
{
    int64_t version = 0;
    uint32_t seen;
    if (s->call)
        version = imported(s->call->function->opsets, s->call->function->n_opsets, domain);
    if (version <= 0)
        version = imported(r->model->opsets, r->n_model_opsets, domain);
    if (version > 0)
        return version;
    if (!name_map_find(&r->missing, domain, &seen) && name_map_put(&r->missing, domain, 1))
        reader_notice(r, "the domain '%.*s' is not in opset_import: its operators are read as of version 1",
                      STR_ARGS(domain.length ? domain : str_of("ai.onnx")));
    return 1;
}
