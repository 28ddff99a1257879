/* Checks every node once, when its graph is read: the operator is known, the numbers of inputs and outputs
   are allowed, required inputs are present, and the attributes fit its family (spec.def). Passes, kernels and
   lowerings rely on this. */
#include "ops/ops.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Inputs below an operator's minimum that may nevertheless be omitted: bit i for input i. */
static const struct {
    const char *domain, *name;
    unsigned inputs;
} may_be_omitted[] = {
    {"", "Loop", 1u << 0 | 1u << 1},
    {"", "Scan", 1u << 0},
    {"com.microsoft", "QLinearAdd", 1u << 2 | 1u << 5},
    {"com.microsoft", "QLinearMul", 1u << 2 | 1u << 5},
    {"com.microsoft", "QLinearSigmoid", 1u << 2},
    {"com.microsoft", "QLinearLeakyRelu", 1u << 2},
    {"com.microsoft", "QLinearAveragePool", 1u << 2},
    {"com.microsoft", "QLinearSoftmax", 1u << 2},
    {"com.microsoft", "QLinearReduceMean", 1u << 2},
    {"com.microsoft", "EmbedLayerNormalization", 1u << 1 | 1u << 4},
    {"com.microsoft", "QEmbedLayerNormalization", 1u << 1 | 1u << 4 | 1u << 7 | 1u << 10 | 1u << 15},
    {"com.microsoft", "GroupQueryAttention", 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4},
    {"com.microsoft", "DecoderMaskedSelfAttention", 1u << 3},
    {"com.microsoft", "SparseAttention", 1u << 1 | 1u << 2},
    {"com.microsoft", "MoE", 1u << 3},
    {"com.microsoft", "QMoE", 1u << 3 | 1u << 4},
    {"com.microsoft", "MulInteger", 1u << 1},
    {"com.microsoft", "PackedMultiHeadAttention", 1u << 1 | 1u << 2 | 1u << 3},
};

/* The text of a node's fault, while it is being written. */
typedef struct fault_text {
    char text[240];
} fault_text;

static bool fault(fault_text *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fault(fault_text *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return false;
}

/* Number of inputs or outputs, not counting omitted ones at the end. */
static size_t without_tail(const id_list *list)
{
    size_t n = list->n;
    while (n && list->ids[n - 1] == NO_VALUE)
        n--;
    return n;
}

/* "1", "2 to 4", "at least 1". */
static const char *range_text(int min, int max, char *text, size_t size)
{
    if (max < 0)
        snprintf(text, size, "at least %d", min);
    else if (min == max)
        snprintf(text, size, "%d", min);
    else
        snprintf(text, size, "%d to %d", min, max);
    return text;
}

static bool may_omit(const op_def *op, size_t i)
{
    for (size_t k = 0; k < sizeof may_be_omitted / sizeof *may_be_omitted; k++)
        if (!strcmp(op->domain, may_be_omitted[k].domain) && !strcmp(op->name, may_be_omitted[k].name))
            return may_be_omitted[k].inputs >> i & 1;
    return false;
}

static bool check_arity(const node *n, fault_text *f)
{
    const op_def *op = n->op;
    size_t n_in = without_tail(&n->inputs), n_out = without_tail(&n->outputs);
    char text[40];
    /* inputs that may be omitted need not be listed at the end either */
    size_t min = (size_t)op->min_in;
    while (min && may_omit(op, min - 1))
        min--;
    if (n_in < min || (op->max_in >= 0 && n_in > (size_t)op->max_in))
        return fault(f, "has %zu inputs, expected %s", n_in,
                     range_text((int)min, op->max_in, text, sizeof text));
    if (op->max_out >= 0 && n_out > (size_t)op->max_out)
        return fault(f, "has %zu outputs, expected at most %d", n_out, op->max_out);
    for (size_t i = 0; i < min; i++)
        if (n->inputs.ids[i] == NO_VALUE && !may_omit(op, i))
            return fault(f, "input %zu is missing", i);
    return true;
}

/* n->op must be set. */
static bool check_node(const node *n, fault_text *f)
{
    sib_error err = SIB_ERROR_INIT;
    if (!check_arity(n, f))
        return false;
    return spec_check(n->op->attributes, n, &err) == SIB_OK || fault(f, "%s", err.message);
}

sib_code ops_resolve(graph *g, const op_finder *more, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        node *n = &g->nodes[i];
        fault_text f;
        bool ok = true;
        n->op = more ? more->find(more->context, n) : NULL;
        if (!n->op)
            n->op = ops_find(n->domain, n->type);
        if (n->op && !check_node(n, &f))
            n->fault = arena_string(g->arena, str_of(f.text), &ok).data;
        if (!ok)
            code = err_memory(err, sizeof f.text, "a node");
        for (size_t k = 0; k < n->n_attributes && code == SIB_OK; k++) {
            attribute *a = &n->attributes[k];
            if (a->kind == ATTR_GRAPH)
                code = ops_resolve(a->graph, more, err);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n && code == SIB_OK; j++)
                code = ops_resolve(a->graphs[j], more, err);
        }
    }
    return code;
}

bool ops_has_registered(const graph *g)
{
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (n->op && n->op != ops_find(n->domain, n->type))
            return true;
        for (size_t k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->kind == ATTR_GRAPH && ops_has_registered(a->graph))
                return true;
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++)
                if (ops_has_registered(a->graphs[j]))
                    return true;
        }
    }
    return false;
}

sib_code ops_refuse(const graph *g, const node *n, sib_error *err)
{
    char name[160];
    if (!n->op)
        return err_set(err, SIB_ERR_UNSUPPORTED, "node %s: operator %.*s%s%.*s is not known",
                       node_text(g, n, name, sizeof name), (int)n->domain.length,
                       n->domain.data ? n->domain.data : "", n->domain.length ? ":" : "", (int)n->type.length,
                       n->type.data);
    if (n->fault)
        return err_set(err, SIB_ERR_ARGUMENT, "node %s: %s", node_text(g, n, name, sizeof name), n->fault);
    return SIB_OK;
}
