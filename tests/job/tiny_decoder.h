/* Checkpoints of small decoders with random weights, imported into the folder of the test, and a job that generates text
   with them, by bytes. */
#ifndef TESTS_JOB_TINY_DECODER_H
#define TESTS_JOB_TINY_DECODER_H

#include "jobs.h"

#include <sibyl/import.h>

#include <stdarg.h>

enum {
    DECODER_VOCAB = 256,
    DECODER_WIDTH = 32,
    DECODER_HIDDEN = 48,
    DECODER_LAYERS = 2,
    DECODER_CONTEXT = 512
};

typedef struct decoder_file {
    char header[16384];
    size_t n, bytes; /* of the header, of the weights */
    FILE *weights;
    uint64_t random;
} decoder_file;

/* About normal, times `by`, plus `add`. */
static inline float decoder_number(decoder_file *f, double by, double add)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        f->random = f->random * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(f->random >> 40) / (double)(1 << 24) - 0.5;
    }
    return (float)(sum * 1.7 * by + add);
}

/* Weights of (rows, columns), or a vector where columns is 0. */
static inline void decoder_weight(decoder_file *f, size_t rows, size_t columns, const char *format, ...)
{
    char name[100], dims[40];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    size_t count = rows * (columns ? columns : 1);
    bool norm = strstr(name, "norm") || strstr(name, "ln_");
    for (size_t i = 0; i < count; i++) {
        float x = decoder_number(f, columns ? 0.25 : 0.1, norm && !strstr(name, "bias"));
        assert_int_equal(fwrite(&x, sizeof x, 1, f->weights), 1);
    }
    snprintf(dims, sizeof dims, columns ? "%zu, %zu" : "%zu", rows, columns);
    f->n += (size_t)snprintf(f->header + f->n, sizeof f->header - f->n,
                             "%s\"%s\": {\"dtype\": \"F32\", \"shape\": [%s], \"data_offsets\": [%zu, %zu]}",
                             f->n > 1 ? ", " : "", name, dims, f->bytes, f->bytes + count * 4);
    assert_true(f->n < sizeof f->header);
    f->bytes += count * 4;
}

static inline void decoder_weights_llama(decoder_file *f)
{
    const size_t d = DECODER_WIDTH, hidden = DECODER_HIDDEN;
    decoder_weight(f, DECODER_VOCAB, d, "model.embed_tokens.weight");
    for (int i = 0; i < DECODER_LAYERS; i++) {
        decoder_weight(f, d, d, "model.layers.%d.self_attn.q_proj.weight", i);
        decoder_weight(f, d / 2, d, "model.layers.%d.self_attn.k_proj.weight", i);
        decoder_weight(f, d / 2, d, "model.layers.%d.self_attn.v_proj.weight", i);
        decoder_weight(f, d, d, "model.layers.%d.self_attn.o_proj.weight", i);
        decoder_weight(f, hidden, d, "model.layers.%d.mlp.gate_proj.weight", i);
        decoder_weight(f, hidden, d, "model.layers.%d.mlp.up_proj.weight", i);
        decoder_weight(f, d, hidden, "model.layers.%d.mlp.down_proj.weight", i);
        decoder_weight(f, d, 0, "model.layers.%d.input_layernorm.weight", i);
        decoder_weight(f, d, 0, "model.layers.%d.post_attention_layernorm.weight", i);
    }
    decoder_weight(f, d, 0, "model.norm.weight");
}

static inline void decoder_weights_gpt2(decoder_file *f)
{
    const size_t d = DECODER_WIDTH, hidden = 4 * DECODER_WIDTH;
    decoder_weight(f, DECODER_VOCAB, d, "wte.weight");
    decoder_weight(f, DECODER_CONTEXT, d, "wpe.weight");
    for (int i = 0; i < DECODER_LAYERS; i++) {
        const struct {
            const char *name;
            size_t in, out;
        } products[] = {{"attn.c_attn", d, 3 * d},
                        {"attn.c_proj", d, d},
                        {"mlp.c_fc", d, hidden},
                        {"mlp.c_proj", hidden, d}};
        for (size_t k = 0; k < 4; k++) {
            decoder_weight(f, products[k].in, products[k].out, "h.%d.%s.weight", i, products[k].name);
            decoder_weight(f, products[k].out, 0, "h.%d.%s.bias", i, products[k].name);
        }
        for (int k = 1; k < 3; k++) {
            decoder_weight(f, d, 0, "h.%d.ln_%d.weight", i, k);
            decoder_weight(f, d, 0, "h.%d.ln_%d.bias", i, k);
        }
    }
    decoder_weight(f, d, 0, "ln_f.weight");
    decoder_weight(f, d, 0, "ln_f.bias");
}

/* Writes a checkpoint with this config.json, and imports it as NAME.onnx. */
static inline void make_decoder(const char *name, void (*weights)(decoder_file *f), const char *config,
                                const sib_import_options *options)
{
    char file[100];
    sib_error err = SIB_ERROR_INIT;
    decoder_file f = {.header = "{", .n = 1, .random = 7, .weights = tmpfile()};
    assert_non_null(f.weights);
    weights(&f);
    strcat(f.header, "}");
    f.n++;
    snprintf(file, sizeof file, "%s.safetensors", name);
    FILE *to = fopen(in_folder(file), "wb");
    assert_non_null(to);
    uint64_t size = f.n;
    fwrite(&size, sizeof size, 1, to);
    fwrite(f.header, 1, f.n, to);
    rewind(f.weights);
    for (int byte; (byte = getc(f.weights)) != EOF;)
        putc(byte, to);
    fclose(f.weights);
    assert_int_equal(fclose(to), 0);
    save_text("config.json", config);
    char out[300], paths[2][300];
    snprintf(paths[0], sizeof paths[0], "%s", in_folder(file));
    snprintf(paths[1], sizeof paths[1], "%s", in_folder("config.json"));
    snprintf(file, sizeof file, "%s.onnx", name);
    snprintf(out, sizeof out, "%s", in_folder(file));
    CHECK_OK(sib_import((const char *const[]){paths[0], paths[1]}, 2, out, options, NULL, &err), err);
}

#define LLAMA_CONFIG                                                                                         \
    "{\"model_type\": \"%s\", \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "                      \
    "\"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000%s}"
#define GPT2_CONFIG                                                                                          \
    "{\"model_type\": \"gpt2\", \"n_head\": 4, \"n_ctx\": 512, \"n_positions\": 512, "                       \
    "\"activation_function\": \"gelu_new\"}"

/* A Llama as NAME.onnx. more: further members of its config. */
static inline void make_llama(const char *name, const char *kind, const char *more,
                              const sib_import_options *options)
{
    char config[400];
    snprintf(config, sizeof config, LLAMA_CONFIG, kind, more);
    make_decoder(name, decoder_weights_llama, config, options);
}

/* The standard job of text generation for NAME.onnx, whose tokens are bytes. */
static inline sib_job *decoder_job(const char *name, const sib_job_options *options)
{
    static const char empty[] = "{\"model\": \"\"}";
    char path[1000], text[16384], *document;
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = NULL;
    snprintf(path, sizeof path, "%s/src/job/standard/text-generation.json", getenv("SIBYL_SOURCE"));
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *at = strstr(text, empty);
    assert_non_null(at);
    assert_true(asprintf(&document, "%.*s{\"model\": \"%s.onnx\"}%s", (int)(at - text), text, name,
                         at + strlen(empty)) > 0);
    CHECK_OK(sib_job_open_text(document, strlen(document), folder, options, &j, &err), err);
    free(document);
    return j;
}

#endif
