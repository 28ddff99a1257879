/* Matrix products and reductions. */
#include "backend/gpu/matvec.h"

/* ---- Products ------------------------------------------------------------------------------------------ */

enum { IN_C = 2 }; /* of Gemm */

static bool has(const node_view *n, size_t k)
{
    return k < n->n_in && n->in[k];
}

/* Steps of an operand between batches, along an axis of the batch. */
static size_t batch_step(const gpu_tensor *t, size_t rank, size_t axis)
{
    size_t apart = (size_t)t->dims[t->rank - 2] * (size_t)t->dims[t->rank - 1];
    if (axis + t->rank < rank || t->dims[axis + t->rank - rank] == 1)
        return 0;
    for (size_t i = axis + t->rank - rank + 1; i + 2 < t->rank; i++)
        apart *= (size_t)t->dims[i];
    return apart;
}

/* Merges the leading axes of the result into two, each with one step of either operand. Returns false where
   more are needed. */
static bool set_batches(gpu_matmul_args *args, const gpu_tensor *a, const gpu_tensor *b,
                        const gpu_tensor *out, size_t *batches)
{
    size_t sizes[2] = {1, 1}, steps[2][2] = {{0}}, n = 0; /* from the fastest axis on */
    for (size_t i = out->rank - 2; i-- > 0;) {
        const size_t size = (size_t)out->dims[i], x = batch_step(a, out->rank, i),
                     y = batch_step(b, out->rank, i);
        if (size == 1)
            continue;
        if (n && x == steps[n - 1][0] * sizes[n - 1] && y == steps[n - 1][1] * sizes[n - 1]) {
            sizes[n - 1] *= size;
            continue;
        }
        if (n == 2)
            return false;
        sizes[n] = size;
        steps[n][0] = x;
        steps[n++][1] = y;
    }
    args->inner = (uint32_t)sizes[0];
    args->a_inner = (uint32_t)steps[0][0];
    args->b_inner = (uint32_t)steps[0][1];
    args->a_outer = (uint32_t)steps[1][0];
    args->b_outer = (uint32_t)steps[1][1];
    *batches = sizes[0] * sizes[1];
    return *batches <= GPU_MAX_GROUPS;
}

/* A product of the last axes of a and b, one element of a after the other. */
static bool product(const node_view *n, gpu_tensor *a, gpu_tensor *b, gpu_matmul_args *args, size_t *batches)
{
    gpu_tensor out;
    const bool turns = str_is(n->node->type, "Gemm") || str_is(n->node->type, "FusedMatMul");
    const gemm_spec spec = turns ? spec_gemm(n->node) : (gemm_spec){.alpha = 1, .beta = 1};
    if (!gpu_tensor_of(n->graph, n->in[0], a) || !gpu_tensor_of(n->graph, n->in[1], b) ||
        !gpu_tensor_of(n->graph, n->out[0], &out) || a->rank < 2 || b->rank < 2 || spec.transBatchA ||
        spec.transBatchB)
        return false;
    const uint32_t a_dims[] = {(uint32_t)a->dims[a->rank - 2], (uint32_t)a->dims[a->rank - 1]},
                   b_dims[] = {(uint32_t)b->dims[b->rank - 2], (uint32_t)b->dims[b->rank - 1]};
    *args = (gpu_matmul_args){.type = out.dtype,
                              .m = a_dims[spec.transA],
                              .n = b_dims[!spec.transB],
                              .k = a_dims[!spec.transA],
                              .a_row = spec.transA ? 1 : a_dims[1],
                              .a_column = spec.transA ? a_dims[1] : 1,
                              .b_row = spec.transB ? 1 : b_dims[1],
                              .b_column = spec.transB ? b_dims[1] : 1,
                              .a_type = a->dtype,
                              .b_type = b->dtype,
                              .flags = spec.alpha != 1 || spec.beta != 1 ? MATMUL_SCALED : 0,
                              .alpha = (float)spec.alpha,
                              .beta = (float)spec.beta};
    if (b->rank > 2 || spec.transA)
        return set_batches(args, a, b, &out, batches);
    args->m = (uint32_t)(a->count / args->k); /* every batch's rows, which read the same b */
    args->inner = 1;
    *batches = 1;
    return true;
}

/* Whether the kernel writes this result. */
static bool fits(const gpu_matmul_args *args)
{
    const bool narrow = args->type == SIB_F16 || args->type == SIB_BF16;
    return (args->type == SIB_F32 || args->type == SIB_I32 || (narrow && args->n % 2 == 0)) &&
           size_ceil_div(args->m, TILE_SIDE) <= GPU_MAX_GROUPS &&
           size_ceil_div(args->n, TILE_SIDE) <= GPU_MAX_GROUPS;
}

