/* sibyl bench whisper: Whisper's networks with random weights, in Sibyl and in onnxruntime. */
#include "bench/whisper_model.h"

#include "command.h"

#include <stdlib.h>
#include <string.h>

/* The decoder's prompt in tokens, and the positions before its step. */
#define PROMPT 256
#define PAST   100

/* The request for the same network in peer_torch_whisper. */
static char *torch_request(const whisper_dims *d, const network_part *p)
{
    return cli_format("%s %d %d %d %d %d %d %d %d %d", p->tokens ? "decoder" : "encoder", (int)d->mels,
                      (int)d->frames, (int)d->state, (int)d->heads, (int)d->layers, (int)d->positions,
                      (int)d->vocabulary, p->tokens ? (int)p->tokens : 1, (int)p->past);
}

/* The model with attention as an operator, of opset 23, or as MatMul, Softmax, MatMul, of opset 20. */
typedef struct form {
    sib_model *whole,
        *plain;   /* plain: with float32 weights, where errors are measured and it is another; or NULL */
    char *suffix; /* "_f16_decomposed" */
    bool torch;   /* torch runs the same */
} form;

static bool open_form(const networks *n, network_weights weights, int opset, form *f)
{
    const bool single = weights == NETWORK_F32;
    f->torch = single && opset == 23;
    f->suffix = cli_format("%s%s", network_weights_suffix(weights), opset < 23 ? "_decomposed" : "");
    return networks_import(n, weights, opset, NULL, &f->whole) &&
           (single || !n->settings->error || networks_import(n, NETWORK_F32, opset, NULL, &f->plain));
}

static void close_form(form *f)
{
    sib_model_free(&f->whole);
    sib_model_free(&f->plain);
    free(f->suffix);
}

static bool add_part(networks *n, const whisper_dims *d, network_part p, const form *f)
{
    size_t n_outputs;
    whisper_cost(d, &p);
    char **outputs = whisper_outputs(d, &p, &n_outputs);
    char *batch = p.batch > 1 ? cli_format("_x%d", (int)p.batch) : cli_format("%s", ""),
         *name = cli_format("%s%s%s", p.name, batch, f->suffix);
    bool ok = networks_add(n, f->whole, f->plain, name, &p, n_outputs, (const char *const *)outputs);
    if (ok && f->torch && p.batch == 1)
        n->list.items[n->list.n - 1].torch = torch_request(d, &p);
    while (n_outputs)
        free(outputs[--n_outputs]);
    free(outputs);
    free(batch);
    free(name);
    return ok;
}

static bool add_parts(networks *n, const whisper_dims *d, network_weights weights, bool both)
{
    const network_part parts[] = {{.name = "encoder", .batch = 1},
                                  {.name = "encoder", .batch = n->settings->batch},
                                  {.name = "prompt", .batch = 1, .tokens = PROMPT},
                                  {.name = "step", .batch = 1, .tokens = 1, .past = PAST}};
    form forms[2] = {{0}};
    const size_t n_forms = both ? 2 : 1;
    bool ok = open_form(n, weights, 23, &forms[0]) && (!both || open_form(n, weights, 20, &forms[1]));
    for (size_t i = 0; i < sizeof parts / sizeof *parts && ok; i++)
        for (size_t k = 0; k < n_forms && ok; k++)
            if (i != 1 || parts[i].batch > 1)
                ok = add_part(n, d, parts[i], &forms[k]);
    for (size_t k = 0; k < 2; k++)
        close_form(&forms[k]);
    return ok;
}

int bench_whisper(const void *of)
{
    const bench_settings *s = of;
    const network_weights weights = s->weights < 0 ? NETWORK_F32 : (network_weights)s->weights;
    whisper_dims d = whisper_sizes[s->size];
    const int64_t all = d.layers;
    networks n;
    int code = CLI_FAILED;
    d.layers = s->layers > 0 && s->layers < all ? s->layers : all;
    const bool both = s->size == 0 && d.layers == all;
    bool ok =
        networks_begin(&n, s) && whisper_checkpoint(n.checkpoint, &d) && add_parts(&n, &d, weights, both);
    char *notes[] = {
        cli_format(
            "Whisper %s, %d of %d layers, random weights: the encoder on 30 s, a prompt of %d tokens, a "
            "step after %d positions",
            d.name, (int)d.layers, (int)all, PROMPT, PAST),
        cli_format("attention as the operator of opset 23%s",
                   both ? ", and of opset 20 as MatMul, Softmax, MatMul, as exporters write it" : "")};
    if (ok)
        code = networks_measure(&n, "whisper", 2, notes);
    networks_end(&n);
    free(notes[0]);
    free(notes[1]);
    return code;
}
