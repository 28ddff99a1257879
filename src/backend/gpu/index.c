/* Elements by index and by coordinates, read and written, as launches of the kernels `gather` and `scatter`. */
#include "backend/gpu/layout.h"
#include "backend/gpu/step.h"

#include <string.h>

/* Updates that one thread puts after one another, at most. */
#define LINE_MAX 16384

static uint32_t product(const int64_t *dims, size_t n)
{
    uint32_t all = 1;
    for (size_t i = 0; i < n; i++)
        all *= (uint32_t)dims[i];
    return all;
}

/* Where coordinates [first, first + depth) of the data lead: size and stride of each. */
static void set_axes(uint32_t *words, const gpu_tensor *data, size_t first, size_t depth)
{
    for (size_t k = first; k < first + depth; k++) {
        *words++ = (uint32_t)data->dims[k];
        *words++ = product(data->dims + k + 1, data->rank - k - 1);
    }
}

static uint32_t index_words(const gpu_indices *x)
{
    return x->dtype == SIB_I64 ? 2 : 1;
}

/* ---- Gather -------------------------------------------------------------------------------------------- */

/* What the node is, read once to claim and once to plan. */
typedef struct gathering {
    gpu_tensor data, made, index;
    gpu_indices indices;
    uint32_t words[GATHER_WORDS]; /* the kernel's program */
    gpu_gather_args args;
} gathering;

static void add_axis(gathering *g, uint32_t size, uint32_t apart, uint32_t index_step)
{
    const uint32_t words[] = {size, apart, index_step};
    memcpy(g->words + 3 * g->args.rank++, words, sizeof words);
}

static bool read_tensors(const node_view *n, gathering *g)
{
    *g = (gathering){.args = {0}};
    if (!gpu_tensor_of(n->graph, n->in[0], &g->data) || !gpu_tensor_of(n->graph, n->out[0], &g->made) ||
        !gpu_tensor_of(n->graph, n->in[1], &g->index) || g->data.dtype != g->made.dtype)
        return false;
    const gpu_items items = gpu_items_of(&g->data);
    g->args.count = (uint32_t)g->made.count;
    g->args.shift = items.shift;
    g->args.wide = items.wide;
    return true;
}

/* Coordinates of `depth` on axes [first, first + depth) lead to runs of the axes behind them. The axes before are
   those of the indices too where these are `batched`. */
static bool set_runs(const node_view *n, gathering *g, size_t first, size_t depth, bool batched)
{
    const gpu_tensor *data = &g->data;
    if (!gpu_indices_of(n, 1, first, depth, data, &g->indices) || depth > GATHER_RANK)
        return false;
    const uint32_t run = product(data->dims + first + depth, data->rank - first - depth);
    const uint32_t outer = product(data->dims, first);
    const uint32_t each = (uint32_t)g->index.count / (uint32_t)depth / (batched ? outer : 1);
    add_axis(g, outer, run * product(data->dims + first, depth), batched ? each * (uint32_t)depth : 0);
    add_axis(g, each, 0, (uint32_t)depth);
    add_axis(g, run, 1, 0);
    set_axes(g->words + GATHER_AXES, data, first, depth);
    g->args.depth = (uint32_t)depth;
    g->args.index_words = index_words(&g->indices);
    return (size_t)outer * each * run == g->made.count && gpu_indices_hold(&g->indices, n);
}

static bool read_gather(const node_view *n, gathering *g)
{
    size_t axis;
    return read_tensors(n, g) && spec_axis(spec_gather(n->node).axis, g->data.rank, &axis) &&
           set_runs(n, g, axis, 1, false);
}

static bool read_gather_nd(const node_view *n, gathering *g)
{
    const int64_t batch = spec_gather(n->node).batch_dims;
    if (!read_tensors(n, g) || batch < 0 || batch >= (int64_t)g->index.rank || batch > (int64_t)g->data.rank)
        return false;
    for (size_t i = 0; i < (size_t)batch; i++)
        if (g->data.dims[i] != g->index.dims[i])
            return false;
    return set_runs(n, g, (size_t)batch, (size_t)g->index.dims[g->index.rank - 1], true);
}

