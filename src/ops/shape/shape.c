/* Changes of dims and order: Reshape and related operators, Transpose, Expand, Tile, Concat. */
#include "ops/lower/lists.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <string.h>

/* Returns true and the value where a dim is a constant. */
static bool number_of(const lowering *l, dim d, int64_t *out)
{
    return dim_is_const(l->graph->dims, d, out);
}

/* Declares the dtype of x and a rank for output 0, before its dims may have to be asked for. */
static void declare_rank(lowering *l, mval x, int rank)
{
    dim unknown[SIB_MAX_RANK];
    for (int i = 0; i < SIB_MAX_RANK; i++)
        unknown[i] = DIM_NONE;
    if (!l->symbolic)
        return;
    if (rank > SIB_MAX_RANK)
        rank = -1;
    l_declare(l, 0, m_dtype(l, x), rank < 0 ? 0 : rank, rank < 0 ? NULL : unknown);
}

/* ---- Reshape --------------------------------------------------------------------------------- */

/* The dim that replaces -1: the elements of x over the product of the other target dims. Dims on both sides
   are cancelled first, so that a symbolic batch, or a copied dim of 0, leaves no division. */
static dim rest_of(lowering *l, int rank, const dim *old, size_t n, const dim *target, size_t open,
                   const bool *copied)
{
    bool used[SIB_MAX_RANK] = {false};
    dim rest = d_const(l, 1), by = d_const(l, 1);
    int64_t total, part;
    for (size_t i = 0; i < n; i++) {
        bool crossed = i == open;
        if (copied[i])
            crossed = used[i] = true;
        for (int k = 0; k < rank && !crossed && l->symbolic; k++)
            if (!used[k] && dim_same(old[k], target[i]) && !number_of(l, old[k], &total) &&
                !(k < (int)n && copied[k]))
                crossed = used[k] = true;
        if (!crossed)
            by = d_mul(l, by, target[i]);
    }
    for (int k = 0; k < rank; k++)
        if (!used[k])
            rest = d_mul(l, rest, old[k]);
    if (!l_ok(l))
        return DIM_NONE;
    if (number_of(l, by, &part) && part == 0) {
        l_fail(l, SIB_ERR_ARGUMENT, "target dims have both -1 and 0, so that -1 is not determined");
        return DIM_NONE;
    }
    if (number_of(l, rest, &total) && number_of(l, by, &part) && total % part) {
        l_fail(l, SIB_ERR_ARGUMENT,
               "%lld elements are not a multiple of %lld, so that target dim -1 is not determined",
               (long long)total, (long long)part);
        return DIM_NONE;
    }
    return d_floor_div(l, rest, by);
}

/* The elements of data in row-major order with the target dims; -1 is inferred, 0 copies the dim unless
   allowzero. The target is an attribute in opset 1. ONNX Reshape-25. */
void lower_ONNX_Reshape(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    dim old[SIB_MAX_RANK], target[SIB_MAX_RANK];
    reshape_spec spec = spec_reshape(n);
    bool copied[SIB_MAX_RANK] = {false}, allow_zero = spec.allowzero;
    size_t open = SIZE_MAX;
    declare_rank(l, x, l_has(l, 1) ? list_length(l, l_in(l, 1)) : -1);
    dim_list shape = list_dims(l, spec.shape, 1);
    if (l_ok(l) && (!shape.given || shape.n > SIB_MAX_RANK)) {
        l_fail(l, SIB_ERR_ARGUMENT, "the target has %zu dims, expected at most %d", shape.n, SIB_MAX_RANK);
        return;
    }
    int rank = m_dims(l, x, old);
    for (size_t i = 0; i < shape.n && l_ok(l); i++) {
        int64_t number = 1;
        bool known = number_of(l, shape.items[i], &number);
        target[i] = shape.items[i];
        if (known && number == -1 && open == SIZE_MAX)
            open = i;
        else if (known && number < 0)
            l_fail(l, SIB_ERR_ARGUMENT, "target dim %zu is %lld%s", i, (long long)number,
                   number == -1 ? ", like one before it" : "");
        else if (known && !number && !allow_zero) {
            if (i >= (size_t)rank)
                l_fail(l, SIB_ERR_ARGUMENT,
                       "target dim %zu is 0, which copies a dim that a tensor of rank %d does not have", i,
                       rank);
            else
                target[i] = old[i];
            copied[i] = true;
        }
    }
    if (!l_ok(l))
        return;
    if (open != SIZE_MAX)
        target[open] = rest_of(l, rank, old, shape.n, target, open, copied);
    l_out(l, 0, m_reshape(l, x, shape.n, target));
}

