/* Nodes as callbacks see them. */
#include "extend/extend.h"

#include "graph/describe.h"

#include <string.h>

void sib_node_get_info(const sib_node *s, sib_node_info *out)
{
    const node *n = s->node;
    const user_op *op = user_op_of(n);
    *out = (sib_node_info){.name = name_text(n->name),
                           .domain = op         ? op->domain.data
                                     : n->milli ? "milli"
                                                : name_text(n->domain),
                           .type = op         ? op->name.data
                                   : n->milli ? n->milli->name
                                              : name_text(n->type),
                           .doc = name_text(n->doc),
                           .version = n->version,
                           .known = true,
                           .n_inputs = n->inputs.n,
                           .n_outputs = n->outputs.n,
                           .n_attributes = n->n_attributes};
}

static bool describe(const sib_node *s, const id_list *list, size_t i, sib_value_info *out)
{
    if (i >= list->n || list->ids[i] == NO_VALUE)
        return false;
    *out = value_describe(s->graph, &s->graph->values[list->ids[i]]);
    out->captured = SIB_NONE;
    return true;
}

bool sib_node_input(const sib_node *s, size_t i, sib_value_info *out)
{
    return describe(s, &s->node->inputs, i, out);
}

bool sib_node_output(const sib_node *s, size_t i, sib_value_info *out)
{
    return describe(s, &s->node->outputs, i, out);
}

bool sib_node_attribute(const sib_node *s, const char *name, sib_attribute *out)
{
    const attribute *a = node_attribute(s->node, name);
    const user_op *op = user_op_of(s->node);
    if (a) {
        *out = attribute_describe(a);
        return true;
    }
    for (size_t i = 0; op && i < op->desc.n_attributes; i++)
        if (op->desc.attributes[i].value.n && !strcmp(op->desc.attributes[i].value.name, name)) {
            *out = op->desc.attributes[i].value;
            return true;
        }
    return false;
}

bool sib_node_attribute_at(const sib_node *s, size_t i, sib_attribute *out)
{
    if (i >= s->node->n_attributes)
        return false;
    *out = attribute_describe(&s->node->attributes[i]);
    return true;
}

int64_t sib_node_int(const sib_node *s, const char *name, int64_t otherwise)
{
    sib_attribute a;
    return sib_node_attribute(s, name, &a) && a.kind == SIB_ATTRIBUTE_INT && a.ints ? *a.ints : otherwise;
}

double sib_node_float(const sib_node *s, const char *name, double otherwise)
{
    sib_attribute a;
    return sib_node_attribute(s, name, &a) && a.kind == SIB_ATTRIBUTE_FLOAT && a.floats ? (double)*a.floats
                                                                                        : otherwise;
}
