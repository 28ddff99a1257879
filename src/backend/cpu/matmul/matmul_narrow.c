/* ai.sibyl NarrowMatMul: float32 times constant weights of 16, 8 or 4 bits, widened within the product. */
#include "backend/cpu/matmul/matmul.h"

#include <stdio.h>
#include <string.h>

enum { IN_A, IN_B, IN_SCALE, IN_ZERO };

/* Storage of integers of a dtype: unsigned, of `bits` bits, `offset` added. */
typedef struct int_format {
    sib_dtype dtype;
    unsigned bits;
    int offset;
} int_format;

static const int_format int_formats[] = {{SIB_U8, 8, 0}, {SIB_I8, 8, 128}, {SIB_U4, 4, 0}, {SIB_I4, 4, 8}};

static const int_format *int_format_of(sib_dtype dtype)
{
    for (size_t i = 0; i < sizeof int_formats / sizeof *int_formats; i++)
        if (int_formats[i].dtype == dtype)
            return &int_formats[i];
    return NULL;
}

typedef struct narrow_node {
    cpu_matmul_shape shape;
    sib_dtype dtype;
    bool transposed;
    size_t block, blocks; /* per column; one without block_size */
} narrow_node;

static const value *input(const node_view *n, size_t i)
{
    return i < n->n_in ? n->in[i] : NULL;
}

/* True where v is omitted, or a dense constant: one element, one per column, or one per block of each. */
static bool is_parameter(const value *v, const narrow_node *w)
{
    const sib_tensor *t = v ? v->constant : NULL;
    if (!v)
        return true;
    if (!t || !t->dense)
        return false;
    if (w->blocks == 1 && t->rank < 2)
        return t->count == 1 || t->count == w->shape.n;
    return t->rank == 2 && (size_t)t->dims[w->transposed ? 0 : 1] == w->shape.n &&
           (size_t)t->dims[w->transposed ? 1 : 0] == w->blocks;
}

static bool node_of(const node_view *n, narrow_node *out)
{
    narrow_spec spec = spec_narrow(n->node);
    const value *b = input(n, IN_B), *scale = input(n, IN_SCALE), *zero = input(n, IN_ZERO);
    int64_t block = spec.block_size;
    *out = (narrow_node){.dtype = cpu_dtype(b), .transposed = spec.transB};
    if (!b || !b->constant || !b->constant->dense || b->constant->rank != 2 || block < 0 || block % 2 ||
        cpu_dtype(n->in[IN_A]) != SIB_F32 ||
        !cpu_matmul_shape_of(n, n->in[IN_A], b, false, out->transposed, &out->shape) || out->shape.count != 1)
        return false;
    if (out->dtype == SIB_F16 || out->dtype == SIB_BF16)
        return !scale && !zero;
    size_t k = out->shape.k;
    out->block = block ? (size_t)block : (k + 1) / 2 * 2;
    out->blocks = block && k ? (k + out->block - 1) / out->block : 1;
    return int_format_of(out->dtype) && k && out->shape.n && out->block <= INT32_MAX &&
           (!block || (scale && scale->constant && scale->constant->rank == 2)) && is_parameter(scale, out) &&
           is_parameter(zero, out) && (!scale || cpu_dtype(scale) == SIB_F32);
}

static bool claims(const cpu_self *self, const node_view *n)
{
    narrow_node w;
    (void)self;
    return node_of(n, &w);
}

/* ---- Packing ------------------------------------------------------------------------------------------- */

typedef struct pack_context {
    const narrow_node *w;
    const sib_tensor *scale, *zero; /* NULL: omitted */
} pack_context;

