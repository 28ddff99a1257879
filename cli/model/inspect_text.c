/* A model as text: rows that fit the terminal. */
#include "inspect_parts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* Columns of the terminal; 0 where stdout is none, and nothing is cut. */
static size_t columns(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20
               ? size.ws_col
               : 0;
}

void inspect_row(char *text)
{
    size_t width = columns();
    if (width && strlen(text) > width)
        memcpy(text + width - 3, "...", 4);
    puts(text);
    free(text);
}

void inspect_add(char **text, const char *format, ...)
{
    va_list list;
    char *more;
    va_start(list, format);
    int n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    more = cli_alloc((size_t)n + 1, 1);
    va_start(list, format);
    vsnprintf(more, (size_t)n + 1, format, list);
    va_end(list);
    char *joined = cli_format("%s%s", *text, more);
    free(*text);
    free(more);
    *text = joined;
}

/* ---- Values and nodes ------------------------------------------------------------------------------ */

static void value_row(const char *what, const sib_value_info *v)
{
    inspect_row(cli_format("  %-9s %-28s %s%s", what, v->name, v->type,
                           v->optional_input ? "  (has a default)" : ""));
}

static void add_values(char **text, const sib_graph *g, size_t n, const uint32_t *ids)
{
    sib_value_info v;
    for (size_t i = 0; i < n; i++) {
        char *name = inspect_value(g, ids[i]);
        inspect_add(text, "%s%s", i ? ", " : "", name);
        if (ids[i] != SIB_NONE && sib_graph_value(g, ids[i], &v))
            inspect_add(text, " %s", v.type);
        free(name);
    }
}

static void node_rows(const sib_graph *g, size_t i, const sib_node_info *n)
{
    sib_attribute a;
    char *type = inspect_type(n->domain, n->type), *text;
    text = n->version
               ? cli_format("  %5zu %-24s %s-%lld", i, *n->name ? n->name : "-", type, (long long)n->version)
               : cli_format("  %5zu %s", i, n->type);
    for (size_t k = 0; sib_graph_attribute(g, i, k, &a); k++) {
        uint32_t inner = sib_graph_inner(g, i, k, 0);
        inspect_add(&text, " %s=%s", a.name, a.text);
        if (inner != SIB_NONE)
            inspect_add(&text, " (graph %u)", inner);
    }
    if (n->function)
        inspect_add(&text, "  in function %s", n->function);
    inspect_row(text);
    text = cli_format("        ");
    add_values(&text, g, n->n_inputs, n->inputs);
    inspect_add(&text, " -> ");
    add_values(&text, g, n->n_outputs, n->outputs);
    inspect_row(text);
    inspect_row(
        cli_format("        %s operations, %s bytes", n->flops ? n->flops : "?", n->bytes ? n->bytes : "?"));
    free(type);
}

static void all_nodes(const sib_graph *g)
{
    sib_node_info node;
    for (size_t i = 0; sib_graph_node(g, i, &node); i++)
        node_rows(g, i, &node);
}

/* ---- Parts of the page ----------------------------------------------------------------------------- */

static void show_head(const inspected *s, const sib_model_info *info)
{
    const char *domain;
    int64_t version;
    inspect_row(cli_format("%s", s->path));
    inspect_row(cli_format("  graph     %s, %zu nodes, %zu values",
                           *info->graph_name ? info->graph_name : "-", info->n_nodes, info->n_values));
    inspect_row(cli_format("  made by   %s%s%s, IR %lld", *info->producer_name ? info->producer_name : "-",
                           *info->producer_version ? " " : "", info->producer_version,
                           (long long)info->ir_version));
    char *text = cli_format("  opsets   ");
    for (size_t i = 0; sib_model_opset(s->m, i, &domain, &version); i++)
        inspect_add(&text, " %s %lld", *domain ? domain : "ai.onnx", (long long)version);
    inspect_row(text);
    inspect_row(cli_format("  weights   %llu parameters in %zu tensors, %.1f MB",
                           (unsigned long long)info->parameters, info->n_initializers,
                           (double)info->parameter_bytes * 1e-6));
}

/* Old files list their weights as inputs with defaults: those are counted. */
static void show_ends(const sib_model *m)
{
    sib_value_info v;
    size_t weights = 0;
    for (size_t i = 0; sib_model_input(m, i, &v); i++)
        if (v.optional_input && v.initializer && v.rank)
            weights++;
        else
            value_row("input", &v);
    if (weights)
        inspect_row(cli_format("  %-9s %zu more, each has a default: weights", "inputs", weights));
    for (size_t i = 0; sib_model_output(m, i, &v); i++)
        value_row("output", &v);
}

