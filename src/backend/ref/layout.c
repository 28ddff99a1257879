/* Layout milli-ops: move elements as byte items of any dtype. */
#include "backend/ref/elements.h"
#include "backend/ref/plane.h"

#include <string.h>

/* Where each axis of the result leads in the input. */
typedef struct layout_map {
    int64_t offset;                /* of the first element, in bytes */
    int64_t strides[SIB_MAX_RANK]; /* (rank of the result), in bytes */
} layout_map;

/* Fills the map; own: strides of the input in bytes. */
typedef sib_code (*layout_rule)(const ref_call *c, const sib_tensor *a, const sib_tensor *out,
                                const int64_t *own, layout_map *map);

/* Writes the result as a strided view of the input. */
static sib_code run_map(const ref_call *c, layout_rule rule)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    ref_plane from = {0}, to = {0};
    layout_map map = {0};
    int64_t own[SIB_MAX_RANK], dense[SIB_MAX_RANK];
    if (!out || (out->count == 0 && a->count == 0))
        return SIB_OK;
    sib_code code = ref_plane_read(c, a, &from);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        ref_strides(a->rank, a->dims, from.item, own);
        ref_strides(out->rank, out->dims, to.item, dense);
        code = rule(c, a, out, own, &map);
        if (code == SIB_OK && out->count > 0)
            code = ref_copy_box(c, out->rank, out->dims, to.data, dense, from.data + map.offset, map.strides,
                                to.item);
        code = ref_plane_done(c, &to, code);
    }
    ref_plane_free(&from);
    return code;
}

static sib_code reshape_rule(const ref_call *c, const sib_tensor *a, const sib_tensor *out,
                             const int64_t *own, layout_map *map)
{
    (void)own;
    if (a->count != out->count)
        return ref_fail(c, SIB_ERR_VALUE, "%llu elements cannot become %llu", (unsigned long long)a->count,
                        (unsigned long long)out->count);
    ref_strides(out->rank, out->dims, dtype_is_packed(a->dtype) ? 1 : dtype_stride(a->dtype), map->strides);
    return SIB_OK;
}

static sib_code transpose_rule(const ref_call *c, const sib_tensor *a, const sib_tensor *out,
                               const int64_t *own, layout_map *map)
{
    spec_ints perm = spec_transpose(c->node).perm;
    if (perm.n != a->rank)
        return ref_fail(c, SIB_ERR_ARGUMENT, "perm has %zu axes, the input %zu", perm.n, a->rank);
    for (size_t i = 0; i < out->rank; i++)
        map->strides[i] = own[perm.v[i]];
    return SIB_OK;
}

static sib_code expand_rule(const ref_call *c, const sib_tensor *a, const sib_tensor *out, const int64_t *own,
                            layout_map *map)
{
    size_t missing = out->rank - a->rank;
    (void)c;
    for (size_t i = missing; i < out->rank; i++)
        map->strides[i] = a->dims[i - missing] == 1 ? 0 : own[i - missing];
    return SIB_OK;
}

static sib_code slice_rule(const ref_call *c, const sib_tensor *a, const sib_tensor *out, const int64_t *own,
                           layout_map *map)
{
    milli_slice_spec spec = spec_milli_slice(c->node);
    const int64_t *start = spec.start.v, *every = spec.step.v;
    if (spec.start.n != a->rank || spec.step.n != a->rank)
        return ref_fail(c, SIB_ERR_ARGUMENT, "start and step have %zu and %zu axes, the input %zu",
                        spec.start.n, spec.step.n, a->rank);
    for (size_t i = 0; i < out->rank && out->count > 0; i++) {
        int64_t span, last;
        if (!i64_mul(out->dims[i] - 1, every[i], &span) || !i64_add(start[i], span, &last) || start[i] < 0 ||
            start[i] >= a->dims[i] || last < 0 || last >= a->dims[i])
            return ref_fail(
                c, SIB_ERR_VALUE, "%lld elements from %lld by %lld are out of range on axis %zu of size %lld",
                (long long)out->dims[i], (long long)start[i], (long long)every[i], i, (long long)a->dims[i]);
        map->offset += start[i] * own[i];
        map->strides[i] = every[i] * own[i];
    }
    return SIB_OK;
}

