/* What operators plan with: the tensors of a node, and the launches of its step. */
#include "backend/gpu/step.h"

#include "base/array.h"

#include <string.h>

bool gpu_tensor_of(const graph *g, const value *v, gpu_tensor *out)
{
    *out = (gpu_tensor){.count = 1};
    if (!v || v->type.depth || v->type.leaf != TYPE_TENSOR ||
        !dim_shape_const(g->dims, &v->type.shape, out->dims))
        return false;
    out->wide = v->type.dtype == SIB_F64;
    out->dtype = out->wide ? SIB_F32 : v->type.dtype;
    out->rank = v->type.shape.rank;
    const unsigned bits = sib_dtype_bits(out->dtype);
    if (bits < 8 || out->dtype == SIB_STRING || (out->wide && !v->narrow && !v->constant))
        return false;
    for (size_t i = 0; i < out->rank; i++)
        if (out->dims[i] <= 0 || !size_mul(out->count, (size_t)out->dims[i], &out->count) ||
            out->count > INT32_MAX / (bits / 8))
            return false;
    out->bytes = out->count * (bits / 8);
    return true;
}

bool gpu_has(const node_view *n, size_t k)
{
    gpu_tensor t;
    return k < n->n_in && gpu_tensor_of(n->graph, n->in[k], &t);
}

bool gpu_is(const node_view *n, const value *v, sib_dtype dtype, size_t rank, const size_t *dims)
{
    gpu_tensor t;
    bool same = gpu_tensor_of(n->graph, v, &t) && !t.wide && t.dtype == dtype && t.rank == rank;
    for (size_t i = 0; i < rank && same; i++)
        same = (size_t)t.dims[i] == dims[i];
    return same;
}

sib_code gpu_words(gpu_step *s, const void *words, size_t n, gpu_operand *out, sib_error *err)
{
    const size_t unit = GPU_ALIGN / sizeof *s->words, room = (n + unit - 1) / unit * unit;
    sib_code code = ARRAY_RESERVE(s->words, s->word_capacity, s->n_words + room, "a step", err);
    if (code != SIB_OK)
        return code;
    *out = (gpu_operand){GPU_OWN, 4 * s->n_words, 4 * n};
    memset(s->words + s->n_words, 0, 4 * room);
    memcpy(s->words + s->n_words, words, 4 * n);
    s->n_words += room;
    return SIB_OK;
}

gpu_operand gpu_scratch(gpu_step *s, size_t n)
{
    const gpu_operand made = {GPU_SCRATCH, 4 * s->scratch_words, 4 * n};
    s->scratch_words += size_ceil_div(n, GPU_ALIGN / 4) * (GPU_ALIGN / 4);
    return made;
}

sib_code gpu_add(gpu_step *s, gpu_kernel kernel, size_t n, const gpu_operand *operands, const void *args,
                 size_t x, size_t y, size_t z, sib_error *err)
{
    gpu_row row = {.kernel = kernel, .n = n, .groups = {(uint32_t)x, (uint32_t)y, (uint32_t)z}};
    SIB_ASSERT(n <= GPU_BUFFERS && x <= GPU_MAX_GROUPS && y <= GPU_MAX_GROUPS && z <= GPU_MAX_GROUPS);
    memcpy(row.operands, operands, n * sizeof *operands);
    memcpy(row.args, args, gpu_args_bytes(kernel));
    return ARRAY_PUSH(s->rows, s->n_rows, s->capacity, "a step", err, row);
}

sib_code gpu_add_line(gpu_step *s, gpu_kernel kernel, size_t n, const gpu_operand *operands, const void *args,
                      size_t groups, sib_error *err)
{
    return gpu_add(s, kernel, n, operands, args, size_min(groups, GPU_GROUPS_ALONG_X),
                   size_ceil_div(groups, GPU_GROUPS_ALONG_X), 1, err);
}
