#include "run/attribute_text.h"

#include "base/c_locale.h"
#include "graph/describe.h"
#include "tensor/shape.h"

#include <stdio.h>

/* Max items of a list that are shown. */
#define SHOWN_MAX 16

static void one_item(const graph *g, const attribute *a, size_t i, char *text, size_t size)
{
    switch (a->kind) {
    case ATTR_INT:
        snprintf(text, size, "%lld", (long long)a->i);
        break;
    case ATTR_INTS:
        snprintf(text, size, "%lld", (long long)a->ints[i]);
        break;
    case ATTR_FLOAT:
        snprintf(text, size, "%.9g", (double)a->f);
        break;
    case ATTR_FLOATS:
        snprintf(text, size, "%.9g", (double)a->floats[i]);
        break;
    case ATTR_STRING:
        snprintf(text, size, "%.*s", (int)a->s.length, a->s.data);
        break;
    case ATTR_STRINGS:
        snprintf(text, size, "%.*s", (int)a->strings[i].length, a->strings[i].data);
        break;
    case ATTR_TENSOR:
    case ATTR_TENSORS:
    case ATTR_SPARSE: {
        const sib_tensor *t = a->kind == ATTR_TENSOR ? a->tensor : a->tensors[i];
        char shape[SHAPE_TEXT];
        snprintf(text, size, "%s %s", sib_dtype_name(sib_tensor_dtype(t)),
                 shape_text(sib_tensor_rank(t), sib_tensor_dims(t), shape));
        break;
    }
    case ATTR_TYPE:
        type_text(g->dims, a->type, text, size);
        break;
    default:
        snprintf(text, size, "graph of %u nodes", (a->kind == ATTR_GRAPH ? a->graph : a->graphs[i])->n_nodes);
    }
}

const char *attribute_text(const graph *g, const attribute *a, char text[ATTRIBUTE_TEXT])
{
    char item[400];
    c_locale locale;
    bool list = attribute_is_list(a);
    size_t n = list ? a->n : 1, used = 0;
    text[0] = 0;
    if (c_locale_enter(&locale, NULL) != SIB_OK)
        return text;
    for (size_t i = 0; i < n && used + 1 < ATTRIBUTE_TEXT; i++) {
        if (i == SHOWN_MAX)
            snprintf(item, sizeof item, "...");
        else
            one_item(g, a, i, item, sizeof item);
        int more = snprintf(text + used, ATTRIBUTE_TEXT - used, "%s%s", i ? ", " : list ? "[" : "", item);
        used += more > 0 ? (size_t)more : 0;
        if (i == SHOWN_MAX)
            break;
    }
    if (list && used + 1 < ATTRIBUTE_TEXT)
        snprintf(text + used, ATTRIBUTE_TEXT - used, n ? "]" : "[]");
    c_locale_leave(&locale);
    return text;
}
