#include "backend/gpu/indices.h"
#include "tensor/tensor.h"

#include <inttypes.h>

bool gpu_indices_of(const node_view *n, size_t input, size_t first, size_t depth, const gpu_tensor *data,
                    gpu_indices *out)
{
    gpu_tensor t;
    if (!gpu_tensor_of(n->graph, n->in[input], &t) || (t.dtype != SIB_I64 && t.dtype != SIB_I32) || !depth ||
        first + depth > data->rank || t.count % depth)
        return false;
    *out = (gpu_indices){.input = input,
                         .count = t.count / depth,
                         .depth = depth,
                         .first = first,
                         .dtype = t.dtype,
                         .wraps = !n->node->milli};
    for (size_t k = 0; k < depth; k++)
        out->sizes[k] = data->dims[first + k];
    return true;
}

sib_code gpu_indices_check(const gpu_indices *x, const node *n, const void *elements, sib_error *err)
{
    const int64_t *wide = elements;
    const int32_t *narrow = elements;
    const sib_str type = n->milli ? str_of(milli_row(n->milli->kind)->name) : n->type;
    for (size_t i = 0; i < x->count; i++)
        for (size_t k = 0; k < x->depth; k++) {
            const size_t at = i * x->depth + k;
            const int64_t index = x->dtype == SIB_I64 ? wide[at] : narrow[at];
            if (index >= x->sizes[k] || index < (x->wraps ? -x->sizes[k] : 0))
                return err_set(err, SIB_ERR_VALUE,
                               "%.*s: index %" PRId64 " is out of range on axis %zu of size %" PRId64,
                               (int)type.length, type.data, index, x->first + k, x->sizes[k]);
        }
    return SIB_OK;
}

bool gpu_indices_hold(const gpu_indices *x, const node_view *n)
{
    const sib_tensor *constant = n->in[x->input]->constant;
    if (!constant)
        return true;
    tensor_ready(constant);
    return gpu_indices_check(x, n->node, constant->data, NULL) == SIB_OK;
}
