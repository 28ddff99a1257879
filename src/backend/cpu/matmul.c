/* Products of matrices of floats: MatMul, Gemm, FusedMatMul and the milli-op. */
#include "backend/cpu/matmul_shape.h"
#include "backend/cpu/scratch.h"

#include <stdio.h>

/* What is added to the product. */
typedef enum matmul_addend {
    ADD_NOTHING,
    ADD_ROWS, /* as it stands: one row for all, or a row for each */
    ADD_FILL  /* broadcast in another way, or times beta: C is filled with it beforehand */
} matmul_addend;

typedef struct matmul_state {
    gemm g; /* but for the addresses of what is known at the run only */
    size_t count;
    gemm_place *places; /* (count), NULL for one */
    void *owned;        /* packed B, where it is this state's own */
    size_t scratch;     /* floats */
    matmul_addend addend;
    float beta;
    size_t add_row, add_column; /* ADD_FILL: strides of the third input */
} matmul_state;

/* What kind of product a node is. */
typedef struct matmul_node {
    bool trans_a, trans_b;
    float alpha, beta;
    const value *addend; /* NULL: nothing is added */
} matmul_node;

static matmul_node node_of(const node_view *n)
{
    const node *own = n->node;
    matmul_node out = {.alpha = 1.0f, .beta = 1.0f};
    if (own->milli || str_is(own->type, "MatMul"))
        return out;
    out.trans_a = attr_int(own, "transA", 0);
    out.trans_b = attr_int(own, "transB", 0);
    out.alpha = (float)attr_float(own, "alpha", 1);
    out.beta = (float)attr_float(own, "beta", 1);
    out.addend = n->n_in > 2 ? n->in[2] : NULL;
    return out;
}

/* ---- Claiming ---------------------------------------------------------------------------------------------- */

static bool claims_matmul(const cpu_self *self, const node_view *n)
{
    matmul_node m = node_of(n);
    cpu_matmul_shape shape;
    (void)self;
    if (attr_int(n->node, "transBatchA", 0) || attr_int(n->node, "transBatchB", 0))
        return false;
    return n->n_in >= 2 && cpu_dtype(n->in[0]) == SIB_F32 && cpu_dtype(n->in[1]) == SIB_F32 &&
           cpu_matmul_shape_of(n, n->in[0], n->in[1], m.trans_a, m.trans_b, &shape);
}

/* Strides at which an addend broadcasts to (m, n). */
static bool addend_strides(const node_view *view, const value *v, size_t m, size_t n, size_t *row,
                           size_t *column)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (cpu_dtype(v) != SIB_F32 || !cpu_dims(view, v, &rank, dims) || rank > 2)
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

/* ---- Preparing --------------------------------------------------------------------------------------------- */

typedef struct pack_context {
    const cpu_matmul_shape *shape;
    const float *data;
} pack_context;

static sib_code make_pack(void *context, void **out, size_t *bytes, sib_error *err)
{
    const pack_context *p = context;
    const cpu_matmul_shape *s = p->shape;
    size_t *at = mem_alloc(s->b_matrices, sizeof *at);
    if (!at)
        return err_memory(err, s->b_matrices * sizeof *at, "places of matrices");
    for (size_t i = 0; i < s->b_matrices; i++)
        at[i] = i * s->k * s->n;
    gemm_packed *packed;
    sib_code code =
        gemm_pack(p->data, s->b_row, s->b_column, s->k, s->n, s->b_matrices, at, &packed, bytes, err);
    mem_free(at);
    *out = packed;
    return code;
}

static sib_code pack_b(const cpu_self *self, const value *b, const cpu_matmul_shape *shape, matmul_state *s,
                       sib_error *err)
{
    const sib_tensor *t = cpu_constant(b);
    char how[64];
    const void *packed;
    if (!t || !t->dense || !shape->b_matrices)
        return SIB_OK;
    pack_context context = {shape, (const float *)(const void *)t->data};
    snprintf(how, sizeof how, "gemm f32 %zu %zu %zu", shape->k, shape->n, shape->b_row);
    sib_code code = cpu_pack(self, b, how, make_pack, &context, &packed, &s->owned, err);
    s->g.packed = packed;
    return code;
}

