/* Mamba (Gu and Dao 2023) and Falcon Mamba, from Hugging Face's folders: tokens [1, N], at [M], state.i.conv, state.i.ssm -> logits [1, M,
   n_vocab], next.i.WHAT. The initial state is zero. A layer: what a token brings (u) and a gate; a convolution of u over the
   last tokens, each channel for itself; a recurrence h = exp(t A) h + t B u, y = C h + D u, whose t, B and C the token
   gives. States of layer i: conv [1, kernel - 1, inner], the u of the last tokens; ssm [1, inner, size]. */
#include "import/model/scan.h"
#include "import/recipe/recipe.h"

typedef struct mamba {
    int64_t n_vocab, d, layers, inner, size, rank;
    double epsilon;
    double given_epsilon; /* of norms of what gives t, B and C (Falcon Mamba); 0: none */
    bool bias;
} mamba;

bool recipe_is_mamba(const checkpoint *c)
{
    return checkpoint_find(c, "backbone.layers.0.mixer.A_log") != NULL;
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static mamba read_dims(build *b)
{
    const char *first = "backbone.layers.0.mixer.";
    mamba m = {.n_vocab = build_dim(b, "backbone.embeddings.weight", 0),
               .d = build_dim(b, "backbone.embeddings.weight", 1),
               .layers = build_count(b, "backbone.layers.", ".mixer.A_log"),
               .inner = build_dim(b, build_text(b, "%sA_log", first), 0),
               .size = build_dim(b, build_text(b, "%sA_log", first), 1),
               .rank = build_dim(b, build_text(b, "%sdt_proj.weight", first), 1),
               .epsilon = checkpoint_float(b->c, "layer_norm_epsilon", 1e-5),
               .bias = build_find(b, build_text(b, "%sin_proj.bias", first)) != NULL};
    const sib_str type = build_fact_text(b, "model_type", "mamba"),
                  act = build_fact_text(b, "hidden_act", "silu");
    if (str_is(type, "falcon_mamba"))
        m.given_epsilon = checkpoint_float(b->c, "mixer_rms_eps", 1e-6);
    else if (!str_is(type, "mamba"))
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: models of the type '%.*s' (model_type) have weight names like Mamba's, but the recipe "
            "is for mamba, mamba2 and falcon_mamba",
            checkpoint_file(b->c, 0), (int)type.length, type.data);
    if (!str_is(act, "silu") && !str_is(act, "swish"))
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported by the recipe mamba",
                   checkpoint_file(b->c, 0), (int)act.length, act.data);
    if (b->code == SIB_OK && !(m.d > 0 && m.inner > 0 && m.size > 0 && m.rank > 0 && m.epsilon >= 0 &&
                               m.epsilon < 1 && m.given_epsilon >= 0 && m.given_epsilon < 1))
        build_fail(b, SIB_ERR_FORMAT, "%s: a state or the epsilon of norms is none that a model can have",
                   checkpoint_file(b->c, 0));
    return m;
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

static const char *name_in(build *b, int64_t i, const char *what)
{
    return build_text(b, "backbone.layers.%lld.%s", (long long)i, what);
}

static value_id norm(build *b, value_id x, const char *name, const mamba *m)
{
    return build_norm(b, "RMSNormalization", x, build_vector(b, name, m->d), NO_VALUE, m->epsilon);
}

/* x [N, n] over the root of its mean square. */
static value_id normed(build *b, value_id x, int64_t n, double epsilon)
{
    const int64_t dims[] = {n};
    value_id ones = build_2(b, "Expand", build_float(b, 1), build_ints(b, 1, dims));
    return build_norm(b, "RMSNormalization", x, ones, NO_VALUE, epsilon);
}

/* Each channel of u [N, inner] convolved over its tokens and those before, then SiLU. */
static value_id convolved(build *b, value_id u, int64_t i, const mamba *m)
{
    const int64_t one[] = {1, -1, m->inner}, rows[] = {-1, m->inner};
    value_id y =
        build_causal_conv(b, build_reshape(b, u, 3, one), name_in(b, i, "mixer.conv1d"), m->inner, i, "1");
    return build_silu(b, build_reshape(b, y, 2, rows));
}