/* Parameters as floats (n, blocks), `offset` added; `none` where t is NULL. */
static sib_code unpack_floats(const narrow_node *w, const sib_tensor *t, float none, float offset, float *out,
                              sib_error *err)
{
    size_t count = w->shape.n * w->blocks;
    for (size_t i = 0; i < count && !t; i++)
        out[i] = none + offset;
    if (!t)
        return SIB_OK;
    float *given = mem_alloc(t->count, sizeof *given);
    if (!given)
        return err_memory(err, t->count * sizeof *given, "scales of weights");
    sib_code code = sib_convert(t->dtype, t->data, SIB_F32, given, t->count, SIB_OVERFLOW_IEEE, err);
    for (size_t j = 0; j < w->shape.n && code == SIB_OK; j++)
        for (size_t i = 0; i < w->blocks; i++) {
            size_t at = t->count == 1 ? 0 : w->transposed ? j * w->blocks + i : i * w->shape.n + j;
            out[j * w->blocks + i] = given[at] + offset;
        }
    mem_free(given);
    return code;
}

/* Integers as gemm_bits reads them: (n, blocks * block) of `bits` bits each, non-negative. */
static sib_code arrange(const narrow_node *w, const int_format *kind, const void *elements, uint8_t *q,
                        sib_error *err)
{
    size_t k = w->shape.k, n = w->shape.n, row = w->blocks * w->block * kind->bits / 8;
    int8_t *bytes = NULL;
    if (kind->bits == 4) { /* unpack them */
        bytes = mem_alloc(k * n, 1);
        if (!bytes)
            return err_memory(err, k * n, "weights to be packed");
        sib_code code = sib_convert(kind->dtype, elements, kind->offset ? SIB_I8 : SIB_U8, bytes, k * n,
                                    SIB_OVERFLOW_IEEE, err);
        if (code != SIB_OK) {
            mem_free(bytes);
            return code;
        }
        elements = bytes;
    }
    memset(q, 0, n * row);
    const uint8_t *from = elements;
    for (size_t j = 0; j < n; j++)
        for (size_t p = 0; p < k; p++) {
            unsigned x = (unsigned)(from[w->transposed ? j * k + p : p * n + j] + kind->offset) & 255;
            if (kind->bits == 8)
                q[j * row + p] = (uint8_t)x;
            else
                q[j * row + p / 2] |= (uint8_t)((x & 15) << p % 2 * 4);
        }
    mem_free(bytes);
    return SIB_OK;
}

static gemm_bits bits_of(const narrow_node *w)
{
    return (gemm_bits){
        .k = w->shape.k, .n = w->shape.n, .block = w->block, .bits = int_format_of(w->dtype)->bits};
}

/* Scales and zero points, in one block of memory, which the caller frees even after a failure. */
static sib_code unpack_scales_and_zeros(const pack_context *p, const int_format *kind, float **memory,
                                        gemm_bits *given, sib_error *err)
{
    size_t count = p->w->shape.n * p->w->blocks;
    float *scale = *memory = mem_alloc(count, 2 * sizeof *scale);
    if (!scale)
        return err_memory(err, count * 2 * sizeof *scale, "scales of weights");
    given->scale = scale;
    given->zero = scale + count;
    sib_code code = unpack_floats(p->w, p->scale, 1, 0, scale, err);
    return code == SIB_OK ? unpack_floats(p->w, p->zero, 0, (float)kind->offset, scale + count, err) : code;
}

static sib_code fill_integers(void *context, const void *elements, void *out, sib_error *err)
{
    const pack_context *p = context;
    const narrow_node *w = p->w;
    const int_format *kind = int_format_of(w->dtype);
    size_t bytes = w->shape.n * w->blocks * w->block * kind->bits / 8;
    uint8_t *q = mem_alloc(bytes, 1);
    float *parameters = NULL;
    gemm_bits given = bits_of(w);
    sib_code code = q ? SIB_OK : err_memory(err, bytes, "weights to be packed");
    if (code == SIB_OK)
        code = unpack_scales_and_zeros(p, kind, &parameters, &given, err);
    if (code == SIB_OK)
        code = arrange(w, kind, elements, q, err);
    given.q = q;
    if (code == SIB_OK)
        gemm_pack_bits(&given, out);
    mem_free(parameters);
    mem_free(q);
    return code;
}

