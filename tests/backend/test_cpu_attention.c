/* Attention on cpu against its lowering on ref, over layouts, shapes and masks. */
#include "backend/claim.h"

/* One case of ONNX Attention; members that are 0 are absent. */
typedef struct onnx_row {
    const char *what;
    int64_t b, hq, hkv, s, t, d, dv, past;
    bool packed; /* [B, S, H * D] */
    int mask;    /* 1: float [S, T], 2: bool [S, T], 3: float [B, Hq, S, T], 4: bool [B, 1, 1, T],
                    5: float [S, M < T], 6: float [B, 1, S, 1] where T is 1 */
    bool causal, presents, lengths, empty; /* empty: a past of 0 rows */
    int64_t left, right;                   /* plus 1; 0: none */
    double scale, softcap;
    int64_t version;
    unsigned threads;
} onnx_row;

static claim_input floats(size_t rank, const int64_t *dims, double size)
{
    claim_input in = {.dtype = SIB_F32, .rank = rank, .size = size};
    memcpy(in.dims, dims, rank * sizeof *dims);
    return in;
}

static claim_input heads(const onnx_row *r, int64_t h, int64_t rows, int64_t d)
{
    int64_t apart[] = {r->b, h, rows, d}, packed[] = {r->b, rows, h * d};
    return r->packed ? floats(3, packed, 1.5) : floats(4, apart, 1.5);
}

static claim_input mask_of(const onnx_row *r, int64_t t)
{
    int64_t plain[] = {r->s, t}, full[] = {r->b, r->hq, r->s, t}, keys[] = {r->b, 1, 1, t},
            few[] = {r->s, t / 2}, column[] = {r->b, 1, r->s, 1};
    claim_input in = r->mask == 3   ? floats(4, full, 2)
                     : r->mask == 4 ? floats(4, keys, 2)
                     : r->mask == 5 ? floats(2, few, 2)
                     : r->mask == 6 ? floats(4, column, 2)
                                    : floats(2, plain, 2);
    if (r->mask == 2 || r->mask == 4)
        in.dtype = SIB_BOOL;
    return in;
}

static void check_onnx(const onnx_row *r)
{
    claim_case w = {.domain = "",
                    .type = "Attention",
                    .version = r->version ? r->version : 24,
                    .n_in = 7,
                    .n_out = r->presents ? 3 : 1,
                    .abs = 3e-6,
                    .rel = 3e-6,
                    .threads = r->threads};
    double lengths[8];
    w.in[0] = heads(r, r->hq, r->s, r->d);
    w.in[1] = heads(r, r->hkv, r->t, r->d);
    w.in[2] = heads(r, r->hkv, r->t, r->dv);
    if (r->mask)
        w.in[3] = mask_of(r, r->past + r->t);
    if (r->past || r->empty) {
        int64_t k[] = {r->b, r->hkv, r->past, r->d}, v[] = {r->b, r->hkv, r->past, r->dv};
        w.in[4] = floats(4, k, 1.5);
        w.in[5] = floats(4, v, 1.5);
    }
    if (r->lengths) {
        for (int64_t i = 0; i < r->b; i++)
            lengths[i] = (double)(r->t - 3 * i);
        w.in[6] = (claim_input){.dtype = SIB_I64, .rank = 1, .dims = {r->b}, .values = lengths};
    }
    attribute *a = w.attributes;
    if (r->packed) {
        *a++ = claim_int("q_num_heads", r->hq);
        *a++ = claim_int("kv_num_heads", r->hkv);
    }
    if (r->causal)
        *a++ = claim_int("is_causal", 1);
    if (r->left)
        *a++ = claim_int("left_window_size", r->left - 1);
    if (r->right)
        *a++ = claim_int("right_window_size", r->right - 1);
    if (r->scale != 0)
        *a++ = claim_float("scale", r->scale);
    if (r->softcap != 0)
        *a++ = claim_float("softcap", r->softcap);
    w.n_attributes = (size_t)(a - w.attributes);
    claim_check(&w, r->what);
}