/* The recurrence. step, u: [N, inner]; in_row, out_row (B and C above): [N, size]. Returns C h, [N, inner]. */
static value_id states(build *b, value_id step, value_id u, value_id in_row, value_id out_row, int64_t i,
                       const mamba *m)
{
    const int64_t column[] = {m->inner, 1}, line[] = {1, m->size}, state[] = {m->inner, m->size};
    const char *inner = build_text(b, "%lld", (long long)m->inner),
               *size = build_text(b, "%lld", (long long)m->size);
    value_id log = build_weight(b, name_in(b, i, "mixer.A_log"), 2, state),
             rate = build_1(b, "Neg", build_1(b, "Exp", log));
    build_scan s = {.n_states = 1,
                    .n_rows = 4,
                    .state_dims = build_text(b, "%lld %lld", (long long)m->inner, (long long)m->size),
                    .row_dims = {inner, inner, size, size},
                    .gives_dims = inner,
                    .rows = {step, build_mul(b, step, u), in_row, out_row}};
    s.states[0] =
        build_input(b, build_text(b, "state.%lld.ssm", (long long)i), SIB_F32, "1 %s", s.state_dims);
    s.states[0] = build_reshape(b, s.states[0], 2, state);
    build_scan_begin(b, &s);
    value_id kept = build_1(b, "Exp",
                            build_mul(b, build_reshape(b, s.row[0], 2, column), build_captured(b, rate))),
             added = build_mul(b, build_reshape(b, s.row[1], 2, column), build_reshape(b, s.row[2], 2, line));
    s.next_state[0] = build_add(b, build_mul(b, kept, s.state[0]), added);
    s.gives = build_reshape(
        b,
        build_2(b, "MatMul", s.next_state[0], build_reshape(b, s.row[3], 2, (const int64_t[]){m->size, 1})),
        1, &m->inner);
    build_scan_end(b, &s);
    build_output(b, build_reshape(b, s.out_states[0], 3, (const int64_t[]){1, m->inner, m->size}),
                 build_text(b, "next.%lld.ssm", (long long)i), SIB_F32, "1 %s", s.state_dims);
    return s.out;
}

static value_id mixer(build *b, value_id x, int64_t i, const mamba *m)
{
    const build_bias bias = m->bias ? BUILD_BIAS : BUILD_NO_BIAS;
    const int64_t sizes[] = {m->rank, m->size, m->size};
    value_id both[2], given[3]; /* u and the gate; what gives t, B and C */
    build_split(b, build_linear(b, x, name_in(b, i, "mixer.in_proj"), m->d, 2 * m->inner, bias), -1, 2, both);
    value_id u = convolved(b, both[0], i, m),
             all = build_linear(b, u, name_in(b, i, "mixer.x_proj"), m->inner, m->rank + 2 * m->size,
                                BUILD_NO_BIAS);
    build_split_as(b, all, -1, 3, sizes, given);
    for (size_t k = 0; k < 3 && m->given_epsilon > 0; k++)
        given[k] = normed(b, given[k], sizes[k], m->given_epsilon);
    value_id step = build_1(
                 b, "Softplus",
                 build_linear(b, given[0], name_in(b, i, "mixer.dt_proj"), m->rank, m->inner, BUILD_BIAS)),
             y = states(b, step, u, given[1], given[2], i, m);
    y = build_add(b, y, build_mul(b, u, build_vector(b, name_in(b, i, "mixer.D"), m->inner)));
    y = build_mul(b, y, build_silu(b, both[1]));
    return build_linear(b, y, name_in(b, i, "mixer.out_proj"), m->inner, m->d, bias);
}

void recipe_mamba(build *b)
{
    if (!build_find(b, "backbone.layers.0.mixer.x_proj.weight")) {
        recipe_mamba2(b);
        return;
    }
    mamba m = read_dims(b);
    if (b->code != SIB_OK)
        return;
    build_add_metadata_int(b, "n_vocab", m.n_vocab);
    build_add_metadata_int(b, "n_embd", m.d);
    build_add_metadata_int(b, "n_layer", m.layers);
    build_scope(b, "mamba");
    value_id tokens = build_input(b, "tokens", SIB_I64, "1 N"), at = build_input(b, "at", SIB_I64, "M");
    build_table words = build_rows_table(b, "backbone.embeddings.weight", m.n_vocab, m.d), scores = words;
    value_id x = build_pick(b, &words, build_reshape(b, tokens, 1, (const int64_t[]){-1})); /* [N, d] */
    for (int64_t i = 0; i < m.layers; i++) {
        build_scope(b, "layers.%lld", (long long)i);
        x = build_add(b, x, mixer(b, norm(b, x, name_in(b, i, "norm.weight"), &m), i, &m));
    }
    build_scope(b, "mamba");
    x = norm(b, build_gather(b, x, at, 0), "backbone.norm_f.weight", &m); /* [M, d] */
    if (build_find(b, "lm_head.weight"))
        scores = build_rows_table(b, "lm_head.weight", m.n_vocab, m.d);
    build_output(b, build_scores(b, x, &scores, at), "logits", SIB_F32, "1 M %lld", (long long)m.n_vocab);
}
