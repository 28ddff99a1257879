/* sibyl bench llama: layers of a Llama of 8 billion weights, in 4 bits. */
#include "bench/checkpoint.h"
#include "bench/network.h"

#include "command.h"

#include <math.h>
#include <stdlib.h>

/* Llama 3's of 8 billion weights, but for the vocabulary of 128,256, which a step reads once for all of its layers. */
#define WIDTH      4096
#define HEADS      32
#define KEY_HEADS  8
#define HEAD       128
#define HIDDEN     14336
#define LAYERS     32
#define VOCABULARY 8192
/* What is measured unless --layers says otherwise. */
#define USUAL_LAYERS 2
/* The prompt in tokens, and the positions before the step. */
#define PROMPT 256
#define PAST   1000

static const char config[] =
    "{\"model_type\": \"llama\", \"num_attention_heads\": 32, \"num_key_value_heads\": 8, "
    "\"max_position_embeddings\": 8192, \"rope_theta\": 500000, \"rms_norm_eps\": 1e-5}";

static void draw(random_weights *w, int layers)
{
    static const struct {
        const char *name;
        int64_t from, to;
    } products[] = {{"self_attn.q_proj", WIDTH, HEADS * HEAD},
                    {"self_attn.k_proj", WIDTH, KEY_HEADS * HEAD},
                    {"self_attn.v_proj", WIDTH, KEY_HEADS * HEAD},
                    {"self_attn.o_proj", HEADS * HEAD, WIDTH},
                    {"mlp.gate_proj", WIDTH, HIDDEN},
                    {"mlp.up_proj", WIDTH, HIDDEN},
                    {"mlp.down_proj", HIDDEN, WIDTH}};
    const int64_t width = WIDTH, table[] = {VOCABULARY, WIDTH};
    random_add(w, "model.", "embed_tokens.weight", 2, table, 1, 0);
    for (int i = 0; i < layers; i++) {
        char *where = cli_format("model.layers.%d.", i);
        random_add(w, where, "input_layernorm.weight", 1, &width, 0.1, 1);
        random_add(w, where, "post_attention_layernorm.weight", 1, &width, 0.1, 1);
        for (size_t k = 0; k < sizeof products / sizeof *products; k++)
            random_add_linear(w, where, products[k].name, products[k].from, products[k].to, false);
        free(where);
    }
    random_add(w, "model.", "norm.weight", 1, &width, 0.1, 1);
    random_add(w, "", "lm_head.weight", 2, table, 1 / sqrt(WIDTH), 0);
}

static bool add_part(networks *n, const sib_model *whole, network_part p, int layers, network_weights weights)
{
    const double width = WIDTH, queries = HEADS * HEAD, keys = KEY_HEADS * HEAD, rows = (double)p.tokens,
                 seen = (double)(p.past + p.tokens), l = layers;
    size_t n_outputs = 1 + 2 * (size_t)layers;
    char **outputs = cli_alloc(n_outputs, sizeof *outputs),
         *name = cli_format("%s%s", p.name, network_weights_suffix(weights));
    p.flops = l * rows * (2 * width * (2 * queries + 2 * keys + 3.0 * HIDDEN) + 4 * seen * queries) +
              2 * width * VOCABULARY;
    /* caches are read, and of the table of tokens only a few rows */
    p.bytes = 8 * l * keys * seen - (weights == NETWORK_F16 || weights == NETWORK_BF16 ? 2
                                     : weights == NETWORK_INT8                         ? 1
                                                                                       : 4) *
                                        width * VOCABULARY;
    outputs[0] = cli_format("logits");
    for (int i = 0; i < layers; i++) {
        outputs[1 + 2 * i] = cli_format("present_k.%d", i);
        outputs[2 + 2 * i] = cli_format("present_v.%d", i);
    }
    bool ok = networks_add(n, whole, NULL, name, &p, n_outputs, (const char *const *)outputs);
    while (n_outputs)
        free(outputs[--n_outputs]);
    free(outputs);
    free(name);
    return ok;
}

int bench_llama(const void *of)
{
    const bench_settings *s = of;
    const network_weights weights = s->weights < 0 ? NETWORK_INT4 : (network_weights)s->weights;
    const int layers = s->layers > 0 && s->layers < LAYERS ? (int)s->layers
                       : s->layers                         ? LAYERS
                                                           : USUAL_LAYERS;
    const network_part parts[] = {{.name = "prompt", .batch = 1, .tokens = PROMPT},
                                  {.name = "step", .batch = 1, .tokens = 1, .past = PAST}};
    random_weights w = {0};
    networks n;
    sib_model *whole = NULL;
    int code = CLI_FAILED;
    draw(&w, layers);
    bool ok = networks_begin(&n, s) && random_write(&w, n.checkpoint) &&
              networks_import(&n, weights, 23, config, &whole);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && ok; i++)
        ok = add_part(&n, whole, parts[i], layers, weights);
    sib_model_free(&whole);
    char *note =
        cli_format("Llama of 8 billion weights, %d of its %d layers, a vocabulary of %d, random weights: a "
                   "prompt of %d tokens, a step after %d positions",
                   layers, LAYERS, VOCABULARY, PROMPT, PAST);
    if (ok)
        code = networks_measure(&n, "llama", 1, &note);
    networks_end(&n);
    free(note);
    return code;
}