static const onnx_row onnx_rows[] = {
    {"one", .b = 1, .hq = 1, .hkv = 1, .s = 1, .t = 1, .d = 1, .dv = 1},
    {"small", .b = 2, .hq = 3, .hkv = 3, .s = 5, .t = 7, .d = 4, .dv = 6},
    {"packed", .b = 2, .hq = 3, .hkv = 3, .s = 5, .t = 7, .d = 4, .dv = 6, .packed = true},
    {"grouped", .b = 2, .hq = 6, .hkv = 2, .s = 21, .t = 30, .d = 20, .dv = 9},
    {"grouped and packed", .b = 1, .hq = 8, .hkv = 1, .s = 1, .t = 300, .d = 16, .dv = 16, .packed = true},
    {"blocks", .b = 1, .hq = 2, .hkv = 2, .s = 131, .t = 389, .d = 64, .dv = 64},
    {"odd", .b = 1, .hq = 2, .hkv = 2, .s = 97, .t = 129, .d = 33, .dv = 65},
    {"threads", .b = 1, .hq = 3, .hkv = 3, .s = 500, .t = 500, .d = 32, .dv = 32, .threads = 3},
    {"scale", .b = 1, .hq = 2, .hkv = 2, .s = 9, .t = 40, .d = 16, .dv = 16, .scale = 2},
    {"softcap", .b = 1, .hq = 2, .hkv = 2, .s = 50, .t = 40, .d = 16, .dv = 16, .softcap = 0.7},
    {"presents", .b = 2, .hq = 4, .hkv = 2, .s = 9, .t = 40, .d = 16, .dv = 12, .presents = true},
    {"presents, packed", .b = 2, .hq = 4, .hkv = 2, .s = 9, .t = 40, .d = 16, .dv = 12, .presents = true,
     .packed = true},
    {"past", .b = 2, .hq = 4, .hkv = 2, .s = 3, .t = 3, .d = 16, .dv = 12, .past = 200, .presents = true},
    {"past, packed, one query", .b = 2, .hq = 4, .hkv = 4, .s = 1, .t = 1, .d = 16, .dv = 12, .past = 200,
     .presents = true, .packed = true, .causal = true},
    {"past, presents unwanted", .b = 2, .hq = 4, .hkv = 4, .s = 2, .t = 2, .d = 16, .dv = 12, .past = 20,
     .causal = true},
    {"a past of nothing", .b = 2, .hq = 4, .hkv = 2, .s = 9, .t = 9, .d = 16, .dv = 12, .empty = true,
     .causal = true, .presents = true},
    {"causal", .b = 1, .hq = 2, .hkv = 2, .s = 300, .t = 300, .d = 16, .dv = 16, .causal = true},
    {"causal, fewer keys", .b = 1, .hq = 2, .hkv = 2, .s = 300, .t = 100, .d = 16, .dv = 16, .causal = true},
    {"causal, past", .b = 1, .hq = 4, .hkv = 2, .s = 70, .t = 70, .d = 16, .dv = 16, .past = 150,
     .causal = true},
    {"window", .b = 1, .hq = 2, .hkv = 2, .s = 300, .t = 300, .d = 16, .dv = 16, .left = 11, .right = 4},
    {"causal window", .b = 1, .hq = 2, .hkv = 2, .s = 300, .t = 300, .d = 16, .dv = 16, .left = 150,
     .causal = true},
    {"window beyond the keys", .b = 1, .hq = 2, .hkv = 2, .s = 300, .t = 30, .d = 16, .dv = 16, .left = 9},
    {"mask", .b = 2, .hq = 2, .hkv = 2, .s = 60, .t = 300, .d = 16, .dv = 16, .mask = 1},
    {"bool mask", .b = 2, .hq = 2, .hkv = 2, .s = 60, .t = 300, .d = 16, .dv = 16, .mask = 2},
    {"full mask", .b = 2, .hq = 4, .hkv = 2, .s = 60, .t = 140, .d = 16, .dv = 16, .mask = 3},
    {"mask of keys", .b = 2, .hq = 4, .hkv = 2, .s = 60, .t = 140, .d = 16, .dv = 16, .mask = 4},
    {"short mask", .b = 2, .hq = 4, .hkv = 2, .s = 60, .t = 140, .d = 16, .dv = 16, .mask = 5},
    {"mask of one key", .b = 2, .hq = 4, .hkv = 2, .s = 6, .t = 1, .d = 16, .dv = 16, .mask = 6},
    {"mask, causal, past, cap", .b = 2, .hq = 4, .hkv = 2, .s = 60, .t = 60, .d = 16, .dv = 16, .past = 90,
     .mask = 2, .causal = true, .softcap = 3, .presents = true},
    {"lengths", .b = 3, .hq = 4, .hkv = 2, .s = 5, .t = 140, .d = 16, .dv = 16, .lengths = true},
    {"lengths, causal", .b = 3, .hq = 4, .hkv = 2, .s = 5, .t = 140, .d = 16, .dv = 16, .lengths = true,
     .causal = true},
    {"lengths, causal, from nothing", .b = 2, .hq = 4, .hkv = 2, .s = 5, .t = 5, .d = 16, .dv = 16,
     .lengths = true, .causal = true},
    {"small mask", .b = 2, .hq = 4, .hkv = 4, .s = 9, .t = 9, .d = 8, .dv = 8, .mask = 1, .packed = true},
    {"small mask of keys", .b = 2, .hq = 4, .hkv = 4, .s = 9, .t = 9, .d = 8, .dv = 8, .mask = 4},
    {"small mask of all", .b = 2, .hq = 4, .hkv = 2, .s = 9, .t = 11, .d = 8, .dv = 5, .mask = 3},
    {"small causal past", .b = 2, .hq = 6, .hkv = 2, .s = 7, .t = 7, .d = 20, .dv = 18, .past = 5,
     .causal = true, .presents = true, .packed = true},
    {"small causal, long past", .b = 1, .hq = 4, .hkv = 4, .s = 8, .t = 8, .d = 8, .dv = 8, .past = 290,
     .causal = true}, /* more keys than two blocks, as fit where vectors have 8 lanes or fewer */
    {"small window and cap", .b = 1, .hq = 6, .hkv = 2, .s = 12, .t = 12, .d = 8, .dv = 8, .left = 3,
     .right = 2, .softcap = 2},
    {"small lengths", .b = 2, .hq = 8, .hkv = 1, .s = 4, .t = 9, .d = 8, .dv = 8, .lengths = true},
    {"small short mask", .b = 2, .hq = 4, .hkv = 2, .s = 6, .t = 14, .d = 8, .dv = 8, .mask = 5},
    {"a query and threads", .b = 1, .hq = 6, .hkv = 6, .s = 1, .t = 1500, .d = 64, .dv = 64, .threads = 3},
    {"small and many", .b = 8, .hq = 12, .hkv = 12, .s = 48, .t = 48, .d = 32, .dv = 32, .threads = 3,
     .causal = true},
    {"version 23", .b = 1, .hq = 2, .hkv = 2, .s = 9, .t = 40, .d = 16, .dv = 16, .mask = 1, .version = 23},
};

