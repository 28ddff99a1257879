/* Graphs as text and as files. */
#include "graph.h"

#include "onnx/onnx.h"

#include <inttypes.h>
#include <sys/stat.h>

#define SHOWN 400 /* max elements shown of a value */

static void print_list(const attribute *a, FILE *out)
{
    fprintf(out, "[");
    for (size_t i = 0; i < a->n; i++)
        switch (a->kind) {
        case ATTR_INTS:
            fprintf(out, "%s%" PRId64, i ? "," : "", a->ints[i]);
            break;
        case ATTR_FLOATS:
            fprintf(out, "%s%#.9g", i ? "," : "", (double)a->floats[i]);
            break;
        default:
            fprintf(out, "%s\"%.*s\"", i ? "," : "", (int)a->strings[i].length, a->strings[i].data);
        }
    fprintf(out, "]");
}

static void print_elements(const sib_tensor *t, FILE *out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *texts = NULL;
    size_t n = sib_tensor_count(t);
    fprintf(out, "%s[", case_dtype_name(sib_tensor_dtype(t)));
    for (size_t k = 0; k < sib_tensor_rank(t); k++)
        fprintf(out, "%s%" PRId64, k ? "," : "", sib_tensor_dims(t)[k]);
    fprintf(out, "]%s", n ? " =" : "");
    if (sib_tensor_convert(t, SIB_STRING, SIB_OVERFLOW_IEEE, &texts, &err) == SIB_OK) {
        const sib_str *s = sib_tensor_data(texts);
        for (size_t i = 0; i < n && i < SHOWN; i++)
            fprintf(out, " %.*s", (int)s[i].length, s[i].data);
        if (n > SHOWN)
            fprintf(out, " ... (%zu in all)", n);
    }
    sib_tensor_free(&texts);
}

static void print_attribute(const attribute *a, FILE *out)
{
    fprintf(out, "%.*s=", (int)a->name.length, a->name.data);
    switch (a->kind) {
    case ATTR_INT:
        fprintf(out, "%" PRId64, a->i);
        break;
    case ATTR_FLOAT:
        fprintf(out, "%#.9g", (double)a->f);
        break;
    case ATTR_STRING:
        fprintf(out, "\"%.*s\"", (int)a->s.length, a->s.data);
        break;
    case ATTR_INTS:
    case ATTR_FLOATS:
    case ATTR_STRINGS:
        print_list(a, out);
        break;
    case ATTR_GRAPH:
        fprintf(out, "graph:\"%.*s\"", (int)a->s.length, a->s.data);
        break;
    case ATTR_TENSOR:
        print_elements(a->tensor, out);
        break;
    default:
        fprintf(out, "?");
    }
}

static void print_head(const rg_node *n, FILE *out)
{
    fprintf(out, "%.*s%s%.*s-%" PRId64, (int)n->domain.length, n->domain.data, n->domain.length ? ":" : "",
            (int)n->type.length, n->type.data, n->version);
    for (size_t i = 0; i < n->n_attributes; i++) {
        fputc(' ', out);
        print_attribute(&n->attributes[i], out);
    }
}

/* Prints one node as a line of a cases file, with ref's results. */
static void print_case(const rg_graph *g, const rg_node *n, FILE *out)
{
    print_head(n, out);
    for (int k = 0; k < n->n_in; k++) {
        fprintf(out, " ; ");
        if (n->in[k] == RG_NONE)
            fprintf(out, "_");
        else
            print_elements(g->values[n->in[k]].t, out);
    }
    for (int k = 0; k < n->n_out; k++) {
        fprintf(out, k ? " ; " : " -> ");
        if (n->out[k] == RG_NONE)
            fprintf(out, "_");
        else
            print_elements(g->values[n->out[k]].t, out);
    }
    fputc('\n', out);
}

static void print_graph(const rg_graph *g, FILE *out)
{
    for (int v = 0; v < g->n_values; v++)
        if (!g->values[v].dropped && g->values[v].maker == RG_NONE) {
            fprintf(out, "    %s v%d: ", g->values[v].constant ? "constant" : "input", v);
            print_elements(g->values[v].t, out);
            fputc('\n', out);
        }
    for (int i = 0; i < g->n_nodes; i++) {
        const rg_node *n = &g->nodes[i];
        if (n->dropped)
            continue;
        fprintf(out, "    ");
        for (int k = 0; k < n->n_out; k++)
            fprintf(out, n->out[k] == RG_NONE ? "%s_" : "%sv%d", k ? ", " : "", n->out[k]);
        fprintf(out, " = ");
        print_head(n, out);
        fprintf(out, " (");
        for (int k = 0; k < n->n_in; k++)
            fprintf(out, n->in[k] == RG_NONE ? "%s_" : "%sv%d", k ? ", " : "", n->in[k]);
        fprintf(out, ")\n");
    }
    for (int v = 0; v < g->n_values; v++)
        if (g->values[v].output && !g->values[v].dropped) {
            fprintf(out, "    output v%d, by ref: ", v);
            print_elements(g->values[v].t, out);
            fputc('\n', out);
        }
}

void rg_print(const rg_graph *g, FILE *out)
{
    if (rg_count(g) == 1)
        for (int i = 0; i < g->n_nodes; i++)
            if (!g->nodes[i].dropped)
                print_case(g, &g->nodes[i], out);
    if (rg_count(g) > 1)
        print_graph(g, out);
}

/* ---- Files --------------------------------------------------------------------------------------------- */

static bool save_value(const char *folder, const char *kind, size_t i, const char *name, const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", folder, kind, i);
    bool ok = sib_value_from_tensor(t, &v, &err) == SIB_OK && onnx_write_value(path, v, name, &err) == SIB_OK;
    sib_value_free(&v);
    return ok;
}

bool rg_save(const rg_graph *g, const char *folder)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    sib_value_info info;
    char path[4096];
    snprintf(path, sizeof path, "%s/test_data_set_0", folder);
    mkdir(folder, 0777);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    bool ok = rg_model(g, RG_NONE, &m, &err) == SIB_OK && sib_model_save(m, path, NULL, &err) == SIB_OK;
    for (size_t i = 0; ok && sib_model_input(m, i, &info); i++)
        ok = save_value(folder, "input", i, info.name, g->values[atoi(info.name + 1)].t);
    for (size_t i = 0; ok && sib_model_output(m, i, &info); i++)
        ok = save_value(folder, "output", i, info.name, g->values[atoi(info.name + 1)].t);
    if (!ok)
        printf("    (not saved: %s)\n", err.message);
    sib_model_free(&m);
    return ok;
}
