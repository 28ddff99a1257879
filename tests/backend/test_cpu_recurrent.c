/* LSTM, GRU and RNN on cpu against their lowering on ref. */
#include "backend/claim.h"

typedef struct recurrent_row {
    const char *what, *type;
    int64_t t, b, i, h;
    const char *direction;                                        /* NULL: attribute omitted */
    bool bias, lengths, states, peepholes, batch_first, changing; /* changing: weights are inputs */
    bool coupled, reset_after;
    double clip;
    const char *activations[6];
    unsigned threads;
} recurrent_row;

static claim_input given(sib_dtype dtype, size_t rank, int64_t a, int64_t b, int64_t c, bool constant,
                         double size)
{
    return (claim_input){.dtype = dtype, .rank = rank, .dims = {a, b, c}, .constant = constant, .size = size};
}

static void check_row(const recurrent_row *r)
{
    bool lstm = !strcmp(r->type, "LSTM");
    int64_t g = lstm ? 4 : !strcmp(r->type, "GRU") ? 3 : 1;
    int64_t d = r->direction && !strcmp(r->direction, "bidirectional") ? 2 : 1;
    bool fixed = !r->changing, first = r->batch_first;
    double lengths[8], size = 1 / sqrt((double)r->h);
    sib_str names[6];
    claim_case w = {.type = r->type,
                    .domain = "",
                    .version = 14,
                    .n_in = lstm ? 8 : 6,
                    .n_out = lstm ? 3 : 2,
                    .abs = 2e-6,
                    .rel = 2e-6,
                    .threads = r->threads};
    w.in[0] =
        first ? given(SIB_F32, 3, r->b, r->t, r->i, false, 2) : given(SIB_F32, 3, r->t, r->b, r->i, false, 2);
    w.in[1] = given(SIB_F32, 3, d, g * r->h, r->i, fixed, size);
    w.in[2] = given(SIB_F32, 3, d, g * r->h, r->h, fixed, size);
    if (r->bias)
        w.in[3] = given(SIB_F32, 2, d, 2 * g * r->h, 0, fixed, 1);
    if (r->lengths) {
        for (int64_t i = 0; i < r->b; i++)
            lengths[i] = (double)(i == 1 ? 0 : r->t - 2 * i);
        w.in[4] = given(SIB_I32, 1, r->b, 0, 0, false, 1);
        w.in[4].values = lengths;
    }
    for (size_t i = 5; r->states && i < (lstm ? 7u : 6u); i++)
        w.in[i] =
            first ? given(SIB_F32, 3, r->b, d, r->h, false, 1) : given(SIB_F32, 3, d, r->b, r->h, false, 1);
    if (r->peepholes)
        w.in[7] = given(SIB_F32, 2, d, 3 * r->h, 0, fixed, 1);
    attribute *a = w.attributes;
    *a++ = claim_int("hidden_size", r->h);
    *a++ = claim_int("layout", first);
    *a++ = claim_int("linear_before_reset", r->reset_after);
    *a++ = claim_int("input_forget", r->coupled);
    if (r->direction)
        *a++ = claim_text("direction", r->direction);
    if (r->clip != 0)
        *a++ = claim_float("clip", r->clip);
    size_t n = 0;
    for (; n < 6 && r->activations[n]; n++)
        names[n] = str_of(r->activations[n]);
    if (n)
        *a++ = (attribute){.name = str_of("activations"), .kind = ATTR_STRINGS, .n = n, .strings = names};
    w.n_attributes = (size_t)(a - w.attributes);
    sib_value *expected[CLAIM_MAX];
    claim_expect(&w, expected);
    claim_compare(&w, expected, r->what);
    for (size_t i = 0; i < w.n_out; i++) {
        sib_value *rest[CLAIM_MAX] = {0};
        size_t n_rest = 0;
        memset(w.unwanted, 0, sizeof w.unwanted);
        w.unwanted[i] = true;
        for (size_t k = 0; k < w.n_out; k++)
            if (k != i)
                rest[n_rest++] = expected[k];
        claim_compare(&w, rest, r->what);
    }
    claim_drop(expected);
}

