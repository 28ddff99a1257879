/* A graph as a drawing: a box per node, inputs above, outputs below. */
#include "inspect_parts.h"
#include "layers.h"
#include "report/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX   5000
#define LINE_HEIGHT 15
#define LETTER      6.6 /* mean width of a letter, and of one of the bold first line */
#define LETTER_BOLD 7.8
#define SHOWN_MAX   34 /* letters of a name that are shown; its title has all */

/* A box of the drawing with its lines of text. */
typedef struct box {
    char *lines[3]; /* type, name, dims; NULL: none */
    char *title;
    const char *colour;
} box;

typedef struct sheet {
    const sib_graph *g;
    size_t n, n_edges, capacity;
    box *boxes;          /* (n) inputs that are read, nodes, outputs */
    layers_box *places;  /* (n) */
    layers_edge *edges;  /* (n_edges) */
    char **titles;       /* (n_edges) types */
    size_t first_node;   /* box of node 0 */
    uint32_t *input_box; /* (n_values) box of an input, else SIB_NONE */
} sheet;

/* ---- Boxes ----------------------------------------------------------------------------------------- */

/* Families of operators by the beginning of their type. */
static const struct {
    const char *begins, *colour;
} families[] = {
    {"Conv", "#cfe2ff"},      {"MatMul", "#cfe2ff"},      {"Gemm", "#cfe2ff"},      {"QLinear", "#cfe2ff"},
    {"Attention", "#d8d4ff"}, {"MultiHead", "#d8d4ff"},   {"LSTM", "#d8d4ff"},      {"GRU", "#d8d4ff"},
    {"If", "#f6d5ef"},        {"Loop", "#f6d5ef"},        {"Scan", "#f6d5ef"},      {"Relu", "#ffe3c2"},
    {"Sigmoid", "#ffe3c2"},   {"Tanh", "#ffe3c2"},        {"Softmax", "#ffe3c2"},   {"Gelu", "#ffe3c2"},
    {"Clip", "#ffe3c2"},      {"BatchNorm", "#d5f0d8"},   {"LayerNorm", "#d5f0d8"}, {"Instance", "#d5f0d8"},
    {"MaxPool", "#d5f0d8"},   {"AveragePool", "#d5f0d8"}, {"Reshape", "#ececec"},   {"Transpose", "#ececec"},
    {"Concat", "#ececec"},    {"Slice", "#ececec"},       {"Gather", "#ececec"},    {"Shape", "#ececec"},
    {"Squeeze", "#ececec"},   {"Unsqueeze", "#ececec"},   {"Constant", "#ececec"},  {"Cast", "#ececec"},
};

static const char *colour_of(const char *type)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strncmp(type, families[i].begins, strlen(families[i].begins)))
            return families[i].colour;
    return "#fdf6dc";
}

/* The text, cut in the middle where it is long: the ends of names tell them apart. */
static char *shortened(const char *text)
{
    size_t length = strlen(text);
    if (length <= SHOWN_MAX)
        return cli_format("%s", text);
    return cli_format("%.*s...%s", SHOWN_MAX / 2 - 3, text, text + length - SHOWN_MAX / 2);
}

/* "[1, 64, 56, 56]" of "float32 [1, 64, 56, 56]"; NULL where a type has no dims. */
static const char *dims_of(const sib_value_info *v)
{
    const char *bracket = v->type ? strchr(v->type, '[') : NULL;
    return v->ranked && v->rank ? bracket : NULL;
}

static void size_box(sheet *s, size_t i)
{
    double width = 52, height = 8;
    for (int k = 0; k < 3; k++)
        if (s->boxes[i].lines[k]) {
            width = fmax(width, (double)strlen(s->boxes[i].lines[k]) * (k ? LETTER : LETTER_BOLD) + 14);
            height += LINE_HEIGHT;
        }
    s->places[i].width = width;
    s->places[i].height = height;
}