/* [d0 * ... * d(axis-1), d(axis) * ...]. ONNX Flatten-25. */
void lower_ONNX_Flatten(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK], out[2];
    declare_rank(l, x, 2);
    int rank = m_dims(l, x, dims);
    int64_t axis = spec_flatten(n).axis;
    int at = axis == rank ? rank : m_axis(l, axis, rank, "axis");
    if (!l_ok(l))
        return;
    out[0] = d_product(l, (size_t)at, dims);
    out[1] = d_product(l, (size_t)(rank - at), dims + at);
    l_out(l, 0, m_reshape(l, x, 2, out));
}

/* x without the listed axes, which must have size 1; without a list, without all axes of size 1. The list is
   an attribute before opset 13. ONNX Squeeze-25. */
void lower_ONNX_Squeeze(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    bool drop[SIB_MAX_RANK] = {false};
    int axes[SIB_MAX_RANK], listed = l_has(l, 1) ? list_length(l, l_in(l, 1)) : -1;
    int rank = m_rank(l, x);
    declare_rank(l, x, listed >= 0 && listed <= rank ? rank - listed : -1);
    dim_list list = list_dims(l, spec_axes(n).axes, 1);
    int count = list_axes(l, &list, rank, 0, axes);
    for (int i = 0; i < count; i++)
        drop[axes[i]] = true;
    if (!list.given)
        for (int i = 0; i < rank && l_ok(l); i++)
            drop[i] = m_size(l, x, i) == 1;
    for (int i = rank; i-- > 0 && l_ok(l);)
        if (drop[i])
            x = m_squeeze(l, x, i);
    l_out(l, 0, x);
}

/* x with axes of size 1 inserted at the listed positions of the result. The list is an attribute before opset
   13. ONNX Unsqueeze-25. */
void lower_ONNX_Unsqueeze(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
    bool fresh[SIB_MAX_RANK] = {false};
    int axes[SIB_MAX_RANK], rank = m_dims(l, x, dims), next = 0;
    int listed = l_has(l, 1) ? list_length(l, l_in(l, 1)) : -1;
    declare_rank(l, x, listed < 0 ? -1 : rank + listed);
    dim_list list = list_dims(l, spec_axes(n).axes, 1);
    int wide = rank + (int)list.n;
    if (l_ok(l) && (!list.given || wide > SIB_MAX_RANK)) {
        l_fail(l, SIB_ERR_ARGUMENT,
               list.given ? "rank %d with %zu axes more is above %d" : "axes are missing", rank, list.n,
               SIB_MAX_RANK);
        return;
    }
    int count = list_axes(l, &list, wide, 0, axes);
    for (int i = 0; i < count; i++)
        fresh[axes[i]] = true;
    for (int i = 0; i < wide && l_ok(l); i++)
        out[i] = fresh[i] ? d_const(l, 1) : dims[next++];
    if (l_ok(l))
        l_out(l, 0, m_reshape(l, x, (size_t)wide, out));
}

/* ---- Order ----------------------------------------------------------------------------------- */