/* Rows that the mask hides entirely, or for which it holds only NaN and -inf, over values that include
   infinities and NaN. */
static void check_hidden_rows(int64_t s, int64_t t, int64_t d)
{
    claim_case w = {
        .type = "Attention", .domain = "", .version = 23, .n_in = 4, .n_out = 1, .abs = 3e-6, .rel = 3e-6};
    int64_t q[] = {1, 2, s, d}, k[] = {1, 2, t, d}, mask[] = {s, t};
    double *hides = calloc((size_t)(s * t), sizeof *hides), *v = calloc((size_t)(2 * t * d), sizeof *v);
    assert_true(hides && v);
    for (int64_t j = 0; j < t; j++) {
        hides[2 * t + j] = -INFINITY;
        hides[3 * t + j] = j ? -INFINITY : NAN;
        hides[1 * t + j] = j ? -INFINITY : 0.5;
    }
    for (int64_t i = 0; i < 2 * t * d; i++)
        v[i] = i % 5 - 1.5;
    v[1] = INFINITY;
    v[t * d + 2] = NAN;
    w.in[0] = floats(4, q, 1.5);
    w.in[1] = w.in[2] = floats(4, k, 1.5);
    w.in[2].values = v;
    w.in[3] = floats(2, mask, 1);
    w.in[3].values = hides;
    claim_check(&w, "hidden rows");
    free(hides);
    free(v);
}

