/* Milli-ops that move elements, as launches of the kernel `layout`. */
#include "backend/gpu/layout.h"

#include <string.h>

/* The kernel's program: see kernels/layout.gpu.h. */
typedef struct moves {
    uint32_t words[LAYOUT_WORDS];
    gpu_layout_args args;
} moves;

gpu_items gpu_items_of(const gpu_tensor *t)
{
    const unsigned bytes = sib_dtype_bits(t->dtype) / 8;
    return (gpu_items){.shift = bytes == 1 ? 2 : bytes == 2, .wide = bytes < 4 ? 1 : bytes / 4};
}

/* Sets the words of an element of this type, and the result as one piece. Returns false for types that have
   none. */
static bool begin(moves *m, const gpu_tensor *from, const gpu_tensor *to)
{
    const gpu_items items = gpu_items_of(from);
    *m = (moves){.args = {.count = (uint32_t)to->count,
                          .shift = items.shift,
                          .wide = items.wide,
                          .row = (uint32_t)to->count,
                          .pitch = (uint32_t)to->count}};
    return from->dtype == to->dtype;
}

static void add_axis(moves *m, int64_t size, int64_t each, size_t source)
{
    const uint32_t words[] = {(uint32_t)size, (uint32_t)each, (uint32_t)source};
    SIB_ASSERT(m->args.rank < LAYOUT_RANK);
    memcpy(m->words + 3 * m->args.rank++, words, sizeof words);
}

/* The axes of the source in row-major order, from `start` of each. */
static void set_source(moves *m, const gpu_tensor *t, const int64_t *start)
{
    uint32_t stride = 1;
    m->args.source_rank = (uint32_t)t->rank;
    for (size_t i = t->rank; i-- > 0; stride *= (uint32_t)t->dims[i]) {
        const uint32_t words[] = {(uint32_t)t->dims[i], stride, (uint32_t)start[i]};
        memcpy(m->words + LAYOUT_SOURCE + 3 * i, words, sizeof words);
    }
}

/* The axes of the result of each milli-op. */
static void set_axes(moves *m, const node *n, const gpu_tensor *from, const gpu_tensor *to)
{
    int64_t start[LAYOUT_RANK] = {0};
    const milli_slice_spec slice = spec_milli_slice(n);
    const milli_windows_spec windows = spec_milli_windows(n);
    const size_t lead = from->rank - (n->milli->kind == MILLI_windows ? windows.kernel.n : 0);
    for (size_t i = 0; i < to->rank; i++)
        switch (n->milli->kind) {
        case MILLI_transpose:
            add_axis(m, to->dims[i], 1, (size_t)spec_transpose(n).perm.v[i]);
            break;
        case MILLI_expand:
            if (i + from->rank >= to->rank)
                add_axis(m, to->dims[i], from->dims[i + from->rank - to->rank] > 1,
                         i + from->rank - to->rank);
            else
                add_axis(m, to->dims[i], 0, 0);
            break;
        case MILLI_slice:
            start[i] = slice.start.v[i];
            add_axis(m, to->dims[i], slice.step.v[i], i);
            break;
        case MILLI_pad:
            start[i] = -spec_milli_pad(n).before.v[i];
            add_axis(m, to->dims[i], 1, i);
            break;
        default: /* windows: leading axes, kernel, places */
            if (i < lead)
                add_axis(m, to->dims[i], 1, i);
            else if (i < from->rank) {
                start[i] = -windows.before.v[i - lead];
                add_axis(m, to->dims[i], windows.dilation.v[i - lead], i);
            } else
                add_axis(m, to->dims[i], windows.stride.v[i - from->rank], i - from->rank + lead);
        }
    set_source(m, from, start);
}

static bool takes_ranks(const gpu_tensor *from, const gpu_tensor *to)
{
    return from->rank && from->rank <= LAYOUT_RANK && to->rank <= LAYOUT_RANK;
}

static bool move_claims(const node_view *n)
{
    gpu_tensor from, to, fill;
    moves m;
    return gpu_tensor_of(n->graph, n->in[0], &from) && gpu_tensor_of(n->graph, n->out[0], &to) &&
           (n->n_in < 2 || (gpu_tensor_of(n->graph, n->in[1], &fill) && fill.dtype == from.dtype)) &&
           takes_ranks(&from, &to) && begin(&m, &from, &to);
}