static void prepare_addend(const node_view *n, const matmul_node *m, matmul_state *s)
{
    size_t row, column;
    if (!m->addend || !addend_strides(n, m->addend, s->g.m, s->g.n, &row, &column))
        return;
    s->addend = m->beta == 1.0f && (column == 1 || s->g.n == 1) ? ADD_ROWS : ADD_FILL;
    s->beta = m->beta;
    s->add_row = row;
    s->add_column = column;
    s->g.from_row = s->addend == ADD_ROWS ? row : s->g.n;
}

static void release_matmul(void *state)
{
    matmul_state *s = state;
    if (s) {
        mem_free(s->owned);
        mem_free(s->places);
    }
    mem_free(s);
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
    sib_code code = pack_b(self, n->in[1], &shape, s, err);
    if (code == SIB_OK && shape.count > 1) {
        s->places = cpu_matmul_places(&shape, s->g.packed != NULL);
        if (!s->places)
            code = err_memory(err, shape.count * sizeof *s->places, "places of matrices");
    }
    if (code != SIB_OK) {
        release_matmul(s);
        return code;
    }
    s->scratch = gemm_scratch_all(&s->g, s->count, self->pool);
    *state = s;
    return SIB_OK;
}

/* ---- Running ----------------------------------------------------------------------------------------------- */

static float *data_of(const sib_tensor *t)
{
    return (float *)(void *)t->data;
}

/* Packed constants are not read where they stand. */
static bool reads_matmul(const void *state, size_t i)
{
    const matmul_state *s = state;
    return i != 1 || !s->g.packed;
}

static void done(void *context, float *at, size_t rows, size_t columns)
{
    const cpu_call *c = context;
    const matmul_state *s = c->state;
    size_t begin = (size_t)(at - data_of(cpu_out(c, 0)));
    if (columns == s->g.n)
        c->finish(c, begin, rows * columns);
    else
        for (size_t i = 0; i < rows; i++)
            c->finish(c, begin + i * s->g.n, columns);
}

/* C = beta * addend, broadcast */
static void fill(const matmul_state *s, const float *from, float *c)
{
    for (size_t i = 0; i < s->g.m; i++, from += s->add_row, c += s->g.n)
        for (size_t j = 0; j < s->g.n; j++)
            c[j] = s->beta * from[j * s->add_column];
}

static sib_code run_matmul(const cpu_call *c)
{
    const matmul_state *s = c->state;
    gemm g = s->g;
    float *scratch = NULL;
    g.a = data_of(cpu_in(c, 0));
    if (!g.packed)
        g.b = data_of(cpu_in(c, 1));
    g.c = data_of(cpu_out(c, 0));
    g.cancel = c->cancel;
    if (c->finish) {
        g.done = done;
        g.context = (void *)(uintptr_t)c;
    }
    if (s->addend == ADD_ROWS)
        g.from = data_of(cpu_in(c, 2));
    else if (s->addend == ADD_FILL) {
        fill(s, data_of(cpu_in(c, 2)), g.c);
        g.from = g.c;
    }
    if (s->scratch && !(scratch = cpu_scratch_take(c, s->scratch * sizeof(float))))
        return cpu_no_memory(c, s->scratch * sizeof(float));
    gemm_run_all(&g, s->count, s->places, c->self->pool, scratch);
    cpu_scratch_give(c, scratch);
    return cancel_is_set(c->cancel) ? cpu_fail(c, SIB_ERR_CANCELLED, "the run was cancelled") : SIB_OK;
}

const cpu_kernel cpu_matmul = {.claims = claims_matmul,
                               .prepare = prepare_matmul,
                               .release = release_matmul,
                               .run = run_matmul,
                               .reads = reads_matmul,
                               .takes_finish = true};
const cpu_kernel cpu_gemm = {.claims = claims_gemm,
                             .prepare = prepare_matmul,
                             .release = release_matmul,
                             .run = run_matmul,
                             .reads = reads_matmul,
                             .takes_finish = true};