static void add_end(sheet *s, uint32_t id)
{
    sib_value_info v;
    char *name = inspect_value(s->g, id);
    sib_graph_value(s->g, id, &v);
    s->boxes[s->n] =
        (box){.lines = {shortened(name)}, .title = cli_format("%s: %s", name, v.type), .colour = "#ffffff"};
    if (dims_of(&v))
        s->boxes[s->n].lines[1] = shortened(dims_of(&v));
    size_box(s, s->n++);
    free(name);
}

static void add_node(sheet *s, const sib_node_info *n)
{
    sib_value_info v;
    char *type = n->version ? inspect_type(n->domain, n->type) : cli_format("%s", n->type);
    box *b = &s->boxes[s->n];
    *b = (box){.lines = {type}, .title = cli_format("%s %s", type, n->name), .colour = colour_of(n->type)};
    if (*n->name)
        b->lines[1] = shortened(n->name);
    if (n->n_outputs && n->outputs[0] != SIB_NONE && sib_graph_value(s->g, n->outputs[0], &v) && dims_of(&v))
        b->lines[2] = shortened(dims_of(&v));
    size_box(s, s->n++);
}

/* ---- Edges ----------------------------------------------------------------------------------------- */

static void add_edge(sheet *s, uint32_t from, uint32_t to, const char *title)
{
    for (size_t e = s->n_edges; e-- > 0 && s->edges[e].to == to;)
        if (s->edges[e].from == from)
            return;
    s->edges[s->n_edges] = (layers_edge){.from = from, .to = to};
    s->titles[s->n_edges++] = cli_format("%s", title);
}

/* The edge into a box of a value that a node makes or that is an input; constants have none. */
static void add_value_edge(sheet *s, uint32_t id, uint32_t to)
{
    sib_value_info v;
    if (id == SIB_NONE || !sib_graph_value(s->g, id, &v))
        return;
    uint32_t from = v.producer != SIB_NONE ? (uint32_t)(s->first_node + v.producer) : s->input_box[id];
    char *name = inspect_value(s->g, id), *title = cli_format("%s: %s", name, v.type);
    if (from != SIB_NONE)
        add_edge(s, from, to, title);
    free(title);
    free(name);
}

/* The values of the outer graph that the subgraphs of a node read are not among its inputs; users know. */
static void add_edges(sheet *s, const sib_graph_info *info, size_t n_values)
{
    const uint32_t *users;
    sib_node_info n;
    for (size_t i = 0; sib_graph_node(s->g, i, &n); i++)
        for (size_t k = 0; k < n.n_inputs; k++)
            add_value_edge(s, n.inputs[k], (uint32_t)(s->first_node + i));
    for (uint32_t v = 0; v < n_values; v++)
        for (size_t k = 0, count = sib_graph_users(s->g, v, &users); k < count; k++) {
            sib_graph_node(s->g, users[k], &n);
            bool listed = false;
            for (size_t j = 0; j < n.n_inputs && !listed; j++)
                listed = n.inputs[j] == v;
            if (!listed)
                add_value_edge(s, v, (uint32_t)(s->first_node + users[k]));
        }
    for (size_t i = 0; i < info->n_outputs; i++)
        add_value_edge(s, info->outputs[i], (uint32_t)(s->first_node + info->n_nodes + i));
}

static sheet make_sheet(const sib_graph *g, const sib_graph_info *info)
{
    sheet s = {.g = g};
    sib_node_info n;
    sib_value_info v;
    const uint32_t *users;
    size_t edges = info->n_outputs, boxes = info->n_values + info->n_nodes + info->n_outputs + 1;
    s.boxes = cli_alloc(boxes, sizeof *s.boxes);
    s.places = cli_alloc(boxes, sizeof *s.places);
    s.input_box = cli_alloc(info->n_values + 1, sizeof *s.input_box);
    for (uint32_t i = 0; sib_graph_value(g, i, &v); i++) {
        size_t readers = sib_graph_users(g, i, &users);
        s.input_box[i] = SIB_NONE;
        edges += readers;
        if (v.producer == SIB_NONE && !v.constant && readers) {
            s.input_box[i] = (uint32_t)s.n;
            add_end(&s, i);
        }
    }
    s.first_node = s.n;
    for (size_t i = 0; sib_graph_node(g, i, &n); i++) {
        add_node(&s, &n);
        edges += n.n_inputs;
    }
    for (size_t i = 0; i < info->n_outputs; i++)
        add_end(&s, info->outputs[i]);
    s.edges = cli_alloc(edges + 1, sizeof *s.edges);
    s.titles = cli_alloc(edges + 1, sizeof *s.titles);
    add_edges(&s, info, info->n_values);
    return s;
}