static sib_code add_product(gpu_step *s, const gpu_matmul_args *args, size_t n_in, const size_t *in,
                            size_t batches, sib_error *err)
{
    gpu_operand operands[6] = {{GPU_IN, in[0], 0}, {GPU_IN, in[1], 0}, {GPU_OUT, 0, 0}};
    for (size_t i = 2; i < 5; i++)
        operands[i + 1] = (gpu_operand){GPU_IN, in[i < n_in ? i : 0], 0};
    if (gpu_is_matvec(args, batches))
        return gpu_add_matvec(s, args, operands, batches, err);
    return gpu_add(s, GPU_matmul, n_in + 1, operands, args, size_ceil_div(args->n, TILE_SIDE),
                   size_ceil_div(args->m, TILE_SIDE), batches, err);
}

/* What the product's kernels have no use for. */
static void set_room(const gpu_matmul_args *args, size_t batches, gpu_finish_room *out)
{
    const unsigned per_word = args->type == SIB_F16 || args->type == SIB_BF16 ? 2 : 1;
    *out = (gpu_finish_room){.out = 2, .buffers = 1 << 6};
    out->buffers |= args->flags & MATMUL_A_ZERO || args->bits ? 0 : 1 << 3;
    out->buffers |= args->flags & (MATMUL_B_ZERO | MATMUL_REAL_ZERO) ? 0 : 1 << 4;
    out->buffers |= args->flags & MATMUL_BIAS ? 0 : 1 << 5;
    out->per_word = gpu_is_matvec(args, batches) ? per_word : args->n % 4 == 0 ? 4 : args->n % 2 == 0 ? 2 : 1;
}

/* Of floats of one type. */
static bool read_matmul(const node_view *n, gpu_matmul_args *args, size_t *batches)
{
    gpu_tensor a, b, c;
    if (!product(n, &a, &b, args, batches) || a.dtype != args->type || b.dtype != args->type || !fits(args))
        return false;
    if (!has(n, IN_C))
        return args->type != SIB_I32 || n->node->milli || str_is(n->node->type, "MatMul");
    if (!gpu_tensor_of(n->graph, n->in[IN_C], &c) || c.dtype != args->type || c.wide || c.rank > 2)
        return false;
    const uint32_t columns = c.rank ? (uint32_t)c.dims[c.rank - 1] : 1,
                   rows = c.rank > 1 ? (uint32_t)c.dims[0] : 1;
    args->flags |= MATMUL_BIAS;
    args->c_row = rows == 1 ? 0 : columns;
    args->c_column = columns > 1;
    return gpu_is_float(c.dtype) && (rows == 1 || rows == args->m) && (columns == 1 || columns == args->n);
}

static bool matmul_claims(const node_view *n)
{
    gpu_matmul_args args;
    size_t batches;
    return read_matmul(n, &args, &batches);
}

static sib_code matmul_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_matmul_args args = {0};
    size_t batches = 0;
    read_matmul(n, &args, &batches);
    return add_product(s, &args, 5, (const size_t[]){0, 1, 0, 0, has(n, IN_C) ? IN_C : 0}, batches, err);
}

static bool matmul_room(const node_view *n, gpu_finish_room *out)
{
    gpu_matmul_args args = {0};
    size_t batches = 0;
    const bool claimed = read_matmul(n, &args, &batches);
    set_room(&args, batches, out);
    return claimed;
}

const gpu_op gpu_matmul = {.claims = matmul_claims, .plan = matmul_plan, .room = matmul_room};

/* ---- Weights of 16 bits -------------------------------------------------------------------------------- */

/* float32 times weights that the kernel widens as it reads them. */
static bool read_narrow(const node_view *n, gpu_matmul_args *args)
{
    gpu_tensor a, b, out;
    if (n->n_in != 2 || !gpu_tensor_of(n->graph, n->in[0], &a) || !gpu_tensor_of(n->graph, n->in[1], &b) ||
        !gpu_tensor_of(n->graph, n->out[0], &out) || a.rank < 2 || b.rank != 2 || a.dtype != SIB_F32 ||
        (b.dtype != SIB_F16 && b.dtype != SIB_BF16))
        return false;
    const bool transposed = spec_narrow(n->node).transB;
    const uint32_t k = (uint32_t)b.dims[transposed], columns = (uint32_t)b.dims[!transposed];
    *args = (gpu_matmul_args){.type = SIB_F32,
                              .m = (uint32_t)(a.count / k),
                              .n = columns,
                              .k = k,
                              .inner = 1,
                              .a_row = k,
                              .a_column = 1,
                              .b_row = transposed ? 1 : columns,
                              .b_column = transposed ? k : 1,
                              .a_type = a.dtype,
                              .b_type = b.dtype};
    return fits(args);
}

