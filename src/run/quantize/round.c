/* Rounds weights and lays them out as their new operators read them. */
#include "run/quantize/quantize.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* Max multiplications for the output error of a layer, and min rows; larger layers use fewer rows. */
#define ERROR_WORK 4e9
#define ERROR_ROWS 16

/* State of rounding one weight, with contiguous columns. */
typedef struct rounding {
    quant_plan *p;
    quant_weight *w;
    int64_t blocks; /* per column */
    float *from;    /* (n, k) */
    float *to;      /* (n, k) the dequantized weights */
    int8_t *q;      /* (n, k) */
    float *scales;  /* (n, blocks) */
    float *h;       /* (k) mean squares of the input; NULL: unknown */
    sib_error *err;
} rounding;

static const char *layer_text(const rounding *r, char *text, size_t size)
{
    return node_text(r->p->model->graph, &r->p->model->graph->nodes[r->w->first], text, size);
}

static sib_code check_numbers(const rounding *r)
{
    bool half = r->p->options.weights == SIB_WEIGHTS_F16;
    char text[140];
    for (int64_t i = 0; i < r->w->n * r->w->k; i++) {
        float x = r->from[i];
        if (!isfinite(x))
            return err_set(r->err, SIB_ERR_VALUE, "node %s: its weights hold NaN or infinities",
                           layer_text(r, text, sizeof text));
        if (half && fabsf(x) >= 65520)
            return err_set(r->err, SIB_ERR_VALUE, "node %s: its weight %g is out of float16's range",
                           layer_text(r, text, sizeof text), (double)x);
    }
    return SIB_OK;
}

/* Transposes a matrix (rows, columns). */
static void transpose(const float *from, int64_t rows, int64_t columns, float *to)
{
    for (int64_t i = 0; i < rows; i += 16)
        for (int64_t j = 0; j < columns; j++)
            for (int64_t l = i; l < i + 16 && l < rows; l++)
                to[j * rows + l] = from[l * columns + j];
}

static void transpose_bytes(const int8_t *from, int64_t rows, int64_t columns, int8_t *to)
{
    for (int64_t i = 0; i < rows; i += 16)
        for (int64_t j = 0; j < columns; j++)
            for (int64_t l = i; l < i + 16 && l < rows; l++)
                to[j * rows + l] = from[l * columns + j];
}

static sib_code read_weights(rounding *r)
{
    void *temporary;
    const quant_weight *w = r->w;
    const float *data = tensor_peek(w->was, &temporary);
    if (!data)
        return err_memory(r->err, w->was->count * sizeof(float), "weights");
    if (w->transposed)
        memcpy(r->from, data, (size_t)w->was->count * sizeof(float));
    else
        transpose(data, w->k, w->n, r->from);
    mem_free(temporary);
    tensor_leave_pages(w->was);
    return check_numbers(r);
}

/* Mean squares over the inputs of all layers that read the weights; channels that no data set uses get a
   small value. */
static sib_code read_inputs(rounding *r)
{
    const quant_plan *p = r->p;
    int64_t k = r->w->k;
    uint64_t seen = 0;
    double sum = 0;
    for (size_t i = 0; i < p->n_layers; i++) {
        const quant_layer *l = &p->layers[i];
        if (&p->weights[l->weight] == r->w && l->input != UINT32_MAX)
            seen += p->inputs[l->input].seen;
    }
    if (!seen)
        return SIB_OK;
    double *squares = mem_calloc((size_t)k, sizeof *squares);
    r->h = mem_alloc((size_t)k, sizeof *r->h);
    if (!r->h || !squares) {
        mem_free(squares);
        return err_memory(r->err, (size_t)k * sizeof *squares, "mean squares");
    }
    for (size_t i = 0; i < p->n_layers; i++) {
        const quant_layer *l = &p->layers[i];
        if (&p->weights[l->weight] == r->w && l->input != UINT32_MAX && p->inputs[l->input].seen)
            for (int64_t j = 0; j < k; j++) {
                squares[j] += p->inputs[l->input].square[j];
                sum += p->inputs[l->input].square[j];
            }
    }
    double mean = sum / (double)k; /* only ratios matter; a mean of about 1 keeps the floats in range */
    for (int64_t j = 0; j < k; j++)
        r->h[j] = sum > 0 && isfinite(sum) ? (float)(squares[j] / mean + 1e-6) : 1;
    mem_free(squares);
    return SIB_OK;
}

static void widen(rounding *r)
{
    const quant_weight *w = r->w;
    for (int64_t j = 0; j < w->n; j++)
        for (int64_t i = 0; i < w->k; i++)
            r->to[j * w->k + i] = (float)r->q[j * w->k + i] * r->scales[j * r->blocks + i / w->block];
}

/* ---- Layouts ------------------------------------------------------------------------------------------- */

static sib_code make_half(rounding *r)
{
    size_t n = (size_t)r->w->was->count;
    sib_code code = sib_tensor_convert(r->w->was, SIB_F16, SIB_OVERFLOW_IEEE, &r->w->narrow, r->err);
    r->w->bytes = n * 2;
    if (code != SIB_OK || r->w->transposed)
        return code == SIB_OK
                   ? sib_convert(SIB_F16, r->w->narrow->data, SIB_F32, r->to, n, SIB_OVERFLOW_IEEE, r->err)
                   : code;
    float *wide = mem_alloc(n, sizeof *wide);
    if (!wide)
        return err_memory(r->err, n * sizeof *wide, "weights");
    code = sib_convert(SIB_F16, r->w->narrow->data, SIB_F32, wide, n, SIB_OVERFLOW_IEEE, r->err);
    if (code == SIB_OK)
        transpose(wide, r->w->k, r->w->n, r->to);
    mem_free(wide);
    return code;
}

