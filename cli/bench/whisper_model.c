#include "bench/whisper_model.h"

#include "bench/bench.h"
#include "files.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const whisper_dims whisper_tiny = {80, 3000, 384, 6, 4, 448, 51865};

/* ---- A checkpoint
   ------------------------------------------------------------------------------------------ */

#define WEIGHTS_MAX 256

typedef struct drawn {
    char *name;
    size_t rank, count;
    int64_t dims[3];
    double scale, offset; /* noise * scale + offset */
} drawn;

typedef struct drawing {
    size_t n;
    drawn *items; /* (WEIGHTS_MAX) */
    int64_t state;
} drawing;

static void add(drawing *w, const char *where, const char *what, size_t rank, const int64_t *dims,
                double scale, double offset)
{
    drawn *d = &w->items[w->n];
    w->n += w->n + 1 < WEIGHTS_MAX;
    *d = (drawn){.rank = rank, .count = 1, .scale = scale, .offset = offset};
    d->name = cli_format("%s%s", where, what);
    for (size_t i = 0; i < rank; i++) {
        d->dims[i] = dims[i];
        d->count *= (size_t)dims[i];
    }
}

static void add_named(drawing *w, const char *where, const char *what, const char *which, size_t rank,
                      const int64_t *dims, double scale, double offset)
{
    char *name = cli_format("%s%s", what, which);
    add(w, where, name, rank, dims, scale, offset);
    free(name);
}

static void linear(drawing *w, const char *where, const char *what, int64_t from, int64_t to, bool biased)
{
    add_named(w, where, what, ".weight", 2, (const int64_t[]){to, from}, 1 / sqrt((double)from), 0);
    if (biased)
        add_named(w, where, what, ".bias", 1, &to, 0.1, 0);
}

static void norm(drawing *w, const char *where, const char *what)
{
    add_named(w, where, what, ".weight", 1, &w->state, 0.1, 1);
    add_named(w, where, what, ".bias", 1, &w->state, 0.1, 0);
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
        linear(w, where, name, w->state, w->state, i != 1);
        free(name);
    }
    char *name = cli_format("%s_ln", what);
    norm(w, where, name);
    free(name);
}

static void blocks(drawing *w, const char *side, int64_t layers, bool cross)
{
    for (int i = 0; i < (int)layers; i++) {
        char where[40];
        snprintf(where, sizeof where, "%s.blocks.%d.", side, i);
        attention(w, where, "attn");
        if (cross)
            attention(w, where, "cross_attn");
        linear(w, where, "mlp.0", w->state, 4 * w->state, true);
        linear(w, where, "mlp.2", 4 * w->state, w->state, true);
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

/* The header of safetensors: each weight's type, shape and place. */
static char *header_of(const drawing *w)
{
    json_t *header = json_object();
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        const drawn *d = &w->items[i];
        json_t *dims = json_array();
        for (size_t k = 0; k < d->rank; k++)
            json_array_append_new(dims, json_integer(d->dims[k]));
        json_object_set_new(header, d->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", dims, "data_offsets",
                                      (json_int_t)at, (json_int_t)(at + d->count * sizeof(float))));
        at += d->count * sizeof(float);
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!text)
        exit(cli_fail("out of memory"));
    return text;
}

static bool write_weight(FILE *f, const drawn *d, uint64_t *noise)
{
    float *x = cli_alloc(d->count, sizeof *x);
    for (size_t i = 0; i < d->count; i++)
        x[i] = (float)(d->scale * bench_uniform(noise) + d->offset);
    bool ok = fwrite(x, sizeof *x, d->count, f) == d->count;
    free(x);
    return ok;
}

bool whisper_checkpoint(const char *path, const whisper_dims *d)
{
    drawing w = {.items = cli_alloc(WEIGHTS_MAX, sizeof *w.items), .state = d->state};
    uint64_t noise = UINT64_C(0x9E3779B97F4A7C15);
    draw(&w, d);
    char *header = header_of(&w);
    uint64_t length = strlen(header); /* little-endian, as all supported machines are */
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(&length, sizeof length, 1, f) == 1 && fwrite(header, 1, length, f) == length;
    for (size_t i = 0; i < w.n && ok; i++)
        ok = write_weight(f, &w.items[i], &noise);
    ok = (!f || fclose(f) == 0) && ok;
    if (!ok)
        cli_fail("%s: cannot be written: %s", path, strerror(errno));
    free(header);
    for (size_t i = 0; i < w.n; i++)
        free(w.items[i].name);
    free(w.items);
    return ok;
}

/* ---- A part of the model
   ----------------------------------------------------------------------------------- */

/* The cost of a run apart from reading the weights. */
static whisper_cost cost_of(const whisper_dims *d, whisper_part p)
{
    double s = (double)d->state, heard = (double)d->frames / 2, n = p.tokens ? (double)p.tokens : heard,
           keys = p.tokens ? (double)(p.past + p.tokens) : heard, layers = (double)d->layers;
    whisper_cost c = {.flops = layers *
                               (24 * n * s * s + 4 * n * keys * s)}; /* q, k, v, out, feed-forward; scores */
    if (!p.tokens) {
        c.flops += 6 * s * ((double)d->mels * (double)d->frames + s * heard);
        return c;
    }
    c.flops += layers * (4 * n * s * s + 4 * n * heard * s) + 2 * s * (double)d->vocabulary;
    c.bytes = 8 * layers * s * (keys + heard);
    return c;
}

/* The names of the part's outputs; released with free, each and the list. */
static char **outputs_of(const whisper_dims *d, whisper_part p, size_t *n)
{
    char **names = cli_alloc(1 + 2 * (size_t)d->layers, sizeof *names);
    *n = 0;
    names[(*n)++] = cli_format("%s", p.tokens ? "logits" : "audio");
    for (int i = 0; p.tokens && i < (int)d->layers; i++) {
        names[(*n)++] = cli_format("present_k.%d", i);
        names[(*n)++] = cli_format("present_v.%d", i);
    }
    return names;
}

static bool save_part(const sib_model *whole, const char *path, const whisper_dims *d, whisper_part p,
                      whisper_cost *cost)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *part = NULL;
    sib_model_info info;
    size_t n;
    char **names = outputs_of(d, p, &n);
    bool ok = sib_model_part(whole, (const char *const *)names, n, &part, &err) == SIB_OK &&
              sib_model_save(part, path, NULL, &err) == SIB_OK;
    if (ok) {
        sib_model_get_info(part, &info);
        *cost = cost_of(d, p);
        cost->bytes += (double)info.parameter_bytes;
    } else
        cli_fail("%s", err.message);
    sib_model_free(&part);
    while (n)
        free(names[--n]);
    free(names);
    return ok;
}

bool whisper_write(const char *path, const char *checkpoint, const whisper_dims *d, whisper_form form,
                   whisper_part part, whisper_cost *cost)
{
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_BF16, SIB_I8};
    sib_import_options options = {.dtype = dtypes[form.weights], .opset = form.decomposed ? 20 : 23};
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    char *whole = cli_format("%s.whole", path), *data = cli_format("%s.data", whole);
    bool ok = sib_import(&checkpoint, 1, whole, &options, NULL, &err) == SIB_OK &&
              sib_model_open(whole, NULL, &m, &err) == SIB_OK;
    ok = ok ? save_part(m, path, d, part, cost) : (cli_fail("%s", err.message), false);
    sib_model_free(&m);
    unlink(whole);
    unlink(data);
    free(whole);
    free(data);
    return ok;
}
