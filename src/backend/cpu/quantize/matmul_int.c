/* Products of 8-bit integers: MatMulInteger and QLinearMatMul; com.microsoft MatMulIntegerToFloat and
   DynamicQuantizeMatMul. */
#include "backend/cpu/quantize/matmul_int.h"
#include "backend/cpu/call/scratch.h"
#include "kernel/gemm/gemm.h"

#include <stdio.h>

/* ---- The operators ------------------------------------------------------------------------------------- */

static const int_operator operators[] = {
    {"", "MatMulInteger", 0, 1, 2, 3, NONE, NONE, NONE, NONE, NONE},
    {"", "QLinearMatMul", 0, 3, 2, 5, 1, 4, NONE, 6, 7},
    {"com.microsoft", "MatMulIntegerToFloat", 0, 1, 4, 5, 2, 3, 6, NONE, NONE},
    {"com.microsoft", "DynamicQuantizeMatMul", 0, 1, NONE, 3, NONE, 2, 4, NONE, NONE},
};

/* The row of a node's operator, or NULL. */
static const int_operator *cpu_int_operator(const node *n)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (str_is(n->type, operators[i].name) && str_is(n->domain, operators[i].domain))
            return &operators[i];
    return NULL;
}

/* Input i, or NULL where it is omitted or the operator lacks it. */
static const value *in(const node_view *n, uint8_t i)
{
    return i != NONE && i < n->n_in ? n->in[i] : NULL;
}

static bool is_byte(sib_dtype dtype)
{
    return dtype == SIB_U8 || dtype == SIB_I8;
}

/* True for a parameter of this dtype with one element, or `along` elements along one axis. */
static bool parameter(const node_view *n, uint8_t i, sib_dtype dtype, size_t along, bool *each)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    const value *v = in(n, i);
    *each = false;
    if (!v)
        return true;
    if (cpu_dtype(v) != dtype || !cpu_dims(n, v, &rank, dims) || rank > 1)
        return false;
    *each = rank == 1 && dims[0] != 1;
    return !*each || (along && (size_t)dims[0] == along);
}

/* Decides all that does not depend on the run. Returns false where the node is not for this kernel. */
static bool read_node(const node_view *n, int_state *s, cpu_matmul_shape *shape)
{
    const int_operator *o = cpu_int_operator(n->node);
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    bool each;
    *s = (int_state){.op = o};
    if (!o || n->n_in <= o->b || !in(n, o->a) || !in(n, o->b))
        return false;
    sib_dtype a = cpu_dtype(n->in[o->a]), b = cpu_dtype(n->in[o->b]);
    s->dynamic = a == SIB_F32 && o->a_zero == NONE;
    if (!(s->dynamic || (is_byte(a) && (o->a_zero != NONE))) || !is_byte(b) ||
        !cpu_matmul_shape_of(n, n->in[o->a], n->in[o->b], false, false, shape) ||
        !cpu_dims(n, n->in[o->a], &rank, dims))
        return false;
    /* one zero point per row is possible for a single matrix only */
    if (!parameter(n, o->a_zero, a, rank == 2 ? shape->m : 0, &s->g.a_zero_each) ||
        !parameter(n, o->b_zero, b, shape->n, &s->g.b_zero_each) ||
        !parameter(n, o->a_scale, SIB_F32, 0, &each) ||
        !parameter(n, o->b_scale, SIB_F32, shape->n, &s->b_scale_each) ||
        !parameter(n, o->bias, SIB_F32, shape->n, &s->bias_each) ||
        !parameter(n, o->y_scale, SIB_F32, 0, &each))
        return false;
    s->out = n->n_out && n->out[0] ? cpu_dtype(n->out[0]) : SIB_DTYPE_UNKNOWN;
    if (in(n, o->bias) && (!s->bias_each && shape->n != 1))
        return false;
    if (o->y_zero != NONE && (!in(n, o->y_zero) || !in(n, o->y_scale) || !is_byte(s->out) ||
                              !parameter(n, o->y_zero, s->out, 0, &each)))
        return false;
    return o->y_zero != NONE || s->out == (o->b_scale == NONE ? SIB_I32 : SIB_F32);
}

static bool claims(const cpu_self *self, const node_view *n)
{
    int_state s;
    cpu_matmul_shape shape;
    (void)self;
    return read_node(n, &s, &shape);
}

