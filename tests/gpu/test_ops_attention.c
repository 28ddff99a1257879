/* Attentions on a GPU's backend against ref. */
#include "ops.h"

#include "gpu/kernels/attention_row.gpu.h"

#include <sibyl/plan.h>

TEST_FIXTURE(begin, end)

/* MultiHeadAttention, causal or with a bias, after a past that it gives on, with keys as heads. */
TEST(test_multi_head)
{
    for (size_t k = 0; k < 16; k++) {
        const sib_dtype type = SIB_F32, none = SIB_DTYPE_UNKNOWN, past = k & 2 ? type : none;
        const int64_t fresh = 6, before = k & 2 ? 4 : 0;
        const tensor key = k & 4 ? (tensor){type, 4, {2, 3, fresh, 8}} : (tensor){type, 3, {2, fresh, 24}};
        claim_case w = made("MultiHeadAttention", 1, 8,
                            (const tensor[]){{type, 3, {2, 6, 24}},
                                             key,
                                             key,
                                             {none, 0, {0}},
                                             {none, 0, {0}},
                                             {k & 8 ? type : none, 4, {1, 3, 6, fresh + before}},
                                             {past, 4, {2, 3, 4, 8}},
                                             {past, 4, {2, 3, 4, 8}}});
        w.domain = "com.microsoft";
        w.n_out = 3;
        w.n_attributes = 2;
        w.attributes[0] = claim_int("num_heads", 3);
        w.attributes[1] = claim_int("unidirectional", k & 1);
        for (size_t i = 0; i < w.n_in; i++)
            w.in[i].size = 2;
        w.abs = 1e-5;
        check(&w);
    }
}

/* A row of which every key is hidden is 0 of Attention, and NaN of MultiHeadAttention. */
TEST(test_hidden_row)
{
    static const double hidden[] = {-INFINITY, -INFINITY, -INFINITY, 0, 1, -INFINITY};
    const tensor packed = {SIB_F32, 3, {1, 2, 8}}, keys = {SIB_F32, 3, {1, 3, 8}},
                 none = {SIB_DTYPE_UNKNOWN, 0, {0}};
    claim_case own = made("Attention", 23, 4, (const tensor[]){packed, keys, keys, {SIB_F32, 2, {2, 3}}}),
               w = made("MultiHeadAttention", 1, 6,
                        (const tensor[]){packed, keys, keys, none, none, {SIB_F32, 4, {1, 1, 2, 3}}});
    own.in[3].values = w.in[5].values = hidden;
    w.domain = "com.microsoft";
    own.n_attributes = 2;
    own.attributes[0] = claim_int("q_num_heads", 2);
    own.attributes[1] = claim_int("kv_num_heads", 2);
    w.n_attributes = 1;
    w.attributes[0] = claim_int("num_heads", 2);
    for (size_t i = 0; i < 3; i++)
        own.in[i].size = w.in[i].size = 2;
    own.abs = w.abs = 1e-5;
    check(&own);
    check(&w);
}

/* Attention of com.microsoft: one product for queries, keys and values, after a past, causal, with masks of the keys or of
   each query, or a bias of the scores; k by bits. */
TEST(test_projected)
{
    static const double mask[] = {1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1};
    static const int64_t sizes[] = {24, 24, 48};
    for (size_t k = 0; k < 96; k++) {
        const sib_dtype type = k & 1 ? SIB_F16 : SIB_F32, none = SIB_DTYPE_UNKNOWN;
        const bool past = k & 2, present = past || k & 4, wide = k & 8 && !present;
        const size_t hides = k / 16 % 3; /* nothing, a mask, a bias */
        const int64_t s = 6, t = past ? 10 : 6, columns = wide ? 96 : 72;
        const tensor masks = k & 8 ? (tensor){SIB_I32, 3, {2, s, t}} : (tensor){SIB_I32, 2, {2, t}};
        claim_case w = made("Attention", 1, 6,
                            (const tensor[]){{type, 3, {2, s, 5}},
                                             {type, 2, {5, columns}},
                                             {k & 4 ? type : none, 1, {columns}},
                                             hides == 1 ? masks : (tensor){none, 0, {0}},
                                             {none, 0, {0}},
                                             {hides == 2 ? type : none, 4, {1, 3, s, t}}});
        if (past)
            w.in[4] = (claim_input){.dtype = type, .rank = 5, .dims = {2, 2, 3, 4, 8}};
        double repeated[120];
        for (size_t i = 0; i < COUNT(repeated); i++)
            repeated[i] = mask[i % COUNT(mask)];
        w.in[3].values = repeated;
        for (size_t i = 0; i < w.n_in; i++)
            w.in[i].size = 1;
        w.domain = "com.microsoft";
        w.n_out = present ? 2 : 1;
        w.n_attributes = wide ? 3 : 2;
        w.attributes[0] = claim_int("num_heads", 3);
        w.attributes[1] = claim_int("unidirectional", k / 48);
        w.attributes[2] = claim_ints("qkv_hidden_sizes", 3, sizes);
        w.abs = type == SIB_F32 ? 1e-5 : 4e-3;
        w.rel = type == SIB_F32 ? 1e-5 : 2e-3;
        check(&w);
    }
}

