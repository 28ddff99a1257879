/* /api/models/{id}/graphs: the graphs of a model, their nodes and values in pages, and each of these in full. */
#include "server/handlers.h"
#include "server/models/graph_route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAGE_ITEMS  10000
#define PAGE_BYTES  (16u << 20) /* about: a page ends early where names are long */
#define MILLI_NODES 50000

void handle_graphs(exchange *x)
{
    graph_set set;
    if (graphs_open(x, &set) && !graphs_unchanged(x, &set)) {
        json_t *list = json_array();
        size_t n = graphs_count(&set);
        for (size_t i = 0; i < n; i++) {
            described d = {.graph = graphs_at(&set, i)};
            sib_graph_get_info(d.graph, &d.info);
            json_array_append_new(list, describe_graph(&d, false));
        }
        answer_json(x, 200, json_pack("{s:o}", "graphs", list));
    }
    graphs_close(&set);
}

void handle_graph(exchange *x)
{
    graph_set set;
    described d;
    if (graph_open(x, &set, &d) && !graphs_unchanged(x, &set))
        answer_json(x, 200, describe_graph(&d, true));
    described_clear(&d);
    graphs_close(&set);
}

/* ---- Pages ---- */

/* Item i where it matches q (NULL: each does). out: NULL where the item is not wanted. bytes: the item's, about. Returns
   whether it matches. */
typedef bool (*item_reader)(const described *d, size_t i, const char *q, json_t **out, size_t *bytes);

static bool matches(const char *q, const char *name, const char *type)
{
    return !q || strcasestr(name, q) || strcasestr(type, q);
}

static bool read_node(const described *d, size_t i, const char *q, json_t **out, size_t *bytes)
{
    sib_node_info n;
    if (!sib_graph_node(d->graph, i, &n) || !matches(q, n.name, n.type))
        return false;
    if (out) {
        *out = describe_node(d, i, &n);
        *bytes = 200 + strnlen(n.name, MAX_NAME) + 8 * (n.n_inputs + n.n_outputs);
    }
    return true;
}

/* Bytes of the attributes of node i as JSON, about. */
static size_t attribute_bytes(const described *d, size_t i)
{
    size_t bytes = 0;
    sib_attribute a;
    for (size_t k = 0; sib_graph_attribute(d->graph, i, k, &a); k++) {
        bytes += 100 + strnlen(a.name, MAX_NAME) + strnlen(a.text, MAX_NAME);
        bytes += a.n <= MAX_ITEMS ? 12 * a.n : 0;
        for (size_t item = 0; a.strings && a.n <= MAX_ITEMS && item < a.n; item++)
            bytes += a.strings[item].length < MAX_DOC ? a.strings[item].length : MAX_DOC;
    }
    return bytes;
}

static bool read_node_in_full(const described *d, size_t i, const char *q, json_t **out, size_t *bytes)
{
    if (!read_node(d, i, q, out, bytes))
        return false;
    if (out) {
        json_object_set_new(*out, "attributes", describe_attributes(d, i));
        *bytes += attribute_bytes(d, i);
    }
    return true;
}

static bool read_value(const described *d, size_t i, const char *q, json_t **out, size_t *bytes)
{
    sib_value_info v;
    if (!sib_graph_value(d->graph, i, &v) || !matches(q, v.name, v.type))
        return false;
    if (out) {
        *out = describe_value(d, i, &v);
        *bytes = 200 + strnlen(v.name, MAX_NAME) + 2 * strnlen(v.type, MAX_NAME);
    }
    return true;
}

/* Items `from` to from + count of the (n) that match ?q=, with the number of all that match. */
static void answer_page(exchange *x, const described *d, const char *member, size_t n, item_reader read)
{
    uint64_t from, count;
    if (!exchange_query_number(x, "from", 0, INT64_MAX, &from) ||
        !exchange_query_number(x, "count", PAGE_ITEMS, PAGE_ITEMS, &count))
        return;
    const char *q = exchange_query(x, "q");
    if (q && !*q)
        q = NULL;
    json_t *list = json_array();
    size_t total = q ? 0 : n, bytes = 0, used = 0;
    for (size_t i = q ? 0 : from < n ? (size_t)from : n; i < n; i++) {
        bool full = json_array_size(list) == count || used >= PAGE_BYTES;
        if (full && !q)
            break;
        json_t *item = NULL;
        bool listed = !full && (!q || total >= from);
        if (!read(d, i, q, listed ? &item : NULL, &bytes))
            continue;
        total += q != NULL;
        if (listed) {
            json_array_append_new(list, item);
            used += bytes;
        }
    }
    answer_json(x, 200, json_pack("{s:I, s:o}", "total", (json_int_t)total, member, list));
}

