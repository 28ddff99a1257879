/* Attributes of a node by name and kind, for tests that look at graphs. A missing attribute gives the
   fallback, or NULL. */
#ifndef TESTS_ATTR_H
#define TESTS_ATTR_H

#include "graph/graph.h"

static inline const attribute *attr_of(const node *n, const char *name, attribute_kind kind)
{
    const attribute *a = node_attribute(n, name);
    return a && a->kind == kind ? a : NULL;
}

static inline int64_t attr_int(const node *n, const char *name, int64_t fallback)
{
    const attribute *a = attr_of(n, name, ATTR_INT);
    return a ? a->i : fallback;
}

static inline double attr_float(const node *n, const char *name, double fallback)
{
    const attribute *a = attr_of(n, name, ATTR_FLOAT);
    return a ? (double)a->f : fallback;
}

static inline bool attr_is(const node *n, const char *name, const char *word)
{
    const attribute *a = attr_of(n, name, ATTR_STRING);
    return a && str_is(a->s, word);
}

#define ATTR_LIST(function, type, of_kind, field)                                                            \
    static inline const type *function(const node *n, const char *name, size_t *count)                       \
    {                                                                                                        \
        const attribute *a = attr_of(n, name, of_kind);                                                      \
        *count = a ? a->n : 0;                                                                               \
        return a ? a->field : NULL;                                                                          \
    }
ATTR_LIST(attr_ints, int64_t, ATTR_INTS, ints)
ATTR_LIST(attr_floats, float, ATTR_FLOATS, floats)
ATTR_LIST(attr_strings, sib_str, ATTR_STRINGS, strings)
#undef ATTR_LIST

static inline const sib_tensor *attr_tensor(const node *n, const char *name)
{
    const attribute *a = attr_of(n, name, ATTR_TENSOR);
    return a ? a->tensor : NULL;
}

static inline graph *attr_graph(const node *n, const char *name)
{
    const attribute *a = attr_of(n, name, ATTR_GRAPH);
    return a ? a->graph : NULL;
}

#endif
