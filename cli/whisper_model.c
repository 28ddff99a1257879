#include "whisper_model.h"

#include "bench.h"
#include "onnx_writer.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const whisper_dims whisper_tiny = {80, 3000, 384, 6, 4, 448, 51865};

#define OPSET     23
#define NAMES_MAX 4096
#define NAME_SIZE 40

typedef struct builder {
    onnx_writer w;
    const whisper_dims *d;
    whisper_form form;
    whisper_cost cost;
    uint64_t noise;
    int64_t keys; /* positions of the audio, or of the cache with what is added */
    int n_names;
    char (*names)[NAME_SIZE]; /* (NAMES_MAX) of values, given so far */
} builder;

/* A name like no other, which lives as long as the builder. */
static const char *fresh(builder *b)
{
    char *name = b->names[b->n_names];
    snprintf(name, NAME_SIZE, "v%d", b->n_names);
    b->n_names += b->n_names + 1 < NAMES_MAX;
    return name;
}

/* "block0.q", likewise. */
static const char *name_of(builder *b, const char *where, const char *what)
{
    char *name = b->names[b->n_names];
    snprintf(name, NAME_SIZE, "%s.%s", where, what);
    b->n_names += b->n_names + 1 < NAMES_MAX;
    return name;
}

static void node(builder *b, const char *type, const char *attributes, const char *output, int n_in, ...)
{
    char inputs[256] = "";
    va_list list;
    va_start(list, n_in);
    for (int i = 0; i < n_in; i++) {
        size_t used = strlen(inputs);
        snprintf(inputs + used, sizeof inputs - used, "%s%s", i ? " " : "", va_arg(list, const char *));
    }
    va_end(list);
    onnx_node(&b->w, type, inputs, output, attributes);
}

/* ---- Weights ----------------------------------------------------------------------------------------------- */

static float *noise(builder *b, size_t n, double scale)
{
    float *x = cli_take(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * bench_uniform(&b->noise));
    return x;
}

static void plain(builder *b, const char *name, size_t rank, const int64_t *dims, double scale, double offset)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    float *x = noise(b, n, scale);
    for (size_t i = 0; i < n; i++)
        x[i] += (float)offset;
    onnx_tensor(&b->w, name, SIB_F32, rank, dims, x);
    b->cost.bytes += 4.0 * (double)n;
    free(x);
}

static void store_int8(builder *b, const char *name, const int64_t dims[2], const float *x)
{
    char stored[40], scales[40];
    size_t n = (size_t)(dims[0] * dims[1]);
    int8_t *q = cli_take(n, 1);
    float *scale = cli_take((size_t)dims[1], sizeof *scale);
    for (int64_t i = 0; i < dims[1]; i++)
        scale[i] = (float)(1 / (127 * sqrt((double)dims[0])));
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)lrintf(x[i] / scale[0]);
    snprintf(stored, sizeof stored, "%s.q", name);
    snprintf(scales, sizeof scales, "%s.scale", name);
    onnx_tensor(&b->w, stored, SIB_I8, 2, dims, q);
    onnx_tensor(&b->w, scales, SIB_F32, 1, dims + 1, scale);
    node(b, "DequantizeLinear", "axis=1", name, 2, stored, scales);
    free(q);
    free(scale);
}

/* dtype: of 16 bits */
static void store_half(builder *b, const char *name, sib_dtype dtype, const int64_t dims[2], const float *x)
{
    char stored[40];
    size_t n = (size_t)(dims[0] * dims[1]);
    uint16_t *half = cli_take(n, sizeof *half);
    sib_convert(SIB_F32, x, dtype, half, n, SIB_OVERFLOW_IEEE, NULL);
    snprintf(stored, sizeof stored, "%s.half", name);
    onnx_tensor(&b->w, stored, dtype, 2, dims, half);
    node(b, "Cast", "to=1", name, 1, stored);
    free(half);
}

/* A matrix [rows, columns] of a product, as the form stores it. */
static void matrix(builder *b, const char *name, int64_t rows, int64_t columns)
{
    static const double sizes[] = {4, 2, 2, 1};
    const int64_t dims[] = {rows, columns};
    float *x = noise(b, (size_t)(rows * columns), 1 / sqrt((double)rows));
    if (b->form.weights == WHISPER_INT8)
        store_int8(b, name, dims, x);
    else if (b->form.weights == WHISPER_F32)
        onnx_tensor(&b->w, name, SIB_F32, 2, dims, x);
    else
        store_half(b, name, b->form.weights == WHISPER_BF16 ? SIB_BF16 : SIB_F16, dims, x);
    b->cost.bytes += sizes[b->form.weights] * (double)(rows * columns);
    free(x);
}

