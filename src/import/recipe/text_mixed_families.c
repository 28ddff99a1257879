/* Families whose layers have something in the place of attention over keys and values (text_mixers.h). */
#include "import/recipe/text_families.h"

#include <math.h>

/* A number above 0 of config.json that the family has no default for. */
static int64_t needed(const text_config *t, const char *key)
{
    const int64_t x = checkpoint_int(t->b->c, key, 0);
    if (x < 1 || x > 1 << 20)
        build_fail(t->b, SIB_ERR_FORMAT, "%s: %s is %lld or missing", checkpoint_file(t->b->c, 0), key,
                   (long long)x);
    return x;
}

/* Refuses another text under `key` than `known`. */
static void need_text(const text_config *t, const char *key, const char *known)
{
    const sib_str said = build_fact_text(t->b, key, known);
    if (!str_is(said, known))
        build_fail(t->b, SIB_ERR_UNSUPPORTED, "%s: %s '%.*s' is not supported by the recipe llama",
                   checkpoint_file(t->b->c, 0), key, (int)said.length, said.data);
}

/* Attention over a low-rank vector, whose scale grows with YaRN's factor. */
static void set_latent(const text_config *t, text_decoder *m)
{
    build *b = t->b;
    const char *at = checkpoint_fact(b->c, "rope_parameters.rope_type") ? "rope_parameters" : "rope_scaling";
    const double all = checkpoint_float(b->c, build_text(b, "%s.mscale_all_dim", at), 0),
                 factor = checkpoint_float(b->c, build_text(b, "%s.factor", at), 1),
                 grown = all != 0 && factor > 1 ? 0.1 * all * log(factor) + 1 : 1;
    const int64_t rotated = needed(t, "qk_rope_head_dim");
    m->rank = needed(t, "kv_lora_rank");
    m->plain = needed(t, "qk_nope_head_dim");
    m->values = needed(t, "v_head_dim");
    m->heads = needed(t, "num_attention_heads");
    m->kv_heads = 1;
    m->size = m->rank + rotated;
    m->half = rotated / 2;
    m->attention_scale = grown * grown / sqrt((double)(m->plain + rotated));
    m->pairs_beside = build_fact_bool(b, "rope_interleave", true);
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].mixer = TEXT_LATENT;
    if (rotated % 2)
        build_fail(b, SIB_ERR_FORMAT, "%s: qk_rope_head_dim is odd", checkpoint_file(b->c, 0));
}

static void set_groups(const text_config *t, text_decoder *m)
{
    m->groups = checkpoint_int(t->b->c, "n_group", 1);
    m->chosen_groups = checkpoint_int(t->b->c, "topk_group", 1);
    m->shares_scale = checkpoint_float(t->b->c, "routed_scaling_factor", 1);
}

void text_set_deepseek2(const text_config *t, text_decoder *m)
{
    const sib_str method = build_fact_text(t->b, "topk_method", "greedy");
    set_latent(t, m);
    set_groups(t, m);
    need_text(t, "scoring_func", "softmax");
    if (str_is(method, "greedy"))
        m->groups = 1;
    else
        need_text(t, "topk_method", "group_limited_greedy");
}

void text_set_deepseek3(const text_config *t, text_decoder *m)
{
    set_latent(t, m);
    set_groups(t, m);
    need_text(t, "scoring_func", "sigmoid");
    need_text(t, "topk_method", "noaux_tc");
    m->sigmoid = true;
    m->normalized = build_fact_bool(t->b, "norm_topk_prob", true);
    m->shares_added = 1e-20;
}

/* Layers of short convolutions among those of attention; of LFM2-MoE all but the first ones have a mixture. */
void text_set_lfm2(const text_config *t, text_decoder *m)
{
    m->epsilon = checkpoint_float(t->b->c, "norm_eps", 1e-5);
    for (int64_t i = 0; i < m->n_layers; i++)
        if (build_find(t->b, build_text(t->b, "model.layers.%lld.conv.conv.weight", (long long)i)))
            m->layers[i].mixer = TEXT_CONV;
    m->sigmoid = true;
    m->normalized = build_fact_bool(t->b, "norm_topk_prob", true);
    m->shares_added = 1e-6;
    m->shares_scale = checkpoint_float(t->b->c, "routed_scaling_factor", 1);
}

/* Layers of a delta rule among those of attention, whose results have gates. */
void text_set_qwen3_next(const text_config *t, text_decoder *m)
{
    m->norm = TEXT_NORM_RMS_PLUS_ONE;
    m->output_gate = true;
    m->normalized = build_fact_bool(t->b, "norm_topk_prob", true);
    m->delta_keys = needed(t, "linear_key_head_dim");
    m->delta_values = needed(t, "linear_value_head_dim");
    m->delta_heads = needed(t, "linear_num_key_heads");
    m->delta_value_heads = needed(t, "linear_num_value_heads");
    for (int64_t i = 0; i < m->n_layers; i++)
        if (build_find(t->b, build_text(t->b, "model.layers.%lld.linear_attn.A_log", (long long)i)))
            m->layers[i].mixer = TEXT_DELTA;
    if (t->b->code == SIB_OK && m->delta_value_heads % m->delta_heads)
        build_fail(t->b, SIB_ERR_FORMAT, "%s: linear_num_value_heads is no multiple of linear_num_key_heads",
                   checkpoint_file(t->b->c, 0));
}
