/* RWKV 4, 5.2, 6 and 7: tokens [1, N], at [M], state.i.WHAT -> logits [1, M, n_vocab], next.i.WHAT. The
   initial state is zero. After Peng et al. 2023 to 2025, with BlinkDL's names, from .pth and from rwkv.cpp's
   files, which hold decays ready for use and some matrices transposed; version 4 also with Hugging Face's.
   Everything but the recurrence is computed for all N tokens at once; the recurrence is a Scan over them. States of layer i: att_x, ffn_x [1,
   d], the last token's; version 4 att_a, att_b, att_p [1, d], the sums and their exponent; from 5 on att_kv
   [1, heads, size, size]. */
#include "import/model/scan.h"
#include "import/recipe/recipe.h"

#include <math.h>
#include <string.h>

typedef enum version { RWKV_4 = 4, RWKV_5 = 5, RWKV_6 = 6, RWKV_7 = 7 } version;

typedef struct rwkv {
    version version;
    int64_t n_vocab, d, layers, heads, size; /* heads: from 5 on */
    bool ready;                              /* the decays in the file are ready for use */
    double epsilon, group_epsilon;
    int64_t halved_every; /* layers after which all numbers are halved; 0: never */
    value_id v_first;     /* version 7: values of layer 0 */
} rwkv;

static const char *name_in(build *b, int64_t i, const char *what)
{
    return build_text(b, "blocks.%lld.%s", (long long)i, what);
}

/* Hugging Face's names. */
static const build_rename hugging_face[] = {{"emb.", "rwkv.embeddings."},
                                            {"ln_out.", "rwkv.ln_out."},
                                            {"blocks.", "rwkv.blocks."},
                                            {".ln0.", ".pre_ln."},
                                            {".att.", ".attention."},
                                            {".ffn.", ".feed_forward."},
                                            {"time_mix_k", "time_mix_key"},
                                            {"time_mix_v", "time_mix_value"},
                                            {"time_mix_r", "time_mix_receptance"},
                                            {NULL, NULL}};

static bool is_hugging_face(const checkpoint *c)
{
    return checkpoint_find(c, "rwkv.blocks.0.attention.receptance.weight");
}

bool recipe_is_rwkv(const checkpoint *c)
{
    if (is_hugging_face(c))
        return true;
    return checkpoint_find(c, "emb.weight") && checkpoint_find(c, "blocks.0.ln0.weight") &&
           checkpoint_find(c, "blocks.0.att.receptance.weight");
}

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

static rwkv read_dims(build *b)
{
    rwkv r = {.n_vocab = build_dim(b, "emb.weight", 0),
              .d = build_dim(b, "emb.weight", 1),
              .layers = build_count(b, "blocks.", ".ln1.weight"),
              .ready = !strcmp(checkpoint_format_name(b->c), "rwkv.cpp"),
              .epsilon = checkpoint_float(b->c, "layer_norm_epsilon", 1e-5),
              .group_epsilon = 64e-5};
    const char *heads = "blocks.0.att.time_faaaa";
    if (build_find(b, "blocks.0.att.r_k")) {
        r.version = RWKV_7;
        heads = "blocks.0.att.r_k";
    } else if (build_find(b, "blocks.0.att.time_maa_x"))
        r.version = RWKV_6;
    else if (build_find(b, "blocks.0.att.gate.weight"))
        r.version = RWKV_5;
    else if (!build_find(b, "blocks.0.att.ln_x.weight"))
        r.version = RWKV_4;
    else
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: RWKV 5.0 and 5.1 are not supported by the recipe rwkv, expected 5.2 or later",
                   checkpoint_file(b->c, 0));
    if (b->renames && r.version != RWKV_4)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: in Hugging Face's layout the recipe rwkv reads version 4 alone; later ones as .pth",
                   checkpoint_file(b->c, 0));
    if (b->renames)
        r.halved_every = checkpoint_int(b->c, "rescale_every", 6);
    if (b->code == SIB_OK && !(r.epsilon >= 0 && r.epsilon < 1))
        build_fail(b, SIB_ERR_FORMAT, "%s: layer_norm_epsilon is none that a model can have",
                   checkpoint_file(b->c, 0));
    if (r.version == RWKV_5 && r.ready)
        r.group_epsilon =
            1e-5; /* as in rwkv.cpp for its files; from version 6 on it also uses the larger value */
    if (r.version > RWKV_4)
        r.heads = build_dim(b, heads, 0);
    if (b->code == SIB_OK && (r.d <= 0 || (r.version > RWKV_4 && (r.heads <= 0 || r.d % r.heads))))
        build_fail(b, SIB_ERR_FORMAT, "%s: a state of %lld numbers cannot be %lld heads",
                   checkpoint_file(b->c, 0), (long long)r.d, (long long)r.heads);
    r.size = r.heads > 0 ? r.d / r.heads : 0;
    return r;
}