/* ---- Layers ------------------------------------------------------------------------------------------------ */

static const char *layer_norm(builder *b, const char *x, const char *where)
{
    const char *scale = name_of(b, where, "scale"), *bias = name_of(b, where, "bias"), *y = fresh(b);
    plain(b, scale, 1, &b->d->state, 0.1, 1);
    plain(b, bias, 1, &b->d->state, 0.1, 0);
    node(b, "LayerNormalization", "axis=-1 epsilon=f:1e-5", y, 3, x, scale, bias);
    return y;
}

/* x [1, n, from] to [1, n, to] */
static const char *linear(builder *b, const char *x, const char *where, int64_t n, int64_t from, int64_t to,
                          bool biased)
{
    const char *weight = name_of(b, where, "w"), *bias = name_of(b, where, "b"), *y = fresh(b);
    matrix(b, weight, from, to);
    node(b, "MatMul", "", y, 2, x, weight);
    b->cost.flops += 2.0 * (double)(n * from * to);
    if (!biased)
        return y;
    const char *sum = fresh(b);
    plain(b, bias, 1, &to, 0.1, 0);
    node(b, "Add", "", sum, 2, y, bias);
    return sum;
}

static const char *add(builder *b, const char *x, const char *y)
{
    const char *sum = fresh(b);
    node(b, "Add", "", sum, 2, x, y);
    return sum;
}

/* [1, n, state] to [1, heads, n, state / heads] */
static const char *to_heads(builder *b, const char *x)
{
    const char *apart = fresh(b), *y = fresh(b);
    node(b, "Reshape", "", apart, 2, x, "heads_shape");
    node(b, "Transpose", "perm=[0,2,1,3]", y, 1, apart);
    return y;
}

static const char *from_heads(builder *b, const char *x)
{
    const char *apart = fresh(b), *y = fresh(b);
    node(b, "Transpose", "perm=[0,2,1,3]", apart, 1, x);
    node(b, "Reshape", "", y, 2, apart, "state_shape");
    return y;
}

/* q, k, v [1, heads, n or keys, size] by products and a softmax, as exporters write it; mask: added, or NULL. */
static const char *decomposed(builder *b, const char *q, const char *k, const char *v, const char *mask)
{
    const char *turned = fresh(b), *scores = fresh(b), *scaled = fresh(b), *weights = fresh(b), *y;
    node(b, "Transpose", "perm=[0,1,3,2]", turned, 1, k);
    node(b, "MatMul", "", scores, 2, q, turned);
    node(b, "Mul", "", scaled, 2, scores, "head_scale");
    if (mask)
        scaled = add(b, scaled, mask);
    node(b, "Softmax", "axis=-1", weights, 1, scaled);
    y = fresh(b);
    node(b, "MatMul", "", y, 2, weights, v);
    return y;
}

/* Of x [1, n, state] on itself. cache: the layer's, in the decoder, or negative. */
static const char *self_attention(builder *b, const char *x, const char *where, int64_t n, int cache)
{
    char attributes[96], past[2][24], present[2][24], outputs[96];
    int64_t s = b->d->state;
    const char *q = linear(b, x, name_of(b, where, "q"), n, s, s, true);
    const char *k = linear(b, x, name_of(b, where, "k"), n, s, s, false);
    const char *v = linear(b, x, name_of(b, where, "v"), n, s, s, true), *y;
    for (int i = 0; i < 2; i++) {
        snprintf(past[i], sizeof past[i], "past_%s_%d", i ? "v" : "k", cache);
        snprintf(present[i], sizeof present[i], "present_%s_%d", i ? "v" : "k", cache);
    }
    if (b->form.decomposed) {
        q = to_heads(b, q);
        k = to_heads(b, k);
        v = to_heads(b, v);
        if (cache >= 0) {
            node(b, "Concat", "axis=2", present[0], 2, past[0], k);
            node(b, "Concat", "axis=2", present[1], 2, past[1], v);
        }
        y = from_heads(b, decomposed(b, q, cache < 0 ? k : present[0], cache < 0 ? v : present[1],
                                     n > 1 && cache >= 0 ? "causal" : NULL));
    } else {
        y = fresh(b);
        snprintf(attributes, sizeof attributes, "q_num_heads=%d kv_num_heads=%d is_causal=%d",
                 (int)b->d->heads, (int)b->d->heads, cache >= 0 && n > 1);
        snprintf(outputs, sizeof outputs, cache < 0 ? "%s" : "%s %s %s", y, present[0], present[1]);
        node(b, "Attention", attributes, outputs, cache < 0 ? 3 : 6, q, k, v, "_", past[0], past[1]);
    }
    b->cost.flops += 4.0 * (double)(n * b->keys * s);
    if (cache >= 0)
        b->cost.bytes += 8.0 * (double)(b->keys * s);
    return linear(b, y, name_of(b, where, "o"), n, s, s, true);
}