/* ---- SVG ------------------------------------------------------------------------------------------- */

static void put_box(FILE *f, const box *b, const layers_box *p)
{
    double x = p->x - p->width / 2, y = p->y - p->height / 2;
    fprintf(f, "<g><title>");
    html_text(f, b->title);
    fprintf(f, "</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"5\" fill=\"%s\"/>", x,
            y, p->width, p->height, b->colour);
    y += LINE_HEIGHT;
    for (int k = 0; k < 3; k++)
        if (b->lines[k]) {
            fprintf(f, "<text x=\"%.1f\" y=\"%.1f\"%s>", p->x, y, k ? " class=\"s\"" : "");
            html_text(f, b->lines[k]);
            fprintf(f, "</text>");
            y += LINE_HEIGHT;
        }
    fputs("</g>\n", f);
}

/* A smooth curve: vertical at each point. */
static void put_edge(FILE *f, const layers_edge *e, const char *title)
{
    fprintf(f, "<path d=\"M%.1f %.1f", e->points[0].x, e->points[0].y);
    for (size_t k = 1; k < e->n; k++) {
        const layers_point a = e->points[k - 1], b = e->points[k];
        double middle = (a.y + b.y) / 2;
        fprintf(f, "C%.1f %.1f %.1f %.1f %.1f %.1f", a.x, middle, b.x, middle, b.x, b.y);
    }
    fprintf(f, "\"><title>");
    html_text(f, title);
    fputs("</title></path>\n", f);
}

static void free_sheet(sheet *s)
{
    for (size_t i = 0; i < s->n; i++) {
        for (int k = 0; k < 3; k++)
            free(s->boxes[i].lines[k]);
        free(s->boxes[i].title);
    }
    for (size_t e = 0; e < s->n_edges; e++) {
        free(s->edges[e].points);
        free(s->titles[e]);
    }
    free(s->boxes);
    free(s->places);
    free(s->edges);
    free(s->titles);
    free(s->input_box);
}

void graph_drawing(FILE *f, const sib_graph *g)
{
    sib_graph_info info;
    double width, height;
    sib_graph_get_info(g, &info);
    sheet s = make_sheet(g, &info);
    layers_place(s.n, s.places, s.n_edges, s.edges, &width, &height);
    fprintf(f,
            "<svg class=\"graph\" xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\">\n",
            width, height, width, height);
    fputs("<style>.graph text{font:600 12px sans-serif;text-anchor:middle;fill:#222}.graph .s{font:11px "
          "sans-serif;fill:#555}.graph rect{stroke:#8a8f98}.graph "
          "path{fill:none;stroke:#9aa1ab;stroke-width:1.2}"
          ".graph path:hover{stroke:#d1495b;stroke-width:2.5}</style>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\" style=\"stroke:none\"/>\n",
          f);
    for (size_t e = 0; e < s.n_edges; e++)
        put_edge(f, &s.edges[e], s.titles[e]);
    for (size_t i = 0; i < s.n; i++)
        put_box(f, &s.boxes[i], &s.places[i]);
    fputs("</svg>\n", f);
    free_sheet(&s);
}

int inspect_svg(const sib_graph *g)
{
    sib_graph_info info;
    sib_graph_get_info(g, &info);
    if (info.n_nodes > NODES_MAX)
        return cli_fail("a graph of %zu nodes, at most %d are drawn; --dot writes any number", info.n_nodes,
                        NODES_MAX);
    graph_drawing(stdout, g);
    return 0;
}
