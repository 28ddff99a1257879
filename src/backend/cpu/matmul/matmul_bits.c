/* com.microsoft MatMulNBits: weights of 2, 4 or 8 bits in blocks, each with a scale and a zero point. */
#include "backend/cpu/matmul/matmul.h"

#include <stdio.h>

enum { IN_A, IN_Q, IN_SCALE, IN_ZERO, IN_GROUP, IN_BIAS };

typedef struct bits_node {
    size_t k, n, block, bits, blocks;
} bits_node;

static bool has(const node_view *n, size_t i)
{
    return i < n->n_in && n->in[i];
}

/* True for a dense constant of `count` elements. */
static bool constant_of(const node_view *n, size_t i, uint64_t count)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    uint64_t all = 1;
    if (!n->in[i]->constant || !n->in[i]->constant->dense || !cpu_dims(n, n->in[i], &rank, dims))
        return false;
    for (size_t axis = 0; axis < rank; axis++)
        all *= (uint64_t)dims[axis];
    return all == count;
}

static bool node_of(const node_view *n, bits_node *out)
{
    matmul_bits_spec spec = spec_matmul_bits(n->node);
    int64_t k = spec.K, columns = spec.N, bits = spec.bits;
    int64_t block = spec.block_size;
    if (k < 1 || columns < 1 || block < 8 || block % 8 || k > INT32_MAX || columns > INT32_MAX ||
        block > INT32_MAX || (bits != 2 && bits != 4 && bits != 8) || spec.weight_prepacked)
        return false;
    *out = (bits_node){(size_t)k, (size_t)columns, (size_t)block, (size_t)bits,
                       (size_t)((k + block - 1) / block)};
    return true;
}

static size_t zero_bytes(const bits_node *b)
{
    return (b->blocks * b->bits + 7) / 8;
}

static bool claims(const cpu_self *self, const node_view *n)
{
    bits_node b;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    sib_dtype dtype = n->n_in > IN_SCALE ? cpu_dtype(n->in[IN_A]) : SIB_DTYPE_UNKNOWN;
    (void)self;
    if (!cpu_matmul_takes(dtype) || !node_of(n, &b) || has(n, IN_GROUP) || !has(n, IN_SCALE) ||
        !cpu_matmul_takes(cpu_dtype(n->in[IN_SCALE])) || cpu_dtype(n->in[IN_Q]) != SIB_U8 ||
        !constant_of(n, IN_Q, (uint64_t)b.n * b.blocks * (b.block / 8 * b.bits)) ||
        !constant_of(n, IN_SCALE, (uint64_t)b.n * b.blocks))
        return false;
    if (has(n, IN_ZERO)) {
        bool packed = cpu_dtype(n->in[IN_ZERO]) == SIB_U8;
        if (!(packed || cpu_matmul_takes(cpu_dtype(n->in[IN_ZERO]))) ||
            !constant_of(n, IN_ZERO, (uint64_t)b.n * (packed ? zero_bytes(&b) : b.blocks)))
            return false;
    }
    if (has(n, IN_BIAS) && (cpu_dtype(n->in[IN_BIAS]) != dtype || !cpu_dims(n, n->in[IN_BIAS], &rank, dims) ||
                            rank != 1 || (size_t)dims[0] != b.n))
        return false;
    return cpu_dims(n, n->in[IN_A], &rank, dims) && rank >= 1 && (size_t)dims[rank - 1] == b.k;
}

/* ---- Packing ------------------------------------------------------------------------------------------- */

typedef struct pack_context {
    const bits_node *b;
    const sib_tensor *scale, *zero; /* zero: NULL for half the range */
} pack_context;

/* Reads zero points: (n, blocks). */
static sib_code zeros_of(const pack_context *p, float *zero, sib_error *err)
{
    const bits_node *b = p->b;
    if (p->zero && p->zero->dtype != SIB_U8)
        return sib_convert(p->zero->dtype, p->zero->data, SIB_F32, zero, b->n * b->blocks, SIB_OVERFLOW_IEEE,
                           err);
    const uint8_t *packed = p->zero ? (const uint8_t *)p->zero->data : NULL;
    for (size_t j = 0; j < b->n; j++)
        for (size_t i = 0; i < b->blocks; i++) {
            size_t bit = i * b->bits;
            unsigned number = 1u << (b->bits - 1);
            if (packed)
                number = packed[j * zero_bytes(b) + bit / 8] >> bit % 8 & ((1u << b->bits) - 1);
            zero[j * b->blocks + i] = (float)number;
        }
    return SIB_OK;
}

static gemm_bits bits_of(const bits_node *b)
{
    return (gemm_bits){.k = b->k, .n = b->n, .block = b->block, .bits = (unsigned)b->bits};
}

static sib_code fill_pack(void *context, const void *elements, void *out, sib_error *err)
{
    const pack_context *p = context;
    const bits_node *b = p->b;
    size_t count = b->n * b->blocks;
    float *scale = mem_alloc(count, 2 * sizeof *scale);
    if (!scale)
        return err_memory(err, count * 2 * sizeof *scale, "scales of weights");
    gemm_bits given = bits_of(b);
    given.q = elements;
    given.scale = scale;
    given.zero = scale + count;
    sib_code code =
        sib_convert(p->scale->dtype, p->scale->data, SIB_F32, scale, count, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK)
        code = zeros_of(p, scale + count, err);
    if (code == SIB_OK)
        gemm_pack_bits(&given, out);
    mem_free(scale);
    return code;
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    bits_node b = {0};
    size_t rank = 0, m = 1;
    int64_t dims[SIB_MAX_RANK];
    char how[64];
    const void *packed;
    matmul_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    node_of(n, &b);
    cpu_dims(n, n->in[IN_A], &rank, dims);
    for (size_t i = 0; i + 1 < rank; i++)
        m *= (size_t)dims[i];
    pack_context context = {&b, cpu_constant(n->in[IN_SCALE]),
                            has(n, IN_ZERO) ? cpu_constant(n->in[IN_ZERO]) : NULL};
    gemm_bits given = bits_of(&b);
    size_t bytes = 0;
    snprintf(how, sizeof how, "gemm bits %zu %zu %zu %zu", b.bits, b.block, b.k, b.n);
    sib_code code =
        gemm_packed_bits_bytes(&given, &bytes)
            ? cpu_pack(self, n->in[IN_Q], how, bytes, fill_pack, &context, &packed, &s->owned, err)
            : err_set(err, SIB_ERR_SIZE, "packed weights do not fit in memory");
    if (code != SIB_OK) {
        cpu_matmul_release(s);
        return code;
    }
    s->count = 1;
    s->g = (gemm){.m = m, .n = b.n, .k = b.k, .a_row = b.k, .a_column = 1, .packed = packed, .c_row = b.n};
    s->g.alpha = 1.0f;
    s->addend_input = IN_BIAS;
    s->addend = has(n, IN_BIAS) ? ADD_ROWS : ADD_NOTHING;
    cpu_matmul_set_dtype(self, s, cpu_dtype(n->in[IN_A]), m * b.k, 0, b.n);
    cpu_matmul_size_scratch(self, s);
    *state = s;
    return SIB_OK;
}

const cpu_kernel cpu_matmul_bits = {.claims = claims,
                                    .prepare = prepare,
                                    .release = cpu_matmul_release,
                                    .run = cpu_matmul_run,
                                    .reads = cpu_matmul_reads,
                                    .takes_finish = true};