/* Of x on what the encoder heard. */
static const char *cross_attention(builder *b, const char *x, const char *where, int64_t n, int layer)
{
    char k[24], v[24];
    int64_t s = b->d->state, heard = b->d->frames / 2;
    const char *q = to_heads(b, linear(b, x, name_of(b, where, "q"), n, s, s, true)), *y;
    snprintf(k, sizeof k, "cross_k_%d", layer);
    snprintf(v, sizeof v, "cross_v_%d", layer);
    if (b->form.decomposed)
        y = decomposed(b, q, k, v, NULL);
    else {
        y = fresh(b);
        node(b, "Attention", "", y, 3, q, k, v);
    }
    b->cost.flops += 4.0 * (double)(n * heard * s);
    b->cost.bytes += 8.0 * (double)(heard * s);
    return linear(b, from_heads(b, y), name_of(b, where, "o"), n, s, s, true);
}

static const char *feed_forward(builder *b, const char *x, const char *where, int64_t n)
{
    int64_t s = b->d->state;
    const char *h = linear(b, x, name_of(b, where, "up"), n, s, 4 * s, true), *g = fresh(b);
    node(b, "Gelu", "", g, 1, h);
    return linear(b, g, name_of(b, where, "down"), n, 4 * s, s, true);
}

/* What shapes and scales are read from. */
static void constants(builder *b)
{
    const int64_t heads[] = {0, 0, b->d->heads, b->d->state / b->d->heads}, state[] = {0, 0, b->d->state},
                  four = 4, three = 3;
    float scale = (float)(1 / sqrt((double)(b->d->state / b->d->heads)));
    onnx_tensor(&b->w, "heads_shape", SIB_I64, 1, &four, heads);
    onnx_tensor(&b->w, "state_shape", SIB_I64, 1, &three, state);
    onnx_tensor(&b->w, "head_scale", SIB_F32, 0, NULL, &scale);
}

static builder begin(const whisper_dims *d, whisper_form form)
{
    builder b = {.d = d, .form = form, .noise = UINT64_C(0x9E3779B97F4A7C15)};
    b.names = cli_take(NAMES_MAX, sizeof *b.names);
    constants(&b);
    return b;
}

static bool finish(builder *b, const char *path, whisper_cost *cost)
{
    *cost = b->cost;
    free(b->names);
    return onnx_save(&b->w, path, OPSET);
}

/* ---- The encoder ------------------------------------------------------------------------------------------- */

static const char *convolution(builder *b, const char *x, const char *where, int64_t from, int64_t to,
                               int64_t frames, const char *attributes)
{
    const int64_t dims[] = {to, from, 3};
    const char *weight = name_of(b, where, "w"), *bias = name_of(b, where, "b"), *y = fresh(b), *g = fresh(b);
    plain(b, weight, 3, dims, 1 / sqrt(3.0 * (double)from), 0);
    plain(b, bias, 1, &to, 0.1, 0);
    node(b, "Conv", attributes, y, 3, x, weight, bias);
    node(b, "Gelu", "", g, 1, y);
    b->cost.flops += 6.0 * (double)(from * to * frames);
    return g;
}

bool whisper_encoder(const char *path, const whisper_dims *d, whisper_form form, whisper_cost *cost)
{
    builder b = begin(d, form);
    int64_t n = d->frames / 2, mel[] = {1, d->mels, d->frames}, audio[] = {1, n, d->state},
            places[] = {n, d->state};
    const char *x;
    b.keys = n;
    onnx_input(&b.w, "mel", SIB_F32, 3, mel);
    const char *y =
        convolution(&b, "mel", "conv1", d->mels, d->state, d->frames, "kernel_shape=[3] pads=[1,1]");
    y = convolution(&b, y, "conv2", d->state, d->state, n, "kernel_shape=[3] pads=[1,1] strides=[2]");
    const char *turned = fresh(&b);
    node(&b, "Transpose", "perm=[0,2,1]", turned, 1, y);
    plain(&b, "places", 2, places, 1, 0);
    x = add(&b, turned, "places");
    for (int i = 0; i < (int)d->layers; i++) {
        char where[24];
        snprintf(where, sizeof where, "block%d", i);
        y = layer_norm(&b, x, name_of(&b, where, "norm1"));
        x = add(&b, x, self_attention(&b, y, where, n, -1));
        y = layer_norm(&b, x, name_of(&b, where, "norm2"));
        x = add(&b, x, feed_forward(&b, y, where, n));
    }
    node(&b, "Identity", "", "audio", 1, layer_norm(&b, x, "norm"));
    onnx_output(&b.w, "audio", SIB_F32, 3, audio);
    return finish(&b, path, cost);
}