/* ---- Preparing ----------------------------------------------------------------------------------------- */

typedef struct pack_context {
    const cpu_matmul_shape *shape;
    bool is_signed;
} pack_context;

static sib_code fill_pack(void *context, const void *elements, void *out, sib_error *err)
{
    const pack_context *p = context;
    const cpu_matmul_shape *s = p->shape;
    (void)err;
    gemm_int_pack(elements, p->is_signed, s->b_row, s->b_column, s->k, s->n, s->b_matrices, s->k * s->n, out);
    return SIB_OK;
}

static sib_code pack_b(const cpu_self *self, const value *b, const cpu_matmul_shape *shape, int_state *s,
                       sib_error *err)
{
    const sib_tensor *t = b->constant;
    char how[64];
    const void *packed;
    size_t bytes;
    if (!t || !t->dense || !shape->b_matrices)
        return SIB_OK;
    if (!gemm_int_packed_bytes(shape->k, shape->n, shape->b_matrices, &bytes))
        return err_set(err, SIB_ERR_SIZE, "packed weights do not fit in memory");
    pack_context context = {shape, t->dtype == SIB_I8};
    snprintf(how, sizeof how, "gemm bytes %zu %zu", shape->k, shape->n);
    sib_code code = cpu_pack(self, b, how, bytes, fill_pack, &context, &packed, &s->owned, err);
    s->g.packed = packed;
    return code;
}

static void release(void *state)
{
    int_state *s = state;
    if (s) {
        mem_free(s->owned);
        mem_free(s->places);
    }
    mem_free(s);
}

/* Rounds up to full cache lines. */
static size_t lines(size_t bytes)
{
    return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static sib_code prepare_places(const cpu_matmul_shape *shape, int_state *s, sib_error *err)
{
    gemm_place *places = cpu_matmul_places(shape, s->g.packed != NULL);
    s->places = mem_alloc(shape->count, sizeof *s->places);
    for (size_t i = 0; places && s->places && i < shape->count; i++)
        s->places[i] = (gemm_int_place){places[i].a, places[i].b, places[i].c};
    bool ok = places && s->places;
    mem_free(places);
    return ok ? SIB_OK : err_memory(err, shape->count * sizeof *places, "places of matrices");
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    cpu_matmul_shape shape;
    int_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    cpu_claimed(read_node(n, s, &shape));
    s->count = shape.count;
    s->g.m = shape.m;
    s->g.n = s->g.c_row = shape.n;
    s->g.k = shape.k;
    s->g.a_row = shape.a_row;
    s->g.a_column = shape.a_column;
    s->g.b_row = shape.b_row;
    s->g.b_column = shape.b_column;
    s->g.a_signed = cpu_dtype(n->in[s->op->a]) == SIB_I8;
    s->g.b_signed = cpu_dtype(n->in[s->op->b]) == SIB_I8;
    sib_code code = pack_b(self, n->in[s->op->b], &shape, s, err);
    if (code == SIB_OK && shape.count > 1)
        code = prepare_places(&shape, s, err);
    if (code != SIB_OK) {
        release(s);
        return code;
    }
    s->product_bytes = lines(gemm_int_scratch(&s->g, s->count, self->pool));
    s->a_zero_bytes = s->g.a_zero_each ? lines(s->g.m * sizeof(int32_t)) : 0;
    s->b_zero_bytes = s->g.b_zero_each ? lines(s->g.n * sizeof(int32_t)) : 0;
    s->factor_bytes = s->op->b_scale != NONE ? lines(s->g.n * sizeof(double)) : 0;
    s->c_bytes = s->out == SIB_I32 ? 0 : lines(s->count * s->g.m * s->g.n * sizeof(int32_t));
    s->q_bytes =
        s->dynamic ? lines(s->count * s->g.m * s->g.k) : 0; /* at least the size of A, which may broadcast */
    *state = s;
    return SIB_OK;
}

static bool reads(const void *state, size_t i)
{
    const int_state *s = state;
    return i != s->op->b || !s->g.packed;
}

const cpu_kernel cpu_matmul_int = {.claims = claims,
                                   .prepare = prepare,
                                   .release = release,
                                   .run = cpu_matmul_int_run,
                                   .reads = reads,
                                   .takes_finish = true};
