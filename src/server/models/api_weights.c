/* /api/models/{id}/graphs/{graph}/values/{value}/data and /digest, and /digests: values that are there without a run. */
#include "server/handlers.h"
#include "server/models/graph_route.h"
#include "server/values/tensor_answer.h"

#include <stdlib.h>
#include <string.h>

/* The tensor of a Constant node, or NULL. */
static const sib_tensor *of_constant_node(const sib_graph *g, uint32_t node)
{
    sib_node_info n;
    sib_attribute a;
    if (!sib_graph_node(g, node, &n) || strcmp(n.type, "Constant") != 0)
        return NULL;
    for (size_t k = 0; sib_graph_attribute(g, node, k, &a); k++)
        if (a.kind == SIB_ATTRIBUTE_TENSOR && !strcmp(a.name, "value"))
            return a.tensors[0];
    return NULL;
}

/* The elements of value i, those of a capture from the graph that has them. NULL where only a run knows them. */
static const sib_tensor *weight_of(const graph_set *set, const described *d, size_t i)
{
    const sib_graph *g = d->graph;
    uint32_t outer = d->info.outer;
    sib_value_info v;
    while (g && sib_graph_value(g, i, &v)) {
        if (v.constant)
            return v.constant;
        if (v.captured == SIB_NONE)
            return v.producer == SIB_NONE ? NULL : of_constant_node(g, v.producer);
        sib_graph_info info;
        i = v.captured;
        g = graphs_at(set, outer);
        if (g)
            sib_graph_get_info(g, &info);
        outer = g ? info.outer : SIB_NONE;
    }
    return NULL;
}

/* Answers with the elements of the value that the path names, by `answer`. */
static void with_weight(exchange *x, void (*answer)(exchange *x, const sib_tensor *t, const char *name))
{
    graph_set set;
    described d;
    size_t i;
    sib_value_info v = {.name = ""};
    if (graph_open(x, &set, &d) && path_number(x, "value", "the graph", d.info.n_values, &i)) {
        const sib_tensor *t = weight_of(&set, &d, i);
        sib_graph_value(d.graph, i, &v);
        if (!t)
            answer_error(x, 404, "value", "the value '%.80s' has no elements before a run", v.name);
        else if (!graphs_unchanged(x, &set))
            answer(x, t, v.name);
    }
    described_clear(&d);
    graphs_close(&set);
}

void handle_value_data(exchange *x)
{
    with_weight(x, answer_tensor);
}

static void digest(exchange *x, const sib_tensor *t, const char *name)
{
    (void)name;
    answer_digest(x, t);
}

void handle_value_digest(exchange *x)
{
    with_weight(x, digest);
}

/* ---- Many ---- */

#define MAX_DIGESTS 128

/* The numbers of ?values=1,2,3. Answers 400 and returns false where they are none of the graph's. */
static bool read_numbers(exchange *x, const described *d, size_t numbers[MAX_DIGESTS], size_t *n)
{
    const char *text = exchange_query(x, "values");
    for (*n = 0; text && *text; (*n)++) {
        size_t digits = strspn(text, "0123456789");
        if (!digits || digits > 9 || (text[digits] && text[digits] != ',') || *n == MAX_DIGESTS)
            break;
        numbers[*n] = (size_t)strtoul(text, NULL, 10);
        if (numbers[*n] >= d->info.n_values)
            break;
        text += digits + (text[digits] == ',');
    }
    if (text && !*text && *n)
        return true;
    answer_error(x, 400, "values",
                 "'values' must be 1 to %d numbers of values of the graph, which has %zu, with commas "
                 "between them",
                 MAX_DIGESTS, (size_t)d->info.n_values);
    return false;
}

/* The digests of values in the order of the query; null for those that have none. */
static void answer_digests(exchange *x, const graph_set *set, const described *d, const size_t *numbers,
                           size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *list = json_array();
    sib_code code = SIB_OK;
    for (size_t k = 0; k < n && code == SIB_OK; k++) {
        const sib_tensor *t = weight_of(set, d, numbers[k]);
        json_t *one = NULL;
        if (exchange_cancelled(x))
            code = server_fail(&err, SIB_ERR_CANCELLED, "the request was given up");
        else if (t)
            tensor_digest(t, NULL, &one, NULL); /* texts have none */
        json_array_append_new(list, one ? one : json_null());
    }
    if (code == SIB_OK)
        answer_json(x, 200, json_pack("{s:O}", "digests", list));
    else
        answer_failure(x, &err);
    json_decref(list);
}

void handle_graph_digests(exchange *x)
{
    graph_set set;
    described d;
    size_t numbers[MAX_DIGESTS], n;
    if (graph_open(x, &set, &d) && read_numbers(x, &d, numbers, &n) && !graphs_unchanged(x, &set))
        answer_digests(x, &set, &d, numbers, n);
    described_clear(&d);
    graphs_close(&set);
}
