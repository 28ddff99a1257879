/* The milli-op map_make: the rows of a tensor become maps that share one copy of the tensor. */
#include "backend/cpu/cpu.h"

static bool map_claims(const cpu_self *self, const node_view *n)
{
    (void)self;
    return n->n_in == 2 && n->n_out == 1 && n->out[0] && cpu_dtype(n->in[1]) == SIB_F32 &&
           (cpu_dtype(n->in[0]) == SIB_I64 || cpu_dtype(n->in[0]) == SIB_STRING);
}

/* Row r of rows [n, k] as [k], a view of the same memory. */
static sib_code row_of(const sib_tensor *rows, int64_t r, sib_tensor **out, sib_error *err)
{
    sib_code code = tensor_view(rows, 1, out, err);
    if (code != SIB_OK)
        return code;
    sib_tensor *row = *out;
    row->dims[0] = rows->dims[1];
    row->strides[0] = 1;
    row->count = (uint64_t)rows->dims[1];
    row->data += (size_t)(r * rows->dims[1]) * sizeof(float);
    tensor_finish(row);
    return SIB_OK;
}

static sib_code map_run(const cpu_call *c)
{
    const sib_tensor *keys = cpu_in(c, 0), *x = cpu_in(c, 1);
    sib_tensor *rows = NULL;
    sib_value *made = NULL;
    if (keys->rank != 1 || x->rank != 2 || keys->dims[0] != x->dims[1])
        return cpu_fail(c, SIB_ERR_VALUE, "%llu keys for rows of %lld values",
                        (unsigned long long)keys->count, x->rank == 2 ? (long long)x->dims[1] : -1);
    sib_code code = sib_tensor_copy(x, &rows, c->err);
    if (code == SIB_OK)
        code = value_room(SIB_VALUE_SEQUENCE, (size_t)x->dims[0], &made, c->err);
    for (int64_t r = 0; r < x->dims[0] && code == SIB_OK; r++) {
        sib_tensor *row = NULL;
        sib_value *map = NULL;
        code = row_of(rows, r, &row, c->err);
        if (code == SIB_OK)
            code = sib_value_map(keys, row, &map, c->err);
        if (code == SIB_OK)
            value_put(made, (size_t)r, map);
        sib_tensor_free(&row);
    }
    sib_tensor_free(&rows);
    if (code == SIB_OK && cpu_wants(c, 0) && !c->out[0]->value) {
        c->out[0]->value = made;
        return SIB_OK;
    }
    sib_value_free(&made);
    return code;
}

const cpu_kernel cpu_map_make = {.claims = map_claims, .run = map_run};
