/* Elementwise milli-ops: applies a formula to blocks of operands, broadcast to the result's dims. */
#include "backend/ref/formulas.h"
#include "backend/ref/kernel.h"
#include "backend/ref/plane.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

/* ---- Strings ------------------------------------------------------------------------------------------- */

static sib_code join(const ref_call *c, sib_str a, sib_str b, sib_str *out)
{
    size_t bytes;
    if (!size_add(a.length, b.length, &bytes))
        return ref_fail(c, SIB_ERR_SIZE, "strings of %zu and %zu bytes are too long to be joined", a.length,
                        b.length);
    char *both = mem_alloc(bytes, 1);
    if (!both)
        return ref_no_memory(c, bytes);
    if (a.length > 0)
        memcpy(both, a.data, a.length);
    if (b.length > 0)
        memcpy(both + a.length, b.data, b.length);
    tensor_take_string(out, both, bytes);
    return SIB_OK;
}

/* add and equal; operands a and b. */
static sib_code run_strings(const ref_call *c, const sib_tensor *a, const sib_tensor *b, sib_tensor *out)
{
    const sib_str *left = (const sib_str *)a->data, *right = (const sib_str *)b->data;
    milli_kind kind = c->node->milli->kind;
    sib_code code = SIB_OK;
    ref_walk walks[2];
    if (kind != MILLI_add && kind != MILLI_equal)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for string");
    if (out->dtype == SIB_STRING && !out->storage->owned)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "strings cannot be written into wrapped memory");
    ref_walk_begin(&walks[0], a, out->rank, out->dims);
    ref_walk_begin(&walks[1], b, out->rank, out->dims);
    for (uint64_t i = 0; i < out->count && code == SIB_OK; i++) {
        sib_str x = left[ref_walk_run(&walks[0], 1).first], y = right[ref_walk_run(&walks[1], 1).first];
        if (kind == MILLI_add)
            code = join(c, x, y, (sib_str *)out->data + i);
        else
            out->data[i] = str_same(x, y);
    }
    return code;
}

/* ---- Numbers ------------------------------------------------------------------------------------------- */

static sib_code check_divisors(const ref_call *c, ref_path path, const ref_block *b, size_t n, uint64_t first)
{
    if (path != REF_PATH_INT && path != REF_PATH_UINT)
        return SIB_OK;
    for (size_t i = 0; i < n; i++)
        if (b->u[i] == 0)
            return ref_fail(c, SIB_ERR_VALUE, "element %" PRIu64 " is divided by the integer 0", first + i);
    return SIB_OK;
}

static sib_code run_numbers(const ref_call *c, const ref_formula_row *row, const sib_tensor *const *in,
                            size_t n_in, sib_tensor *out)
{
    ref_path path = ref_path_of(in[0]->dtype);
    ref_formula formula = row->paths[path];
    ref_path result = row->compares ? REF_PATH_BOOL : path;
    ref_block blocks[2], results;
    ref_walk walks[2];
    sib_code code = SIB_OK;
    if (!formula)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(in[0]->dtype));
    for (size_t k = 0; k < n_in; k++)
        ref_walk_begin(&walks[k], in[k], out->rank, out->dims);
    for (uint64_t done = 0; done < out->count && code == SIB_OK;) {
        size_t n = out->count - done < REF_BLOCK ? (size_t)(out->count - done) : REF_BLOCK;
        for (size_t k = 0; k < n_in; k++)
            ref_walk_load(&walks[k], in[k], n, &blocks[k]);
        if (done % (1 << 20) == 0)
            code = ref_cancelled(c);
        if (row->divides && code == SIB_OK)
            code = check_divisors(c, path, &blocks[1], n, done);
        if (code == SIB_OK) {
            formula(&blocks[0], &blocks[n_in - 1], &results, n);
            ref_store(result, &results, out->dtype, out->data, done, n);
        }
        done += n;
    }
    return code;
}

sib_code ref_elementwise(const ref_call *c)
{
    const sib_tensor *in[2] = {ref_in(c, 0), ref_in(c, 1)};
    sib_tensor *out = ref_out(c, 0);
    if (!out)
        return SIB_OK;
    if (in[1] && in[0]->dtype != in[1]->dtype)
        return ref_fail(c, SIB_ERR_ARGUMENT, "operands are of %s and %s, expected one type",
                        sib_dtype_name(in[0]->dtype), sib_dtype_name(in[1]->dtype));
    if (in[0]->dtype == SIB_STRING && in[1])
        return run_strings(c, in[0], in[1], out);
    if (in[0]->dtype == SIB_STRING)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for string");
    return run_numbers(c, &ref_formulas[c->node->milli->kind], in, in[1] ? 2 : 1, out);
}

/* ---- where --------------------------------------------------------------------------------------------- */

/* c ? a : b on items of any dtype. planes: of the condition, a, b and the result. */
static void choose(const sib_tensor *const *in, const ref_plane *planes, const sib_tensor *out)
{
    ref_walk walks[3];
    uint64_t places[3][REF_BLOCK];
    size_t item = planes[1].item;
    for (size_t k = 0; k < 3; k++)
        ref_walk_begin(&walks[k], in[k], out->rank, out->dims);
    for (uint64_t done = 0; done < out->count;) {
        size_t n = out->count - done < REF_BLOCK ? (size_t)(out->count - done) : REF_BLOCK;
        for (size_t k = 0; k < 3; k++)
            ref_walk_places(&walks[k], n, places[k]);
        for (size_t i = 0; i < n; i++) {
            size_t k = planes[0].data[places[0][i]] ? 1 : 2;
            memcpy(planes[3].data + (done + i) * item, planes[k].data + places[k][i] * item, item);
        }
        done += n;
    }
}

sib_code ref_where(const ref_call *c)
{
    const sib_tensor *in[3] = {ref_in(c, 0), ref_in(c, 1), ref_in(c, 2)};
    sib_tensor *out = ref_out(c, 0);
    ref_plane planes[4] = {0};
    if (!out)
        return SIB_OK;
    sib_code code = SIB_OK;
    for (size_t k = 0; k < 3 && code == SIB_OK; k++)
        code = ref_plane_read(c, in[k], &planes[k]);
    if (code == SIB_OK)
        code = ref_plane_write(c, out, &planes[3]);
    if (code == SIB_OK) {
        choose(in, planes, out);
        code = ref_plane_done(c, &planes[3], code);
    }
    for (size_t k = 0; k < 3; k++)
        ref_plane_free(&planes[k]);
    return code;
}
