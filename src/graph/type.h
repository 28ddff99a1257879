/* Types of values: a tensor, or sequences, optionals and maps around one. */
#ifndef GRAPH_TYPE_H
#define GRAPH_TYPE_H

#include "graph/dims.h"

typedef enum type_kind {
    TYPE_UNKNOWN = 0,
    TYPE_TENSOR,
    TYPE_SPARSE, /* a sparse tensor; shape has its dense dims */
    TYPE_SEQUENCE,
    TYPE_OPTIONAL,
    TYPE_MAP
} type_kind;

#define TYPE_MAX_DEPTH 4

/* wrap lists what surrounds the tensor, outermost first: optional(seq(tensor)) is { OPTIONAL, SEQUENCE }.
   A map wraps the type of its values; key is the dtype of its keys. Where only the outer part is known,
   dtype is SIB_DTYPE_UNKNOWN. */
typedef struct value_type {
    uint8_t depth;                /* number of entries of wrap */
    uint8_t wrap[TYPE_MAX_DEPTH]; /* type_kind: SEQUENCE, OPTIONAL, MAP */
    type_kind leaf;               /* TYPE_TENSOR, TYPE_SPARSE or TYPE_UNKNOWN */
    sib_dtype dtype, key;
    dim_shape shape;
} value_type;

static inline type_kind type_outer(const value_type *t)
{
    return t->depth ? (type_kind)t->wrap[0] : t->leaf;
}

/* An unranked tensor. */
value_type type_tensor(sib_dtype dtype);
/* A tensor with concrete dims (rank). */
value_type type_of_dims(dim_table *t, sib_dtype dtype, size_t rank, const int64_t *dims);
/* Wraps t in kind. Returns an unknown type where that nests too deep. */
value_type type_wrap(type_kind kind, value_type t);
/* The type inside the outermost wrap; an unknown type for a tensor. */
value_type type_inner(const value_type *t);
/* True where a value of type b may be used as one of type a: no kind, dtype, rank or dim is known to
   differ. */
bool type_agrees(dim_table *dims, const value_type *a, const value_type *b);
/* "float32 [T, 80]", "seq(int64 [?1])", "map(string, float32 [])", "unknown". */
const char *type_text(const dim_table *dims, const value_type *t, char *text, size_t size);

#endif
