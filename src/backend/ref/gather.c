/* Gathers and scatters elements by index and by coordinates. */
#include "backend/ref/elements.h"
#include "backend/ref/formulas.h"
#include "backend/ref/plane.h"

#include <inttypes.h>
#include <string.h>

static int64_t product(const int64_t *dims, size_t n)
{
    int64_t p = 1;
    for (size_t i = 0; i < n; i++)
        p *= dims[i];
    return p;
}

/* ---- gather ------------------------------------------------------------------------------------------- */

sib_code ref_gather(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0), *b = ref_in(c, 1);
    sib_tensor *out = ref_out(c, 0);
    size_t axis = (size_t)spec_gather(c->node).axis;
    const int64_t *index = (const int64_t *)b->data;
    ref_plane from = {0}, to = {0};
    for (uint64_t k = 0; k < b->count; k++)
        if (index[k] < 0 || index[k] >= a->dims[axis])
            return ref_fail(c, SIB_ERR_VALUE,
                            "index %" PRId64 " is out of range on axis %zu of size %" PRId64, index[k], axis,
                            a->dims[axis]);
    if (!out)
        return SIB_OK;
    sib_code code = ref_plane_read(c, a, &from);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        int64_t outer = product(a->dims, axis);
        size_t run = (size_t)product(a->dims + axis + 1, a->rank - axis - 1) * from.item;
        char *at = to.data;
        for (int64_t i = 0; i < outer && run > 0 && code == SIB_OK; i++)
            for (uint64_t k = 0; k < b->count && code == SIB_OK; k++, at += run) {
                memcpy(at, from.data + (size_t)(i * a->dims[axis] + index[k]) * run, run);
                code = ref_cancelled(c);
            }
        code = ref_plane_done(c, &to, code);
    }
    ref_plane_free(&from);
    return code;
}

/* ---- Coordinates --------------------------------------------------------------------------------------- */

/* Coordinates b [places..., depth] into axes [first, first + depth) of a. */
typedef struct nd_index {
    const sib_tensor *a;
    size_t first, depth;
    uint64_t places;
    const int64_t *coordinates; /* (places, depth) */
    uint64_t run;               /* elements per place: of the axes after the indexed ones */
} nd_index;

static nd_index nd_of(const sib_tensor *a, const sib_tensor *b, size_t batch)
{
    size_t depth = (size_t)b->dims[b->rank - 1];
    return (nd_index){a,
                      batch,
                      depth,
                      (uint64_t)product(b->dims, b->rank - 1),
                      (const int64_t *)b->data,
                      (uint64_t)product(a->dims + batch + depth, a->rank - batch - depth)};
}

/* *element: the first element of place k, within a batch. */
static sib_code nd_place(const ref_call *c, const nd_index *x, uint64_t k, uint64_t *element)
{
    const int64_t *at = x->coordinates + k * x->depth;
    uint64_t place = 0;
    for (size_t i = 0; i < x->depth; i++) {
        int64_t size = x->a->dims[x->first + i];
        if (at[i] < 0 || at[i] >= size)
            return ref_fail(c, SIB_ERR_VALUE,
                            "index %" PRId64 " is out of range on axis %zu of size %" PRId64, at[i],
                            x->first + i, size);
        place = place * (uint64_t)size + (uint64_t)at[i];
    }
    *element = place * x->run;
    return ref_cancelled(c);
}

sib_code ref_gather_nd(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0), *b = ref_in(c, 1);
    sib_tensor *out = ref_out(c, 0);
    size_t batch = (size_t)spec_gather(c->node).batch_dims;
    nd_index x = nd_of(a, b, batch);
    uint64_t batches = (uint64_t)product(a->dims, batch), each = batches ? x.places / batches : 0;
    uint64_t inside = (uint64_t)product(a->dims + batch, a->rank - batch); /* elements of one batch */
    ref_plane from = {0}, to = {0};
    if (!out || (out->count == 0 && x.depth == 0)) /* with no coordinates any number of places is legal */
        return SIB_OK;
    sib_code code = ref_plane_read(c, a, &from);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        for (uint64_t k = 0; k < x.places && code == SIB_OK; k++) {
            uint64_t element = 0;
            code = nd_place(c, &x, k, &element);
            element += each ? k / each * inside : 0;
            if (code == SIB_OK && x.run > 0)
                memcpy(to.data + k * x.run * to.item, from.data + element * to.item, x.run * to.item);
        }
        code = ref_plane_done(c, &to, code);
    }
    ref_plane_free(&from);
    return code;
}