/* ---- Shared by all versions ---------------------------------------------------------------------------- */

/* [N, in] -> [N, out] */
static value_id product(build *b, value_id x, int64_t i, const char *what, int64_t in, int64_t out)
{
    return build_linear(b, x, name_in(b, i, what), in, out, BUILD_NO_BIAS);
}

static value_id vector(build *b, int64_t i, const char *what, int64_t n)
{
    return build_vector(b, name_in(b, i, what), n);
}

/* A matrix [in, out], which rwkv.cpp's files have transposed: recognised by shape, or by the format where it
   is square. */
static value_id low_rank(build *b, const rwkv *r, value_id x, int64_t i, const char *what, int64_t in,
                         int64_t out)
{
    const char *name = name_in(b, i, what);
    const weight *w = build_find(b, name);
    bool transposed =
        in == out ? r->ready : w && w->rank >= 2 && w->dims[w->rank - 2] == out && w->dims[w->rank - 1] == in;
    return build_2(b, "MatMul", x,
                   build_matrix(b, name, in, out, transposed ? BUILD_ROWS_OUT : BUILD_COLUMNS_OUT, 0));
}

/* Epsilon of the norms before layer i. Hugging Face's code halves all numbers after every few layers, so that they fit
   float16: norms undo that but for their epsilon, which is 4 times as much for numbers that were not halved. */
static double epsilon_at(const rwkv *r, int64_t i)
{
    return r->halved_every > 0 ? ldexp(r->epsilon, 2 * (int)(i / r->halved_every)) : r->epsilon;
}

static value_id norm(build *b, value_id x, int64_t i, const char *what, const rwkv *r)
{
    return build_layer_norm(b, x, name_in(b, i, what), r->d, epsilon_at(r, i));
}

/* The token before each [N, d]: the state, then all tokens but the last, which is the next state. */
static value_id before(build *b, value_id x, int64_t i, const char *what, const rwkv *r)
{
    value_id state = build_input(b, build_text(b, "state.%lld.%s", (long long)i, what), SIB_F32, "1 %lld",
                                 (long long)r->d);
    value_id all = build_concat(b, 0, 2, (value_id[]){state, x}), one = build_int(b, 1);
    value_id last = build_slice(b, all, build_int(b, -1), build_int(b, INT64_MAX), 0);
    build_output(b, last, build_text(b, "next.%lld.%s", (long long)i, what), SIB_F32, "1 %lld",
                 (long long)r->d);
    return build_slice(b, all, build_int(b, 0), build_sub(b, build_shape(b, all, 0, 1), one), 0);
}

/* x + (prev - x) * mix */
static value_id toward(build *b, value_id x, value_id step, value_id mix)
{
    return build_add(b, x, build_mul(b, step, mix));
}

/* Versions 4 and 5 store the weight of x itself: prev + (x - prev) * mix. */
static value_id mixed(build *b, value_id x, value_id prev, int64_t i, const char *what, const rwkv *r)
{
    return toward(b, prev, build_sub(b, x, prev), vector(b, i, what, r->d));
}

static value_id squared_relu(build *b, value_id x)
{
    value_id y = build_1(b, "Relu", x);
    return build_mul(b, y, y);
}

/* ---- Version 4 ----------------------------------------------------------------------------------------- */

/* exp(a - b) */
static value_id exp_of_difference(build *b, value_id x, value_id y)
{
    return build_1(b, "Exp", build_sub(b, x, y));
}

/* The weighted mean of values, kept as two sums with a common exponent p, so that nothing overflows. k, v:
   [N, d]. */