static bool narrow_claims(const node_view *n)
{
    gpu_matmul_args args;
    return read_narrow(n, &args);
}

static sib_code narrow_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_matmul_args args = {0};
    read_narrow(n, &args);
    return add_product(s, &args, 2, (const size_t[]){0, 1}, 1, err);
}

static bool narrow_room(const node_view *n, gpu_finish_room *out)
{
    gpu_matmul_args args = {0};
    const bool claimed = read_narrow(n, &args);
    set_room(&args, 1, out);
    return claimed;
}

const gpu_op gpu_matmul_narrow = {.claims = narrow_claims, .plan = narrow_plan, .room = narrow_room};

/* ---- Products of bytes --------------------------------------------------------------------------------- */

static bool is_byte(sib_dtype dtype)
{
    return dtype == SIB_U8 || dtype == SIB_I8;
}

/* Reads the zero points of an operand: one, or one for each of `count` rows or columns. */
static bool read_zero(const node_view *n, size_t k, sib_dtype dtype, uint32_t count, uint32_t flag,
                      uint32_t *each, uint32_t *flags)
{
    gpu_tensor t;
    if (!has(n, k))
        return true;
    *flags |= flag;
    if (!gpu_tensor_of(n->graph, n->in[k], &t) || t.dtype != dtype || t.rank > 1 ||
        (t.count != 1 && t.count != count))
        return false;
    *each = t.count > 1;
    return true;
}

static bool read_bytes(const node_view *n, gpu_matmul_args *args, size_t *batches)
{
    gpu_tensor a, b;
    return product(n, &a, &b, args, batches) && is_byte(a.dtype) && is_byte(b.dtype) &&
           args->type == SIB_I32 && fits(args) &&
           read_zero(n, 2, a.dtype, args->m, MATMUL_A_ZERO, &args->a_zero, &args->flags) &&
           read_zero(n, 3, b.dtype, args->n, MATMUL_B_ZERO, &args->b_zero, &args->flags);
}

static bool bytes_claims(const node_view *n)
{
    gpu_matmul_args args;
    size_t batches;
    return read_bytes(n, &args, &batches);
}

static sib_code bytes_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_matmul_args args = {0};
    size_t batches = 0;
    read_bytes(n, &args, &batches);
    return add_product(s, &args, 4, (const size_t[]){0, 1, has(n, 2) ? 2 : 0, has(n, 3) ? 3 : 0}, batches,
                       err);
}

static bool bytes_room(const node_view *n, gpu_finish_room *out)
{
    gpu_matmul_args args = {0};
    size_t batches = 0;
    const bool claimed = read_bytes(n, &args, &batches);
    set_room(&args, batches, out);
    return claimed;
}

const gpu_op gpu_matmul_integer = {.claims = bytes_claims, .plan = bytes_plan, .room = bytes_room};

/* ---- Weights of few bits ------------------------------------------------------------------------------- */

enum { BITS_A, BITS_B, BITS_SCALES, BITS_ZEROS, BITS_GROUPS, BITS_BIAS };

/* Whether input k has `count` elements of this dtype, which may be in any dims. */
static bool is_list(const node_view *n, size_t k, sib_dtype dtype, size_t count)
{
    gpu_tensor t;
    return has(n, k) && gpu_tensor_of(n->graph, n->in[k], &t) && t.dtype == dtype && t.count == count;
}

