/* Blocks of few bits: ai.sibyl MatMulBlocks, float32 times constant weights that stay where the file has them, and the
   milli-op that decodes them. */
#include "backend/cpu/matmul/matmul.h"
#include "tensor/blocks.h"

enum { IN_A, IN_B };

typedef struct blocks_node {
    size_t m, n, k;
    block_kind kind;
} blocks_node;

static bool node_of(const node_view *v, blocks_node *out)
{
    const value *b = v->n_in == 2 ? v->in[IN_B] : NULL;
    sib_str format = spec_blocks(v->node).format;
    size_t rank, m = 1;
    int64_t dims[SIB_MAX_RANK];
    if (!b || !b->constant || !b->constant->dense || b->constant->rank != 2 || cpu_dtype(b) != SIB_U8 ||
        cpu_dtype(v->in[IN_A]) != SIB_F32 || !cpu_dims(v, v->in[IN_A], &rank, dims) || rank < 1 ||
        !block_kind_named(format.data, format.length, &out->kind))
        return false;
    const block_format *f = block_format_at(out->kind);
    uint64_t row = (uint64_t)b->constant->dims[1], k = row / f->bytes * f->block;
    for (size_t i = 0; i + 1 < rank; i++)
        m *= (size_t)dims[i];
    out->m = m;
    out->n = (size_t)b->constant->dims[0];
    out->k = (size_t)k;
    return row && row % f->bytes == 0 && out->n && k <= INT32_MAX && (uint64_t)dims[rank - 1] == k;
}

static bool claims(const cpu_self *self, const node_view *n)
{
    blocks_node b;
    (void)self;
    return node_of(n, &b);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    blocks_node b = {0};
    matmul_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    cpu_claimed(node_of(n, &b));
    s->owned = mem_alloc(gemm_blocks_bytes(), 1);
    if (!s->owned) {
        cpu_matmul_release(s);
        return err_memory(err, gemm_blocks_bytes(), "a product of matrices");
    }
    gemm_blocks_in_place(b.kind, tensor_address(n->in[IN_B]->constant), b.k, b.n, s->owned);
    s->count = 1;
    s->g = (gemm){.m = b.m,
                  .n = b.n,
                  .k = b.k,
                  .a_row = b.k,
                  .a_column = 1,
                  .packed = s->owned,
                  .c_row = b.n,
                  .alpha = 1.0f};
    cpu_matmul_size_scratch(self, s);
    *state = s;
    return SIB_OK;
}

const cpu_kernel cpu_matmul_blocks = {.claims = claims,
                                      .prepare = prepare,
                                      .release = cpu_matmul_release,
                                      .run = cpu_matmul_run,
                                      .reads = cpu_matmul_reads,
                                      .takes_finish = true};

/* ---- Decoding, of the rows that tokens select ----------------------------------------------------------- */

/* Blocks that a thread gets at once, at least. */
#define DECODE_SHARE 64

typedef struct decode_job {
    const block_format *format;
    const uint8_t *blocks;
    float *out;
} decode_job;

static bool claims_decode(const cpu_self *self, const node_view *n)
{
    (void)self;
    return n->n_out == 1 && cpu_dtype(n->out[0]) == SIB_F32; /* doubles are ref's */
}

static void decode(void *context, size_t begin, size_t count, unsigned worker)
{
    const decode_job *j = context;
    (void)worker;
    j->format->decode(j->blocks + begin * j->format->bytes, count, j->out + begin * j->format->block);
}

static sib_code run_decode(const cpu_call *c)
{
    block_kind kind;
    sib_str format = spec_blocks(c->node).format;
    sib_tensor *out = cpu_out(c, 0);
    if (!out)
        return SIB_OK;
    if (!block_kind_named(format.data, format.length, &kind))
        return cpu_fail(c, SIB_ERR_UNSUPPORTED, "the format '%.*s' is not known", (int)format.length,
                        format.data);
    decode_job j = {block_format_at(kind), (const uint8_t *)cpu_in(c, 0)->data, (float *)(void *)out->data};
    pool_run(c->self->pool, (size_t)out->count / j.format->block, DECODE_SHARE, decode, &j);
    return SIB_OK;
}

const cpu_kernel cpu_decode_blocks = {.claims = claims_decode, .run = run_decode};