/* Axes in the order of perm; without it reversed. ONNX Transpose-25. */
void lower_ONNX_Transpose(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    int64_t reversed[SIB_MAX_RANK];
    spec_ints perm = spec_transpose(n).perm;
    int rank = m_rank(l, x);
    if (perm.v && l_ok(l) && perm.n != (size_t)rank) {
        l_fail(l, SIB_ERR_ARGUMENT, "perm has %zu axes, but the tensor %d", perm.n, rank);
        return;
    }
    for (int i = 0; i < rank; i++)
        reversed[i] = rank - 1 - i;
    l_out(l, 0, m_transpose(l, x, perm.v ? perm.v : reversed));
}

/* Blocks of b * b channels moved to the plane: out[n, c, h * b + i, w * b + j] = x[n, k, h, w] with k = (i *
   b + j) * C + c in mode DCR and c * b * b + i * b + j in mode CRD. ONNX DepthToSpace-13. */
void lower_ONNX_DepthToSpace(lowering *l, const node *n)
{
    static const int64_t dcr[6] = {0, 3, 4, 1, 5, 2}, crd[6] = {0, 1, 4, 2, 5, 3};
    mval x = l_in(l, 0);
    dim d[SIB_MAX_RANK];
    depth_spec spec = spec_depth(n);
    int64_t block = spec.blocksize, channels;
    bool columns = spec.mode == COLUMNS_FIRST;
    int rank = m_dims(l, x, d);
    if (!l_ok(l))
        return;
    if (rank != 4 || (number_of(l, d[1], &channels) && channels % (block * block))) {
        l_fail(l, SIB_ERR_ARGUMENT,
               "blocksize is %lld in a tensor of rank %d, expected rank 4 and channels in whole blocks",
               (long long)block, rank);
        return;
    }
    dim b = d_const(l, block), c = d_floor_div(l, d[1], d_const(l, block * block));
    dim deep[6] = {d[0], columns ? c : b, b, columns ? b : c, d[2], d[3]};
    dim flat[4] = {d[0], c, d_mul(l, d[2], b), d_mul(l, d[3], b)};
    x = m_transpose(l, m_reshape(l, x, 6, deep), columns ? crd : dcr);
    l_out(l, 0, m_reshape(l, x, 4, flat));
}

/* Blocks of the plane moved to channels: out[n, (i * b + j) * C + c, h, w] = x[n, c, h * b + i, w * b + j].
   ONNX SpaceToDepth-13. */
void lower_ONNX_SpaceToDepth(lowering *l, const node *n)
{
    static const int64_t perm[6] = {0, 3, 5, 1, 2, 4};
    mval x = l_in(l, 0);
    dim d[SIB_MAX_RANK];
    int64_t block = spec_depth(n).blocksize, size;
    int rank = m_dims(l, x, d);
    if (!l_ok(l))
        return;
    bool fits = rank == 4 && block >= 1 && block <= INT32_MAX;
    for (int i = 2; i < 4 && fits; i++)
        fits = !number_of(l, d[i], &size) || size % block == 0;
    if (!fits) {
        l_fail(l, SIB_ERR_ARGUMENT,
               "blocksize is %lld in a tensor of rank %d, expected rank 4 and a plane of whole blocks",
               (long long)block, rank);
        return;
    }
    dim b = d_const(l, block), h = d_floor_div(l, d[2], b), w = d_floor_div(l, d[3], b);
    dim deep[6] = {d[0], d[1], h, b, w, b};
    dim flat[4] = {d[0], d_mul(l, d[1], d_const(l, block * block)), h, w};
    x = m_transpose(l, m_reshape(l, x, 6, deep), perm);
    l_out(l, 0, m_reshape(l, x, 4, flat));
}

/* ---- Repetition ------------------------------------------------------------------------------ */

/* Broadcasts a dim of x with the one asked for, in both directions. */
static dim expanded(lowering *l, dim have, dim want, int at)
{
    int64_t x = -1, y = -1;
    bool x_known = number_of(l, have, &x), y_known = number_of(l, want, &y);
    if (y_known && y < 0)
        l_fail(l, SIB_ERR_ARGUMENT, "target dim %d is %lld", at, (long long)y);
    if (x_known && y_known && x != y && x != 1 && y != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "a dim of %lld cannot be expanded to %lld", (long long)x, (long long)y);
    return l_ok(l) ? d_broadcast(l, have, want) : DIM_NONE;
}

