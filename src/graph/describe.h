/* Values and attributes of graphs as the public structs describe them, without text. */
#ifndef GRAPH_DESCRIBE_H
#define GRAPH_DESCRIBE_H

#include "graph/graph.h"

#include <sibyl/graph.h>

/* The kind of value that a type requires, 0 where it does not declare one. */
sib_value_kind type_value_kind(const value_type *t);

/* Everything but type, declared, dim_names, optional_input and captured. A dim that is not a number is -1. */
sib_value_info value_describe(const graph *g, const value *v);

/* True for the kinds that hold n items. */
bool attribute_is_list(const attribute *a);

/* Everything but the text. */
sib_attribute attribute_describe(const attribute *a);

/* A name of a graph as C text; the arena ends each with NUL. */
static inline const char *name_text(sib_str s)
{
    return s.data ? s.data : "";
}

#endif
