#include "import/recipe/transducer.h"
#include "import/recipe/ctc.h"

#include <jansson.h>

#define MAX_DURATIONS 64
#define MAX_SYMBOLS   1000

/* ---- Dimensions ---------------------------------------------------------------------------------------- */

/* Durations are read as their places in the list, which is what transformers' code does: lists in which they differ are
   refused. */
static void check_durations(build *b, int64_t n)
{
    const fact *f = checkpoint_fact(b->c, "durations");
    bool fits = n >= 0 && n <= MAX_DURATIONS && (!f || !n || (f->kind == FACT_INT && (int64_t)f->n == n));
    for (int64_t i = 0; f && fits && i < n; i++)
        fits = f->ints[i] == i;
    if (!fits)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: joint.head.weight has %lld outputs for durations: others than 0, 1, 2, ... frames, "
                   "one for each of the list `durations`, are not supported",
                   checkpoint_file(b->c, 0), (long long)n);
}

/* The token that the prediction network begins with, which generation_config.json says. */
static int64_t first_token(build *b, int64_t otherwise)
{
    json_t *file = build_beside(b, "generation_config.json"),
           *token = json_object_get(file, "decoder_start_token_id");
    const int64_t said = json_is_integer(token) ? json_integer_value(token)
                                                : checkpoint_int(b->c, "decoder_start_token_id", otherwise);
    json_decref(file);
    return said;
}

transducer transducer_read(build *b, int64_t d)
{
    transducer t = {.d = d,
                    .width = build_dim(b, "decoder.embedding.weight", 1),
                    .layers = build_count(b, "decoder.lstm.weight_ih_l", ""),
                    .n_vocab = build_dim(b, "decoder.embedding.weight", 0)};
    t.n_durations = build_dim(b, "joint.head.weight", 0) - t.n_vocab;
    t.blank = checkpoint_int(b->c, "blank_token_id", t.n_vocab - 1);
    t.begin = first_token(b, t.blank);
    t.max_symbols = build_fact_int(b, "max_symbols_per_step", 10, 1, MAX_SYMBOLS);
    t.act = build_activation_named(b, build_fact_text(b, "hidden_act", "relu"));
    if (b->code != SIB_OK)
        return t;
    check_durations(b, t.n_durations);
    if (t.width < 1 || t.layers < 1 || t.begin < 0 || t.begin >= t.n_vocab)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: a prediction network of %lld layers of %lld numbers, whose texts begin with token "
                   "%lld of %lld, is none",
                   checkpoint_file(b->c, 0), (long long)t.layers, (long long)t.width, (long long)t.begin,
                   (long long)t.n_vocab);
    return t;
}

void transducer_add_metadata(build *b, const transducer *t)
{
    ctc_add_pieces(b, t->n_vocab, t->blank);
    build_add_metadata_int(b, "begin_token", t->begin);
    build_add_metadata_int(b, "n_durations", t->n_durations);
    build_add_metadata_int(b, "max_symbols", t->max_symbols);
}

/* ---- Graphs -------------------------------------------------------------------------------------------- */

/* x [B, width] times the matrix "decoder.lstm.weight_<of>_l<i>", plus its bias: what the four gates are made of. */
static value_id gates_of(build *b, const transducer *t, value_id x, const char *of, int64_t i)
{
    const char *matrix = build_text(b, "decoder.lstm.weight_%s_l%lld", of, (long long)i),
               *bias = build_text(b, "decoder.lstm.bias_%s_l%lld", of, (long long)i);
    x = build_2(b, "MatMul", x, build_matrix(b, matrix, t->width, 4 * t->width, BUILD_ROWS_OUT, 0));
    return build_add(b, x, build_vector(b, bias, 4 * t->width));
}

static value_id state(build *b, const transducer *t, int64_t i, const char *name)
{
    return build_input(b, build_text(b, "state.%lld.%s", (long long)i, name), SIB_F32, "S %lld",
                       (long long)t->width);
}

static void next_state(build *b, const transducer *t, value_id x, int64_t i, const char *name)
{
    build_output(b, x, build_text(b, "next.%lld.%s", (long long)i, name), SIB_F32, "S %lld",
                 (long long)t->width);
}

/* One step of layer i (Hochreiter & Schmidhuber 1997), with PyTorch's gates: input, forget, cell, output. */
static value_id lstm(build *b, const transducer *t, value_id x, int64_t i)
{
    value_id hidden = state(b, t, i, "hidden"), cell = state(b, t, i, "cell"), gate[4];
    build_split(b, build_add(b, gates_of(b, t, x, "ih", i), gates_of(b, t, hidden, "hh", i)), -1, 4, gate);
    value_id added = build_mul(b, build_1(b, "Sigmoid", gate[0]), build_1(b, "Tanh", gate[2]));
    cell = build_add(b, build_mul(b, build_1(b, "Sigmoid", gate[1]), cell), added);
    hidden = build_mul(b, build_1(b, "Sigmoid", gate[3]), build_1(b, "Tanh", cell));
    next_state(b, t, hidden, i, "hidden");
    next_state(b, t, cell, i, "cell");
    return hidden;
}

void transducer_build(build *b, const transducer *t, value_id x)
{
    const int64_t w = t->width, n = t->n_vocab + t->n_durations;
    build_scope(b, "projector");
    build_output(b, build_linear(b, x, "encoder_projector", t->d, w, BUILD_BIAS), "encoded", SIB_F32,
                 "B N %lld", (long long)w);
    build_scope(b, "predictor");
    const build_table words = build_rows_table(b, "decoder.embedding.weight", t->n_vocab, w);
    x = build_pick(b, &words, build_input(b, "token", SIB_I64, "S"));
    for (int64_t i = 0; i < t->layers; i++) {
        build_scope(b, "predictor.%lld", (long long)i);
        x = lstm(b, t, x, i);
    }
    build_output(b, build_linear(b, x, "decoder.decoder_projector", w, w, BUILD_BIAS), "predicted", SIB_F32,
                 "S %lld", (long long)w);
    build_scope(b, "joiner");
    value_id frame = build_input(b, "frame", SIB_F32, "F %lld", (long long)w),
             prediction = build_input(b, "prediction", SIB_F32, "F %lld", (long long)w);
    x = build_activate(b, t->act, build_add(b, frame, prediction));
    build_output(b, build_linear(b, x, "joint.head", w, n, BUILD_BIAS), "logits", SIB_F32, "F %lld",
                 (long long)n);
}