static bool read_bits(const node_view *n, gpu_matmul_args *args)
{
    gpu_tensor a, out;
    const matmul_bits_spec spec = spec_matmul_bits(n->node);
    const size_t rows = (size_t)spec.N, bits = (size_t)spec.bits, block = (size_t)spec.block_size;
    if (!gpu_tensor_of(n->graph, n->in[BITS_A], &a) || !gpu_tensor_of(n->graph, n->out[0], &out) ||
        (bits != 2 && bits != 4 && bits != 8) || block % 8 || spec.weight_prepacked || has(n, BITS_GROUPS) ||
        !gpu_is_float(a.dtype) || a.wide || a.dtype != out.dtype || a.rank < 2 ||
        a.dims[a.rank - 1] != spec.K)
        return false;
    const size_t blocks = size_ceil_div((size_t)spec.K, block), row = blocks * (block / 8 * bits),
                 zero_row = size_ceil_div(blocks * bits, 8);
    const bool real = has(n, BITS_ZEROS) && n->in[BITS_ZEROS]->type.dtype != SIB_U8;
    *args = (gpu_matmul_args){
        .type = a.dtype,
        .m = (uint32_t)(a.count / (size_t)spec.K),
        .n = (uint32_t)rows,
        .k = (uint32_t)spec.K,
        .inner = 1,
        .a_row = (uint32_t)spec.K,
        .a_column = 1,
        .b_row = (uint32_t)row,
        .a_type = a.dtype,
        .b_type = n->in[BITS_SCALES]->type.dtype,
        .flags = (has(n, BITS_ZEROS) ? real ? MATMUL_REAL_ZERO : MATMUL_B_ZERO : 0) |
                 (has(n, BITS_BIAS) ? MATMUL_BIAS : 0),
        .bits = (uint32_t)bits,
        .block = (uint32_t)block,
        .blocks = (uint32_t)blocks,
        .zero_row = (uint32_t)zero_row,
        .c_column = 1,
    };
    return fits(args) && gpu_is_float((sib_dtype)args->b_type) && is_list(n, BITS_B, SIB_U8, rows * row) &&
           is_list(n, BITS_SCALES, (sib_dtype)args->b_type, rows * blocks) &&
           (!has(n, BITS_ZEROS) || (real ? is_list(n, BITS_ZEROS, (sib_dtype)args->b_type, rows * blocks)
                                         : is_list(n, BITS_ZEROS, SIB_U8, rows * zero_row))) &&
           (!has(n, BITS_BIAS) || is_list(n, BITS_BIAS, a.dtype, rows));
}

static bool bits_claims(const node_view *n)
{
    gpu_matmul_args args;
    return read_bits(n, &args);
}

static sib_code bits_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_matmul_args args = {0};
    const size_t zeros = has(n, BITS_ZEROS) ? BITS_ZEROS : BITS_A,
                 bias = has(n, BITS_BIAS) ? BITS_BIAS : BITS_A;
    read_bits(n, &args);
    return add_product(s, &args, 5, (const size_t[]){BITS_A, BITS_B, BITS_SCALES, zeros, bias}, 1, err);
}

static bool bits_room(const node_view *n, gpu_finish_room *out)
{
    gpu_matmul_args args = {0};
    const bool claimed = read_bits(n, &args);
    set_room(&args, 1, out);
    return claimed;
}

const gpu_op gpu_matmul_bits = {.claims = bits_claims, .plan = bits_plan, .room = bits_room};

/* ---- Reductions ---------------------------------------------------------------------------------------- */

/* The axes of the node as one, in the middle of three. Returns false where they are not neighbours. */
static bool reduction(const node_view *n, gpu_reduce_args *args)
{
    gpu_tensor from, to;
    const reduce_spec spec = spec_reduce(n->node);
    bool reduced[SIB_MAX_RANK] = {false};
    size_t first = 0, last;
    if (!gpu_tensor_of(n->graph, n->in[0], &from) || !gpu_tensor_of(n->graph, n->out[0], &to) ||
        from.dtype != SIB_F32 || !spec.axes.n)
        return false;
    for (size_t i = 0; i < spec.axes.n; i++)
        reduced[spec.axes.v[i]] = true;
    while (!reduced[first])
        first++;
    last = first;
    while (last < from.rank && reduced[last])
        last++;
    if (last - first != spec.axes.n)
        return false;
    *args = (gpu_reduce_args){.op = (uint32_t)(n->node->milli->kind - MILLI_reduce_sum),
                              .count = (uint32_t)to.count,
                              .n = (uint32_t)(from.count / to.count),
                              .inner = 1,
                              .lanes = 1};
    for (size_t i = last; i < from.rank; i++)
        args->inner *= (uint32_t)from.dims[i];
    while (args->lanes < REDUCE_THREADS && args->lanes * 4 <= args->n)
        args->lanes *= 2;
    return true;
}

static bool reduce_claims(const node_view *n)
{
    gpu_reduce_args args;
    return reduction(n, &args);
}

static sib_code reduce_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_reduce_args args = {.lanes = 1};
    reduction(n, &args);
    const gpu_operand operands[] = {{GPU_IN, 0, 0}, {GPU_OUT, 0, 0}};
    return gpu_add_line(s, GPU_reduce, 2, operands, &args,
                        size_ceil_div(args.count, REDUCE_THREADS / args.lanes), err);
}

const gpu_op gpu_reduce = {.claims = reduce_claims, .plan = reduce_plan};
