/* The sections "inputs", "nodes" and "outputs": resolves names to slots. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "job/document/doc.h"
#include "job/document/op.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 8 /* max nesting of loops */
#define PATH_SIZE 192

/* A name that can be referenced: "$name", or "$node.port" for a node's port. */
typedef struct scope_name {
    const char *name, *port; /* port NULL where it is not a node's */
    uint32_t slot;
} scope_name;

typedef struct nodes_reader {
    job_doc *d;
    scope_name *names; /* (n) names in scope, the innermost last */
    size_t n, capacity;
    unsigned depth;
    sib_error *err;
} nodes_reader;

static sib_code add_name(nodes_reader *r, const char *path, const char *name, const char *port, uint32_t slot)
{
    if (slot == NO_SLOT)
        return SIB_ERR_MEMORY;
    sib_code code = port ? SIB_OK : doc_name(r->d, path, name, r->err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < r->n && !port; i++)
        if (!strcmp(r->names[i].name, name))
            return doc_fault(r->d, r->err, SIB_ERR_FORMAT, path, "the name '%s' is taken", name);
    return ARRAY_PUSH(r->names, r->n, r->capacity, "names of a job", r->err, (scope_name){name, port, slot});
}

/* Finds "$node.port", "$node" where it has one port, or "$input". text begins after the $. */
static sib_code find_name(nodes_reader *r, const char *path, const char *text, uint32_t *slot)
{
    const char *dot = strchr(text, '.');
    size_t length = dot ? (size_t)(dot - text) : strlen(text), found = 0, seen = 0;
    for (size_t i = 0; i < r->n; i++) {
        const scope_name *s = &r->names[i];
        if (strncmp(s->name, text, length) || s->name[length])
            continue;
        seen++;
        if (dot ? s->port && !strcmp(s->port, dot + 1) : true) {
            *slot = s->slot;
            found++;
        }
    }
    if (found == 1)
        return SIB_OK;
    if (!seen)
        return doc_fault(r->d, r->err, SIB_ERR_FORMAT, path, "'%.*s' does not exist before this node",
                         (int)length, text);
    return found ? doc_fault(r->d, r->err, SIB_ERR_FORMAT, path, "'%s' has %zu ports: name one as $node.port",
                             text, found)
                 : doc_fault(r->d, r->err, SIB_ERR_FORMAT, path, "'%.*s' has no port '%s'", (int)length, text,
                             dot + 1);
}

/* The source of a port of a type: a reference or a literal. *slot: NO_SLOT for null. SIB_PORT_NONE accepts
   any reference. */
static sib_code read_source(nodes_reader *r, const char *path, const json_t *j, sib_port_type type,
                            uint32_t *slot)
{
    job_doc *d = r->d;
    const char *text = json_string_value(j);
    *slot = NO_SLOT;
    if (text && text[0] == '$' && text[1] != '$') {
        sib_code code = find_name(r, path, text + 1, slot);
        if (code == SIB_OK && type != SIB_PORT_NONE && !job_type_takes(type, d->types[*slot]))
            code = doc_fault(d, r->err, SIB_ERR_FORMAT, path, "'%s' is of type %s, expected %s", text,
                             job_type_name(d->types[*slot]), job_type_name(type));
        return code;
    }
    if (type == SIB_PORT_NONE)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "expected a reference, '$name'");
    job_value *value;
    sib_code code = SIB_OK;
    if (text && text[0] == '$' && type == SIB_PORT_TEXT) { /* "$$" is a text that begins with $ */
        value = job_value_text(text + 1, json_string_length(j) - 1);
        code = value ? SIB_OK : err_memory(r->err, sizeof *value, "a job's literal");
    } else
        code = doc_literal(d, j, type, path, &value, r->err);
    if (code != SIB_OK || !value)
        return code;
    *slot = doc_slot(d, type, r->err);
    if (*slot == NO_SLOT) {
        job_value_release(value);
        return SIB_ERR_MEMORY;
    }
    d->types[*slot] = value->v.type;
    d->literals[*slot] = value;
    return SIB_OK;
}

/* ---- Inputs -------------------------------------------------------------------------------------------- */