/* x broadcast with a shape in both directions. ONNX Expand-13. */
void lower_ONNX_Expand(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims), length = list_length(l, l_in(l, 1));
    declare_rank(l, x, length < 0 ? -1 : length > rank ? length : rank);
    dim_list shape = list_dims(l, NO_ATTRIBUTE, 1);
    if (l_ok(l) && shape.n > SIB_MAX_RANK)
        l_fail(l, SIB_ERR_SIZE, "a shape of rank %zu, at most %d is built", shape.n, SIB_MAX_RANK);
    if (!l_ok(l))
        return;
    int wide = rank > (int)shape.n ? rank : (int)shape.n;
    dim one = d_const(l, 1);
    for (int i = 0; i < wide && l_ok(l); i++) {
        int have = i - (wide - rank), want = i - (wide - (int)shape.n);
        out[i] = expanded(l, have < 0 ? one : dims[have], want < 0 ? one : shape.items[want], i);
    }
    if (l_ok(l))
        l_out(l, 0, m_expand(l, x, (size_t)wide, out));
}

/* Tile-1: repeats one axis; both inputs are scalars, of the data's dtype or integers. */
static void tile_one_axis(lowering *l, mval x)
{
    dim repeats[SIB_MAX_RANK];
    int rank = m_rank(l, x);
    declare_rank(l, x, rank);
    double times = m_float(l, l_in(l, 1)), axis = m_float(l, l_in(l, 2));
    if (!l_ok(l))
        return;
    if (!(times >= 0 && times < 1e15 && axis >= -rank && axis < rank)) {
        l_fail(l, SIB_ERR_ARGUMENT, "%g tiles along axis %g of a tensor of rank %d", times, axis, rank);
        return;
    }
    int at = (int)axis;
    for (int i = 0; i < rank; i++)
        repeats[i] = d_const(l, i == (at < 0 ? at + rank : at) ? (int64_t)times : 1);
    l_out(l, 0, m_tile(l, x, (size_t)rank, repeats));
}

/* out[i...] = x[i mod d...] with dims d * repeats. ONNX Tile-13. */
void lower_ONNX_Tile(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    int rank = m_rank(l, x);
    if (n->version < 6) {
        tile_one_axis(l, x);
        return;
    }
    declare_rank(l, x, rank);
    dim_list repeats = list_dims(l, NO_ATTRIBUTE, 1);
    for (size_t i = 0; i < repeats.n && l_ok(l); i++) {
        int64_t times;
        if (number_of(l, repeats.items[i], &times) && times < 0)
            l_fail(l, SIB_ERR_ARGUMENT, "axis %zu is repeated %lld times", i, (long long)times);
    }
    if (l_ok(l))
        l_out(l, 0, m_tile(l, x, repeats.n, repeats.items));
}

/* The inputs concatenated along an axis, default 1 in opset 1. ONNX Concat-13. */
void lower_ONNX_Concat(lowering *l, const node *n)
{
    mval few[16], *items = n->inputs.n <= 16 ? few : mem_alloc(n->inputs.n, sizeof *items);
    int64_t axis = spec_concat(n).axis;
    if (!items) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for %u parts", n->inputs.n);
        return;
    }
    for (uint32_t i = 0; i < n->inputs.n; i++)
        items[i] = l_in(l, i);
    SIB_ASSERT(n->inputs.n);
    declare_rank(l, items[0], m_rank(l, items[0]));
    int at = m_axis(l, axis, m_rank(l, items[0]), "axis");
    l_out(l, 0, m_concat(l, n->inputs.n, items, at));
    if (items != few)
        mem_free(items);
}