TEST(test_hidden_rows)
{
    check_hidden_rows(5, 40, 32);  /* kernels for few queries */
    check_hidden_rows(9, 9, 8);    /* kernels for small calls */
    check_hidden_rows(30, 300, 8); /* kernels for panels */
}

TEST(test_onnx)
{
    for (size_t i = 0; i < sizeof onnx_rows / sizeof *onnx_rows; i++)
        check_onnx(&onnx_rows[i]);
}

/* Infinities, NaN and rows without any key give the same as on ref. */
TEST(test_hostile)
{
    static const double bad[] = {INFINITY, -INFINITY, NAN, 3e38, -3e38, 1e-40, -0.0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t input = 0; input < 4; input++)
            for (int causal = 0; causal < 2; causal++) {
                double values[4][20 * 20];
                check_random r = {i + 1};
                claim_case w = {.domain = "",
                                .type = "Attention",
                                .version = 24,
                                .n_in = 4,
                                .n_out = 1,
                                .abs = 3e-6,
                                .rel = 3e-6};
                for (size_t k = 0; k < 4; k++) {
                    for (size_t j = 0; j < 400; j++)
                        values[k][j] = check_uniform(&r);
                    w.in[k] = (claim_input){
                        .dtype = SIB_F32, .rank = 4, .dims = {1, 2, 20, 10}, .values = values[k]};
                }
                w.in[3] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {20, 20}, .values = values[3]};
                values[input][37] = bad[i];
                if (causal)
                    w.attributes[w.n_attributes++] = claim_int("is_causal", 1);
                char what[60];
                snprintf(what, sizeof what, "%g in input %zu, causal %d", bad[i], input, causal);
                claim_check(&w, what);
            }
    double mask[20 * 20];
    for (size_t i = 0; i < 400; i++)
        mask[i] = i / 20 == 3 || i % 20 > i / 20 ? -INFINITY : 0;
    claim_case w = {
        .domain = "", .type = "Attention", .version = 24, .n_in = 4, .n_out = 1, .abs = 3e-6, .rel = 3e-6};
    for (size_t k = 0; k < 3; k++)
        w.in[k] = (claim_input){.dtype = SIB_F32, .rank = 4, .dims = {1, 2, 20, 10}};
    w.in[3] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {20, 20}, .values = mask};
    claim_check(&w, "a row without keys");
    for (size_t i = 0; i < 400; i++)
        mask[i] = mask[i] < 0 ? -3.4028234663852886e38 : 0;
    claim_check(&w, "a row of the lowest floats");
}

/* ---- com.microsoft ------------------------------------------------------------------------------------- */

typedef enum mha_form {
    APART,       /* [B, S, N D] each */
    KEYS_HEADS,  /* keys and values [B, N, L, D] */
    KEYS_VALUES, /* both [B, L, N, 2, D] */
    ALL_FIVE,    /* [B, S, N, 3, D] */
    ALL_WIDE,    /* [B, S, 3 N D] */
} mha_form;

