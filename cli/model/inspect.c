/* sibyl inspect MODEL: what a model is made of. */
#include "command.h"
#include "messages.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    bool json, nodes;
    double open_memory; /* MB */
} settings;

static const cli_option options[] = {
    OPT_FLAG("nodes", nodes, "show every node, with its attributes, operations and bytes",
             .more = "Sizes that depend on symbolic dims are expressions of them."),
    OPT_FLAG("json", json, "print one JSON document, nodes included"), OPT_OPEN_MEMORY, OPT_END};

static const char more[] =
    "Inputs, outputs, opsets, parameters, operators by count; what the reader noticed, such as a "
    "declared shape that differs from the inferred one; operators that Sibyl does not have. Sizes that "
    "depend on symbolic dims are shown as expressions of them.";

/* ---- Operators by count ------------------------------------------------------------------------------- */

typedef struct op_count {
    const char *domain, *type;
    bool known;
    size_t n;
} op_count;

static int by_count(const void *a, const void *b)
{
    const op_count *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    int order = strcmp(x->domain, y->domain);
    return order ? order : strcmp(x->type, y->type);
}

static op_count *count_operators(const sib_model *m, size_t *n)
{
    sib_model_info info;
    sib_node_info node;
    sib_model_get_info(m, &info);
    op_count *ops = cli_alloc(info.n_nodes + 1, sizeof *ops);
    *n = 0;
    for (size_t i = 0; sib_model_node(m, i, &node); i++) {
        size_t k = 0;
        while (k < *n && (strcmp(ops[k].type, node.type) != 0 || strcmp(ops[k].domain, node.domain) != 0))
            k++;
        if (k == *n)
            ops[(*n)++] = (op_count){node.domain, node.type, node.known, 0};
        ops[k].n++;
    }
    qsort(ops, *n, sizeof *ops, by_count);
    return ops;
}

/* ---- As text ------------------------------------------------------------------------------------------- */

static void value_line(const char *what, const sib_value_info *v)
{
    printf("  %-9s %-28s %s%s\n", what, v->name, v->type, v->optional_input ? "  (has a default)" : "");
}

static void node_line(const sib_model *m, size_t i, const sib_node_info *n)
{
    const char *name, *text;
    printf("  %5zu %-24s %s%s%s-%lld", i, *n->name ? n->name : "-", n->domain, *n->domain ? ":" : "", n->type,
           (long long)n->version);
    for (size_t k = 0; sib_model_attribute(m, i, k, &name, &text); k++)
        printf(" %s=%s", name, text);
    printf("\n        ");
    for (size_t k = 0; k < n->n_inputs + n->n_outputs; k++) {
        sib_value_info v;
        uint32_t id = k < n->n_inputs ? n->inputs[k] : n->outputs[k - n->n_inputs];
        printf("%s", k == n->n_inputs ? " -> " : k ? ", " : "");
        if (id != UINT32_MAX && sib_model_value(m, id, &v))
            printf("%s %s", v.name, v.type);
        else
            printf("_");
    }
    printf("\n        %s operations, %s bytes\n", n->flops ? n->flops : "?", n->bytes ? n->bytes : "?");
}

static void show_operators(const sib_model *m)
{
    size_t n, unknown = 0;
    op_count *ops = count_operators(m, &n);
    printf("operators\n");
    for (size_t i = 0; i < n; i++) {
        printf("  %6zu %s%s%s\n", ops[i].n, ops[i].domain, *ops[i].domain ? ":" : "", ops[i].type);
        unknown += !ops[i].known;
    }
    if (unknown) {
        printf("unknown operators\n");
        for (size_t i = 0; i < n; i++)
            if (!ops[i].known)
                printf("  %6zu %s%s%s\n", ops[i].n, ops[i].domain, *ops[i].domain ? ":" : "", ops[i].type);
    }
    free(ops);
}

static void show(const sib_model *m, const char *path, const settings *s)
{
    sib_model_info info;
    sib_value_info v;
    sib_node_info node;
    const char *key, *text, *domain;
    int64_t version;
    sib_model_get_info(m, &info);
    printf("%s\n  graph     %s, %zu nodes, %zu values\n", path, *info.graph_name ? info.graph_name : "-",
           info.n_nodes, info.n_values);
    printf("  made by   %s%s%s, IR %lld\n", *info.producer_name ? info.producer_name : "-",
           *info.producer_version ? " " : "", info.producer_version, (long long)info.ir_version);
    printf("  opsets   ");
    for (size_t i = 0; sib_model_opset(m, i, &domain, &version); i++)
        printf(" %s %lld", *domain ? domain : "ai.onnx", (long long)version);
    printf("\n  weights   %llu parameters in %zu tensors, %.1f MB\n", (unsigned long long)info.parameters,
           info.n_initializers, (double)info.parameter_bytes * 1e-6);
    for (size_t i = 0; sib_model_input(m, i, &v); i++)
        value_line("input", &v);
    for (size_t i = 0; sib_model_output(m, i, &v); i++)
        value_line("output", &v);
    for (size_t i = 0; sib_model_metadata(m, i, &key, &text); i++)
        printf("  %-9s %s = %.200s\n", "metadata", key, text);
    show_operators(m);
    if (s->nodes) {
        printf("nodes\n");
        for (size_t i = 0; sib_model_node(m, i, &node); i++)
            node_line(m, i, &node);
    }
    for (size_t i = 0; sib_model_diagnostic(m, i); i++)
        printf("noticed: %s\n", sib_model_diagnostic(m, i));
}