/* Bytes in the layout of the file or of MatMulInteger, with one scale per column or block. */
static sib_code make_bytes(rounding *r)
{
    quant_weight *w = r->w;
    bool dynamic = r->p->options.dynamic, transposed = w->transposed && !dynamic;
    int64_t dims[2] = {w->k, w->n}, of[2] = {transposed ? w->n : r->blocks, transposed ? r->blocks : w->n};
    sib_code code = sib_tensor_create(SIB_I8, dynamic ? 2 : w->was->rank, dynamic ? dims : w->was->dims,
                                      &w->narrow, r->err);
    bool blocks = r->blocks > 1;
    if (code == SIB_OK)
        code = sib_tensor_create(SIB_F32, blocks ? 2 : 1, blocks ? of : &w->n, &w->scale, r->err);
    if (code != SIB_OK)
        return code;
    if (transposed)
        memcpy(w->narrow->data, r->q, (size_t)w->was->count);
    else
        transpose_bytes(r->q, w->n, w->k, (int8_t *)w->narrow->data);
    if (transposed || !blocks)
        memcpy(w->scale->data, r->scales, (size_t)(w->n * r->blocks) * sizeof(float));
    else
        transpose(r->scales, w->n, r->blocks, (float *)w->scale->data);
    w->bytes = w->was->count + (uint64_t)(w->n * r->blocks) * sizeof(float);
    return SIB_OK;
}

/* The layout of MatMulNBits: (n, blocks, block * bits / 8), low bits first, zero point in the middle of
   the range. */
static sib_code make_bits(rounding *r)
{
    quant_weight *w = r->w;
    bool four = r->p->options.weights == SIB_WEIGHTS_INT4;
    int64_t row = w->block / (four ? 2 : 1), dims[3] = {w->n, r->blocks, row}, count = w->n * r->blocks;
    sib_code code = sib_tensor_create(SIB_U8, 3, dims, &w->narrow, r->err);
    if (code == SIB_OK)
        code = sib_tensor_create(SIB_F32, 1, &count, &w->scale, r->err);
    if (code != SIB_OK)
        return code;
    uint8_t *out = (uint8_t *)w->narrow->data;
    for (int64_t j = 0; j < w->n; j++)
        for (int64_t i = 0; i < r->blocks * w->block; i++) {
            int q = i < w->k ? r->q[j * w->k + i] : 0;
            if (four)
                out[(j * r->blocks * w->block + i) / 2] |= (uint8_t)((q + 8) << (i % 2 ? 4 : 0));
            else
                out[j * r->blocks * w->block + i] = (uint8_t)(q + 128);
        }
    memcpy(w->scale->data, r->scales, (size_t)count * sizeof(float));
    w->bytes = (uint64_t)(count * row) + (uint64_t)count * sizeof(float);
    return SIB_OK;
}

/* ---- All weights --------------------------------------------------------------------------------------- */

static void measure_outputs(const rounding *r)
{
    const quant_weight *w = r->w;
    double work = (double)w->n * (double)w->k;
    for (size_t i = 0; i < r->p->n_layers; i++) {
        quant_layer *l = &r->p->layers[i];
        if (&r->p->weights[l->weight] != w || l->input == UINT32_MAX || !r->p->inputs[l->input].kept)
            continue;
        const quant_input *in = &r->p->inputs[l->input];
        size_t rows = in->kept;
        if (work * (double)rows > ERROR_WORK)
            rows = work * ERROR_ROWS > ERROR_WORK ? ERROR_ROWS : (size_t)(ERROR_WORK / work);
        l->output_error =
            quant_output_error(in->rows, rows < in->kept ? rows : in->kept, r->from, r->to, w->n, w->k);
    }
}

static sib_code round_weight(rounding *r)
{
    quant_weight *w = r->w;
    const quant_plan *p = r->p;
    size_t count = (size_t)w->was->count;
    bool four = p->options.weights == SIB_WEIGHTS_INT4;
    r->blocks = (w->k + w->block - 1) / w->block;
    r->from = mem_alloc(count, sizeof *r->from);
    r->to = mem_alloc(count, sizeof *r->to);
    r->q = mem_alloc(count, sizeof *r->q);
    r->scales = mem_alloc((size_t)(w->n * r->blocks), sizeof *r->scales);
    if (!r->from || !r->to || !r->q || !r->scales)
        return err_memory(r->err, count * sizeof *r->from, "weights");
    sib_code code = read_weights(r);
    if (code == SIB_OK)
        code = read_inputs(r);
    if (code == SIB_OK && p->options.weights == SIB_WEIGHTS_F16)
        code = make_half(r);
    else if (code == SIB_OK) {
        quant_columns(r->from, w->n, w->k, w->block, r->h, four ? 8 : 127, four ? 7 : 127, r->q, r->scales);
        widen(r);
        code = p->bits && w->whole ? make_bits(r) : make_bytes(r);
    }
    if (code != SIB_OK)
        return code;
    w->error = quant_error(r->from, r->to, count);
    measure_outputs(r);
    return SIB_OK;
}

sib_code quant_round(quant_plan *p, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->n_weights && code == SIB_OK; i++) {
        rounding r = {.p = p, .w = &p->weights[i], .err = err};
        if (!r.w->usable)
            continue;
        code = round_weight(&r);
        mem_free(r.from);
        mem_free(r.to);
        mem_free(r.q);
        mem_free(r.scales);
        mem_free(r.h);
    }
    return code;
}
