/* MatMul, Gemm, FusedMatMul and the milli-op for floats. */
#include "backend/cpu/matmul/matmul.h"

#include <stdio.h>

/* The kind of product that a node is. */
typedef struct matmul_node {
    bool trans_a, trans_b;
    float alpha, beta;
    const value *addend; /* NULL: none */
} matmul_node;

static matmul_node node_of(const node_view *n)
{
    const node *own = n->node;
    gemm_spec spec = spec_gemm(own);
    matmul_node out = {.alpha = 1.0f, .beta = 1.0f};
    if (own->milli || str_is(own->type, "MatMul"))
        return out;
    out.trans_a = spec.transA;
    out.trans_b = spec.transB;
    out.alpha = (float)spec.alpha;
    out.beta = (float)spec.beta;
    out.addend = n->n_in > 2 ? n->in[2] : NULL;
    return out;
}

/* ---- Claiming ------------------------------------------------------------------------------------------ */

static bool claims_matmul(const cpu_self *self, const node_view *n)
{
    gemm_spec spec = spec_gemm(n->node);
    matmul_node m = node_of(n);
    cpu_matmul_shape shape;
    (void)self;
    if (spec.transBatchA || spec.transBatchB)
        return false;
    return n->n_in >= 2 && cpu_matmul_takes(cpu_dtype(n->in[0])) &&
           cpu_dtype(n->in[1]) == cpu_dtype(n->in[0]) &&
           cpu_matmul_shape_of(n, n->in[0], n->in[1], m.trans_a, m.trans_b, &shape);
}

/* Strides with which an addend broadcasts to (m, n). */
static bool addend_strides(const node_view *view, const value *v, size_t m, size_t n, size_t *row,
                           size_t *column)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (cpu_dtype(v) != cpu_dtype(view->in[0]) || !cpu_dims(view, v, &rank, dims) || rank > 2)
        return false;
    size_t columns = rank ? (size_t)dims[rank - 1] : 1, rows = rank == 2 ? (size_t)dims[0] : 1;
    *row = rows == 1 ? 0 : columns;
    *column = columns == 1 ? 0 : 1;
    return (rows == 1 || rows == m) && (columns == 1 || columns == n);
}

