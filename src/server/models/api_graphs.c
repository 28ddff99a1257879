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

/* Frees the text, which is JSON. */
static void answer_text(exchange *x, buffer *text)
{
    if (text->failed)
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
    else
        answer_bytes(x, 200, "application/json", text->data, text->size);
    buffer_free(text);
}

/* ---- Pages ---- */

/* Item i where it matches q (NULL: each does). out: NULL where the item is not wanted; its text is added, and
   a comma. Returns whether it matches. */
typedef bool (*item_reader)(const described *d, size_t i, const char *q, buffer *out);

static bool matches(const char *q, const char *name, const char *type)
{
    return !q || strcasestr(name, q) || strcasestr(type, q);
}

static bool read_node_with(const described *d, size_t i, const char *q, buffer *out, bool attributes)
{
    sib_node_info n;
    if (!sib_graph_node(d->graph, i, &n) || !matches(q, n.name, n.type))
        return false;
    if (out) {
        write_node(out, d, i, &n, attributes);
        buffer_add_text(out, ",");
    }
    return true;
}

static bool read_node(const described *d, size_t i, const char *q, buffer *out)
{
    return read_node_with(d, i, q, out, false);
}

static bool read_node_in_full(const described *d, size_t i, const char *q, buffer *out)
{
    return read_node_with(d, i, q, out, true);
}

static bool read_value(const described *d, size_t i, const char *q, buffer *out)
{
    sib_value_info v;
    if (!sib_graph_value(d->graph, i, &v) || !matches(q, v.name, v.type))
        return false;
    if (out) {
        write_value(out, d, i, &v);
        buffer_add_text(out, ",");
    }
    return true;
}

/* Adds items as a list, without the comma behind the last. Frees them. */
static void add_list(buffer *to, buffer *items)
{
    buffer_add_text(to, "[");
    buffer_add(to, items->data, items->size ? items->size - 1 : 0);
    buffer_add_text(to, "]");
    to->failed = to->failed || items->failed;
    buffer_free(items);
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
    buffer items = {0}, page = {0};
    size_t total = q ? 0 : n, listed = 0;
    for (size_t i = q ? 0 : from < n ? (size_t)from : n; i < n; i++) {
        bool full = listed == count || items.size >= PAGE_BYTES;
        if (full && !q)
            break;
        bool wanted = !full && (!q || total >= from);
        if (!read(d, i, q, wanted ? &items : NULL))
            continue;
        total += q != NULL;
        listed += wanted;
    }
    buffer_format(&page, "{\"total\":%zu,\"%s\":", total, member);
    add_list(&page, &items);
    buffer_add_text(&page, "}");
    answer_text(x, &page);
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
    buffer detail = {0};
    if (write_node_detail(&detail, d, node, sizes->n, sizes->dims, &err) == SIB_OK)
        answer_text(x, &detail);
    else
        answer_failure(x, &err);
}

static void add_all(buffer *to, const described *d, size_t n, item_reader read)
{
    buffer items = {0};
    for (size_t i = 0; i < n && read(d, i, NULL, &items); i++)
        continue;
    add_list(to, &items);
}

static void answer_all(exchange *x, const described *d)
{
    buffer all = {0};
    buffer_add_text(&all, "{\"inputs\":");
    numbers_write(&all, d->info.inputs, d->info.n_inputs);
    buffer_add_text(&all, ",\"outputs\":");
    numbers_write(&all, d->info.outputs, d->info.n_outputs);
    buffer_add_text(&all, ",\"nodes\":");
    add_all(&all, d, d->info.n_nodes, read_node);
    buffer_add_text(&all, ",\"values\":");
    add_all(&all, d, d->info.n_values, read_value);
    buffer_add_text(&all, "}");
    answer_text(x, &all);
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
        answer_all(x, &d);
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

static void answer_value(exchange *x, const described *d, size_t value)
{
    buffer detail = {0};
    write_value_detail(&detail, d, value);
    answer_text(x, &detail);
}

void handle_graph_value(exchange *x)
{
    graph_set set;
    described d;
    size_t value;
    if (graph_open(x, &set, &d) && path_number(x, "value", owner_text, d.info.n_values, &value) &&
        !graphs_unchanged(x, &set))
        answer_value(x, &d, value);
    described_clear(&d);
    graphs_close(&set);
}
