#include "graph/describe.h"

sib_value_kind type_value_kind(const value_type *t)
{
    switch (type_outer(t)) {
    case TYPE_TENSOR:
    case TYPE_SPARSE:
        return SIB_VALUE_TENSOR;
    case TYPE_SEQUENCE:
        return SIB_VALUE_SEQUENCE;
    case TYPE_OPTIONAL:
        return SIB_VALUE_OPTIONAL;
    case TYPE_MAP:
        return SIB_VALUE_MAP;
    default:
        return (sib_value_kind)0;
    }
}

sib_value_info value_describe(const graph *g, const value *v)
{
    const value_type *t = &v->type;
    sib_value_info out = {.name = name_text(v->name),
                          .doc = name_text(v->doc),
                          .kind = type_value_kind(t),
                          .dtype = t->dtype,
                          .ranked = t->shape.ranked,
                          .rank = t->shape.rank,
                          .constant = v->constant,
                          .initializer = v->constant && v->from_file,
                          .producer = v->producer};
    for (int k = 0; k < t->shape.rank; k++)
        if (!dim_is_const(g->dims, t->shape.dims[k], &out.dims[k]))
            out.dims[k] = -1;
    return out;
}

bool attribute_is_list(const attribute *a)
{
    return a->kind >= ATTR_FLOATS && a->kind <= ATTR_SPARSE;
}

/* Sets the list of the kind; a single item is a list of one. */
static void fill_items(const attribute *a, sib_attribute *out)
{
    switch (a->kind) {
    case ATTR_FLOAT:
        out->floats = &a->f;
        break;
    case ATTR_INT:
        out->ints = &a->i;
        break;
    case ATTR_STRING:
        out->strings = &a->s;
        break;
    case ATTR_TENSOR:
        out->tensors = &a->tensor;
        break;
    case ATTR_FLOATS:
        out->floats = a->floats;
        break;
    case ATTR_INTS:
        out->ints = a->ints;
        break;
    case ATTR_STRINGS:
        out->strings = a->strings;
        break;
    case ATTR_TENSORS:
    case ATTR_SPARSE:
        out->tensors = a->tensors;
        break;
    default:
        break;
    }
}

sib_attribute attribute_describe(const attribute *a)
{
    sib_attribute out = {.name = name_text(a->name),
                         .kind = (sib_attribute_kind)a->kind,
                         .n = attribute_is_list(a) ? a->n : 1};
    fill_items(a, &out);
    return out;
}