static bool claims_gemm(const cpu_self *self, const node_view *n)
{
    matmul_node m = node_of(n);
    cpu_matmul_shape shape;
    size_t row, column, rank;
    int64_t dims[SIB_MAX_RANK];
    for (size_t i = 0; i < 2; i++)
        if (n->n_in < 2 || !cpu_dims(n, n->in[i], &rank, dims) || rank != 2)
            return false;
    return claims_matmul(self, n) &&
           cpu_matmul_shape_of(n, n->in[0], n->in[1], m.trans_a, m.trans_b, &shape) &&
           (!m.addend || addend_strides(n, m.addend, shape.m, shape.n, &row, &column));
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

typedef struct pack_context {
    const cpu_matmul_shape *shape;
    sib_dtype dtype;
    bool transposed; /* B is (n, k) */
} pack_context;

static sib_code begin_pack(void *context, void *out, sib_error *err)
{
    const pack_context *p = context;
    (void)err;
    if (p->dtype == SIB_F32)
        gemm_pack_begin(p->shape->k, p->shape->n, out);
    else
        gemm_pack_half_begin(p->dtype == SIB_BF16, p->shape->k, p->shape->n, out);
    return SIB_OK;
}

static void fill_pack(void *context, const void *elements, size_t first, size_t rows, void *out)
{
    const pack_context *p = context;
    if (p->dtype == SIB_F32)
        gemm_pack_rows(elements, p->transposed, first, rows, out);
    else
        gemm_pack_half_rows(elements, p->transposed, first, rows, out);
}

static sib_code pack_b(const cpu_self *self, const value *b, const cpu_matmul_shape *shape, bool transposed,
                       matmul_state *s, sib_error *err)
{
    const sib_tensor *t = b->constant;
    char how[64];
    const void *packed;
    size_t bytes = 0;
    if (!t || !t->dense || !shape->b_matrices)
        return SIB_OK;
    pack_context context = {shape, t->dtype, transposed};
    cpu_rows rows = {.row = transposed ? shape->k : shape->n,
                     .block = transposed ? shape->n : shape->k,
                     .multiple = gemm_pack_multiple(transposed),
                     .begin = begin_pack,
                     .fill = fill_pack};
    if (!(t->dtype == SIB_F32 ? gemm_packed_bytes : gemm_packed_half_bytes)(shape->k, shape->n,
                                                                            shape->b_matrices, &bytes))
        return err_set(err, SIB_ERR_SIZE, "packed weights do not fit in memory");
    snprintf(how, sizeof how, "gemm %zu %zu %zu", shape->k, shape->n, shape->b_row);
    sib_code code = cpu_pack_rows(self, b, how, bytes, &rows, &context, &packed, &s->owned, err);
    s->g.packed = packed;
    return code;
}

static void prepare_addend(const node_view *n, const matmul_node *m, matmul_state *s)
{
    size_t row, column;
    if (!m->addend || !addend_strides(n, m->addend, s->g.m, s->g.n, &row, &column))
        return;
    s->addend_input = 2;
    s->addend = m->beta == 1.0f && (column == 1 || s->g.n == 1) ? ADD_ROWS : ADD_FILL;
    s->beta = m->beta;
    s->add_row = row;
    s->add_column = column;
    s->g.from_row = s->addend == ADD_ROWS ? row : s->g.n;
}

static size_t elements(const node_view *n, const value *v)
{
    size_t rank, count = 1;
    int64_t dims[SIB_MAX_RANK];
    cpu_dims(n, v, &rank, dims);
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    return count;
}

static sib_code prepare_matmul(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    matmul_node m = node_of(n);
    cpu_matmul_shape shape;
    matmul_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    cpu_matmul_shape_of(n, n->in[0], n->in[1], m.trans_a, m.trans_b, &shape);
    s->count = shape.count;
    s->g = (gemm){.m = shape.m, .n = shape.n, .k = shape.k, .alpha = m.alpha, .c_row = shape.n};
    s->g.a_row = shape.a_row;
    s->g.a_column = shape.a_column;
    s->g.b_row = shape.b_row;
    s->g.b_column = shape.b_column;
    prepare_addend(n, &m, s);
    sib_code code = pack_b(self, n->in[1], &shape, m.trans_b, s, err);
    if (code == SIB_OK && shape.count > 1) {
        s->places = cpu_matmul_places(&shape, s->g.packed != NULL);
        if (!s->places)
            code = err_memory(err, shape.count * sizeof *s->places, "places of matrices");
    }
    if (code == SIB_OK && cpu_dtype(n->in[0]) == SIB_F32)
        code = cpu_matmul_tune(self, s, elements(n, n->in[0]), elements(n, n->in[1]), err);
    if (code != SIB_OK) {
        cpu_matmul_release(s);
        return code;
    }
    cpu_matmul_set_dtype(self, s, cpu_dtype(n->in[0]), elements(n, n->in[0]), elements(n, n->in[1]),
                         m.addend ? elements(n, m.addend) : 0);
    cpu_matmul_size_scratch(self, s);
    *state = s;
    return SIB_OK;
}

const cpu_kernel cpu_matmul = {.claims = claims_matmul,
                               .prepare = prepare_matmul,
                               .release = cpu_matmul_release,
                               .run = cpu_matmul_run,
                               .reads = cpu_matmul_reads,
                               .method = cpu_matmul_method,
                               .takes_finish = true};
const cpu_kernel cpu_gemm = {.claims = claims_gemm,
                             .prepare = prepare_matmul,
                             .release = cpu_matmul_release,
                             .run = cpu_matmul_run,
                             .reads = cpu_matmul_reads,
                             .method = cpu_matmul_method,
                             .takes_finish = true};