/* One case of MultiHeadAttention, or of Attention if `weights` is set. */
typedef struct ms_row {
    const char *what;
    int64_t b, n, s, l, d, dv, past;
    mha_form form;
    bool bias, presents, causal, weights, constant, buffer;
    int mask;       /* its rank; 5: [2 B], 6: [3 B + 2] */
    int score_bias; /* 1: [1, 1, S, T], 2: [B, N, S, T] */
    double scale, filter;
} ms_row;

static claim_input made_of(size_t rank, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e)
{
    int64_t dims[] = {a, b, c, d, e};
    return floats(rank, dims, 1);
}

static void set_qkv(const ms_row *r, claim_case *w)
{
    int64_t wide = r->n * r->d;
    if (r->form == ALL_FIVE)
        w->in[0] = made_of(5, r->b, r->s, r->n, 3, r->d);
    else
        w->in[0] = made_of(3, r->b, r->s, r->form == ALL_WIDE ? 3 * wide : wide, 0, 0);
    if (r->form == KEYS_VALUES)
        w->in[1] = made_of(5, r->b, r->l, r->n, 2, r->d);
    else if (r->form == KEYS_HEADS) {
        w->in[1] = made_of(4, r->b, r->n, r->l, r->d, 0);
        w->in[2] = made_of(4, r->b, r->n, r->l, r->dv, 0);
    } else if (r->form == APART) {
        w->in[1] = made_of(3, r->b, r->l, wide, 0, 0);
        w->in[2] = made_of(3, r->b, r->l, r->n * r->dv, 0, 0);
    }
}

/* values: memory for the elements of the mask. */
static claim_input ms_mask(const ms_row *r, int64_t t, double *values)
{
    int64_t m = t + 2, b = r->b;
    claim_input in = {.dtype = SIB_I32, .rank = r->mask > 4 ? 1 : (size_t)r->mask, .values = values};
    int64_t dims[7][4] = {{0}, {b}, {b, t}, {b, r->s, t}, {b, 1, m, m}, {2 * b}, {3 * b + 2}};
    check_random random = {5};
    memcpy(in.dims, dims[r->mask], sizeof dims[0]);
    for (size_t i = 0; i < 4096; i++)
        values[i] = check_u64(&random) % 4 != 0;
    for (int64_t i = 0; in.rank == 1 && i < in.dims[0]; i++)
        values[i] = (double)(i < b ? t - 2 * i : i - b);
    return in;
}

static void check_ms(const ms_row *r)
{
    static double values[4096];
    int64_t t = r->buffer ? r->past : r->past + r->l;
    claim_case w = {.domain = "com.microsoft",
                    .type = r->weights ? "Attention" : "MultiHeadAttention",
                    .version = 1,
                    .n_in = r->weights ? 7 : 9,
                    .n_out = !r->presents ? 1
                             : r->weights ? 2
                                          : 3,
                    .abs = 3e-6,
                    .rel = 3e-6};
    claim_input score =
        r->score_bias == 1 ? made_of(4, 1, 1, r->s, t, 0) : made_of(4, r->b, r->n, r->s, t, 0);
    double used = 3;
    size_t mask_at = r->weights ? 3 : 4;
    if (r->weights) {
        int64_t wide = r->n * r->d;
        w.in[0] = made_of(3, r->b, r->s, 19, 0, 0);
        w.in[1] = made_of(2, 19, 2 * wide + r->n * r->dv, 0, 0, 0);
        w.in[1].size = 0.4;
        w.in[1].constant = r->constant;
        if (r->bias)
            w.in[2] = made_of(1, 2 * wide + r->n * r->dv, 0, 0, 0, 0);
        if (r->past)
            w.in[4] = made_of(5, 2, r->b, r->n, r->past, r->d);
    } else {
        set_qkv(r, &w);
        if (r->bias)
            w.in[3] = made_of(1, 2 * r->n * r->d + r->n * r->dv, 0, 0, 0, 0);
        if (r->past) {
            w.in[6] = made_of(4, r->b, r->n, r->past, r->d, 0);
            w.in[7] = made_of(4, r->b, r->n, r->past, r->dv, 0);
        }
        if (r->buffer)
            w.in[8] = (claim_input){.dtype = SIB_I32, .rank = 1, .dims = {1}, .values = &used};
    }
    if (r->mask)
        w.in[mask_at] = ms_mask(r, t, values);
    if (r->score_bias)
        w.in[5] = score;
    w.attributes[w.n_attributes++] = claim_int("num_heads", r->n);
    if (r->causal)
        w.attributes[w.n_attributes++] = claim_int("unidirectional", 1);
    if (r->scale != 0)
        w.attributes[w.n_attributes++] = claim_float("scale", r->scale);
    if (r->filter != 0)
        w.attributes[w.n_attributes++] = claim_float("mask_filter_value", r->filter);
    int64_t sizes[] = {r->n * r->d, r->n * r->d, r->n * r->dv};
    if (r->weights)
        w.attributes[w.n_attributes++] =
            (attribute){.name = str_of("qkv_hidden_sizes"), .kind = ATTR_INTS, .n = 3, .ints = sizes};
    claim_check(&w, r->what);
}

