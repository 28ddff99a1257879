#include "import/recipe/text_heads.h"

#include <string.h>

/* ---- What the checkpoint has --------------------------------------------------------------------------- */

static bool architecture_ends(const build *b, const char *ending)
{
    const fact *f = checkpoint_fact(b->c, "architectures");
    const size_t n = strlen(ending);
    return f && f->kind == FACT_STRING && f->n && f->strings[0].length >= n &&
           !memcmp(f->strings[0].data + f->strings[0].length - n, ending, n);
}

const char *const *text_heads_ignored(const build *b)
{
    static const char *const all[] = {"*position_ids",
                                      "cls.seq_relationship.*",
                                      "mask_predictions.*",
                                      "discriminator_predictions.*",
                                      "cls.predictions.decoder.bias",
                                      "lm_head.decoder.bias",
                                      "predictions.decoder.bias",
                                      "sop_classifier.*", /* up to here always */
                                      "predictions.decoder.weight",
                                      "cls.predictions.decoder.weight",
                                      "lm_head.decoder.weight",
                                      "decoder.weight",
                                      "vocab_projector.weight",
                                      "generator_lm_head.weight",
                                      NULL};
    static const char *const untied[] = {"*position_ids",
                                         "cls.seq_relationship.*",
                                         "mask_predictions.*",
                                         "discriminator_predictions.*",
                                         "cls.predictions.decoder.bias",
                                         "lm_head.decoder.bias",
                                         "predictions.decoder.bias",
                                         "sop_classifier.*",
                                         NULL};
    return build_fact_bool(b, "tie_word_embeddings", true) ? all : untied;
}

static bool has(const build *b, const char *name)
{
    return build_find(b, build_text((build *)b, "%s.weight", name)) != NULL;
}

/* ---- Parts --------------------------------------------------------------------------------------------- */

/* x [B, N, d] -> [B, d] */
static value_id first_of(build *b, value_id x)
{
    return build_gather(b, x, build_scalar_int(b, 0), 1);
}

/* Dense, activation, norm. */
static value_id transformed(build *b, const text_encoder *m, value_id x, const char *dense, const char *norm,
                            build_activation act)
{
    const int64_t out = build_dim(b, build_text(b, "%s.weight", dense), 0);
    x = build_activate(b, act, text_encoder_linear(b, x, dense, m->d, out));
    return text_encoder_norm(b, x, norm, out, m->epsilon);
}

static build_activation named(build *b, const char *key, const char *otherwise)
{
    return build_activation_named(b, build_fact_text(b, key, otherwise));
}

/* ---- Masked tokens ------------------------------------------------------------------------------------- */

static const struct masked {
    const char *dense, *norm, *decoder, *bias;
    bool gelu; /* otherwise the model's activation */
} masked[] = {
    {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder",
     "cls.predictions.bias", false},
    {"lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm", "", "lm_predictions.lm_head.bias",
     false},
    {"lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias", true},
    {"vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector.bias", false},
    {"generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head",
     "generator_lm_head.bias", true},
    {"head.dense", "head.norm", "decoder", "decoder.bias", false},
    {"predictions.dense", "predictions.LayerNorm", "predictions.decoder", "predictions.bias", false},
};

static void add_masked(build *b, const text_encoder *m, const encoder_graph *g)
{
    const struct masked *h = masked;
    while (h < masked + sizeof masked / sizeof *masked && !has(b, h->dense))
        h++;
    if (h == masked + sizeof masked / sizeof *masked)
        return;
    build_table words = g->words;
    value_id x = transformed(b, m, g->hidden, h->dense, h->norm,
                             h->gelu ? BUILD_GELU
                             : checkpoint_fact(b->c, "classifier_activation")
                                 ? named(b, "classifier_activation", "gelu")
                                 : m->activation);
    if (!build_fact_bool(b, "tie_word_embeddings", true) && has(b, h->decoder))
        words = build_rows_table(b, build_text(b, "%s.weight", h->decoder), m->n_vocab, m->width);
    x = build_2(b, "MatMul", x, build_transpose(b, words.floats, 2, (const int64_t[]){1, 0}));
    if (build_find(b, h->bias))
        x = build_add(b, x, build_vector(b, h->bias, m->n_vocab));
    build_output(b, x, "logits", SIB_F32, "B N %lld", (long long)m->n_vocab);
}

/* ---- Classes ------------------------------------------------------------------------------------------- */