static bool read_gather_elements(const node_view *n, gathering *g)
{
    size_t axis;
    if (!read_tensors(n, g) || g->data.rank != g->index.rank || g->data.rank > GATHER_RANK ||
        !spec_axis(spec_gather(n->node).axis, g->data.rank, &axis) ||
        !gpu_indices_of(n, 1, axis, 1, &g->data, &g->indices))
        return false;
    const size_t rank = g->data.rank;
    for (size_t i = 0; i < rank; i++) {
        const uint32_t apart = product(g->data.dims + i + 1, rank - i - 1);
        if (i != axis && g->index.dims[i] > g->data.dims[i])
            return false;
        add_axis(g, (uint32_t)g->index.dims[i], i == axis ? 0 : apart,
                 product(g->index.dims + i + 1, rank - i - 1));
    }
    set_axes(g->words + GATHER_AXES, &g->data, axis, 1);
    g->args.depth = 1;
    g->args.index_words = index_words(&g->indices);
    return gpu_indices_hold(&g->indices, n);
}

static sib_code add_gather(gpu_step *s, const gathering *g, sib_error *err)
{
    gpu_operand operands[] = {{0}, {GPU_IN, 0, 0}, {GPU_OUT, 0, 0}, {GPU_IN, 1, 0}};
    const size_t groups = size_ceil_div(g->args.count, GATHER_THREADS * GATHER_ELEMENTS);
    s->indices = g->indices;
    sib_code code = gpu_words(s, g->words, GATHER_WORDS, &operands[0], err);
    return code == SIB_OK ? gpu_add_line(s, GPU_gather, 4, operands, &g->args, groups, err) : code;
}

#define GATHER(name)                                                                                         \
    static bool name##_claims(const node_view *n)                                                            \
    {                                                                                                        \
        gathering g;                                                                                         \
        return read_##name(n, &g);                                                                           \
    }                                                                                                        \
    static sib_code name##_plan(const node_view *n, gpu_step *s, sib_error *err)                             \
    {                                                                                                        \
        gathering g;                                                                                         \
        read_##name(n, &g);                                                                                  \
        return add_gather(s, &g, err);                                                                       \
    }                                                                                                        \
    const gpu_op gpu_##name = {.claims = name##_claims, .plan = name##_plan};
GATHER(gather)
GATHER(gather_nd)
GATHER(gather_elements)

/* ---- Scatter ------------------------------------------------------------------------------------------- */

typedef struct scattering {
    gpu_tensor data, made, index, updates;
    gpu_indices indices;
    uint32_t words[SCATTER_WORDS];
    gpu_scatter_args args;
} scattering;

static bool read_updates(const node_view *n, scattering *s)
{
    static const uint32_t ops[] = {[SCATTER_NONE] = SCATTER_PUT,
                                   [SCATTER_ADD] = PAIR_SUM,
                                   [SCATTER_MUL] = PAIR_PROD,
                                   [SCATTER_MIN] = PAIR_MIN,
                                   [SCATTER_MAX] = PAIR_MAX};
    *s = (scattering){.args = {.op = ops[spec_scatter(n->node).reduction]}};
    if (n->n_in != 3 || !gpu_tensor_of(n->graph, n->in[0], &s->data) ||
        !gpu_tensor_of(n->graph, n->in[1], &s->index) || !gpu_tensor_of(n->graph, n->in[2], &s->updates) ||
        !gpu_tensor_of(n->graph, n->out[0], &s->made) || s->data.dtype != s->updates.dtype ||
        s->data.dtype != s->made.dtype || s->data.wide)
        return false;
    const gpu_items items = gpu_items_of(&s->data);
    const sib_dtype t = s->data.dtype;
    s->args.type = t;
    s->args.shift = items.shift;
    s->args.wide = items.wide;
    s->args.each = 1;
    return s->args.op == SCATTER_PUT || gpu_is_float(t) || t == SIB_I32 || t == SIB_I8 || t == SIB_U8;
}