static value_id mean_of_values(build *b, value_id k, value_id v, int64_t i, const rwkv *r)
{
    value_id first = vector(b, i, "att.time_first", r->d), decay = vector(b, i, "att.time_decay", r->d);
    if (!r->ready)
        decay = build_1(b, "Neg", build_1(b, "Exp", decay));
    static const char *const names[] = {"att_a", "att_b", "att_p"};
    build_scan s = {.n_states = 3, .n_rows = 2, .rows = {k, v}};
    for (int n = 0; n < 3; n++) {
        s.states[n] = build_input(b, build_text(b, "state.%lld.%s", (long long)i, names[n]), SIB_F32,
                                  "1 %lld", (long long)r->d);
        s.states[n] = build_reshape(b, s.states[n], 1, &r->d);
    }
    /* before the first token the sums are empty, whatever the exponent */
    value_id nothing = build_2(b, "Equal", s.states[1], build_float(b, 0));
    s.states[2] = build_3(b, "Where", nothing, build_float(b, -1e38), s.states[2]);
    s.state_dims = s.gives_dims = s.row_dims[0] = s.row_dims[1] = build_text(b, "%lld", (long long)r->d);
    build_scan_begin(b, &s);
    value_id key = s.row[0], given = s.row[1], sum = s.state[0], mass = s.state[1], p = s.state[2];
    value_id here = build_add(b, build_captured(b, first), key), max = build_2(b, "Max", p, here),
             old = exp_of_difference(b, p, max), new = exp_of_difference(b, here, max);
    value_id above = build_add(b, build_mul(b, old, sum), build_mul(b, new, given)),
             below = build_add(b, build_mul(b, old, mass), new);
    s.gives = build_2(b, "Div", above, below);
    value_id left = build_add(b, p, build_captured(b, decay));
    max = build_2(b, "Max", left, key);
    old = exp_of_difference(b, left, max);
    new = exp_of_difference(b, key, max);
    s.next_state[0] = build_add(b, build_mul(b, old, sum), build_mul(b, new, given));
    s.next_state[1] = build_add(b, build_mul(b, old, mass), new);
    s.next_state[2] = max;
    build_scan_end(b, &s);
    for (int n = 0; n < 3; n++)
        build_output(b, build_reshape(b, s.out_states[n], 2, (const int64_t[]){1, r->d}),
                     build_text(b, "next.%lld.%s", (long long)i, names[n]), SIB_F32, "1 %lld",
                     (long long)r->d);
    return s.out;
}

static value_id time_mix_4(build *b, value_id x, int64_t i, const rwkv *r)
{
    value_id prev = before(b, x, i, "att_x", r);
    value_id k = product(b, mixed(b, x, prev, i, "att.time_mix_k", r), i, "att.key", r->d, r->d),
             v = product(b, mixed(b, x, prev, i, "att.time_mix_v", r), i, "att.value", r->d, r->d),
             q = product(b, mixed(b, x, prev, i, "att.time_mix_r", r), i, "att.receptance", r->d, r->d);
    value_id y = build_mul(b, build_1(b, "Sigmoid", q), mean_of_values(b, k, v, i, r));
    return product(b, y, i, "att.output", r->d, r->d);
}

/* ---- Versions 5 and 6 ---------------------------------------------------------------------------------- */

/* [N, d] -> [N, heads, size] */
static value_id heads_of(build *b, value_id x, const rwkv *r)
{
    return build_reshape(b, x, 3, (const int64_t[]){-1, r->heads, r->size});
}

/* Adds the matrix of every head to the scan's state. */
static void matrix_state(build *b, build_scan *s, int64_t i, const rwkv *r)
{
    value_id state =
        build_input(b, build_text(b, "state.%lld.att_kv", (long long)i), SIB_F32, "1 %lld %lld %lld",
                    (long long)r->heads, (long long)r->size, (long long)r->size);
    s->state_dims =
        build_text(b, "%lld %lld %lld", (long long)r->heads, (long long)r->size, (long long)r->size);
    s->gives_dims = build_text(b, "%lld %lld", (long long)r->heads, (long long)r->size);
    for (size_t n = 0; n < s->n_rows; n++)
        s->row_dims[n] = s->gives_dims;
    s->n_states = 1;
    s->states[0] = build_reshape(b, state, 3, (const int64_t[]){r->heads, r->size, r->size});
}

