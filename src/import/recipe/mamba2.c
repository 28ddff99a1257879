/* Mamba 2 (Dao and Gu 2024) from Hugging Face's folders, as a decoder of text whose layers have Mamba 2's mixer and nothing else:
   tokens [B, N], at [M], state.i.conv, state.i.ssm -> logits [B, M, n_vocab], next.i.WHAT. The initial state is zero. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_mixers.h"

static const build_rename names[] = {{"model.embed_tokens", "backbone.embeddings"},
                                     {"model.norm", "backbone.norm_f"},
                                     {"model.layers.", "backbone.layers."},
                                     {".input_layernorm", ".norm"},
                                     {".mamba.", ".mixer."},
                                     {NULL, NULL}};

static void check(build *b, const text_decoder *m)
{
    const sib_str act = build_fact_text(b, "hidden_act", "silu");
    if (!str_is(act, "silu") && !str_is(act, "swish"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported by the recipe mamba",
                   checkpoint_file(b->c, 0), (int)act.length, act.data);
    else if (!(m->epsilon >= 0 && m->epsilon < 1) || m->d < 1 || m->n_layers < 1)
        build_fail(b, SIB_ERR_FORMAT, "%s: layers or the epsilon of norms are none that a model can have",
                   checkpoint_file(b->c, 0));
}

void recipe_mamba2(build *b)
{
    b->renames = names;
    text_decoder m = {.n_vocab = build_dim(b, "model.embed_tokens.weight", 0),
                      .d = build_dim(b, "model.embed_tokens.weight", 1),
                      .n_layers = build_count(b, "model.layers.", ".mamba.A_log"),
                      .before_attention = "input_layernorm",
                      .last_norm = "model.norm",
                      .mixers_alone = true,
                      .embedding_scale = 1,
                      .residual_scale = 1,
                      .logits_scale = 1,
                      .epsilon = checkpoint_float(b->c, "layer_norm_epsilon", 1e-5),
                      .tied = !build_find(b, "lm_head.weight")};
    text_states_read(b, &m.states, "model.layers.0.mamba", checkpoint_int(b->c, "n_groups", 8));
    if (b->code == SIB_OK)
        check(b, &m);
    m.layers = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)m.n_layers, sizeof *m.layers) : NULL;
    if (b->code == SIB_OK && !m.layers)
        build_fail(b, SIB_ERR_MEMORY, "no memory for layers");
    if (b->code != SIB_OK || !m.layers)
        return;
    for (int64_t i = 0; i < m.n_layers; i++)
        m.layers[i] = (text_layer){TEXT_STATES, 0, -1};
    text_decoder_build(b, &m);
}
