/* A model's file: opened with inference, everything in it read, parts cut out of it, and its nodes lowered. */
#include "fuzz.h"
#include "models.h"

#include <string.h>

/* The milli-ops that a node is lowered to. */
static void lower(const sib_graph *g, size_t node)
{
    sib_error err = SIB_ERROR_INIT;
    sib_graph *milli = NULL;
    fuzz_code(sib_graph_milli(g, node, 0, NULL, &milli, &err), &err);
    sib_graph_free(&milli);
}

static size_t look_through(const sib_graph *g)
{
    sib_graph_info info;
    sib_value_info value;
    sib_node_info node;
    size_t letters = 0;
    sib_graph_get_info(g, &info);
    for (size_t i = 0; sib_graph_value(g, i, &value); i++) {
        const uint32_t *users;
        letters += strlen(value.name) + (value.type ? strlen(value.type) : 0) + sib_graph_users(g, i, &users);
    }
    for (size_t i = 0; sib_graph_node(g, i, &node); i++) {
        sib_attribute a;
        letters += strlen(node.type);
        for (size_t k = 0; sib_graph_attribute(g, i, k, &a); k++)
            letters += strlen(a.name);
        if (i < 64)
            lower(g, i);
    }
    return letters;
}

/* The part that makes a value in the middle. */
static void take_part(sib_model *m, uint64_t chosen)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_graph *g = sib_model_graph(m, 0);
    sib_graph_info info;
    sib_value_info value;
    sib_model *part = NULL;
    sib_graph_get_info(g, &info);
    if (!info.n_values || !sib_graph_value(g, (size_t)(chosen % info.n_values), &value))
        return;
    const char *name = value.name;
    fuzz_code(sib_model_part(m, &name, 1, &part, &err), &err);
    sib_model_free(&part);
}

void fuzz_onnx(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    uint64_t hash = fuzz_hash(data, n);
    fuzz_code(model_open(data, n, hash, &m, &err), &err);
    if (!m)
        return;
    size_t letters = 0;
    for (size_t i = 0; i < sib_model_graphs(m) && i < 64; i++)
        letters += look_through(sib_model_graph(m, i));
    for (size_t i = 0; sib_model_diagnostic(m, i); i++)
        letters += strlen(sib_model_diagnostic(m, i));
    if (letters == SIZE_MAX)
        fuzz_fail("endless names");
    take_part(m, hash);
    sib_model_free(&m);
}