static const ms_row ms_rows[] = {
    {"apart", .b = 2, .n = 3, .s = 5, .l = 40, .d = 8, .dv = 6},
    {"apart, bias, presents", .b = 2, .n = 3, .s = 5, .l = 40, .d = 8, .dv = 6, .bias = true,
     .presents = true},
    {"many", .b = 1, .n = 2, .s = 150, .l = 140, .d = 32, .dv = 32, .bias = true},
    {"heads", .b = 2, .n = 3, .s = 5, .l = 40, .d = 8, .dv = 6, .form = KEYS_HEADS, .presents = true},
    {"heads, bias", .b = 2, .n = 3, .s = 5, .l = 40, .d = 8, .dv = 8, .form = KEYS_HEADS, .bias = true},
    {"keys and values", .b = 2, .n = 3, .s = 5, .l = 40, .d = 8, .dv = 8, .form = KEYS_VALUES,
     .presents = true},
    {"all of rank 5", .b = 2, .n = 3, .s = 40, .l = 40, .d = 8, .dv = 8, .form = ALL_FIVE, .presents = true},
    {"all of rank 3", .b = 2, .n = 3, .s = 40, .l = 40, .d = 8, .dv = 8, .form = ALL_WIDE, .bias = true},
    {"past", .b = 2, .n = 3, .s = 1, .l = 1, .d = 8, .dv = 8, .past = 50, .presents = true, .bias = true},
    {"past of nothing", .b = 2, .n = 3, .s = 4, .l = 4, .d = 8, .dv = 8, .past = 0, .presents = true,
     .causal = true},
    {"past, causal", .b = 2, .n = 3, .s = 20, .l = 20, .d = 8, .dv = 8, .past = 50, .presents = true,
     .causal = true},
    {"past in a buffer", .b = 2, .n = 3, .s = 1, .l = 1, .d = 8, .dv = 8, .past = 50, .presents = true,
     .buffer = true},
    {"causal", .b = 1, .n = 2, .s = 200, .l = 200, .d = 8, .dv = 8, .causal = true, .scale = 0.3},
    {"ends", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .mask = 1},
    {"keys", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .mask = 2},
    {"keys, causal", .b = 2, .n = 3, .s = 30, .l = 30, .d = 8, .dv = 8, .mask = 2, .causal = true},
    {"keys, causal, lowest", .b = 2, .n = 3, .s = 300, .l = 300, .d = 8, .dv = 8, .mask = 2, .causal = true,
     .filter = -3.4028234663852886e38},
    {"queries and keys", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .mask = 3, .filter = -100},
    {"ends and beginnings", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .mask = 5},
    {"ends and more", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .mask = 6},
    {"bias of scores", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .score_bias = 1},
    {"bias of scores, keys", .b = 2, .n = 3, .s = 20, .l = 30, .d = 8, .dv = 8, .score_bias = 2, .mask = 2},
    {"weights", .b = 2, .n = 3, .s = 20, .l = 20, .d = 8, .dv = 6, .weights = true, .bias = true},
    {"constant weights", .b = 2, .n = 3, .s = 20, .l = 20, .d = 8, .dv = 8, .weights = true, .constant = true,
     .presents = true},
    {"weights, past, causal", .b = 2, .n = 3, .s = 4, .l = 4, .d = 8, .dv = 8, .past = 21, .weights = true,
     .constant = true, .presents = true, .bias = true, .causal = true, .mask = 2},
    {"weights, square mask", .b = 2, .n = 3, .s = 4, .l = 4, .d = 8, .dv = 8, .past = 21, .weights = true,
     .constant = true, .presents = true, .mask = 4},
};