static void matrix_next(build *b, const build_scan *s, int64_t i, const rwkv *r)
{
    value_id next = build_reshape(b, s->out_states[0], 4, (const int64_t[]){1, r->heads, r->size, r->size});
    build_output(b, next, build_text(b, "next.%lld.att_kv", (long long)i), SIB_F32, "1 %lld %lld %lld",
                 (long long)r->heads, (long long)r->size, (long long)r->size);
}

/* [heads, size] -> [heads, size, 1], and [heads, 1, size] */
static value_id column(build *b, value_id x, const rwkv *r)
{
    return build_reshape(b, x, 3, (const int64_t[]){r->heads, r->size, 1});
}

static value_id line(build *b, value_id x, const rwkv *r)
{
    return build_reshape(b, x, 3, (const int64_t[]){r->heads, 1, r->size});
}

/* Each head: out = q (first k v + S), S = k v + decay S. q, k, v [N, d]; decay [N, d], or one for all tokens
   [heads, size, 1]. Returns [N, heads, size]. */
static value_id outer_products(build *b, value_id q, value_id k, value_id v, value_id decay, bool by_token,
                               int64_t i, const rwkv *r)
{
    const int64_t dims[] = {r->heads, r->size, 1};
    value_id first = build_weight(b, name_in(b, i, "att.time_faaaa"), 3, dims);
    build_scan s = {.n_rows = by_token ? 4 : 3,
                    .rows = {heads_of(b, q, r), heads_of(b, k, r), heads_of(b, v, r), NO_VALUE}};
    if (by_token)
        s.rows[3] = heads_of(b, decay, r);
    matrix_state(b, &s, i, r);
    build_scan_begin(b, &s);
    value_id kv = build_2(b, "MatMul", column(b, s.row[1], r), line(b, s.row[2], r)),
             w = by_token ? column(b, s.row[3], r) : build_captured(b, decay);
    value_id seen = build_add(b, build_mul(b, build_captured(b, first), kv), s.state[0]);
    s.gives = build_reshape(b, build_2(b, "MatMul", line(b, s.row[0], r), seen), 2,
                            (const int64_t[]){r->heads, r->size});
    s.next_state[0] = build_add(b, kv, build_mul(b, w, s.state[0]));
    build_scan_end(b, &s);
    matrix_next(b, &s, i, r);
    return s.out;
}

/* [N, heads, size] normalised per head, then scaled -> [N, d] */
static value_id group_norm(build *b, value_id x, int64_t i, const rwkv *r)
{
    value_id y = build_plain_norm(b, x, r->size, r->group_epsilon);
    y = build_mul(b, build_reshape(b, y, 2, (const int64_t[]){-1, r->d}),
                  vector(b, i, "att.ln_x.weight", r->d));
    return build_add(b, y, vector(b, i, "att.ln_x.bias", r->d));
}

/* The output product of x [N, heads, size], group-normalised, times gate [N, d]: [N, d]. */
static value_id gated_output(build *b, value_id x, value_id gate, int64_t i, const rwkv *r)
{
    return product(b, build_mul(b, group_norm(b, x, i, r), gate), i, "att.output", r->d, r->d);
}

static value_id time_mix_5(build *b, value_id x, int64_t i, const rwkv *r)
{
    const int64_t dims[] = {r->heads, r->size, 1};
    value_id prev = before(b, x, i, "att_x", r);
    value_id k = product(b, mixed(b, x, prev, i, "att.time_mix_k", r), i, "att.key", r->d, r->d),
             v = product(b, mixed(b, x, prev, i, "att.time_mix_v", r), i, "att.value", r->d, r->d),
             q = product(b, mixed(b, x, prev, i, "att.time_mix_r", r), i, "att.receptance", r->d, r->d),
             g = product(b, mixed(b, x, prev, i, "att.time_mix_g", r), i, "att.gate", r->d, r->d);
    value_id decay = build_weight(b, name_in(b, i, "att.time_decay"), 3, dims);
    if (!r->ready)
        decay = build_1(b, "Exp", build_1(b, "Neg", build_1(b, "Exp", decay)));
    return gated_output(b, outer_products(b, q, k, v, decay, false, i, r), build_silu(b, g), i, r);
}