/* ---- As JSON ------------------------------------------------------------------------------------------- */

static json_t *value_json(const sib_value_info *v)
{
    json_t *j = json_pack("{s:o, s:o, s:s}", "name", cli_json_text(v->name), "type", cli_json_text(v->type),
                          "dtype", sib_dtype_name(v->dtype));
    json_t *dims = v->ranked ? json_array() : json_null();
    for (size_t i = 0; v->ranked && i < v->rank; i++)
        json_array_append_new(dims,
                              v->dims[i] >= 0 ? json_integer(v->dims[i]) : cli_json_text(v->dim_names[i]));
    json_object_set_new(j, "dims", dims);
    if (v->optional_input)
        json_object_set_new(j, "has_default", json_true());
    return j;
}

static json_t *values_json(const sib_model *m, bool (*get)(const sib_model *, size_t, sib_value_info *))
{
    json_t *list = json_array();
    sib_value_info v;
    for (size_t i = 0; get(m, i, &v); i++)
        json_array_append_new(list, value_json(&v));
    return list;
}

/* The names of values, or their types; null for one that is left out. */
static json_t *values_of(const sib_model *m, size_t n, const uint32_t *ids, bool types)
{
    json_t *list = json_array();
    sib_value_info v;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, ids[i] != UINT32_MAX && sib_model_value(m, ids[i], &v)
                                        ? cli_json_text(types ? v.type : v.name)
                                        : json_null());
    return list;
}

static json_t *nodes_json(const sib_model *m)
{
    json_t *list = json_array();
    sib_node_info n;
    for (size_t i = 0; sib_model_node(m, i, &n); i++) {
        json_t *attributes = json_object();
        const char *name, *text;
        for (size_t k = 0; sib_model_attribute(m, i, k, &name, &text); k++)
            json_object_set_new(attributes, name, cli_json_text(text));
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                                        "name", cli_json_text(n.name), "domain", cli_json_text(n.domain),
                                        "type", cli_json_text(n.type), "version", (json_int_t)n.version,
                                        "known", n.known, "inputs", values_of(m, n.n_inputs, n.inputs, false),
                                        "outputs", values_of(m, n.n_outputs, n.outputs, false), "input_types",
                                        values_of(m, n.n_inputs, n.inputs, true), "output_types",
                                        values_of(m, n.n_outputs, n.outputs, true), "attributes", attributes,
                                        "flops", n.flops ? cli_json_text(n.flops) : json_null(), "bytes",
                                        n.bytes ? cli_json_text(n.bytes) : json_null()));
    }
    return list;
}

static json_t *document(const sib_model *m, const char *path)
{
    sib_model_info info;
    const char *key, *text;
    int64_t version;
    sib_model_get_info(m, &info);
    json_t *opsets = json_object(), *metadata = json_object(), *operators = json_object(),
           *unknown = json_array(), *notes = json_array();
    for (size_t i = 0; sib_model_opset(m, i, &key, &version); i++)
        json_object_set_new(opsets, *key ? key : "ai.onnx", json_integer(version));
    for (size_t i = 0; sib_model_metadata(m, i, &key, &text); i++)
        json_object_set_new(metadata, key, cli_json_text(text));
    size_t n;
    op_count *ops = count_operators(m, &n);
    for (size_t i = 0; i < n; i++) {
        char *name = cli_format("%s%s%s", ops[i].domain, *ops[i].domain ? ":" : "", ops[i].type);
        json_object_set_new(operators, name, json_integer((json_int_t)ops[i].n));
        if (!ops[i].known)
            json_array_append_new(unknown, cli_json_text(name));
        free(name);
    }
    free(ops);
    for (size_t i = 0; sib_model_diagnostic(m, i); i++)
        json_array_append_new(notes, cli_json_text(sib_model_diagnostic(m, i)));
    json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "path", cli_json_text(path), "graph",
                          cli_json_text(info.graph_name), "producer", cli_json_text(info.producer_name),
                          "producer_version", cli_json_text(info.producer_version), "ir_version",
                          (json_int_t)info.ir_version, "model_version", (json_int_t)info.model_version);
    json_object_set_new(j, "opsets", opsets);
    json_object_set_new(j, "metadata", metadata);
    json_object_set_new(j, "parameters", json_integer((json_int_t)info.parameters));
    json_object_set_new(j, "parameter_bytes", json_integer((json_int_t)info.parameter_bytes));
    json_object_set_new(j, "inputs", values_json(m, sib_model_input));
    json_object_set_new(j, "outputs", values_json(m, sib_model_output));
    json_object_set_new(j, "operators", operators);
    json_object_set_new(j, "unknown_operators", unknown);
    json_object_set_new(j, "nodes", nodes_json(m));
    json_object_set_new(j, "noticed", notes);
    return j;
}

/* ---- The command
   ---------------------------------------------------------------------------------------- */

static int inspect(const cli_command *self, int argc, char **argv)
{
    settings s = {0};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "expected one model, got %d", n);
    sib_model *m = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_open_options limits = open_limits(s.open_memory);
    if (sib_model_open(argv[0], &limits, &m, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    if (s.json)
        cli_json_print(document(m, argv[0]));
    else
        show(m, argv[0], &s);
    sib_model_free(&m);
    return CLI_DONE;
}

const cli_command command_inspect = {.name = "inspect",
                                     .summary = "show what a model is made of",
                                     .operands = "MODEL [--nodes] [--json] [--open-memory MB]",
                                     .options = options,
                                     .more = more,
                                     .run = inspect};