/* Packs row by row: 16-bit floats, and 8-bit integers. */
static sib_code begin_rows(void *context, void *out, sib_error *err)
{
    const pack_context *p = context;
    const narrow_node *w = p->w;
    const int_format *kind = int_format_of(w->dtype);
    if (!kind) {
        gemm_pack_half_begin(w->dtype == SIB_BF16, w->shape.k, w->shape.n, out);
        return SIB_OK;
    }
    gemm_bits given = bits_of(w);
    float *parameters;
    sib_code code = unpack_scales_and_zeros(p, kind, &parameters, &given, err);
    if (code == SIB_OK)
        gemm_pack_bytes_begin(&given, out);
    mem_free(parameters);
    return code;
}

static void fill_rows(void *context, const void *elements, size_t first, size_t rows, void *out)
{
    const narrow_node *w = ((const pack_context *)context)->w;
    if (int_format_of(w->dtype))
        gemm_pack_bytes_rows(elements, w->dtype == SIB_I8, w->transposed, first, rows, out);
    else
        gemm_pack_half_rows(elements, w->transposed, first, rows, out);
}

static sib_code pack_b(const cpu_self *self, const node_view *n, const narrow_node *w, matmul_state *s,
                       sib_error *err)
{
    const value *scale = input(n, IN_SCALE), *zero = input(n, IN_ZERO);
    pack_context context = {w, cpu_constant(scale), cpu_constant(zero)};
    value b = *n->in[IN_B]; /* packed weights live as long as all the constants they are made of */
    char how[64];
    const void *packed;
    size_t bytes;
    gemm_bits bits = int_format_of(w->dtype) ? bits_of(w) : (gemm_bits){0};
    if (!(bits.bits ? gemm_packed_bits_bytes(&bits, &bytes)
                    : gemm_packed_half_bytes(w->shape.k, w->shape.n, 1, &bytes)))
        return err_set(err, SIB_ERR_SIZE, "packed weights do not fit in memory");
    b.lasting = b.lasting && (!scale || scale->lasting) && (!zero || zero->lasting);
    b.from_file = b.from_file && (!scale || scale->from_file) && (!zero || zero->from_file);
    if (snprintf(how, sizeof how, "narrow %d %zu %p %p", w->transposed, w->block, (const void *)context.scale,
                 (const void *)context.zero) >= (int)sizeof how)
        b.lasting = false;
    cpu_rows rows = {.row = w->transposed ? w->shape.k : w->shape.n,
                     .block = w->transposed ? w->shape.n : w->shape.k,
                     .multiple = gemm_pack_multiple(w->transposed),
                     .begin = begin_rows,
                     .fill = fill_rows};
    sib_code code = bits.bits == 4
                        ? cpu_pack(self, &b, how, bytes, fill_integers, &context, &packed, &s->owned, err)
                        : cpu_pack_rows(self, &b, how, bytes, &rows, &context, &packed, &s->owned, err);
    s->g.packed = packed;
    return code;
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    narrow_node w;
    matmul_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a product of matrices");
    node_of(n, &w);
    s->count = 1;
    s->g = (gemm){.m = w.shape.m,
                  .n = w.shape.n,
                  .k = w.shape.k,
                  .a_row = w.shape.a_row,
                  .a_column = w.shape.a_column,
                  .c_row = w.shape.n,
                  .alpha = 1.0f};
    sib_code code = pack_b(self, n, &w, s, err);
    if (code != SIB_OK) {
        cpu_matmul_release(s);
        return code;
    }
    cpu_matmul_set_dtype(self, s, SIB_F32, w.shape.m * w.shape.k, 0, 0);
    cpu_matmul_size_scratch(self, s);
    *state = s;
    return SIB_OK;
}

const cpu_kernel cpu_matmul_narrow = {.claims = claims,
                                      .prepare = prepare,
                                      .release = cpu_matmul_release,
                                      .run = cpu_matmul_run,
                                      .reads = cpu_matmul_reads,
                                      .takes_finish = true};