static sib_code read_input(nodes_reader *r, const char *name, const json_t *j, job_input *in)
{
    job_doc *d = r->d;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/inputs/%s", name);
    static const char *const members[] = {"type", "default", "doc", NULL};
    const char *type = json_string_value(j);
    *in = (job_input){.name = name};
    sib_code code = type ? SIB_OK : doc_only(d, j, path, members, r->err);
    if (code == SIB_OK && !type)
        code = doc_text(d, j, path, "type", &type, r->err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "doc", &in->doc, r->err);
    if (code != SIB_OK)
        return code;
    in->type = type ? job_type_named(type) : SIB_PORT_NONE;
    if (in->type == SIB_PORT_NONE)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "'%s' is not a port type", type ? type : "");
    if (in->type == SIB_PORT_SEGMENTS)
        return doc_fault(d, r->err, SIB_ERR_UNSUPPORTED, path, "segments can only be outputs");
    in->slot = doc_slot(d, in->type, r->err);
    const json_t *otherwise = json_object_get(j, "default");
    in->optional = otherwise != NULL;
    code = add_name(r, path, name, NULL, in->slot);
    if (code == SIB_OK && otherwise)
        code = doc_literal(d, otherwise, in->type, path, &d->literals[in->slot], r->err);
    return code;
}

static sib_code read_inputs(nodes_reader *r)
{
    job_doc *d = r->d;
    json_t *list = json_object_get(d->root, "inputs"), *item;
    const char *key;
    if (!json_is_object(list))
        return doc_fault(d, r->err, SIB_ERR_FORMAT, "/inputs", "expected an object");
    if (!(d->inputs = doc_take(d, json_object_size(list), sizeof *d->inputs, r->err)))
        return SIB_ERR_MEMORY;
    json_object_foreach(list, key, item)
    {
        sib_code code = read_input(r, key, item, &d->inputs[d->n_inputs]);
        if (code != SIB_OK)
            return code;
        d->n_inputs++;
    }
    return SIB_OK;
}

/* ---- Nodes --------------------------------------------------------------------------------------------- */

static size_t named_in(const char *name, size_t n, const char *(*at)(const job_doc *d, size_t i),
                       const job_doc *d)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(at(d, i), name))
            return i;
    return NO_INDEX;
}

static const char *call_name(const job_doc *d, size_t i)
{
    return d->calls[i].name;
}

static const char *tokenizer_name(const job_doc *d, size_t i)
{
    return d->tokenizers[i].name;
}

/* "calls": {"encoder": "encoder", ...}, and "tokenizer": "text". */
static sib_code read_uses(nodes_reader *r, const char *path, const json_t *j, job_node *n)
{
    job_doc *d = r->d;
    json_t *calls;
    const char *name;
    size_t n_given, n_found = 0;
    sib_code code = doc_object(d, j, path, "calls", &calls, &n_given, r->err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "tokenizer", &name, r->err);
    if (code != SIB_OK)
        return code;
    if (!(n->calls = doc_take(d, n->op->n_calls, sizeof *n->calls, r->err)))
        return SIB_ERR_MEMORY;
    for (size_t i = 0; i < n->op->n_calls; i++) {
        const json_t *item = json_object_get(calls, n->op->calls[i]);
        const char *call = json_string_value(item);
        n->calls[i] = call ? named_in(call, d->n_calls, call_name, d) : NO_INDEX;
        n_found += item != NULL;
        if (item ? n->calls[i] == NO_INDEX : i < n->op->n_needed)
            return item
                       ? doc_fault(d, r->err, SIB_ERR_FORMAT, path, "there is no call '%s'", call ? call : "")
                       : doc_fault(d, r->err, SIB_ERR_FORMAT, path, "'calls' does not name '%s'",
                                   n->op->calls[i]);
    }
    if (n_found != n_given)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "'calls' has names that op '%s' does not use",
                         n->op->name);
    if (name && !n->op->tokenizer && !n->op->may_tokenize)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "op '%s' does not use a tokenizer", n->op->name);
    n->tokenizer = name ? named_in(name, d->n_tokenizers, tokenizer_name, d) : NO_INDEX;
    if ((n->op->tokenizer || name) && n->tokenizer == NO_INDEX)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "there is no tokenizer '%s'", name ? name : "");
    return SIB_OK;
}

