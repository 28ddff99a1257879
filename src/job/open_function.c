#include "job/open_function.h"

#include "base/error.h"

#include <jansson.h>
#include <sibyl/build.h>
#include <sibyl/extend.h>
#include <stdio.h>
#include <string.h>

#define OPSET     21 /* of the graph around the function, which has its own */
#define MAX_PORTS 64 /* inputs and outputs of a function */

/* Adds an input [dtype, rank] with open dims. */
static sib_code add_input(sib_build *b, const char *name, const json_t *type, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    const char *dtype = json_string_value(json_array_get(type, 0));
    const json_t *rank = json_array_get(type, 1);
    const sib_dtype found = dtype ? sib_dtype_from_name(dtype) : SIB_DTYPE_UNKNOWN;
    if (found == SIB_DTYPE_UNKNOWN || !json_is_integer(rank) || json_integer_value(rank) < 0 ||
        json_integer_value(rank) > SIB_MAX_RANK || json_array_size(type) != 2)
        return err_set(err, SIB_ERR_FORMAT, "its input '%s' is no [dtype, rank]", name);
    for (size_t i = 0; i < SIB_MAX_RANK; i++)
        dims[i] = -1;
    return sib_build_input(b, name, found, (size_t)json_integer_value(rank), dims, NULL, err);
}

/* The graph: one node, which calls the operator "domain:Name". */
static sib_code add_all(sib_build *b, const char *op, const job_model_doc *m, sib_error *err)
{
    char domain[256];
    const char *colon = strchr(op, ':'), *ins[MAX_PORTS], *outs[MAX_PORTS];
    sib_build_node n = {.domain = domain, .type = colon ? colon + 1 : op, .inputs = ins, .outputs = outs};
    snprintf(domain, sizeof domain, "%.*s", colon ? (int)(colon - op) : 0, op);
    sib_code code = domain[0] ? sib_build_opset(b, domain, 1, err) : SIB_OK;
    json_t *types = (json_t *)(uintptr_t)m->types; /* read alone */
    for (void *at = json_object_iter(types); at && code == SIB_OK; at = json_object_iter_next(types, at)) {
        ins[n.n_inputs] = json_object_iter_key(at);
        code = add_input(b, ins[n.n_inputs++], json_object_iter_value(at), err);
    }
    for (; n.n_outputs < json_array_size(m->names); n.n_outputs++)
        outs[n.n_outputs] = json_string_value(json_array_get(m->names, n.n_outputs));
    if (code == SIB_OK)
        code = sib_build_add(b, &n, err);
    for (size_t i = 0; i < n.n_outputs && code == SIB_OK; i++)
        code = sib_build_output(b, outs[i], err);
    return code;
}

static sib_code make(const job_model_doc *m, sib_registry *r, sib_model **out, sib_error *err)
{
    sib_build *b = NULL;
    size_t last = 0;
    if (json_object_size(m->types) > MAX_PORTS || json_array_size(m->names) > MAX_PORTS)
        return err_set(err, SIB_ERR_SIZE, "it has more than %d inputs or outputs", MAX_PORTS);
    sib_code code = sib_function_register_text(r, m->text, strlen(m->text), "its function", err);
    if (code != SIB_OK)
        return code;
    while (sib_registry_operator(r, last + 1))
        last++;
    if (!sib_registry_operator(r, last))
        return err_set(err, SIB_ERR_FORMAT, "its text holds no function");
    code = sib_build_create(OPSET, &b, err);
    if (code == SIB_OK)
        code = sib_build_registry(b, r, err);
    if (code == SIB_OK)
        code = add_all(b, sib_registry_operator(r, last), m, err);
    if (code == SIB_OK)
        code = sib_build_model(&b, out, err);
    sib_build_free(&b);
    return code;
}

sib_code job_open_function(const job_doc *d, const job_model_doc *m, sib_model **out, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    char path[128];
    sib_code code = sib_registry_create(&r, &why);
    if (code == SIB_OK)
        code = make(m, r, out, &why);
    sib_registry_free(&r); /* the model keeps it */
    snprintf(path, sizeof path, "/models/%s", m->name);
    return code == SIB_OK ? code : doc_fault(d, err, code, path, "%s", why.message);
}