static sib_code add_launch(gpu_step *s, const moves *m, size_t in, size_t fill, sib_error *err)
{
    gpu_operand operands[] = {{0}, {GPU_IN, in, 0}, {GPU_OUT, 0, 0}, {GPU_IN, fill, 0}};
    const size_t groups = size_ceil_div(m->args.count, LAYOUT_THREADS * LAYOUT_ELEMENTS);
    sib_code code = gpu_words(s, m->words, LAYOUT_WORDS, &operands[0], err);
    return code == SIB_OK ? gpu_add_line(s, GPU_layout, 4, operands, &m->args, groups, err) : code;
}

static sib_code move_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_tensor from = {0}, to = {0};
    moves m;
    gpu_tensor_of(n->graph, n->in[0], &from);
    gpu_tensor_of(n->graph, n->out[0], &to);
    begin(&m, &from, &to);
    set_axes(&m, n->node, &from, &to);
    return add_launch(s, &m, 0, n->n_in > 1 ? 1 : 0, err);
}

const gpu_op gpu_move = {.claims = move_claims, .plan = move_plan};

/* ---- concat -------------------------------------------------------------------------------------------- */

/* The elements of t one after another, in fours of words where all of what is moved together is so many. */
static void set_line(moves *m, const gpu_tensor *t)
{
    const gpu_tensor line = {.dtype = t->dtype, .rank = 1, .dims = {(int64_t)t->count}, .count = t->count};
    uint32_t *const sizes[] = {&m->args.count, &m->args.base, &m->args.row, &m->args.pitch};
    m->args.fours = 1;
    for (size_t i = 0; i < 4; i++)
        if (*sizes[i] * (size_t)m->args.wide % ((size_t)4 << m->args.shift))
            m->args.fours = 0;
    for (size_t i = 0; i < 4 && m->args.fours; i++)
        *sizes[i] = (uint32_t)(*sizes[i] * (size_t)m->args.wide / ((size_t)4 << m->args.shift));
    add_axis(m, line.dims[0], 1, 0);
    set_source(m, &line, (const int64_t[]){0});
}

sib_code gpu_add_copy(const node_view *n, gpu_step *s, size_t in, sib_error *err)
{
    gpu_tensor t = {0};
    moves m;
    gpu_tensor_of(n->graph, n->in[in], &t);
    begin(&m, &t, &t);
    set_line(&m, &t);
    return add_launch(s, &m, in, in, err);
}

/* The moves of input k, whose elements begin at `base` of each row of the result. */
static bool piece(const node_view *n, size_t k, size_t *base, moves *m)
{
    gpu_tensor from, to;
    size_t inner = 1;
    const size_t axis = (size_t)spec_concat(n->node).axis;
    if (!gpu_tensor_of(n->graph, n->in[k], &from) || !gpu_tensor_of(n->graph, n->out[0], &to) ||
        !begin(m, &from, &to))
        return false;
    for (size_t i = axis + 1; i < to.rank; i++)
        inner *= (size_t)to.dims[i];
    m->args.count = (uint32_t)from.count;
    m->args.base = (uint32_t)*base;
    m->args.row = (uint32_t)((size_t)from.dims[axis] * inner);
    m->args.pitch = (uint32_t)((size_t)to.dims[axis] * inner);
    *base += m->args.row;
    const bool whole = ((m->args.base | m->args.row | m->args.pitch) & ((1u << m->args.shift) - 1)) == 0;
    set_line(m, &from);
    return whole;
}

static bool concat_claims(const node_view *n)
{
    size_t base = 0;
    bool takes = true;
    for (size_t k = 0; k < n->n_in && takes; k++) {
        moves m;
        takes = piece(n, k, &base, &m);
    }
    return takes;
}

static sib_code concat_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    size_t base = 0;
    sib_code code = SIB_OK;
    for (size_t k = 0; k < n->n_in && code == SIB_OK; k++) {
        moves m = {0};
        piece(n, k, &base, &m);
        code = add_launch(s, &m, k, k, err);
    }
    return code;
}

const gpu_op gpu_concat = {.claims = concat_claims, .plan = concat_plan};