/* ---- The decoder ------------------------------------------------------------------------------------------- */

static void decoder_inputs(builder *b, int64_t n, int64_t past)
{
    const whisper_dims *d = b->d;
    const int64_t tokens[] = {1, n}, size = d->state / d->heads;
    const int64_t kept[] = {1, d->heads, past ? -1 : 0, size}, made[] = {1, d->heads, past ? -2 : n, size},
                  heard[] = {1, d->heads, d->frames / 2, size};
    onnx_input(&b->w, "tokens", SIB_I64, 2, tokens);
    onnx_input(&b->w, "places", SIB_I64, 1, &n);
    for (int i = 0; i < (int)d->layers; i++)
        for (int k = 0; k < 2; k++) {
            char name[32];
            const char *what = k ? "v" : "k";
            snprintf(name, sizeof name, "past_%s_%d", what, i);
            onnx_input(&b->w, name, SIB_F32, 4, kept);
            snprintf(name, sizeof name, "cross_%s_%d", what, i);
            onnx_input(&b->w, name, SIB_F32, 4, heard);
            snprintf(name, sizeof name, "present_%s_%d", what, i);
            onnx_output(&b->w, name, SIB_F32, 4, made);
        }
}

/* What no token may look at: those behind it. */
static void causal_mask(builder *b, int64_t n)
{
    const int64_t dims[] = {n, n};
    float *mask = cli_take((size_t)(n * n), sizeof *mask);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = i + 1; k < n; k++)
            mask[i * n + k] = -INFINITY;
    onnx_tensor(&b->w, "causal", SIB_F32, 2, dims, mask);
    free(mask);
}

bool whisper_decoder(const char *path, const whisper_dims *d, whisper_form form, int64_t n, int64_t past,
                     whisper_cost *cost)
{
    builder b = begin(d, form);
    const int64_t table[] = {d->vocabulary, d->state}, places[] = {d->positions, d->state},
                  logits[] = {1, 1, d->vocabulary};
    const int64_t last = -1, one = 1;
    const char *x;
    b.keys = past + n;
    decoder_inputs(&b, n, past);
    if (n > 1 && form.decomposed)
        causal_mask(&b, n);
    float *embedding = noise(&b, (size_t)(table[0] * table[1]), 0.05);
    onnx_tensor(&b.w, "embedding", SIB_F32, 2, table, embedding);
    free(embedding);
    plain(&b, "place_table", 2, places, 0.05, 0);
    const char *words = fresh(&b), *where_they_stand = fresh(&b), *y;
    node(&b, "Gather", "axis=0", words, 2, "embedding", "tokens");
    node(&b, "Gather", "axis=0", where_they_stand, 2, "place_table", "places");
    x = add(&b, words, where_they_stand);
    for (int i = 0; i < (int)d->layers; i++) {
        char where[24];
        snprintf(where, sizeof where, "block%d", i);
        y = layer_norm(&b, x, name_of(&b, where, "norm1"));
        x = add(&b, x, self_attention(&b, y, where, n, i));
        y = layer_norm(&b, x, name_of(&b, where, "norm2"));
        x = add(&b, x, cross_attention(&b, y, name_of(&b, where, "cross"), n, i));
        y = layer_norm(&b, x, name_of(&b, where, "norm3"));
        x = add(&b, x, feed_forward(&b, y, where, n));
    }
    onnx_tensor(&b.w, "last", SIB_I64, 1, &one, &last);
    const char *end = fresh(&b);
    node(&b, "Gather", "axis=1", end, 2, layer_norm(&b, x, "norm"), "last");
    node(&b, "Identity", "", "logits", 1, linear(&b, end, "words", 1, d->state, d->vocabulary, false));
    onnx_output(&b.w, "logits", SIB_F32, 3, logits);
    return finish(&b, path, cost);
}