static void give_classes(build *b, const text_encoder *m, value_id x, const char *name, const char *dims)
{
    const int64_t n = build_dim(b, build_text(b, "%s.weight", name), 0);
    build_output(b, text_encoder_linear(b, x, name, m->d, n), "logits", SIB_F32, "%s %lld", dims,
                 (long long)n);
}

/* ModernBERT's: the first token, or the mean of all. */
static value_id pooled_by_config(build *b, const encoder_graph *g)
{
    if (str_is(build_fact_text(b, "classifier_pooling", "cls"), "cls"))
        return first_of(b, g->hidden);
    value_id mask = build_2(b, "Unsqueeze", build_cast(b, g->mask, SIB_F32), build_int(b, -1)), sums[2],
             in[] = {build_mul(b, g->hidden, mask), mask};
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 0);
    for (size_t i = 0; i < 2; i++)
        build_node(b, "ReduceSum", &a, 2, (value_id[]){in[i], build_int(b, 1)}, 1, &sums[i]);
    return build_2(b, "Div", sums[0], sums[1]);
}

static void add_classes(build *b, const text_encoder *m, const encoder_graph *g, value_id pooled)
{
    value_id x = pooled;
    const char *name = "classifier";
    if (has(b, "classifier.out_proj")) {
        const bool electra = str_is(build_fact_text(b, "model_type", ""), "electra");
        x = text_encoder_linear(b, first_of(b, g->hidden), "classifier.dense", m->d, m->d);
        x = build_activate(b, electra ? BUILD_GELU : BUILD_TANH, x);
        name = "classifier.out_proj";
    } else if (has(b, "pre_classifier"))
        x = build_activate(b, BUILD_RELU,
                           text_encoder_linear(b, first_of(b, g->hidden), "pre_classifier", m->d, m->d));
    else if (has(b, "head.dense"))
        x = transformed(b, m, pooled_by_config(b, g), "head.dense", "head.norm",
                        named(b, "classifier_activation", "gelu"));
    if (x == NO_VALUE)
        build_fail(b, SIB_ERR_FORMAT, "%s: the weights have no pooler for its classes",
                   checkpoint_file(b->c, 0));
    give_classes(b, m, x, name, "B");
}

static void add_token_classes(build *b, const text_encoder *m, const encoder_graph *g)
{
    value_id x = g->hidden;
    if (has(b, "head.dense"))
        x = transformed(b, m, x, "head.dense", "head.norm", named(b, "classifier_activation", "gelu"));
    give_classes(b, m, x, "classifier", "B N");
}

static void add_answers(build *b, const text_encoder *m, const encoder_graph *g)
{
    static const char *const names[] = {"start_logits", "end_logits"};
    value_id x = text_encoder_linear(b, g->hidden, "qa_outputs", m->d, 2), parts[2];
    build_split(b, x, -1, 2, parts);
    for (size_t i = 0; i < 2; i++)
        build_output(b, build_reshape(b, parts[i], 2, (const int64_t[]){0, -1}), names[i], SIB_F32, "B N");
}

void text_heads_add(build *b, const text_encoder *m, const encoder_graph *g)
{
    const char *prefix = b->prefix;
    value_id pooled = NO_VALUE;
    build_scope(b, "head");
    if (has(b, "pooler.dense"))
        pooled = text_encoder_linear(b, first_of(b, g->hidden), "pooler.dense", m->d, m->d);
    b->prefix = ""; /* heads stand beside the model that they are of */
    if (pooled == NO_VALUE && has(b, "pooler.dense")) {
        pooled = text_encoder_linear(b, first_of(b, g->hidden), "pooler.dense", m->d, m->d);
        pooled = build_activate(b, named(b, "pooler_hidden_act", "gelu"), pooled);
    } else if (pooled != NO_VALUE)
        pooled = build_1(b, "Tanh", pooled);
    if (architecture_ends(b, "ForSequenceClassification"))
        add_classes(b, m, g, pooled);
    else if (architecture_ends(b, "ForTokenClassification"))
        add_token_classes(b, m, g);
    else if (architecture_ends(b, "ForQuestionAnswering"))
        add_answers(b, m, g);
    else
        add_masked(b, m, g);
    if (pooled != NO_VALUE)
        build_output(b, pooled, "pooler_output", SIB_F32, "B %lld", (long long)m->d);
    b->prefix = prefix;
}