static const recurrent_row rows[] = {
    {"one", "LSTM", 1, 1, 1, 1, .bias = false},
    {"stream", "LSTM", 1, 1, 128, 128, .bias = true, .states = true},
    {"small", "LSTM", 5, 2, 7, 20, .bias = true},
    {"odd", "LSTM", 7, 3, 5, 33, .bias = true, .states = true, .lengths = true},
    {"many", "LSTM", 4, 17, 9, 40, .bias = true, .states = true},
    {"long", "LSTM", 600, 2, 16, 24, .bias = true, .states = true, .direction = "bidirectional",
     .threads = 2},
    {"long, sequences first", "LSTM", 600, 2, 16, 24, .bias = true, .states = true, .batch_first = true},
    {"reverse", "LSTM", 6, 2, 7, 20, .bias = true, .direction = "reverse"},
    {"reverse, lengths", "LSTM", 9, 3, 7, 20, .bias = true, .direction = "reverse", .lengths = true},
    {"both, lengths, sequences first", "LSTM", 9, 3, 7, 20, .bias = true, .states = true,
     .direction = "bidirectional", .lengths = true, .batch_first = true},
    {"peepholes", "LSTM", 6, 2, 7, 20, .bias = true, .peepholes = true, .direction = "bidirectional"},
    {"coupled, clip", "LSTM", 6, 2, 7, 20, .bias = true, .coupled = true, .clip = 0.3},
    {"changing weights", "LSTM", 6, 2, 7, 20, .bias = true, .peepholes = true, .changing = true,
     .direction = "bidirectional"},
    {"functions", "LSTM", 6, 2, 7, 20, .activations = {"HardSigmoid", "relu", "Tanh"}},
    {"one", "GRU", 1, 1, 1, 1, .bias = false},
    {"stream", "GRU", 1, 1, 64, 64, .bias = true, .states = true, .reset_after = true},
    {"odd", "GRU", 7, 3, 5, 33, .bias = true, .states = true, .lengths = true},
    {"odd, reset after", "GRU", 7, 3, 5, 33, .bias = true, .states = true, .lengths = true,
     .reset_after = true},
    {"no bias, reset after", "GRU", 7, 3, 5, 33, .reset_after = true},
    {"both", "GRU", 7, 9, 5, 33, .bias = true, .states = true, .direction = "bidirectional", .threads = 2},
    {"both, reset after, first", "GRU", 300, 2, 5, 40, .bias = true, .states = true, .reset_after = true,
     .direction = "bidirectional", .batch_first = true, .threads = 2},
    {"changing, clip", "GRU", 7, 9, 5, 33, .bias = true, .changing = true, .clip = 0.2},
    {"one", "RNN", 1, 1, 1, 1, .bias = false},
    {"odd", "RNN", 7, 3, 5, 33, .bias = true, .states = true, .lengths = true, .direction = "bidirectional"},
    {"relu", "RNN", 7, 13, 5, 70, .bias = true, .states = true, .activations = {"Relu"}, .clip = 0.5},
};

TEST(test_recurrent)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

/* Infinities and NaN give the same as on ref. */
TEST(test_hostile)
{
    static const char *const types[] = {"LSTM", "GRU", "RNN"};
    static const double bad[] = {INFINITY, -INFINITY, NAN, 3e38, -3e38, 1e-40};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            double values[4 * 2 * 3];
            check_random r = {i + 1};
            int64_t g = k == 0 ? 4 : k == 1 ? 3 : 1;
            for (size_t j = 0; j < 24; j++)
                values[j] = check_uniform(&r);
            values[7] = bad[i];
            claim_case w = {.type = types[k],
                            .domain = "",
                            .version = 14,
                            .n_in = 3,
                            .n_out = 2,
                            .abs = 2e-6,
                            .rel = 2e-6};
            w.in[0] = given(SIB_F32, 3, 4, 2, 3, false, 1);
            w.in[0].values = values;
            w.in[1] = given(SIB_F32, 3, 1, g * 5, 3, true, 1);
            w.in[2] = given(SIB_F32, 3, 1, g * 5, 5, true, 1);
            w.attributes[w.n_attributes++] = claim_int("hidden_size", 5);
            claim_check(&w, "hostile");
        }
}