TEST(test_ms)
{
    for (size_t i = 0; i < sizeof ms_rows / sizeof *ms_rows; i++)
        check_ms(&ms_rows[i]);
}

/* One case of GroupQueryAttention. total: the longest sequence; each next one is shorter by 2. */
typedef struct gqa_row {
    const char *what;
    int64_t b, n, kv, s, d, past, total;
    bool packed, rotary, interleaved, bias, free; /* free: not causal */
    int64_t window;
    double softcap;
} gqa_row;

static void check_gqa(const gqa_row *r)
{
    double lengths[8], total = (double)r->total;
    claim_case w = {.domain = "com.microsoft",
                    .type = "GroupQueryAttention",
                    .version = 1,
                    .n_in = 11,
                    .n_out = 3,
                    .abs = 3e-6,
                    .rel = 3e-6};
    for (int64_t i = 0; i < r->b; i++)
        lengths[i] = (double)(r->total - 1 - (r->s == 1 || r->s == r->total ? 2 * i : 0));
    w.in[0] = made_of(3, r->b, r->s, (r->n + (r->packed ? 2 * r->kv : 0)) * r->d, 0, 0);
    for (size_t i = 1; i < 3 && !r->packed; i++)
        w.in[i] = made_of(3, r->b, r->s, r->kv * r->d, 0, 0);
    for (size_t i = 3; i < 5 && r->past; i++)
        w.in[i] = made_of(4, r->b, r->kv, r->past, r->d, 0);
    w.in[5] = (claim_input){.dtype = SIB_I32, .rank = 1, .dims = {r->b}, .values = lengths};
    w.in[6] = (claim_input){.dtype = SIB_I32, .rank = 0, .values = &total};
    for (size_t i = 7; i < 9 && r->rotary; i++)
        w.in[i] = made_of(2, 64, r->d / 2 - 1, 0, 0, 0);
    if (r->bias)
        w.in[10] = made_of(4, 1, r->n, r->s, r->total, 0);
    attribute *a = w.attributes;
    *a++ = claim_int("num_heads", r->n);
    *a++ = claim_int("kv_num_heads", r->kv);
    *a++ = claim_int("do_rotary", r->rotary);
    *a++ = claim_int("rotary_interleaved", r->interleaved);
    *a++ = claim_float("softcap", r->softcap);
    if (r->free)
        *a++ = claim_int("causal", 0);
    if (r->window)
        *a++ = claim_int("local_window_size", r->window);
    w.n_attributes = (size_t)(a - w.attributes);
    claim_check(&w, r->what);
}

