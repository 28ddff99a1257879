#include "backend/cpu/matmul/matmul_shape.h"

/* An operand of at least two axes. */
typedef struct operand {
    size_t rank;
    int64_t dims[SIB_MAX_RANK + 1];
} operand;

static bool operand_of(const node_view *n, const value *v, bool left, operand *out)
{
    if (!cpu_dims(n, v, &out->rank, out->dims) || !out->rank)
        return false;
    if (out->rank == 1) {
        out->dims[1] = left ? out->dims[0] : 1;
        if (left)
            out->dims[0] = 1;
        out->rank = 2;
    }
    return true;
}

/* Leading dim i of an operand, counted backwards from the matrix; 1 where it has no such dim. */
static size_t leading(const operand *o, size_t i)
{
    return i + 2 < o->rank ? (size_t)o->dims[o->rank - 3 - i] : 1;
}

/* Sets the strides of the leading dims; returns the number of matrices. */
static size_t steps_of(const operand *o, size_t matrix, size_t rank, size_t *steps)
{
    size_t stride = matrix, matrices = 1;
    for (size_t i = 0; i < rank; i++) {
        size_t size = leading(o, i);
        steps[rank - 1 - i] = size == 1 ? 0 : stride;
        stride *= size;
        matrices *= size;
    }
    return matrices;
}

bool cpu_matmul_shape_of(const node_view *n, const value *a, const value *b, bool trans_a, bool trans_b,
                         cpu_matmul_shape *out)
{
    operand left, right;
    if (!operand_of(n, a, true, &left) || !operand_of(n, b, false, &right))
        return false;
    size_t a_rows = (size_t)left.dims[left.rank - 2], a_columns = (size_t)left.dims[left.rank - 1];
    size_t b_rows = (size_t)right.dims[right.rank - 2], b_columns = (size_t)right.dims[right.rank - 1];
    *out = (cpu_matmul_shape){.m = trans_a ? a_columns : a_rows,
                              .k = trans_a ? a_rows : a_columns,
                              .n = trans_b ? b_rows : b_columns,
                              .count = 1,
                              .a_row = trans_a ? 1 : a_columns,
                              .a_column = trans_a ? a_columns : 1,
                              .b_row = trans_b ? 1 : b_columns,
                              .b_column = trans_b ? b_columns : 1,
                              .rank = (left.rank > right.rank ? left.rank : right.rank) - 2};
    if (out->k != (trans_b ? b_columns : b_rows))
        return false;
    for (size_t i = 0; i < out->rank; i++) {
        size_t x = leading(&left, i), y = leading(&right, i);
        if (x != y && x != 1 && y != 1)
            return false;
        out->dims[out->rank - 1 - i] = x == 1 ? y : x;
        out->count *= x == 1 ? y : x;
    }
    size_t a_matrices = steps_of(&left, a_rows * a_columns, out->rank, out->a_step);
    out->b_matrices = steps_of(&right, b_rows * b_columns, out->rank, out->b_step);
    out->b_shared = out->b_matrices == 1;
    if (out->b_shared && !trans_a && a_matrices == out->count) { /* treat A as one tall matrix */
        out->m *= out->count;
        out->count = 1;
        out->rank = 0;
    }
    return true;
}

gemm_place *cpu_matmul_places(const cpu_matmul_shape *s, bool packed)
{
    gemm_place *places = mem_alloc(s->count, sizeof *places);
    size_t matrix = packed ? size_max(1, s->k * s->n) : 1;
    for (size_t i = 0; places && i < s->count; i++) {
        size_t rest = i;
        places[i] = (gemm_place){0, 0, i * s->m * s->n};
        for (size_t axis = s->rank; axis-- > 0; rest /= s->dims[axis]) {
            size_t at = rest % s->dims[axis];
            places[i].a += at * s->a_step[axis];
            places[i].b += at * s->b_step[axis] / matrix;
        }
    }
    return places;
}
