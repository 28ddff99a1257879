/* sibyl inspect MODEL: what a model is made of. */
#include "command.h"
#include "inspect_parts.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    bool json, nodes, dot, svg, plan;
    int64_t graph;
    const char *milli, *backend;
    cli_list dims;
    double open_memory; /* MB */
    int verbose;
    extension_settings ext;
} settings;

static const cli_option options[] = {
    OPT_FLAG("nodes", nodes, "show every node, with its attributes, operations and bytes",
             .more = "Sizes that depend on symbolic dims are expressions of them."),
    OPT_INTEGER("graph", graph, "N", 0, UINT32_MAX - 1,
                "show the nodes of one graph, by the numbers of the list of subgraphs; 0 is the main graph"),
    OPT_TEXT("milli", milli, "NODE", "show the milli-ops of a node, by its name or its number in the graph"),
    OPT_FLAG("plan", plan,
             "run once with random inputs, and show the steps of that run and where values are stored"),
    OPT_LIST("dim", dims, "T=N",
             "with --milli or --plan: the size of a symbolic dim; may be given several times"),
    OPT_BACKENDS("backend", backend,
                 "with --plan: backends in order of preference (default: all, the fastest first)"),
    OPT_FLAG("dot", dot,
             "print one graph in the language of Graphviz: the main graph, or those of --graph or --milli"),
    OPT_FLAG("svg", svg, "print the same graph as a drawing"),
    OPT_FLAG("json", json, "print one JSON document, nodes included"),
    OPT_VERBOSE,
    OPT_EXTENSIONS,
    OPT_OPEN_MEMORY,
    OPT_END};

static const char more[] =
    "Inputs, outputs, opsets, parameters, operators by count, those of subgraphs included; what the reader "
    "noticed, such as a declared shape that differs from the inferred one; operators that Sibyl does not "
    "have. "
    "On a terminal rows are cut at its width.";

/* The number of a node given by its name or number. */
static bool find_node(const sib_graph *g, const char *text, size_t *out)
{
    sib_node_info n;
    char *end;
    for (*out = 0; sib_graph_node(g, *out, &n); ++*out)
        if (!strcmp(n.name, text))
            return true;
    unsigned long long number = strtoull(text, &end, 10);
    *out = (size_t)number;
    return end != text && !*end && *text != '-' && sib_graph_node(g, *out, &n);
}

/* "T=100" as a dim, whose name ends at the sign. */
static bool read_dim(char *text, sib_dim *out)
{
    char *sign = strrchr(text, '='), *end;
    if (!sign || sign == text)
        return false;
    out->size = strtoll(sign + 1, &end, 10);
    *sign = 0;
    out->name = text;
    return end != sign + 1 && !*end;
}

static int make_milli(const settings *s, const sib_graph *g, sib_graph **out)
{
    size_t node;
    sib_error err = SIB_ERROR_INIT;
    if (!find_node(g, s->milli, &node))
        return cli_fail("the graph has no node '%s'; --nodes shows names and numbers", s->milli);
    sib_dim *dims = cli_alloc(s->dims.n + 1, sizeof *dims);
    char **texts = cli_alloc(s->dims.n + 1, sizeof *texts);
    int code = CLI_DONE;
    for (size_t i = 0; i < s->dims.n && code == CLI_DONE; i++) {
        texts[i] = cli_format("%s", s->dims.items[i]);
        if (!read_dim(texts[i], &dims[i]))
            code = cli_fail("--dim %s: write NAME=SIZE", s->dims.items[i]);
    }
    if (code == CLI_DONE && sib_graph_milli(g, node, s->dims.n, dims, out, &err) != SIB_OK)
        code = cli_fail("%s", err.message);
    for (size_t i = 0; i < s->dims.n; i++)
        free(texts[i]);
    free(texts);
    free(dims);
    return code;
}

static int show(const settings *s, const char *path, sib_model *m)
{
    if (s->plan)
        return inspect_plan(m, s->backend, &(input_settings){.dims = s->dims, .random = "0"},
                            verbose_log(s->verbose), s->json);
    const sib_graph *g = sib_model_graph(m, s->graph < 0 ? 0 : (size_t)s->graph);
    sib_graph *milli = NULL;
    if (!g)
        return cli_fail("'%s' has graphs 0 to %zu, --graph is %lld", path, sib_model_graphs(m) - 1,
                        (long long)s->graph);
    int code = s->milli ? make_milli(s, g, &milli) : CLI_DONE;
    inspected what = {m, path, milli, s->graph < 0 ? SIB_NONE : (uint32_t)s->graph, s->nodes};
    if (code == CLI_DONE && s->dot)
        inspect_dot(milli ? milli : g);
    else if (code == CLI_DONE && s->svg)
        code = inspect_svg(milli ? milli : g);
    else if (code == CLI_DONE && s->json)
        cli_json_print(inspect_json(&what));
    else if (code == CLI_DONE)
        inspect_text(&what);
    sib_graph_free(&milli);
    return code;
}

/* The work after the options are parsed. */
static int inspect_named(const cli_command *self, const settings *s, int n, char **names)
{
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    if (s->dims.n && !s->milli && !s->plan)
        return cli_usage(self, "--dim is for --milli and --plan");
    if (s->backend && !s->plan)
        return cli_usage(self, "--backend is for --plan");
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_open_options limits = open_limits(s->open_memory);
    limits.registry = s->ext.registry;
    limits.log = verbose_log(s->verbose);
    if (sib_model_open(names[0], &limits, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    int code = show(s, names[0], m);
    sib_model_free(&m);
    return code;
}

static int inspect(const cli_command *self, int argc, char **argv)
{
    settings s = {.graph = -1, .verbose = -1};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? inspect_named(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.dims.items);
    return code;
}

const cli_command command_inspect = {
    .name = "inspect",
    .summary = "show what a model is made of",
    .operands =
        "MODEL [--nodes] [--graph N] [--milli NODE] [--plan] [--dot|--svg] [--json] [--open-memory MB]",
    .options = options,
    .more = more,
    .run = inspect};