static void show_operators(const sib_model *m)
{
    size_t n, unknown = 0;
    op_count *ops = inspect_operators(m, &n);
    for (int round = 0; round < 2; round++) {
        if (round == 0 || unknown)
            puts(round ? "unknown operators" : "operators");
        for (size_t i = 0; i < n; i++) {
            unknown += !ops[i].known;
            if (round && ops[i].known)
                continue;
            char *type = inspect_type(ops[i].domain, ops[i].type);
            inspect_row(cli_format("  %6zu %s", ops[i].n, type));
            free(type);
        }
    }
    free(ops);
}

static void show_graph_row(const sib_model *m, size_t i)
{
    sib_graph_info info;
    sib_node_info holder;
    sib_graph_get_info(sib_model_graph(m, i), &info);
    sib_graph_node(sib_model_graph(m, info.outer), info.holder, &holder);
    inspect_row(cli_format("  %6zu %s of node %u (%s) of graph %u: %zu nodes, %llu parameters", i,
                           info.attribute, info.holder, holder.type, info.outer, info.n_nodes,
                           (unsigned long long)info.parameters));
}

static void show_graphs(const inspected *s)
{
    size_t n = sib_model_graphs(s->m);
    if (n > 1)
        puts("subgraphs");
    for (size_t i = 1; i < n; i++)
        show_graph_row(s->m, i);
    for (size_t i = 0; i < n; i++) {
        if (s->graph == SIB_NONE ? !s->nodes : s->graph != i)
            continue;
        if (n > 1)
            printf("nodes of graph %zu\n", i);
        else
            puts("nodes");
        all_nodes(sib_model_graph(s->m, i));
    }
}

/* ---- Diagnostics ----------------------------------------------------------------------------------- */

/* Whether two sentences differ in names in quotes and in numbers alone. */
static bool alike(const char *a, const char *b)
{
    while (*a && *b) {
        if (*a == '\'' && *b == '\'') {
            const char *x = strchr(a + 1, '\''), *y = strchr(b + 1, '\'');
            a = x ? x + 1 : a + 1;
            b = y ? y + 1 : b + 1;
        } else if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            a += strspn(a, "0123456789");
            b += strspn(b, "0123456789");
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

#define KINDS_MAX 20 /* of sentences shown */

static void show_diagnostics(const sib_model *m)
{
    struct {
        const char *first;
        size_t more;
    } kinds[KINDS_MAX];
    size_t n = 0, others = 0;
    const char *text;
    for (size_t i = 0; (text = sib_model_diagnostic(m, i)); i++) {
        size_t k = 0;
        while (k < n && !alike(kinds[k].first, text))
            k++;
        if (k < n) {
            kinds[k].more++;
        } else if (n < KINDS_MAX) {
            kinds[n].first = text;
            kinds[n++].more = 0;
        } else {
            others++;
        }
    }
    for (size_t k = 0; k < n; k++)
        if (kinds[k].more)
            printf("noticed: %s (and %zu alike)\n", kinds[k].first, kinds[k].more);
        else
            printf("noticed: %s\n", kinds[k].first);
    if (others)
        printf("noticed: %zu more (--json has all)\n", others);
}

/* ---- The page -------------------------------------------------------------------------------------- */

static void show_milli(const sib_graph *g)
{
    sib_graph_info info;
    sib_value_info v;
    sib_graph_get_info(g, &info);
    for (size_t i = 0; i < info.n_inputs; i++)
        if (sib_graph_value(g, info.inputs[i], &v))
            value_row("input", &v);
    for (size_t i = 0; i < info.n_outputs; i++)
        if (sib_graph_value(g, info.outputs[i], &v))
            value_row("output", &v);
    puts("milli-ops");
    all_nodes(g);
}

void inspect_text(const inspected *s)
{
    sib_model_info info;
    const char *key, *text;
    if (s->milli) {
        show_milli(s->milli);
        return;
    }
    sib_model_get_info(s->m, &info);
    show_head(s, &info);
    show_ends(s->m);
    for (size_t i = 0; sib_model_metadata(s->m, i, &key, &text); i++)
        inspect_row(cli_format("  %-9s %s = %.200s", "metadata", key, text));
    show_operators(s->m);
    show_graphs(s);
    show_diagnostics(s->m);
}