static const gqa_row gqa_rows[] = {
    {"prompt", .b = 2, .n = 4, .kv = 2, .s = 20, .d = 8, .total = 20},
    {"prompt, packed, rotated", .b = 2, .n = 4, .kv = 2, .s = 20, .d = 8, .total = 20, .packed = true,
     .rotary = true},
    {"prompt into a buffer", .b = 1, .n = 4, .kv = 2, .s = 20, .d = 8, .total = 20, .past = 40,
     .rotary = true},
    {"one more", .b = 2, .n = 4, .kv = 2, .s = 1, .d = 8, .total = 20, .past = 19, .rotary = true,
     .interleaved = true},
    {"one more in a buffer", .b = 2, .n = 4, .kv = 1, .s = 1, .d = 8, .total = 20, .past = 40, .packed = true,
     .rotary = true},
    {"some more in a buffer", .b = 2, .n = 4, .kv = 4, .s = 5, .d = 8, .total = 20, .past = 40, .softcap = 2},
    {"window", .b = 1, .n = 4, .kv = 2, .s = 50, .d = 8, .total = 50, .window = 7},
    {"bias", .b = 1, .n = 4, .kv = 2, .s = 5, .d = 8, .total = 20, .past = 40, .bias = true},
    {"not causal", .b = 2, .n = 4, .kv = 2, .s = 20, .d = 8, .total = 20, .free = true},
};

TEST(test_gqa)
{
    for (size_t i = 0; i < sizeof gqa_rows / sizeof *gqa_rows; i++)
        check_gqa(&gqa_rows[i]);
}

/* One case of RotaryEmbedding. positions: 0 none, 1 [B, S], 2 a single number. */
typedef struct rotary_row {
    const char *what;
    bool ms, interleaved;
    size_t rank;
    int64_t rotated;
    int positions;
} rotary_row;

static void check_rotary(const rotary_row *r)
{
    static const double places[] = {3, 0, 7, 2, 5, 5, 1, 4, 6, 0}, one[] = {4};
    int64_t b = 2, h = 3, s = 5, d = 12, half = (r->rotated ? r->rotated : d) / 2;
    claim_case w = {.domain = r->ms ? "com.microsoft" : "",
                    .type = "RotaryEmbedding",
                    .version = r->ms ? 1 : 23,
                    .n_in = 4,
                    .n_out = 1,
                    .abs = 1e-6,
                    .rel = 1e-6};
    claim_input positions = {.dtype = SIB_I64, .rank = 2, .dims = {b, s}, .values = places};
    if (r->positions == 2)
        positions = (claim_input){.dtype = SIB_I64, .rank = 1, .dims = {1}, .values = one};
    w.in[0] = r->rank == 4 ? made_of(4, b, h, s, d, 0) : made_of(3, b, s, h * d, 0, 0);
    size_t cache = r->ms ? 2 : 1;
    for (size_t i = cache; i < cache + 2; i++)
        w.in[i] = r->positions ? made_of(2, 9, half, 0, 0, 0) : made_of(3, b, s, half, 0, 0);
    if (r->positions)
        w.in[r->ms ? 1 : 3] = positions;
    w.attributes[0] = claim_int("interleaved", r->interleaved);
    w.attributes[1] = claim_int("num_heads", h);
    w.attributes[2] = claim_int("rotary_embedding_dim", r->rotated);
    w.n_attributes = 3;
    claim_check(&w, r->what);
}

static const rotary_row rotary_rows[] = {
    {"onnx, 4", .rank = 4, .positions = 1},
    {"onnx, 3", .rank = 3, .positions = 1, .interleaved = true},
    {"onnx, no positions", .rank = 4},
    {"onnx, no positions, part", .rank = 3, .rotated = 8, .interleaved = true},
    {"ms, 4", .ms = true, .rank = 4, .positions = 1},
    {"ms, 3", .ms = true, .rank = 3, .positions = 2, .interleaved = true},
    {"ms, part", .ms = true, .rank = 3, .positions = 2, .rotated = 8},
};

TEST(test_rotary)
{
    for (size_t i = 0; i < sizeof rotary_rows / sizeof *rotary_rows; i++)
        check_rotary(&rotary_rows[i]);
}