/* ?attributes=. Returns false after it has answered of a word that is neither. */
static bool attributes_wanted(exchange *x, bool *out)
{
    const char *given = exchange_query(x, "attributes");
    *out = given && !strcmp(given, "true");
    if (!given || *out || !strcmp(given, "false"))
        return true;
    answer_error(x, 400, "attributes", "'attributes' must be 'true' or 'false', not '%.40s'", given);
    return false;
}

void handle_graph_nodes(exchange *x)
{
    graph_set set;
    described d;
    bool full;
    if (graph_open(x, &set, &d) && attributes_wanted(x, &full) && !graphs_unchanged(x, &set))
        answer_page(x, &d, "nodes", d.info.n_nodes, full ? read_node_in_full : read_node);
    described_clear(&d);
    graphs_close(&set);
}

void handle_graph_values(exchange *x)
{
    graph_set set;
    described d;
    if (graph_open(x, &set, &d) && !graphs_unchanged(x, &set))
        answer_page(x, &d, "values", d.info.n_values, read_value);
    described_clear(&d);
    graphs_close(&set);
}

/* ---- One node, one value ---- */

static const char owner_text[] = "the graph";

static void answer_node(exchange *x, const described *d, size_t node, const dims_query *sizes)
{
    sib_error err = SIB_ERROR_INIT;
    json_t *detail;
    if (describe_node_detail(d, node, sizes->n, sizes->dims, &detail, &err) == SIB_OK)
        answer_json(x, 200, detail);
    else
        answer_failure(x, &err);
}

static json_t *all_of(const described *d, size_t n, item_reader read)
{
    json_t *list = json_array(), *item;
    size_t bytes;
    for (size_t i = 0; i < n && read(d, i, NULL, &item, &bytes); i++)
        json_array_append_new(list, item);
    return list;
}

static void answer_milli(exchange *x, const described *of, size_t node, const dims_query *sizes)
{
    sib_error err = SIB_ERROR_INIT;
    sib_graph *g = NULL;
    described d = {0};
    if (sib_graph_milli(of->graph, node, sizes->n, sizes->dims, &g, &err) != SIB_OK)
        answer_failure(x, &err);
    else if (!described_make(g, &d))
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
    else if (d.info.n_nodes > MILLI_NODES)
        answer_error(x, 400, "node",
                     "the node is %zu milli-ops for these sizes, more than the %d that are shown",
                     d.info.n_nodes, MILLI_NODES);
    else
        answer_json(x, 200,
                    json_pack("{s:o, s:o, s:o, s:o}", "inputs", numbers_json(d.info.inputs, d.info.n_inputs),
                              "outputs", numbers_json(d.info.outputs, d.info.n_outputs), "nodes",
                              all_of(&d, d.info.n_nodes, read_node), "values",
                              all_of(&d, d.info.n_values, read_value)));
    described_clear(&d);
    sib_graph_free(&g);
}

/* A node of the path and the sizes of the query, given to `answer`. */
static void with_node(exchange *x,
                      void (*answer)(exchange *x, const described *d, size_t node, const dims_query *sizes))
{
    graph_set set;
    described d;
    dims_query sizes = {0};
    size_t node;
    if (graph_open(x, &set, &d) && path_number(x, "node", owner_text, d.info.n_nodes, &node) &&
        dims_read(x, &sizes) && !graphs_unchanged(x, &set))
        answer(x, &d, node, &sizes);
    dims_clear(&sizes);
    described_clear(&d);
    graphs_close(&set);
}

void handle_graph_node(exchange *x)
{
    with_node(x, answer_node);
}

void handle_graph_milli(exchange *x)
{
    with_node(x, answer_milli);
}

void handle_graph_value(exchange *x)
{
    graph_set set;
    described d;
    size_t value;
    if (graph_open(x, &set, &d) && path_number(x, "value", owner_text, d.info.n_values, &value) &&
        !graphs_unchanged(x, &set))
        answer_json(x, 200, describe_value_detail(&d, value));
    described_clear(&d);
    graphs_close(&set);
}