/* The weights by which x moves toward the previous token, for w, k, v, r and g: low-rank functions of x. out:
   [5] of [N, d]. */
static void mixes_6(build *b, value_id x, value_id step, int64_t i, const rwkv *r, value_id out[5])
{
    static const char *const names[] = {"att.time_maa_w", "att.time_maa_k", "att.time_maa_v",
                                        "att.time_maa_r", "att.time_maa_g"};
    const char *second = name_in(b, i, "att.time_maa_w2");
    const weight *w = build_find(b, second); /* [5, rank, d], or [5, d, rank] */
    int64_t middle = w && w->rank == 3 ? w->dims[1] : 0, last = w && w->rank == 3 ? w->dims[2] : 0;
    bool transposed = last != r->d || (middle == r->d && r->ready);
    int64_t rank = transposed ? last : middle;
    const int64_t dims[] = {5, transposed ? r->d : rank, transposed ? rank : r->d};
    value_id lora = low_rank(b, r, toward(b, x, step, vector(b, i, "att.time_maa_x", r->d)), i,
                             "att.time_maa_w1", r->d, 5 * rank);
    lora = build_reshape(b, build_1(b, "Tanh", lora), 3, (const int64_t[]){-1, 5, rank});
    lora = build_transpose(b, lora, 3, (const int64_t[]){1, 0, 2}); /* [5, N, rank] */
    value_id m = build_weight(b, second, 3, dims), parts[5];
    if (transposed)
        m = build_transpose(b, m, 3, (const int64_t[]){0, 2, 1});
    build_split(b, build_2(b, "MatMul", lora, m), 0, 5, parts); /* [1, N, d] each */
    for (int n = 0; n < 5; n++) {
        value_id mix = build_add(b, build_reshape(b, parts[n], 2, (const int64_t[]){-1, r->d}),
                                 vector(b, i, names[n], r->d));
        out[n] = toward(b, x, step, mix);
    }
}

static value_id time_mix_6(build *b, value_id x, int64_t i, const rwkv *r)
{
    value_id step = build_sub(b, before(b, x, i, "att_x", r), x), in[5];
    mixes_6(b, x, step, i, r, in);
    int64_t rank = build_other_dim(b, name_in(b, i, "att.time_decay_w1"), r->d);
    value_id decay = build_1(b, "Tanh", low_rank(b, r, in[0], i, "att.time_decay_w1", r->d, rank));
    decay = build_add(b, low_rank(b, r, decay, i, "att.time_decay_w2", rank, r->d),
                      vector(b, i, "att.time_decay", r->d));
    decay = build_1(b, "Exp", build_1(b, "Neg", build_1(b, "Exp", decay)));
    value_id k = product(b, in[1], i, "att.key", r->d, r->d),
             v = product(b, in[2], i, "att.value", r->d, r->d),
             q = product(b, in[3], i, "att.receptance", r->d, r->d),
             g = product(b, in[4], i, "att.gate", r->d, r->d);
    return gated_output(b, outer_products(b, q, k, v, decay, true, i, r), build_silu(b, g), i, r);
}

/* ---- Version 7 ----------------------------------------------------------------------------------------- */

/* w0 + f(x w1) w2, [N, d]; f: a node's type, or NULL; w0: NULL for none. */
static value_id lora_7(build *b, value_id x, int64_t i, char letter, const char *f, bool biased,
                       const rwkv *r)
{
    const char *one = build_text(b, "att.%c1", letter), *two = build_text(b, "att.%c2", letter);
    int64_t rank = build_other_dim(b, name_in(b, i, one), r->d);
    value_id y = low_rank(b, r, x, i, one, r->d, rank);
    y = low_rank(b, r, f ? build_1(b, f, y) : y, i, two, rank, r->d);
    return biased ? build_add(b, y, vector(b, i, build_text(b, "att.%c0", letter), r->d)) : y;
}

/* Keys normalised per head, [N, heads, size]. */
static value_id unit_keys(build *b, value_id k, const rwkv *r)
{
    build_attributes a = build_no_attributes();
    value_id x = heads_of(b, k, r), length;
    build_set_int(&a, "keepdims", 1);
    build_node(b, "ReduceL2", &a, 2, (value_id[]){x, build_int(b, -1)}, 1, &length);
    return build_2(b, "Div", x, build_2(b, "Max", length, build_float(b, 1e-12)));
}