/* One case of GroupQueryAttention of heads of 8. total: of the longest sequence; each next one is shorter by 2. */
typedef struct group_query {
    const char *what;
    int64_t b, n, kv, s, past, total;
    bool packed, rotary, interleaved, bias, free, sink, smooth; /* free: not causal */
    int64_t window;
    double softcap;
} group_query;

static void check_group_query(const group_query *r, sib_dtype type)
{
    const sib_dtype none = SIB_DTYPE_UNKNOWN, rest = r->packed ? none : type,
                    past = r->past < 0 ? none : type, turned = r->rotary ? type : none;
    const int64_t d = 8, width = (r->n + (r->packed ? 2 * r->kv : 0)) * d, before = r->past < 0 ? 0 : r->past;
    double ends[4], total = (double)r->total;
    claim_case w = made("GroupQueryAttention", 1, 12,
                        (const tensor[]){{type, 3, {r->b, r->s, width}},
                                         {rest, 3, {r->b, r->s, r->kv * d}},
                                         {rest, 3, {r->b, r->s, r->kv * d}},
                                         {past, 4, {r->b, r->kv, before, d}},
                                         {past, 4, {r->b, r->kv, before, d}},
                                         {SIB_I32, 1, {r->b}},
                                         {SIB_I32, 0, {0}},
                                         {turned, 2, {64, d / 2 - 1}},
                                         {turned, 2, {64, d / 2 - 1}},
                                         {none, 0, {0}},
                                         {r->bias ? type : none, 4, {1, r->n, r->s, r->total}},
                                         {r->sink ? type : none, 1, {r->n}}});
    for (int64_t i = 0; i < r->b; i++)
        ends[i] = (double)(r->total - 1 - (r->s == 1 || r->s == r->total ? 2 * i : 0));
    for (size_t i = 0; i < w.n_in; i++)
        w.in[i].size = 1;
    w.domain = "com.microsoft";
    w.n_out = 3;
    w.in[5].values = ends;
    w.in[6].values = &total;
    w.n_attributes = 8;
    w.attributes[0] = claim_int("num_heads", r->n);
    w.attributes[1] = claim_int("kv_num_heads", r->kv);
    w.attributes[2] = claim_int("do_rotary", r->rotary);
    w.attributes[3] = claim_int("rotary_interleaved", r->interleaved);
    w.attributes[4] = claim_float("softcap", r->softcap);
    w.attributes[5] = claim_int("causal", !r->free);
    w.attributes[6] = claim_int("local_window_size", r->window ? r->window : -1);
    w.attributes[7] = claim_int("smooth_softmax", r->smooth ? 1 : -1);
    w.abs = type == SIB_F32 ? 3e-6 : 3e-3;
    w.rel = type == SIB_F32 ? 3e-6 : 2e-3;
    claim_check(&w, r->what);
}

static const group_query group_queries[] = {
    {"prompt", 2, 4, 2, 20, -1, 20, .packed = false},
    {"prompt, packed, rotated", 2, 4, 2, 20, -1, 20, .packed = true, .rotary = true},
    {"prompt into a buffer", 1, 4, 2, 20, 40, 20, .rotary = true},
    {"prompt behind an empty past", 1, 4, 2, 20, 0, 20, .rotary = true},
    {"one more", 2, 4, 2, 1, 19, 20, .rotary = true, .interleaved = true},
    {"one more in a buffer", 2, 4, 1, 1, 40, 20, .packed = true, .rotary = true},
    {"some more in a buffer", 2, 4, 4, 5, 40, 20, .softcap = 2},
    {"window", 1, 4, 2, 50, -1, 50, .window = 7},
    {"bias", 1, 4, 2, 5, 40, 20, .bias = true},
    {"not causal", 2, 4, 2, 20, -1, 20, .free = true},
    {"a sink a head", 2, 4, 2, 20, -1, 20, .sink = true, .window = 3},
    {"a sink of 0", 2, 4, 2, 5, 40, 45, .smooth = true, .softcap = 3},
    {"long", 2, 2, 1, 1, 530, 520, .bias = true, .sink = true},
    {"long, a window", 2, 2, 1, 1, 530, 520, .window = 70, .smooth = true},
};

