/* BART (Lewis et al. 2020), mBART (Liu et al. 2020), M2M-100 (Fan et al. 2021), NLLB, Marian (Junczys-Dowmunt et al. 2018) and
   Pegasus (Zhang et al. 2020), from Hugging Face's folders. A row and
   a function a family; the graph is text_to_text.h's. */
#include "import/recipe/recipe.h"
#include "import/recipe/text_to_text_families.h"

#include <math.h>

/* Names in files of models with a head; those without have the graph's. */
static const build_rename in_model[] = {{"encoder.", "model.encoder."},
                                        {"decoder.", "model.decoder."},
                                        {"shared.", "model.shared."},
                                        {NULL, NULL}};

static const char *const ignored[] = {"*shared.weight",
                                      "*encoder.embed_tokens.weight",
                                      "*decoder.embed_tokens.weight",
                                      "*lm_head.weight",
                                      "*.embed_positions.weight*", /* sines, in older files */
                                      NULL};

#define MAX_SINES (1 << 24) /* of a table that is made here */

static void set_shared(build *b, text_to_text *m, const char *activation)
{
    if (checkpoint_find(b->c, "model.decoder.layers.0.fc1.weight"))
        m->encoder.renames = m->decoder.renames = in_model;
    const bool tied = build_fact_bool(b, "tie_word_embeddings", true);
    if (tied && build_fact_bool(b, "share_encoder_decoder_embeddings", true)) /* Marian's */
        text_to_text_find_tables(b, m, true);
    else
        text_to_text_find_own_tables(b, m, tied);
    m->epsilon = 1e-5;
    m->encoder.activation = m->decoder.activation =
        build_activation_named(b, build_fact_text(b, "activation_function", activation));
    if (build_find(b, "final_logits_bias"))
        m->scores_bias = "final_logits_bias";
}

/* Two rows of the tables of positions are never read. */
static void set_bart(build *b, text_to_text *m)
{
    set_shared(b, m, "gelu");
    if (build_fact_bool(b, "scale_embedding", false))
        m->embedding_scale = sqrt((double)m->d);
    m->embedding_norm = true;
    m->places = TEXT_PLACES_TABLE;
    m->first_place = 2;
    m->n_ctx = build_dim(b, "encoder.embed_positions.weight", 0) - m->first_place;
}

static void set_mbart(build *b, text_to_text *m)
{
    set_bart(b, m);
    m->before = m->last_norm = true;
}

/* Angles from 1 to 1 / 10000, as PyTorch computes them in float32. */
static void set_angles(build *b, text_to_text *m)
{
    const int64_t half = m->d / 2;
    if (b->code == SIB_OK && (m->d < 4 || m->d % 2))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: sines of positions of %lld numbers (d_model) are not supported",
                   checkpoint_file(b->c, 0), (long long)m->d);
    if (b->code != SIB_OK)
        return;
    m->angles = arena_alloc(b->m->arena, (size_t)half, sizeof *m->angles);
    if (!m->angles)
        build_fail(b, SIB_ERR_MEMORY, "no memory for positions");
    for (int64_t i = 0; m->angles && i < half; i++)
        m->angles[i] = expf((float)i * (float)-(log(10000) / (double)(half - 1)));
}

/* Places are counted from behind the padding's. */
static void set_m2m_100(build *b, text_to_text *m)
{
    set_shared(b, m, "relu");
    if (build_fact_bool(b, "scale_embedding", true))
        m->embedding_scale = sqrt((double)m->d);
    m->before = m->last_norm = true;
    m->places = TEXT_PLACES_SINES;
    m->unplaced = checkpoint_int(b->c, "pad_token_id", 1);
    m->n_ctx = checkpoint_int(b->c, "max_position_embeddings", 1024);
    if (b->code == SIB_OK && (m->unplaced < 0 || m->unplaced >= m->n_vocab))
        build_fail(b, SIB_ERR_FORMAT, "%s: pad_token_id %lld is none of %lld tokens",
                   checkpoint_file(b->c, 0), (long long)m->unplaced, (long long)m->n_vocab);
    else
        m->first_place = m->unplaced + 1;
    set_angles(b, m);
}

/* A table of sines of even elements' angles, then of cosines, computed in double and rounded. */
static const float *sines_of(build *b, int64_t n, int64_t d)
{
    const bool fits = n > 0 && d > 1 && d % 2 == 0 && n <= MAX_SINES / d;
    float *table =
        b->code == SIB_OK && fits ? arena_alloc(b->m->arena, (size_t)(n * d), sizeof *table) : NULL;
    if (b->code == SIB_OK && !table)
        build_fail(b, fits ? SIB_ERR_MEMORY : SIB_ERR_UNSUPPORTED,
                   "%s: sines of %lld positions of %lld numbers are not supported", checkpoint_file(b->c, 0),
                   (long long)n, (long long)d);
    for (int64_t i = 0; table && i < n; i++)
        for (int64_t k = 0; k < d / 2; k++) {
            const double angle = (double)i / pow(10000, (double)(2 * k) / (double)d);
            table[i * d + k] = (float)sin(angle);
            table[i * d + d / 2 + k] = (float)cos(angle);
        }
    return table;
}

static void set_marian(build *b, text_to_text *m)
{
    set_shared(b, m, "gelu");
    if (build_fact_bool(b, "scale_embedding", false))
        m->embedding_scale = sqrt((double)m->d);
    m->places = TEXT_PLACES_TABLE;
    m->n_ctx = checkpoint_int(b->c, "max_position_embeddings", 1024);
    m->table = sines_of(b, m->n_ctx, m->d);
}

static void set_pegasus(build *b, text_to_text *m)
{
    set_marian(b, m);
    m->before = m->last_norm = true;
}

static const text_to_text_family families[] = {
    {"bart", set_bart, 2},         {"mbart", set_mbart, -1},    {"m2m_100", set_m2m_100, 2},
    {"marian", set_marian, 58100}, {"pegasus", set_pegasus, 0}, {NULL, NULL, 0},
};

bool recipe_is_bart(const checkpoint *c)
{
    return text_to_text_family_of(c, families) != NULL;
}

void recipe_bart(build *b)
{
    b->ignored = ignored;
    text_to_text_import(b, "bart", families);
}