/* Each head: S = S w + S (-u)(u a) + v k, out = S q; all rows [N, heads, size]. */
static value_id delta_rule(build *b, const value_id rows[6], int64_t i, const rwkv *r)
{
    build_scan s = {.n_rows = 6};
    memcpy(s.rows, rows, sizeof s.rows);
    matrix_state(b, &s, i, r);
    build_scan_begin(b, &s);
    value_id q = s.row[0], w = s.row[1], k = s.row[2], v = s.row[3], unit = s.row[4], rate = s.row[5];
    value_id kept = build_mul(b, s.state[0], line(b, w, r)),
             read = build_2(b, "MatMul", s.state[0],
                            build_1(b, "Neg", column(b, unit, r))), /* [heads, size, 1] */
        replaced = build_mul(b, read, line(b, build_mul(b, unit, rate), r)),
             added = build_mul(b, column(b, v, r), line(b, k, r));
    s.next_state[0] = build_add(b, build_add(b, kept, replaced), added);
    s.gives = build_reshape(b, build_2(b, "MatMul", s.next_state[0], column(b, q, r)), 2,
                            (const int64_t[]){r->heads, r->size});
    build_scan_end(b, &s);
    matrix_next(b, &s, i, r);
    return s.out;
}

/* x moved toward the previous token for r, w, k, v, a, g: six vectors, or rwkv.cpp's one table of them. */
static void mixes_7(build *b, value_id x, int64_t i, const rwkv *r, value_id out[6])
{
    static const char letters[] = "rwkvag";
    value_id step = build_sub(b, before(b, x, i, "att_x", r), x), parts[6];
    const char *table = name_in(b, i, "att.x_rwkvag");
    bool together = build_find(b, table) != NULL;
    if (together)
        build_split(b, build_weight(b, table, 3, (const int64_t[]){6, 1, r->d}), 0, 6, parts); /* [1, 1, d] */
    for (int n = 0; n < 6; n++) {
        value_id mix = together ? build_reshape(b, parts[n], 1, &r->d)
                                : vector(b, i, build_text(b, "att.x_%c", letters[n]), r->d);
        out[n] = toward(b, x, step, mix);
    }
}

/* Moves values toward those of the first layer. */
static value_id values_7(build *b, value_id x, int64_t i, rwkv *r)
{
    value_id v = product(b, x, i, "att.value", r->d, r->d);
    if (i == 0)
        return r->v_first = v;
    value_id part = build_1(b, "Sigmoid", lora_7(b, x, i, 'v', NULL, true, r));
    return build_add(b, v, build_mul(b, build_sub(b, r->v_first, v), part));
}

static value_id time_mix_7(build *b, value_id x, int64_t i, rwkv *r)
{
    value_id in[6], sum;
    mixes_7(b, x, i, r, in);
    value_id q = product(b, in[0], i, "att.receptance", r->d, r->d),
             k = product(b, in[2], i, "att.key", r->d, r->d), v = values_7(b, in[3], i, r);
    value_id w = build_1(b, "Sigmoid", lora_7(b, in[1], i, 'w', "Tanh", true, r)),
             rate = build_1(b, "Sigmoid", lora_7(b, in[4], i, 'a', NULL, true, r)),
             gate = lora_7(b, in[5], i, 'g', "Sigmoid", false, r);
    w = build_1(b, "Exp", build_mul(b, w, build_float(b, -exp(-0.5))));
    value_id unit = unit_keys(b, build_mul(b, k, vector(b, i, "att.k_k", r->d)), r);
    value_id less = build_mul(b, build_sub(b, rate, build_float(b, 1)), vector(b, i, "att.k_a", r->d));
    k = build_add(b, k, build_mul(b, k, less));
    const value_id rows[6] = {
        heads_of(b, q, r),   heads_of(b, w, r), heads_of(b, k, r), heads_of(b, v, r), unit,
        heads_of(b, rate, r)};
    value_id y = group_norm(b, delta_rule(b, rows, i, r), i, r);
    /* the token's own value, weighted by the product of q and k */
    value_id own = build_weight(b, name_in(b, i, "att.r_k"), 2, (const int64_t[]){r->heads, r->size});
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", 1);
    value_id agree = build_mul(b, build_mul(b, rows[0], rows[2]), own);
    build_node(b, "ReduceSum", &a, 2, (value_id[]){agree, build_int(b, -1)}, 1, &sum);
    y = build_add(b, y, build_reshape(b, build_mul(b, sum, rows[3]), 2, (const int64_t[]){-1, r->d}));
    return product(b, build_mul(b, y, gate), i, "att.output", r->d, r->d);
}

