#include "import/recipe/text_to_text_families.h"

#include <jansson.h>
#include <stdio.h>

const text_to_text_family *text_to_text_family_of(const checkpoint *c, const text_to_text_family *families)
{
    const fact *type = checkpoint_fact(c, "model_type");
    for (const text_to_text_family *f = families; f->type; f++)
        if (type && type->kind == FACT_STRING && !type->list && str_is(type->strings[0], f->type))
            return f;
    return NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

/* The first of two numbers that the checkpoint has. */
static int64_t number(const build *b, const char *key, const char *or_key)
{
    return checkpoint_int(b->c, key, checkpoint_int(b->c, or_key, 0));
}

static void read_side(build *b, text_side *s, const char *name)
{
    const char *layers = build_text(b, "%s.layers.", name), *first = build_text(b, "%s0", layers);
    b->renames = s->renames;
    s->name = name;
    s->n_layers = build_count(b, layers, ".self_attn.q_proj.weight");
    s->heads = number(b, build_text(b, "%s_attention_heads", name), "num_heads");
    s->heads = checkpoint_int(b->c, build_text(b, "%s_num_attention_heads", name), s->heads);
    const int64_t rows = build_dim(b, build_text(b, "%s.self_attn.q_proj.weight", first), 0);
    const char *inner = s->gated && !s->joined ? "gate" : "fc1";
    s->hidden = build_dim(b, build_text(b, "%s.%s.weight", first, inner), 0) / (s->joined ? 2 : 1);
    if (b->code == SIB_OK && (s->heads < 1 || rows < 1 || rows % s->heads || s->hidden < 1))
        build_fail(b, SIB_ERR_FORMAT, "%s: %lld numbers cannot be %lld heads of the %s",
                   checkpoint_file(b->c, 0), (long long)rows, (long long)s->heads, name);
    s->size = s->heads > 0 ? rows / s->heads : 0;
}

void text_to_text_find_tables(build *b, text_to_text *m, bool tied)
{
    static const char *const names[] = {"shared.weight", "encoder.embed_tokens.weight",
                                        "decoder.embed_tokens.weight", "lm_head.weight"};
    size_t i = 0;
    b->renames = m->encoder.renames;
    while (i + 1 < sizeof names / sizeof *names && !build_find(b, names[i]))
        i++;
    m->words = m->target_words = m->scores = names[i];
    if (!tied && build_find(b, "lm_head.weight"))
        m->scores = "lm_head.weight";
    m->n_source = m->n_vocab = build_dim(b, m->words, 0);
    m->d = build_dim(b, m->words, 1);
}

/* Older files have one table for both sides, under its own name. */
void text_to_text_find_own_tables(build *b, text_to_text *m, bool tied)
{
    text_to_text_find_tables(b, m, tied);
    if (build_find(b, "encoder.embed_tokens.weight"))
        m->words = "encoder.embed_tokens.weight";
    if (build_find(b, "decoder.embed_tokens.weight"))
        m->target_words = "decoder.embed_tokens.weight";
    if (m->scores[0] != 'l')
        m->scores = m->target_words;
    m->n_source = build_dim(b, m->words, 0);
    m->n_vocab = build_dim(b, m->target_words, 0);
}

static text_to_text read_dims(build *b, const text_to_text_family *f)
{
    text_to_text m = {.embedding_scale = 1, .unplaced = -1};
    f->set(b, &m);
    read_side(b, &m.encoder, "encoder");
    read_side(b, &m.decoder, "decoder");
    if (b->code == SIB_OK && (m.n_source < 1 || m.n_vocab < 1 || m.d < 1 || m.n_ctx < 1 || !(m.epsilon >= 0)))
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: %lld tokens of %lld numbers, or epsilon or positions, are none that a model can have",
                   checkpoint_file(b->c, 0), (long long)m.n_vocab, (long long)m.d);
    return m;
}

/* ---- The recipe ---------------------------------------------------------------------------------------- */

/* A token of generation_config.json, which transformers heeds before config.json. */
static int64_t token_of_generation(build *b, const char *key, int64_t otherwise)
{
    json_t *file = build_beside(b, "generation_config.json"), *token = json_object_get(file, key);
    const int64_t said =
        json_is_integer(token) ? json_integer_value(token) : checkpoint_int(b->c, key, otherwise);
    json_decref(file);
    return said;
}

#define MAX_REFUSED 32

/* Tokens that are never drawn: words of one token of bad_words_ids. */
static void add_refused_tokens(build *b, const text_to_text *m)
{
    char tokens[MAX_REFUSED * 12] = "", biases[MAX_REFUSED * 12] = "";
    size_t n = 0, used = 0, used_too = 0;
    for (int i = 0; i < MAX_REFUSED; i++) {
        const fact *f = checkpoint_fact(b->c, build_text(b, "bad_words_ids.%d", i));
        if (!f || f->kind != FACT_INT || f->n != 1 || f->ints[0] < 0 || f->ints[0] >= m->n_vocab ||
            f->ints[0] > INT32_MAX)
            continue;
        used += (size_t)snprintf(tokens + used, sizeof tokens - used, "%s%d", n ? ", " : "", (int)f->ints[0]);
        used_too += (size_t)snprintf(biases + used_too, sizeof biases - used_too, "%s-1e9", n++ ? ", " : "");
    }
    if (n) {
        build_add_metadata(b, "bias_tokens", "[%s]", tokens);
        build_add_metadata(b, "biases", "[%s]", biases);
    }
}

/* The tokens that the decoder's texts begin with, as the metadata have lists. */
static void add_first_tokens(build *b, const text_to_text *m, const text_to_text_family *f)
{
    const int64_t otherwise = f->first < 0 ? checkpoint_int(b->c, "bos_token_id", 0) : f->first,
                  first = token_of_generation(b, "decoder_start_token_id", otherwise),
                  forced = token_of_generation(b, "forced_bos_token_id", -1);
    if (first < 0 || first >= m->n_vocab || forced >= m->n_vocab)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: decoder_start_token_id %lld or forced_bos_token_id %lld is none of %lld tokens",
                   checkpoint_file(b->c, 0), (long long)first, (long long)forced, (long long)m->n_vocab);
    else if (forced < 0)
        build_add_metadata(b, "target_tokens", "[%lld]", (long long)first);
    else
        build_add_metadata(b, "target_tokens", "[%lld, %lld]", (long long)first, (long long)forced);
}

static void refuse(build *b, const char *recipe, const text_to_text_family *families)
{
    char names[200];
    size_t used = 0;
    for (const text_to_text_family *f = families; f->type && used < sizeof names; f++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", f->type);
    const sib_str type = build_fact_text(b, "model_type", "");
    build_fail(b, SIB_ERR_UNSUPPORTED,
               "%s: the recipe %s is not for models of the type '%.*s' (model_type), but for %s",
               checkpoint_file(b->c, 0), recipe, (int)(type.length < 60 ? type.length : 60), type.data,
               names);
}

void text_to_text_import(build *b, const char *recipe, const text_to_text_family *families)
{
    const text_to_text_family *f = text_to_text_family_of(b->c, families);
    if (!f) {
        refuse(b, recipe, families);
        return;
    }
    text_to_text m = read_dims(b, f);
    if (b->code == SIB_OK && !m.decoder.n_layers)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: an encoder without its decoder is not supported",
                   checkpoint_file(b->c, 0));
    if (b->code != SIB_OK)
        return;
    add_first_tokens(b, &m, f);
    add_refused_tokens(b, &m);
    text_to_text_build(b, &m);
}