static void add_line_axis(scattering *s, int64_t size, uint32_t apart, uint32_t index_step,
                          uint32_t update_step)
{
    const uint32_t words[] = {(uint32_t)size, apart, index_step, update_step};
    memcpy(s->words + 4 * s->args.rank++, words, sizeof words);
}

/* Sees to it that no two threads write one word, of lines that begin at multiples of `apart` elements and come in
   rows of `row`, whose elements are neighbours; row 0: they are not. */
static bool set_each(scattering *s, int64_t apart, int64_t row)
{
    const int64_t unit = INT64_C(1) << s->args.shift;
    s->args.each = row ? (uint32_t)unit : 1;
    return apart % unit == 0 && row % unit == 0 && s->args.n <= LINE_MAX;
}

static bool read_scatter_nd(const node_view *n, scattering *s)
{
    if (!read_updates(n, s) || !s->index.rank)
        return false;
    const size_t depth = (size_t)s->index.dims[s->index.rank - 1], lead = s->index.rank - 1;
    if (!gpu_indices_of(n, 1, 0, depth, &s->data, &s->indices) || depth > SCATTER_RANK ||
        s->updates.rank != lead + s->data.rank - depth)
        return false;
    for (size_t i = 0; i < s->updates.rank; i++)
        if (s->updates.dims[i] != (i < lead ? s->index.dims[i] : s->data.dims[depth + i - lead]))
            return false;
    const uint32_t run = product(s->data.dims + depth, s->data.rank - depth);
    s->args.lines = run;
    s->args.n = (uint32_t)s->indices.count;
    s->args.index_apart = (uint32_t)depth;
    s->args.update_apart = run;
    add_line_axis(s, run, 1, 0, 1);
    set_axes(s->words + SCATTER_AXES, &s->data, 0, depth);
    s->args.depth = (uint32_t)depth;
    return set_each(s, run, run);
}

static bool read_scatter_elements(const node_view *n, scattering *s)
{
    size_t axis;
    if (!read_updates(n, s) || s->data.rank != s->index.rank || s->data.rank != s->updates.rank ||
        s->data.rank > SCATTER_RANK || !spec_axis(spec_scatter(n->node).axis, s->data.rank, &axis) ||
        !gpu_indices_of(n, 1, axis, 1, &s->data, &s->indices))
        return false;
    const size_t rank = s->data.rank;
    const int64_t *dims = s->index.dims;
    s->args.lines = 1;
    for (size_t i = 0; i < rank; i++) {
        const uint32_t apart = product(dims + i + 1, rank - i - 1);
        if (dims[i] != s->updates.dims[i] || (i != axis && dims[i] > s->data.dims[i]))
            return false;
        if (i == axis) {
            s->args.n = (uint32_t)dims[i];
            s->args.index_apart = s->args.update_apart = apart;
            continue;
        }
        s->args.lines *= (uint32_t)dims[i];
        add_line_axis(s, dims[i], product(s->data.dims + i + 1, rank - i - 1), apart, apart);
    }
    set_axes(s->words + SCATTER_AXES, &s->data, axis, 1);
    s->args.depth = 1;
    return set_each(s, s->data.dims[rank - 1], axis == rank - 1 ? 0 : dims[rank - 1]);
}

static sib_code add_scatter(const node_view *n, gpu_step *s, scattering *x, sib_error *err)
{
    gpu_operand operands[] = {{0}, {GPU_IN, 2, 0}, {GPU_OUT, 0, 0}, {GPU_IN, 1, 0}};
    s->indices = x->indices;
    x->args.index_words = index_words(&x->indices);
    sib_code code = gpu_add_copy(n, s, 0, err);
    if (code == SIB_OK)
        code = gpu_words(s, x->words, SCATTER_WORDS, &operands[0], err);
    return code == SIB_OK ? gpu_add_line(s, GPU_scatter, 4, operands, &x->args,
                                         size_ceil_div(x->args.lines, SCATTER_THREADS * x->args.each), err)
                          : code;
}