/* ---- Layers and model ---------------------------------------------------------------------------------- */

static value_id channel_mix(build *b, value_id x, int64_t i, const rwkv *r)
{
    value_id prev = before(b, x, i, "ffn_x", r), k, q = NO_VALUE;
    int64_t hidden = build_dim(b, name_in(b, i, "ffn.key.weight"), 0);
    if (r->version <= RWKV_5) {
        k = mixed(b, x, prev, i, "ffn.time_mix_k", r);
        q = mixed(b, x, prev, i, "ffn.time_mix_r", r);
    } else {
        value_id step = build_sub(b, prev, x);
        k = toward(b, x, step, vector(b, i, r->version == RWKV_6 ? "ffn.time_maa_k" : "ffn.x_k", r->d));
        if (r->version == RWKV_6)
            q = toward(b, x, step, vector(b, i, "ffn.time_maa_r", r->d));
    }
    k = squared_relu(b, product(b, k, i, "ffn.key", r->d, hidden));
    k = product(b, k, i, "ffn.value", hidden, r->d);
    return r->version == RWKV_7
               ? k
               : build_mul(b, build_1(b, "Sigmoid", product(b, q, i, "ffn.receptance", r->d, r->d)), k);
}

static value_id time_mix(build *b, value_id x, int64_t i, rwkv *r)
{
    switch (r->version) {
    case RWKV_4:
        return time_mix_4(b, x, i, r);
    case RWKV_5:
        return time_mix_5(b, x, i, r);
    case RWKV_6:
        return time_mix_6(b, x, i, r);
    default:
        return time_mix_7(b, x, i, r);
    }
}

void recipe_rwkv(build *b)
{
    /* of layer 0, whose values are the first: stored by training and never read */
    static const char *const ignored[] = {"blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2", NULL};
    b->renames = is_hugging_face(b->c) ? hugging_face : NULL;
    rwkv r = read_dims(b);
    if (b->code != SIB_OK)
        return;
    b->ignored = r.version == RWKV_7 ? ignored : NULL;
    build_add_metadata_int(b, "version", r.version);
    build_add_metadata_int(b, "n_vocab", r.n_vocab);
    build_add_metadata_int(b, "n_embd", r.d);
    build_add_metadata_int(b, "n_layer", r.layers);
    build_add_metadata_int(b, "n_head", r.heads);
    build_add_metadata_int(b, "head_size", r.size);
    build_scope(b, "rwkv");
    value_id tokens = build_input(b, "tokens", SIB_I64, "1 N"), at = build_input(b, "at", SIB_I64, "M");
    build_table words = build_rows_table(b, "emb.weight", r.n_vocab, r.d);
    value_id x = build_pick(b, &words, build_reshape(b, tokens, 1, (const int64_t[]){-1})); /* [N, d] */
    x = norm(b, x, 0, "ln0", &r);
    for (int64_t i = 0; i < r.layers; i++) {
        build_scope(b, "blocks.%lld", (long long)i);
        x = build_add(b, x, time_mix(b, norm(b, x, i, "ln1", &r), i, &r));
        x = build_add(b, x, channel_mix(b, norm(b, x, i, "ln2", &r), i, &r));
    }
    build_scope(b, "rwkv");
    x = build_layer_norm(b, build_gather(b, x, at, 0), "ln_out", r.d, epsilon_at(&r, r.layers)); /* [M, d] */
    build_table head = words;
    if (!b->renames || build_find(b, "head.weight"))
        head = build_rows_table(b, "head.weight", r.n_vocab, r.d);
    build_output(b, build_scores(b, x, &head, at), "logits", SIB_F32, "1 M %lld", (long long)r.n_vocab);
}
