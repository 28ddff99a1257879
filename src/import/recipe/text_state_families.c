/* Families whose layers have state spaces, between layers of attention or beside it. */
#include "import/recipe/text_families.h"
#include "import/recipe/text_mixers.h"
#include "import/recipe/text_names.h"

#include <math.h>

/* The first layer with a weight of this end; n_layers where there is none. */
static int64_t first_with(const text_config *t, const text_decoder *m, const char *end)
{
    int64_t i = 0;
    while (i < m->n_layers && !build_find(t->b, build_text(t->b, "model.layers.%lld.%s", (long long)i, end)))
        i++;
    return i;
}

/* The size of a head of attention; 0 where there is none. */
static int64_t head_size(const text_config *t, const text_decoder *m)
{
    const int64_t i = first_with(t, m, "self_attn.q_proj.weight");
    return i < m->n_layers && m->heads > 0
               ? build_dim(t->b, build_text(t->b, "model.layers.%lld.self_attn.q_proj.weight", (long long)i),
                           0) /
                     m->heads
               : 0;
}

/* Gives `mixer` to the layers that have states. */
static void set_layers(const text_config *t, text_decoder *m, text_mixer mixer)
{
    const sib_str act = build_fact_text(t->b, "hidden_act", "silu");
    for (int64_t i = 0; i < m->n_layers; i++)
        if (build_find(t->b, build_text(t->b, "model.layers.%lld.mamba.A_log", (long long)i)))
            m->layers[i].mixer = mixer;
    if (!str_is(act, "silu") && !str_is(act, "swish"))
        build_fail(t->b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported beside states",
                   checkpoint_file(t->b->c, 0), (int)act.length, act.data);
}

static void set_states(const text_config *t, text_decoder *m, text_mixer mixer)
{
    const int64_t i = first_with(t, m, "mamba.A_log");
    set_layers(t, m, mixer);
    if (i < m->n_layers)
        text_states_read(t->b, &m->states, build_text(t->b, "model.layers.%lld.mamba", (long long)i),
                         checkpoint_int(t->b->c, "mamba_n_groups", 1));
}

static void rotate_nothing(text_decoder *m)
{
    for (int64_t i = 0; i < m->n_layers; i++)
        m->layers[i].angles = -1;
}

/* Half of a head is rotated, whatever config.json says. */
void text_set_bamba(const text_config *t, text_decoder *m)
{
    set_states(t, m, TEXT_STATES);
    m->half = head_size(t, m) / 4;
}

/* Names of the MLP: experts in one weight, by an older or newer name, or none. */
static void rename_experts(const text_config *t)
{
    build *b = t->b;
    if (build_find(b, "model.layers.0.mlp.gate.weight"))
        return;
    b->renames = text_names_granite_moe_newer;
    if (!build_find(b, "model.layers.0.mlp.gate.weight"))
        b->renames = text_names_granite_dense;
}

void text_set_granite_hybrid(const text_config *t, text_decoder *m)
{
    rename_experts(t);
    set_states(t, m, TEXT_STATES);
    m->normalized = true;
    if (!str_is(build_fact_text(t->b, "position_embedding_type", ""), "rope"))
        rotate_nothing(m);
}

/* The numbers of a list; NULL, or the build has failed, where it is not one of n. */
static const double *numbers(const text_config *t, const char *key, size_t n)
{
    const fact *f = checkpoint_fact(t->b->c, key);
    double *out = f && f->n == n && t->b->code == SIB_OK ? arena_alloc(t->b->m->arena, n, sizeof *out) : NULL;
    if (f && f->list && (f->n != n || (f->kind != FACT_FLOAT && f->kind != FACT_INT)))
        build_fail(t->b, SIB_ERR_FORMAT, "%s: %s is no list of %zu numbers", checkpoint_file(t->b->c, 0), key,
                   n);
    if (!f || !f->list || t->b->code != SIB_OK || !out)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        out[i] = f->kind == FACT_INT ? (double)f->ints[i] : f->floats[i];
        if (!isfinite(out[i]))
            build_fail(t->b, SIB_ERR_FORMAT, "%s: %s has a number that is none", checkpoint_file(t->b->c, 0),
                       key);
    }
    return out;
}

/* Scales stand at many places; that of keys is part of attention's. */
void text_set_falcon_h1(const text_config *t, text_decoder *m)
{
    build *b = t->b;
    set_states(t, m, TEXT_BESIDE);
    m->states.norm = !build_fact_bool(b, "mamba_rms_norm", false)         ? TEXT_STATES_PLAIN
                     : build_fact_bool(b, "mamba_norm_before_gate", true) ? TEXT_STATES_BEFORE_GATE
                                                                          : TEXT_STATES_GATED;
    m->states.in_scale = checkpoint_float(b->c, "ssm_in_multiplier", 1);
    m->states.out_scale = checkpoint_float(b->c, "ssm_out_multiplier", 1);
    m->states.scales = numbers(t, "ssm_multipliers", 5);
    m->embedding_scale = checkpoint_float(b->c, "embedding_multiplier", 1);
    m->logits_scale = checkpoint_float(b->c, "lm_head_multiplier", 1);
    m->attention_in = checkpoint_float(b->c, "attention_in_multiplier", 1);
    m->attention_out = checkpoint_float(b->c, "attention_out_multiplier", 1);
    const double *mlp = numbers(t, "mlp_multipliers", 2);
    m->gate_scale = mlp ? mlp[0] : 1;
    m->mlp_scale = mlp ? mlp[1] : 1;
    const int64_t size = head_size(t, m);
    if (size > 0)
        m->attention_scale = checkpoint_float(b->c, "key_multiplier", 1) / sqrt((double)size);
}

/* Layers of Mamba among those of attention, which knows no positions; of some the MLP is a mixture. */
void text_set_jamba(const text_config *t, text_decoder *m)
{
    set_layers(t, m, TEXT_MAMBA);
    rotate_nothing(m);
}