/* ---- scatter_nd ---------------------------------------------------------------------------------------- */

/* How an update combines with the present element: the formula of the milli-op of that name, or NULL to
   replace. */
static sib_code reduction_of(const ref_call *c, ref_path path, ref_formula *formula)
{
    static const milli_kind kinds[] = {[SCATTER_ADD] = MILLI_add,
                                       [SCATTER_MUL] = MILLI_mul,
                                       [SCATTER_MIN] = MILLI_min,
                                       [SCATTER_MAX] = MILLI_max};
    scatter_reduction reduction = spec_scatter(c->node).reduction;
    *formula = NULL;
    if (reduction == SCATTER_NONE)
        return SIB_OK;
    if (path < REF_PATH_STRING)
        *formula = ref_formulas[kinds[reduction]].paths[path];
    if (*formula)
        return SIB_OK;
    return ref_fail(c, SIB_ERR_UNSUPPORTED, "reduction '%s' is not defined for %s",
                    milli_row(kinds[reduction])->name, sib_dtype_name(ref_in(c, 0)->dtype));
}

static sib_code scatter_items(const ref_call *c, const nd_index *x, const ref_plane *updates,
                              const ref_plane *to)
{
    sib_code code = SIB_OK;
    for (uint64_t k = 0; k < x->places && code == SIB_OK; k++) {
        uint64_t element = 0;
        code = nd_place(c, x, k, &element);
        if (code == SIB_OK && x->run > 0)
            memcpy(to->data + element * to->item, updates->data + k * x->run * to->item, x->run * to->item);
    }
    return code;
}

static sib_code scatter_numbers(const ref_call *c, const nd_index *x, ref_formula formula,
                                const sib_tensor *updates, sib_tensor *out)
{
    ref_path path = ref_path_of(out->dtype);
    ref_block there, update, result;
    sib_code code = SIB_OK;
    for (uint64_t k = 0; k < x->places && code == SIB_OK; k++) {
        uint64_t element = 0;
        code = nd_place(c, x, k, &element);
        for (uint64_t done = 0; done < x->run && code == SIB_OK;) {
            size_t n = x->run - done < REF_BLOCK ? (size_t)(x->run - done) : REF_BLOCK;
            ref_load(out->dtype, out->data, element + done, n, &there, 0);
            ref_load(out->dtype, updates->data, k * x->run + done, n, &update, 0);
            formula(&there, &update, &result, n);
            ref_store(path, &result, out->dtype, out->data, element + done, n);
            done += n;
        }
    }
    return code;
}

sib_code ref_scatter_nd(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0), *b = ref_in(c, 1), *updates = ref_in(c, 2);
    sib_tensor *out = ref_out(c, 0);
    ref_plane from = {0}, change = {0}, to = {0};
    nd_index x = nd_of(a, b, 0);
    ref_formula formula;
    if (!out || (out->count == 0 && x.depth == 0))
        return SIB_OK;
    sib_code code = reduction_of(c, ref_path_of(a->dtype), &formula);
    if (code == SIB_OK)
        code = ref_plane_read(c, a, &from);
    if (code == SIB_OK)
        code = ref_plane_read(c, updates, &change);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &to);
    if (code == SIB_OK) {
        if (a->count > 0)
            memcpy(to.data, from.data, (size_t)a->count * to.item);
        if (!formula)
            code = scatter_items(c, &x, &change, &to);
        code = ref_plane_done(c, &to, code);
    }
    if (code == SIB_OK && formula)
        code = scatter_numbers(c, &x, formula, updates, out);
    ref_plane_free(&from);
    ref_plane_free(&change);
    return code;
}