/* Sets the ports of a node that calls a model: those of its call, all tensors. */
static sib_code ports_of_call(nodes_reader *r, const char *path, job_node *n)
{
    job_doc *d = r->d;
    const job_call_doc *c = &d->calls[n->calls[0]];
    job_port *ports = doc_take(d, c->inputs.n + c->outputs.n, sizeof *ports, r->err);
    if (!ports)
        return SIB_ERR_MEMORY;
    for (size_t i = 0; i < c->inputs.n + c->outputs.n; i++) {
        bool in = i < c->inputs.n;
        const job_pair *pair = in ? &c->inputs.items[i] : &c->outputs.items[i - c->inputs.n];
        if (strchr(pair->from, '*'))
            return doc_fault(d, r->err, SIB_ERR_FORMAT, path,
                             "call '%s' has ports by pattern ('%s'), which nodes cannot name", c->name,
                             pair->from);
        bool fixed = false;
        for (size_t k = 0; k < c->n_fixed; k++)
            fixed = fixed || !strcmp(c->fixed[k].name, pair->to);
        ports[i] = (job_port){pair->from, SIB_PORT_TENSOR, in && !fixed, ""};
    }
    n->inputs = ports;
    n->n_inputs = c->inputs.n;
    n->outputs = ports + c->inputs.n;
    n->n_outputs = c->outputs.n;
    return SIB_OK;
}