#define SCATTER(name)                                                                                        \
    static bool name##_claims(const node_view *n)                                                            \
    {                                                                                                        \
        scattering s;                                                                                        \
        return read_##name(n, &s) && gpu_indices_hold(&s.indices, n);                                        \
    }                                                                                                        \
    static sib_code name##_plan(const node_view *n, gpu_step *s, sib_error *err)                             \
    {                                                                                                        \
        scattering x;                                                                                        \
        read_##name(n, &x);                                                                                  \
        return add_scatter(n, s, &x, err);                                                                   \
    }                                                                                                        \
    const gpu_op gpu_##name = {.claims = name##_claims, .plan = name##_plan};
SCATTER(scatter_nd)
SCATTER(scatter_elements)

/* ---- New rows of a cache ------------------------------------------------------------------------------- */

enum { IN_CACHE, IN_ROWS, IN_PLACES };

/* Reads TensorScatter, each element of whose rows is a line: the cache is [B, n, room, row], the rows [B, n, fresh, row],
   and the places of their first ones [B]. */
static bool read_cache_rows(const node_view *n, scattering *s)
{
    const tensor_scatter_spec spec = spec_tensor_scatter(n->node);
    gpu_tensor *data = &s->data, *rows = &s->updates;
    size_t axis;
    *s = (scattering){.args = {.op = SCATTER_PUT, .each = 1, .n = 1, .depth = 1, .index_apart = 1}};
    if (n->n_in != 3 || !n->in[IN_PLACES] || spec.mode != CACHE_LINEAR ||
        !gpu_tensor_of(n->graph, n->in[IN_CACHE], data) || !gpu_tensor_of(n->graph, n->in[IN_ROWS], rows) ||
        data->dtype != rows->dtype || data->wide || data->rank != rows->rank ||
        !spec_axis(spec.axis, data->rank, &axis) || !axis ||
        !gpu_indices_of(n, IN_PLACES, axis, 1, data, &s->indices))
        return false;
    for (size_t i = 0; i < data->rank; i++)
        if (i == axis ? rows->dims[i] > data->dims[i] : rows->dims[i] != data->dims[i])
            return false;
    const int64_t batch = data->dims[0], fresh = rows->dims[axis];
    const uint32_t row = product(data->dims + axis + 1, data->rank - axis - 1), words[] = {0, row},
                   room = (uint32_t)data->dims[axis], each = product(data->dims + 1, axis - 1);
    const gpu_items items = gpu_items_of(data);
    s->indices.wraps = false;
    s->indices.sizes[0] = data->dims[axis] - fresh + 1;
    s->args.type = data->dtype;
    s->args.shift = items.shift;
    s->args.wide = items.wide;
    s->args.lines = (uint32_t)rows->count;
    add_line_axis(s, batch, each * room * row, 1, each * (uint32_t)fresh * row);
    add_line_axis(s, each, room * row, 0, (uint32_t)fresh * row);
    add_line_axis(s, fresh, row, 0, row);
    add_line_axis(s, row, 1, 0, 1);
    memcpy(s->words + SCATTER_AXES, words, sizeof words);
    return s->indices.count == (size_t)batch && set_each(s, row, row);
}

static bool cache_rows_claims(const node_view *n)
{
    scattering s;
    return read_cache_rows(n, &s) && gpu_indices_hold(&s.indices, n);
}

static sib_code cache_rows_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_operand operands[] = {{0}, {GPU_IN, IN_ROWS, 0}, {GPU_OUT, 0, 0}, {GPU_IN, IN_PLACES, 0}};
    scattering x;
    read_cache_rows(n, &x);
    s->indices = x.indices;
    x.args.index_words = index_words(&x.indices);
    sib_code code = gpu_add_copy(n, s, IN_CACHE, err);
    s->n_copies = s->n_rows;
    if (code == SIB_OK)
        code = gpu_words(s, x.words, SCATTER_WORDS, &operands[0], err);
    return code == SIB_OK ? gpu_add_line(s, GPU_scatter, 4, operands, &x.args,
                                         size_ceil_div(x.args.lines, SCATTER_THREADS * x.args.each), err)
                          : code;
}

const gpu_op gpu_cache_rows = {.claims = cache_rows_claims, .plan = cache_rows_plan};
