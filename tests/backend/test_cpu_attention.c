/* Attention on cpu against its lowering on ref, over layouts, shapes and masks. */
#include "backend/whole.h"

/* One case of ONNX Attention; 0 where there is none. */
typedef struct onnx_row {
    const char *what;
    int64_t b, hq, hkv, s, t, d, dv, past;
    bool packed; /* [B, S, H * D] */
    int mask; /* 1: float [S, T], 2: bool [S, T], 3: float [B, Hq, S, T], 4: bool [B, 1, 1, T], 5: float [S, M < T],
                     6: float [B, 1, S, 1] where T is 1 */
    bool causal, presents, lengths;
    int64_t left, right; /* + 1; 0: none */
    double scale, softcap;
    int64_t version;
    unsigned threads;
} onnx_row;

static whole_input floats(size_t rank, const int64_t *dims, double size)
{
    whole_input in = {.dtype = SIB_F32, .rank = rank, .size = size};
    memcpy(in.dims, dims, rank * sizeof *dims);
    return in;
}

static whole_input heads(const onnx_row *r, int64_t h, int64_t rows, int64_t d)
{
    int64_t apart[] = {r->b, h, rows, d}, packed[] = {r->b, rows, h * d};
    return r->packed ? floats(3, packed, 1.5) : floats(4, apart, 1.5);
}

static whole_input mask_of(const onnx_row *r, int64_t t)
{
    int64_t plain[] = {r->s, t}, full[] = {r->b, r->hq, r->s, t}, keys[] = {r->b, 1, 1, t},
            few[] = {r->s, t / 2}, column[] = {r->b, 1, r->s, 1};
    whole_input in = r->mask == 3   ? floats(4, full, 2)
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
    whole_case w = {.domain = "",
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
    if (r->past) {
        int64_t k[] = {r->b, r->hkv, r->past, r->d}, v[] = {r->b, r->hkv, r->past, r->dv};
        w.in[4] = floats(4, k, 1.5);
        w.in[5] = floats(4, v, 1.5);
    }
    if (r->lengths) {
        for (int64_t i = 0; i < r->b; i++)
            lengths[i] = (double)(r->t - 3 * i);
        w.in[6] = (whole_input){.dtype = SIB_I64, .rank = 1, .dims = {r->b}, .values = lengths};
    }
    attribute *a = w.attributes;
    if (r->packed) {
        *a++ = whole_int("q_num_heads", r->hq);
        *a++ = whole_int("kv_num_heads", r->hkv);
    }
    if (r->causal)
        *a++ = whole_int("is_causal", 1);
    if (r->left)
        *a++ = whole_int("left_window_size", r->left - 1);
    if (r->right)
        *a++ = whole_int("right_window_size", r->right - 1);
    if (r->scale != 0)
        *a++ = whole_float("scale", r->scale);
    if (r->softcap != 0)
        *a++ = whole_float("softcap", r->softcap);
    w.n_attributes = (size_t)(a - w.attributes);
    whole_check(&w, r->what);
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
    {"version 23", .b = 1, .hq = 2, .hkv = 2, .s = 9, .t = 40, .d = 16, .dv = 16, .mask = 1, .version = 23},
};

static void test_onnx(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof onnx_rows / sizeof *onnx_rows; i++)
        check_onnx(&onnx_rows[i]);
}

/* Infinities, NaN and rows without any key come out as on ref. */
static void test_hostile(void **state)
{
    (void)state;
    static const double bad[] = {INFINITY, -INFINITY, NAN, 3e38, -3e38, 1e-40, -0.0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t input = 0; input < 4; input++)
            for (int causal = 0; causal < 2; causal++) {
                double values[4][20 * 20];
                check_random r = {i + 1};
                whole_case w = {.domain = "",
                                .type = "Attention",
                                .version = 24,
                                .n_in = 4,
                                .n_out = 1,
                                .abs = 3e-6,
                                .rel = 3e-6};
                for (size_t k = 0; k < 4; k++) {
                    for (size_t j = 0; j < 400; j++)
                        values[k][j] = check_uniform(&r);
                    w.in[k] = (whole_input){
                        .dtype = SIB_F32, .rank = 4, .dims = {1, 2, 20, 10}, .values = values[k]};
                }
                w.in[3] = (whole_input){.dtype = SIB_F32, .rank = 2, .dims = {20, 20}, .values = values[3]};
                values[input][37] = bad[i];
                if (causal)
                    w.attributes[w.n_attributes++] = whole_int("is_causal", 1);
                char what[60];
                snprintf(what, sizeof what, "%g in input %zu, causal %d", bad[i], input, causal);
                whole_check(&w, what);
            }
    double mask[20 * 20];
    for (size_t i = 0; i < 400; i++)
        mask[i] = i / 20 == 3 || i % 20 > i / 20 ? -INFINITY : 0;
    whole_case w = {
        .domain = "", .type = "Attention", .version = 24, .n_in = 4, .n_out = 1, .abs = 3e-6, .rel = 3e-6};
    for (size_t k = 0; k < 3; k++)
        w.in[k] = (whole_input){.dtype = SIB_F32, .rank = 4, .dims = {1, 2, 20, 10}};
    w.in[3] = (whole_input){.dtype = SIB_F32, .rank = 2, .dims = {20, 20}, .values = mask};
    whole_check(&w, "a row without keys");
    for (size_t i = 0; i < 400; i++)
        mask[i] = mask[i] < 0 ? -3.4028234663852886e38 : 0;
    whole_check(&w, "a row of the lowest floats");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_onnx), cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