sib_code ref_reshape(const ref_call *c)
{
    return run_map(c, reshape_rule);
}

sib_code ref_transpose(const ref_call *c)
{
    return run_map(c, transpose_rule);
}

sib_code ref_expand(const ref_call *c)
{
    return run_map(c, expand_rule);
}

sib_code ref_slice(const ref_call *c)
{
    return run_map(c, slice_rule);
}

/* ---- concat and pad ----------------------------------------------------------------------------------- */

sib_code ref_concat(const ref_call *c)
{
    sib_tensor *out = ref_out(c, 0);
    size_t axis = (size_t)spec_concat(c->node).axis;
    int64_t dense[SIB_MAX_RANK], own[SIB_MAX_RANK];
    ref_plane to = {0};
    if (!out || out->count == 0)
        return SIB_OK;
    sib_code code = ref_plane_write(c, out, &to);
    if (code != SIB_OK)
        return code;
    ref_strides(out->rank, out->dims, to.item, dense);
    char *at = to.data;
    for (size_t i = 0; i < c->view->n_in && code == SIB_OK; i++) {
        const sib_tensor *a = ref_in(c, i);
        ref_plane from = {0};
        code = ref_plane_read(c, a, &from);
        if (code == SIB_OK && a->count > 0) {
            ref_strides(a->rank, a->dims, from.item, own);
            code = ref_copy_box(c, a->rank, a->dims, at, dense, from.data, own, to.item);
        }
        at += a->dims[axis] * dense[axis];
        ref_plane_free(&from);
    }
    return ref_plane_done(c, &to, code);
}

sib_code ref_pad(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0), *border = ref_in(c, 1);
    sib_tensor *out = ref_out(c, 0);
    spec_ints given = spec_milli_pad(c->node).before;
    const int64_t *before = given.v;
    int64_t dense[SIB_MAX_RANK], own[SIB_MAX_RANK];
    ref_plane from = {0}, edge = {0}, to = {0};
    if (!out || out->count == 0)
        return SIB_OK;
    if (given.n != a->rank)
        return ref_fail(c, SIB_ERR_ARGUMENT, "before has %zu axes, the input %zu", given.n, a->rank);
    sib_code code = ref_plane_read(c, a, &from);
    if (code == SIB_OK)
        code = ref_plane_read(c, border, &edge);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        int64_t offset = 0;
        ref_strides(out->rank, out->dims, to.item, dense);
        ref_strides(a->rank, a->dims, from.item, own);
        for (size_t i = 0; i < a->rank; i++)
            offset += before[i] * dense[i];
        code = ref_copy_long(c, to.data, (int64_t)to.item, edge.data, 0, out->count, to.item);
        if (a->count > 0 && code == SIB_OK)
            code = ref_copy_box(c, a->rank, a->dims, to.data + offset, dense, from.data, own, to.item);
        code = ref_plane_done(c, &to, code);
    }
    ref_plane_free(&from);
    ref_plane_free(&edge);
    return code;
}

/* ---- Without inputs ------------------------------------------------------------------------------------ */

sib_code ref_iota(const ref_call *c)
{
    sib_tensor *out = ref_out(c, 0);
    ref_block block;
    if (!out)
        return SIB_OK;
    ref_path path = ref_path_of(out->dtype);
    if (path > REF_PATH_UINT)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(out->dtype));
    sib_code code = SIB_OK;
    for (uint64_t done = 0; done < out->count && code == SIB_OK;) {
        size_t n = out->count - done < REF_BLOCK ? (size_t)(out->count - done) : REF_BLOCK;
        for (size_t i = 0; i < n; i++) {
            if (path == REF_PATH_DOUBLE)
                block.f[i] = (double)(done + i);
            else
                block.u[i] = done + i;
        }
        ref_store(path, &block, out->dtype, out->data, done, n);
        done += n;
        code = ref_cancelled(c);
    }
    return code;
}

sib_code ref_constant(const ref_call *c)
{
    const sib_tensor *constant = spec_milli_constant(c->node).value;
    sib_value *v = NULL;
    if (!constant)
        return ref_fail(c, SIB_ERR_ARGUMENT, "it has no tensor 'value'");
    sib_code code = sib_value_from_tensor(constant, &v, c->err);
    return code == SIB_OK ? ref_give(c, 0, v) : code;
}
