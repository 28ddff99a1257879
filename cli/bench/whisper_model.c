#include "bench/whisper_model.h"

#include "bench/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const whisper_dims whisper_sizes[WHISPER_SIZES] = {{"tiny", 80, 3000, 384, 6, 4, 448, 51865},
                                                   {"small", 80, 3000, 768, 12, 12, 448, 51865},
                                                   {"large-v3", 128, 3000, 1280, 20, 32, 448, 51866}};
const char *const whisper_size_names[] = {"tiny", "small", "large-v3", NULL};

/* ---- A checkpoint -------------------------------------------------------------------------------------- */

typedef struct drawing {
    random_weights weights;
    int64_t state;
} drawing;

static void add(drawing *w, const char *where, const char *what, size_t rank, const int64_t *dims,
                double scale, double offset)
{
    random_add(&w->weights, where, what, rank, dims, scale, offset);
}

static void norm(drawing *w, const char *where, const char *what)
{
    char *weight = cli_format("%s.weight", what), *bias = cli_format("%s.bias", what);
    add(w, where, weight, 1, &w->state, 0.1, 1);
    add(w, where, bias, 1, &w->state, 0.1, 0);
    free(weight);
    free(bias);
}

static void convolution(drawing *w, const char *where, int64_t from)
{
    add(w, where, ".weight", 3, (const int64_t[]){w->state, from, 3}, 1 / sqrt(3.0 * (double)from), 0);
    add(w, where, ".bias", 1, &w->state, 0.1, 0);
}

static void attention(drawing *w, const char *where, const char *what)
{
    static const char *const parts[] = {".query", ".key", ".value", ".out"};
    for (int i = 0; i < 4; i++) {
        char *name = cli_format("%s%s", what, parts[i]);
        random_add_linear(&w->weights, where, name, w->state, w->state, i != 1);
        free(name);
    }
    char *name = cli_format("%s_ln", what);
    norm(w, where, name);
    free(name);
}

static void blocks(drawing *w, const char *part, int64_t layers, bool cross)
{
    for (int i = 0; i < (int)layers; i++) {
        char where[40];
        snprintf(where, sizeof where, "%s.blocks.%d.", part, i);
        attention(w, where, "attn");
        if (cross)
            attention(w, where, "cross_attn");
        random_add_linear(&w->weights, where, "mlp.0", w->state, 4 * w->state, true);
        random_add_linear(&w->weights, where, "mlp.2", 4 * w->state, w->state, true);
        norm(w, where, "mlp_ln");
    }
}

static void draw(drawing *w, const whisper_dims *d)
{
    convolution(w, "encoder.conv1", d->mels);
    convolution(w, "encoder.conv2", d->state);
    add(w, "encoder.", "positional_embedding", 2, (const int64_t[]){d->frames / 2, d->state}, 1, 0);
    blocks(w, "encoder", d->layers, false);
    norm(w, "encoder.", "ln_post");
    add(w, "decoder.", "token_embedding.weight", 2, (const int64_t[]){d->vocabulary, d->state}, 0.05, 0);
    add(w, "decoder.", "positional_embedding", 2, (const int64_t[]){d->positions, d->state}, 0.05, 0);
    blocks(w, "decoder", d->layers, true);
    norm(w, "decoder.", "ln");
}

bool whisper_checkpoint(const char *path, const whisper_dims *d)
{
    drawing w = {.state = d->state};
    draw(&w, d);
    return random_write(&w.weights, path);
}

/* ---- A part of the model ------------------------------------------------------------------------------- */

void whisper_cost(const whisper_dims *d, network_part *p)
{
    const double s = (double)d->state, heard = (double)d->frames / 2,
                 n = p->tokens ? (double)p->tokens : heard,
                 keys = p->tokens ? (double)(p->past + p->tokens) : heard, layers = (double)d->layers,
                 batch = (double)p->batch;
    p->flops = layers * (24 * n * s * s + 4 * n * keys * s); /* q, k, v, out, feed-forward; scores */
    if (!p->tokens)
        p->flops += 6 * s * ((double)d->mels * (double)d->frames + s * heard);
    else
        p->flops += layers * (4 * n * s * s + 4 * n * heard * s) + 2 * s * (double)d->vocabulary;
    p->flops *= batch;
    p->bytes = p->tokens ? 8 * layers * s * (keys + heard) * batch : 0;
}

char **whisper_outputs(const whisper_dims *d, const network_part *p, size_t *n)
{
    char **names = cli_alloc(1 + 2 * (size_t)d->layers, sizeof *names);
    *n = 0;
    names[(*n)++] = cli_format("%s", p->tokens ? "logits" : "audio");
    for (int i = 0; p->tokens && i < (int)d->layers; i++) {
        names[(*n)++] = cli_format("present_k.%d", i);
        names[(*n)++] = cli_format("present_v.%d", i);
    }
    return names;
}