TEST(test_group_query)
{
    for (size_t i = 0; i < COUNT(group_queries); i++) {
        check_group_query(&group_queries[i], SIB_F32);
        check_group_query(&group_queries[i], SIB_F16);
    }
}

/* A session of the case, and its inputs as they are given to it. */
typedef struct opened {
    sib_session *session;
    sib_value *inputs[CLAIM_MAX];
    sib_named_value given[CLAIM_MAX];
    size_t n;
} opened;

static void open_case(const claim_case *w, opened *o)
{
    static const char *const names[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8"};
    char backends[64];
    snprintf(backends, sizeof backends, "%s,ref", backend());
    *o = (opened){0};
    o->session = claim_session(w, backends, o->inputs);
    for (size_t i = 0; i < w->n_in; i++)
        if (o->inputs[i])
            o->given[o->n++] = (sib_named_value){names[i], o->inputs[i]};
}

static void close_case(opened *o)
{
    for (size_t i = 0; i < CLAIM_MAX; i++)
        sib_value_free(&o->inputs[i]);
    sib_session_free(&o->session);
}

static void check_last_kernel(const claim_case *w, const char *expected)
{
    sib_value *out[CLAIM_MAX] = {0};
    sib_error err = SIB_ERROR_INIT;
    sib_plan *plan;
    sib_plan_step made;
    char kernel[64] = "";
    opened o;
    open_case(w, &o);
    CHECK_OK(sib_session_run(o.session, o.n, o.given, 0, NULL, out, NULL, &err), err);
    CHECK_OK(sib_session_plan(o.session, &plan, &err), err);
    for (size_t i = 0; sib_plan_get_step(plan, 0, i, &made); i++)
        snprintf(kernel, sizeof kernel, "%s", made.kernel);
    assert_string_equal(kernel, expected);
    sib_plan_free(&plan);
    claim_drop(out);
    close_case(&o);
}

/* One query, whose groups take some keys each: all keys in one and in many, of keys before and new ones,
   with a mask that hides all of them. */
TEST(test_long_cache)
{
    static const int64_t keys[] = {ATTENTION_ROW_KEYS, 800};
    for (size_t k = 0; k < 8; k++) {
        const sib_dtype type = k & 1 ? SIB_F16 : SIB_F32, masked = k & 2 ? type : SIB_DTYPE_UNKNOWN;
        const int64_t all = keys[k / 4], past = 70;
        claim_case w = made("Attention", 23, 6,
                            (const tensor[]){{type, 4, {2, 2, 1, 8}},
                                             {type, 4, {2, 1, all - past, 8}},
                                             {type, 4, {2, 1, all - past, 16}},
                                             {masked, 4, {2, 1, 1, all}},
                                             {type, 4, {2, 1, past, 8}},
                                             {type, 4, {2, 1, past, 16}}});
        double mask[2 * 800];
        for (int64_t i = 0; i < 2 * all; i++)
            mask[i] = i < all ? -INFINITY : 0;
        w.in[3].values = mask;
        w.n_out = 3;
        w.n_attributes = 1;
        w.attributes[0] = claim_int("is_causal", 1);
        for (size_t i = 0; i < w.n_in; i++)
            w.in[i].size = 2;
        w.abs = type == SIB_F32 ? 1e-5 : 4e-3;
        w.rel = type == SIB_F32 ? 1e-5 : 2e-3;
        check(&w);
        check_last_kernel(&w, all <= ATTENTION_ROW_KEYS ? "attention_row" : "attention_merge");
    }
}

/* Sequences that end beyond the rows of cosines, or of the cache. */
TEST(test_group_query_ends)
{
    static const double total[] = {1}, beyond[] = {3, 70};
    for (int k = 0; k < 2; k++) {
        const tensor row = {SIB_F32, 3, {1, 1, 8}}, past = {SIB_F32, 4, {1, 1, k ? 80 : 3, 8}};
        const tensor turns = {k ? SIB_F32 : SIB_DTYPE_UNKNOWN, 2, {64, 4}};
        claim_case w = made(
            "GroupQueryAttention", 1, 9,
            (const tensor[]){row, row, row, past, past, {SIB_I32, 1, {1}}, {SIB_I32, 0, {0}}, turns, turns});
        sib_value *out[3] = {0};
        sib_error err = SIB_ERROR_INIT;
        opened o;
        w.domain = "com.microsoft";
        w.n_out = 3;
        w.in[5].values = &beyond[k];
        w.in[6].values = total;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("num_heads", 1);
        w.attributes[1] = claim_int("kv_num_heads", 1);
        w.attributes[2] = claim_int("do_rotary", k);
        open_case(&w, &o);
        CHECK_FAILS(sib_session_run(o.session, o.n, o.given, 0, NULL, out, NULL, &err), SIB_ERR_VALUE, err,
                    "out of range");
        close_case(&o);
    }
}