static sib_code read_ports(nodes_reader *r, const char *path, const json_t *j, job_node *n)
{
    job_doc *d = r->d;
    json_t *given, *item;
    const char *key;
    size_t n_given;
    sib_code code = doc_object(d, j, path, "inputs", &given, &n_given, r->err);
    if (code != SIB_OK)
        return code;
    if (!(n->in = doc_take(d, n->n_inputs, sizeof *n->in, r->err)))
        return SIB_ERR_MEMORY;
    json_object_foreach(given, key, item)
    {
        size_t i = 0;
        while (i < n->n_inputs && strcmp(n->inputs[i].name, key))
            i++;
        if (i == n->n_inputs)
            return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "'%s' has no port '%s'", n->op->name, key);
    }
    for (size_t i = 0; i < n->n_inputs; i++) {
        char where[PATH_SIZE + 64];
        snprintf(where, sizeof where, "%s/inputs/%s", path, n->inputs[i].name);
        item = json_object_get(given, n->inputs[i].name);
        n->in[i] = NO_SLOT;
        code = item ? read_source(r, where, item, n->inputs[i].type, &n->in[i]) : SIB_OK;
        if (code == SIB_OK && n->in[i] == NO_SLOT && n->inputs[i].required)
            code = doc_fault(d, r->err, SIB_ERR_FORMAT, where, "this port has no value");
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code read_block(nodes_reader *r, const char *path, const json_t *list, job_block *out);

/* Takes consecutive slots for the outputs, whose names are in scope from here on. */
static sib_code give_outputs(nodes_reader *r, const char *path, job_node *n)
{
    n->out = r->d->n_slots;
    for (size_t i = 0; i < n->n_outputs; i++) {
        uint32_t slot = doc_slot(r->d, n->outputs[i].type, r->err);
        sib_code code = add_name(r, path, n->name, n->outputs[i].name, slot);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* ---- Loops --------------------------------------------------------------------------------------------- */

/* "state": {"tokens": {"initial": "$prompt", "next": "$choose.token"}}: what is needed before the body. */
static sib_code begin_states(nodes_reader *r, const char *path, const json_t *j, job_loop *loop)
{
    static const char *const members[] = {"initial", "next", NULL};
    json_t *states, *item;
    const char *key;
    size_t n;
    sib_code code = doc_object(r->d, j, path, "state", &states, &n, r->err);
    if (code != SIB_OK || !(loop->states = doc_take(r->d, n, sizeof *loop->states, r->err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    json_object_foreach(states, key, item)
    {
        char place[PATH_SIZE + 64], where[PATH_SIZE + 80];
        snprintf(place, sizeof place, "%s/state/%s", path, key);
        if ((code = doc_only(r->d, item, place, members, r->err)) != SIB_OK)
            return code;
        snprintf(where, sizeof where, "%s/initial", place);
        job_state *s = &loop->states[loop->n_states];
        s->name = key;
        code = read_source(r, where, json_object_get(item, "initial"), SIB_PORT_NONE, &s->initial);
        if (code != SIB_OK)
            return code;
        s->slot = doc_slot(r->d, r->d->types[s->initial], r->err);
        if ((code = add_name(r, place, key, NULL, s->slot)) != SIB_OK)
            return code;
        loop->n_states++;
    }
    return SIB_OK;
}

/* "over": {"window": "$windows"} */
static sib_code begin_over(nodes_reader *r, const char *path, const json_t *j, job_loop *loop)
{
    json_t *over, *item;
    const char *key;
    size_t n;
    sib_code code = doc_object(r->d, j, path, "over", &over, &n, r->err);
    if (code != SIB_OK || !(loop->over = doc_take(r->d, n, sizeof *loop->over, r->err)))
        return code != SIB_OK ? code : SIB_ERR_MEMORY;
    json_object_foreach(over, key, item)
    {
        char where[PATH_SIZE + 64];
        snprintf(where, sizeof where, "%s/over/%s", path, key);
        job_over *o = &loop->over[loop->n_over];
        o->name = key;
        code = read_source(r, where, item, SIB_PORT_NONE, &o->list);
        if (code == SIB_OK && r->d->types[o->list] != SIB_PORT_TENSOR)
            code = doc_fault(r->d, r->err, SIB_ERR_FORMAT, where, "expected a tensor");
        o->slot = code == SIB_OK ? doc_slot(r->d, SIB_PORT_TENSOR, r->err) : NO_SLOT;
        if (code == SIB_OK)
            code = add_name(r, where, key, NULL, o->slot);
        if (code != SIB_OK)
            return code;
        loop->n_over++;
    }
    return SIB_OK;
}

/* Reads what the body determines: next states, the end. */
static sib_code end_states(nodes_reader *r, const char *path, json_t *j, job_loop *loop)
{
    const json_t *states = json_object_get(j, "state"), *until = json_object_get(j, "until");
    char where[PATH_SIZE + 64];
    for (size_t i = 0; i < loop->n_states; i++) {
        job_state *s = &loop->states[i];
        snprintf(where, sizeof where, "%s/state/%s/next", path, s->name);
        sib_code code = read_source(r, where, json_object_get(json_object_get(states, s->name), "next"),
                                    r->d->types[s->slot], &s->next);
        if (code == SIB_OK && s->next == NO_SLOT)
            code = doc_fault(r->d, r->err, SIB_ERR_FORMAT, where, "expected a reference");
        if (code != SIB_OK)
            return code;
    }
    loop->n_until = json_is_array(until) ? json_array_size(until) : until != NULL;
    if (!(loop->until = doc_take(r->d, loop->n_until, sizeof *loop->until, r->err)))
        return SIB_ERR_MEMORY;
    snprintf(where, sizeof where, "%s/until", path);
    for (size_t i = 0; i < loop->n_until; i++) {
        sib_code code = read_source(r, where, json_is_array(until) ? json_array_get(until, i) : until,
                                    SIB_PORT_FLAG, &loop->until[i]);
        if (code == SIB_OK && loop->until[i] == NO_SLOT)
            code = doc_fault(r->d, r->err, SIB_ERR_FORMAT, where, "expected a reference to a flag");
        if (code != SIB_OK)
            return code;
    }
    if (!loop->n_until && !loop->n_over && loop->max_steps == NO_SLOT)
        return doc_fault(r->d, r->err, SIB_ERR_FORMAT, path,
                         "nothing ends the loop: it needs 'until', 'over' or 'max_steps'");
    return SIB_OK;
}

/* Type of a collection by type of its items: texts are joined, numbers and tokens listed, tensors stacked. */
static sib_port_type collected_type(sib_port_type item)
{
    return item == SIB_PORT_NUMBER                                                       ? SIB_PORT_NUMBERS
           : item == SIB_PORT_TEXT || item == SIB_PORT_TOKENS || item == SIB_PORT_TENSOR ? item
                                                                                         : SIB_PORT_NONE;
}

/* Ports of the loop: its states, and what it collects. */
static sib_code loop_ports(nodes_reader *r, const char *path, json_t *j, job_node *n)
{
    job_loop *loop = n->loop;
    json_t *collect, *item;
    const char *key;
    size_t n_collects, at = 0;
    sib_code code = doc_object(r->d, j, path, "collect", &collect, &n_collects, r->err);
    if (code != SIB_OK)
        return code;
    size_t count = loop->n_states + n_collects;
    job_port *ports = doc_take(r->d, count, sizeof *ports, r->err);
    if (!ports || !(loop->collects = doc_take(r->d, n_collects, sizeof *loop->collects, r->err)))
        return SIB_ERR_MEMORY;
    for (; at < loop->n_states; at++)
        ports[at] = (job_port){loop->states[at].name, r->d->types[loop->states[at].slot], false, ""};
    json_object_foreach(collect, key, item)
    {
        char where[PATH_SIZE + 64];
        snprintf(where, sizeof where, "%s/collect/%s", path, key);
        job_collect *c = &loop->collects[loop->n_collects++];
        code = read_source(r, where, item, SIB_PORT_NONE, &c->item);
        if (code == SIB_OK)
            code = doc_name(r->d, where, key, r->err);
        for (size_t i = 0; i < loop->n_states && code == SIB_OK; i++)
            if (!strcmp(loop->states[i].name, key))
                code =
                    doc_fault(r->d, r->err, SIB_ERR_FORMAT, where, "the name '%s' is taken by a state", key);
        if (code != SIB_OK)
            return code;
        ports[at] = (job_port){key, collected_type(r->d->types[c->item]), false, ""};
        if (ports[at++].type == SIB_PORT_NONE)
            return doc_fault(r->d, r->err, SIB_ERR_FORMAT, where, "items of type %s cannot be collected",
                             job_type_name(r->d->types[c->item]));
    }
    n->outputs = ports;
    n->n_outputs = count;
    return SIB_OK;
}

static sib_code read_loop(nodes_reader *r, const char *path, json_t *j, job_node *n)
{
    char where[PATH_SIZE + 64];
    job_loop *loop = n->loop = doc_take(r->d, 1, sizeof *loop, r->err);
    if (!loop)
        return SIB_ERR_MEMORY;
    if (r->depth >= MAX_DEPTH)
        return doc_fault(r->d, r->err, SIB_ERR_SIZE, path, "loops are nested more than %d deep", MAX_DEPTH);
    size_t outside = r->n;
    loop->max_steps = NO_SLOT;
    const json_t *steps = json_object_get(j, "max_steps");
    snprintf(where, sizeof where, "%s/max_steps", path);
    sib_code code = steps ? read_source(r, where, steps, SIB_PORT_NUMBER, &loop->max_steps) : SIB_OK;
    if (code == SIB_OK)
        code = begin_states(r, path, j, loop);
    if (code == SIB_OK)
        code = begin_over(r, path, j, loop);
    snprintf(where, sizeof where, "%s/body", path);
    r->depth++;
    if (code == SIB_OK)
        code = read_block(r, where, json_object_get(j, "body"), &loop->body);
    r->depth--;
    if (code == SIB_OK)
        code = end_states(r, path, j, loop);
    if (code == SIB_OK)
        code = loop_ports(r, path, j, n);
    r->n = outside; /* names of the body go out of scope */
    return code;
}

static sib_code read_node(nodes_reader *r, const char *path, json_t *j, job_node *n)
{
    static const char *const of_all[] = {"name", "op", "doc", "inputs", "calls", "tokenizer", NULL},
                             *const of_loops[] = {"name", "op",    "doc",       "state",   "over",
                                                  "body", "until", "max_steps", "collect", NULL};
    job_doc *d = r->d;
    const char *op = json_string_value(json_object_get(j, "op"));
    n->name = json_string_value(json_object_get(j, "name"));
    if (!n->name || !op)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "a node must have a 'name' and an 'op'");
    sib_code code = doc_name(d, path, n->name, r->err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->names[i].name, n->name))
            return doc_fault(d, r->err, SIB_ERR_FORMAT, path, "the name '%s' is taken", n->name);
    const job_op *const *row = d->ops;
    while (*row && strcmp((*row)->name, op))
        row++;
    n->op = *row;
    if (!n->op)
        return doc_fault(d, r->err, SIB_ERR_UNSUPPORTED, path, "node '%s': there is no op '%s'", n->name, op);
    code = doc_only(d, j, path, n->op->loop ? of_loops : of_all, r->err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "doc", &n->doc, r->err);
    if (code != SIB_OK)
        return code;
    n->number = d->n_nodes++;
    n->inputs = n->op->inputs;
    n->n_inputs = n->op->n_inputs;
    n->outputs = n->op->outputs;
    n->n_outputs = n->op->n_outputs;
    code = read_uses(r, path, j, n);
    if (code == SIB_OK && n->op->call)
        code = ports_of_call(r, path, n);
    if (code == SIB_OK)
        code = read_ports(r, path, j, n);
    if (code == SIB_OK && n->op->loop)
        code = read_loop(r, path, j, n);
    return code == SIB_OK ? give_outputs(r, path, n) : code;
}

static sib_code read_block(nodes_reader *r, const char *path, const json_t *list, job_block *out)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || !n)
        return doc_fault(r->d, r->err, SIB_ERR_FORMAT, path, "expected a list of nodes");
    if (!(out->nodes = doc_take(r->d, n, sizeof *out->nodes, r->err)))
        return SIB_ERR_MEMORY;
    for (; out->n < n; out->n++) {
        char where[PATH_SIZE];
        snprintf(where, sizeof where, "%s/%zu", path, out->n);
        sib_code code = read_node(r, where, json_array_get(list, out->n), &out->nodes[out->n]);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* ---- Outputs ------------------------------------------------------------------------------------------- */

/* "outputs": {"text": "$words.text", "span": {"from": "$spans", "doc": "..."}} */
static sib_code read_outputs(nodes_reader *r)
{
    job_doc *d = r->d;
    static const char *const members[] = {"from", "doc", NULL};
    json_t *list, *item;
    const char *key;
    size_t n;
    sib_code code = doc_object(d, d->root, "", "outputs", &list, &n, r->err);
    if (code != SIB_OK)
        return code;
    if (!n)
        return doc_fault(d, r->err, SIB_ERR_FORMAT, "/outputs", "a job must have an output");
    if (!(d->outputs = doc_take(d, json_object_size(list), sizeof *d->outputs, r->err)))
        return SIB_ERR_MEMORY;
    json_object_foreach(list, key, item)
    {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "/outputs/%s", key);
        job_output *o = &d->outputs[d->n_outputs];
        *o = (job_output){.name = key};
        code = doc_name(d, path, key, r->err);
        if (code == SIB_OK && json_is_object(item))
            code = doc_only(d, item, path, members, r->err);
        if (code == SIB_OK)
            code = doc_text(d, item, path, "doc", &o->doc, r->err);
        if (code != SIB_OK)
            return code;
        code = read_source(r, path, json_is_object(item) ? json_object_get(item, "from") : item,
                           SIB_PORT_NONE, &o->slot);
        if (code != SIB_OK)
            return code;
        o->type = d->types[o->slot];
        d->n_outputs++;
    }
    return SIB_OK;
}

sib_code doc_read_nodes(job_doc *d, sib_error *err)
{
    nodes_reader r = {.d = d, .err = err};
    sib_code code = read_inputs(&r);
    if (code == SIB_OK)
        code = read_block(&r, "/nodes", json_object_get(d->root, "nodes"), &d->block);
    if (code == SIB_OK)
        code = read_outputs(&r);
    if (code == SIB_OK)
        code = doc_index(d, err);
    mem_free(r.names);
    return code;
}
