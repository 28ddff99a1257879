/* The kernel `attention` against its definition in double. */
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

typedef struct attended {
    gpu_attention_args args; /* 2 batches, 2 key heads; all of rank 4 */
    float q[2 * 8 * 21 * 40], k[2 * 2 * 100 * 40], v[2 * 2 * 100 * 70], past_k[2 * 2 * 30 * 40],
        past_v[2 * 2 * 30 * 70], bias[21 * 100], y[2 * 8 * 21 * 70];
    size_t valid; /* keys that count */
} attended;

/* The definition of y[b, h, i, c]. */
static double attends(const attended *t, size_t b, size_t h, size_t i, size_t c)
{
    const gpu_attention_args *a = &t->args;
    const size_t own = b * 2 + h / a->heads, all = a->past + a->keys,
                 offset = a->flags & ATTENTION_LAST ? all - a->queries : a->past;
    double largest = -INFINITY, sum = 0, y = 0, scores[130];
    for (size_t j = 0; j < all; j++) {
        const float *k = j < a->past ? t->past_k + (own * a->past + j) * a->d
                                     : t->k + (own * a->keys + j - a->past) * a->d;
        double score = 0;
        for (size_t p = 0; p < a->d; p++)
            score += (double)t->q[((b * 2 * a->heads + h) * a->queries + i) * a->d + p] * (double)k[p];
        score *= (double)a->scale;
        if (a->softcap != 0)
            score = (double)a->softcap * tanh(score / (double)a->softcap);
        if (a->flags & ATTENTION_BIAS)
            score += j < a->width ? (double)t->bias[i * a->width + j] : -INFINITY;
        const int64_t apart = (int64_t)(i + offset) - (int64_t)j;
        if ((a->flags & ATTENTION_RIGHT && apart < 0) || (a->flags & ATTENTION_LEFT && apart > a->left) ||
            j >= t->valid)
            score += -INFINITY;
        scores[j] = score;
        largest = fmax(largest, score);
    }
    for (size_t j = 0; j < all; j++) {
        const float *v = j < a->past ? t->past_v + (own * a->past + j) * a->dv
                                     : t->v + (own * a->keys + j - a->past) * a->dv;
        const double p = exp(scores[j] - largest);
        sum += p;
        y += p * (double)v[c];
    }
    return a->flags & ATTENTION_EMPTY && largest == -INFINITY ? 0 : y / sum;
}

static void fill(float *x, size_t n, uint32_t *seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * rig_float(seed);
}

typedef struct attention_case {
    const char *what;
    uint32_t heads, queries, keys, past, d, dv, flags;
    float softcap;
    int32_t left;
    int64_t valid; /* 0: all keys count; negative: none */
    /* A key or a value of the first head that is no usual number. */
    float spoilt;
    bool value;
    size_t at;
} attention_case;

static void fill_case(attended *t, const attention_case *w)
{
    const uint32_t width = w->flags & ATTENTION_BIAS ? w->past + w->keys - 1 : 0;
    uint32_t seed = w->d;
    t->args = (gpu_attention_args){.type = SIB_F32,
                                   .heads = w->heads,
                                   .queries = w->queries,
                                   .keys = w->keys,
                                   .past = w->past,
                                   .d = w->d,
                                   .dv = w->dv,
                                   .flags = w->flags,
                                   .q_batch = 2 * w->heads * w->queries * w->d,
                                   .q_head = w->queries * w->d,
                                   .q_row = w->d,
                                   .k_batch = 2 * w->keys * w->d,
                                   .k_head = w->keys * w->d,
                                   .k_row = w->d,
                                   .v_batch = 2 * w->keys * w->dv,
                                   .v_head = w->keys * w->dv,
                                   .v_row = w->dv,
                                   .y_batch = 2 * w->heads * w->queries * w->dv,
                                   .y_head = w->queries * w->dv,
                                   .y_row = w->dv,
                                   .width = width,
                                   .bias_row = 1,
                                   .left = w->left,
                                   .kv_heads = 2,
                                   .scale = 0.3f,
                                   .softcap = w->softcap};
    t->valid = w->valid < 0 ? 0 : w->valid ? (size_t)w->valid : w->past + w->keys;
    fill(t->q, COUNT(t->q), &seed);
    fill(t->k, COUNT(t->k), &seed);
    fill(t->v, COUNT(t->v), &seed);
    fill(t->past_k, COUNT(t->past_k), &seed);
    fill(t->past_v, COUNT(t->past_v), &seed);
    fill(t->bias, COUNT(t->bias), &seed);
    if (w->spoilt != 0)
        (w->value ? t->v + w->at * w->dv : t->k + w->at * w->d)[1] = w->spoilt;
}

/* Runs a kernel into `y`, with `chunk` keys a group; 0: all. */
static void attend(const attended *t, gpu_kernel kernel, gpu_range *all, gpu_range y, uint32_t chunk)
{
    gpu_attention_args args = t->args;
    const uint32_t rows = args.heads * args.queries, across = 1 + (args.dv - 1) / ATTENTION_COLUMNS;
    const uint32_t tiles = kernel == GPU_attention_row ? 1 : (1 + (rows - 1) / ATTENTION_ROWS) * across;
    const uint32_t parts = chunk ? 1 + (args.past + args.keys - 1) / chunk : 1;
    const uint32_t slices = parts > 2 ? ATTENTION_MERGE_SLICES : 1,
                   rows_each = ATTENTION_MERGE_SLICES / slices;
    const gpu_attention_merge_args merge = {
        SIB_F32, 4 * rows,     args.heads,  args.queries,
        2,       args.dv,      parts,       args.flags & ATTENTION_EMPTY ? 1 : 0,
        slices,  args.y_batch, args.y_head, args.y_row};
    args.chunk = chunk;
    all[6] = parts > 1 ? rig_buffer(4 * (size_t)rows * parts * (ATTENTION_PART_V + args.dv), NULL) : y;
    rig_launch(kernel, 8, all, &args, parts * tiles, 2, 2);
    if (parts == 1)
        return;
    rig_launch(GPU_attention_merge, 2, (const gpu_range[]){all[6], y}, &merge,
               (1 + (4 * rows - 1) / rows_each) * (1 + (args.dv - 1) / ATTENTION_MERGE_WORDS), 1, 1);
    gpu_free(rig, &all[6].buffer);
}

static void check_result(const attended *t, const attention_case *w, uint32_t chunk)
{
    for (size_t e = 0; e < 4 * w->heads * w->queries * w->dv; e++) {
        const size_t c = e % w->dv, i = e / w->dv % w->queries, h = e / w->dv / w->queries % (2 * w->heads);
        const double got = (double)t->y[e],
                     expected = attends(t, e / w->dv / w->queries / (2 * w->heads), h, i, c);
        if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= 2e-5 * (1 + fabs(expected))))
            fail_msg("%s by %u keys: element %zu is %g, expected %g", w->what, chunk, e, got, expected);
    }
}

static void check_attention(const attention_case *w)
{
    static attended t;
    fill_case(&t, w);
    const int64_t lengths[] = {w->valid, w->valid};
    static const uint32_t chunks[] = {0, 32, 100}, row_chunks[] = {32, 64, 100, ATTENTION_ROW_KEYS};
    const bool few = w->heads * w->queries <= ATTENTION_ROW_ROWS && w->d % 4 == 0 && w->dv % 4 == 0;
    gpu_range y = rig_buffer(4 * (size_t)w->heads * w->queries * w->dv, NULL);
    gpu_range all[] = {rig_buffer(COUNT(t.q), t.q),
                       rig_buffer(COUNT(t.k), t.k),
                       rig_buffer(COUNT(t.v), t.v),
                       rig_buffer(COUNT(t.past_k), t.past_k),
                       rig_buffer(COUNT(t.past_v), t.past_v),
                       rig_buffer(COUNT(t.bias), t.bias),
                       {0},
                       rig_buffer(4, lengths)};
    for (size_t i = 0; i < COUNT(chunks); i++) {
        attend(&t, GPU_attention, all, y, chunks[i]);
        rig_read(y, t.y);
        check_result(&t, w, chunks[i]);
    }
    for (size_t i = 0; i < COUNT(row_chunks) && few; i++) {
        attend(&t, GPU_attention_row, all, y, row_chunks[i]);
        rig_read(y, t.y);
        check_result(&t, w, row_chunks[i]);
    }
    all[6] = y;
    rig_free(8, all);
}

TEST(test_attention)
{
    static const attention_case cases[] = {
        {"few", 1, 3, 5, 0, 4, 4, .softcap = 0},
        {"causal", 3, 21, 50, 30, 40, 70, ATTENTION_RIGHT, .softcap = 0},
        {"two tiles of rows", 4, 21, 50, 30, 40, 70, ATTENTION_RIGHT | ATTENTION_LEFT, .left = 9},
        {"one query", 2, 1, 1, 30, 33, 8, ATTENTION_RIGHT, .softcap = 5},
        {"wide", 1, 3, 27, 0, 140, 256, .softcap = 0},
        {"of odd rows", 1, 3, 27, 9, 35, 33, ATTENTION_RIGHT, .softcap = 0},
        {"16 rows", 4, 4, 60, 30, 40, 68, ATTENTION_RIGHT, .softcap = 0},
        {"biased", 1, 17, 33, 0, 32, 32, ATTENTION_BIAS | ATTENTION_PADDED, .softcap = 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_attention(&cases[i]);
}

#define WINDOW (ATTENTION_RIGHT | ATTENTION_LEFT)

/* Keys that no row reaches do not count, also where their scores are beyond float32; infinities and NaN of theirs still
   do. */
TEST(test_hidden_keys)
{
    static const attention_case cases[] = {
        {"causal", 1, 21, 100, 0, 8, 8, ATTENTION_RIGHT, 0, .spoilt = 3e38f, .at = 99},
        {"causal, heads in a tile", 3, 5, 100, 0, 8, 8, ATTENTION_RIGHT, 0, .spoilt = 3e38f, .at = 32},
        {"window", 1, 21, 70, 30, 8, 8, WINDOW, .left = 3, .spoilt = 3e38f, .at = 69},
        {"window at the end", 2, 2, 100, 0, 8, 8, WINDOW | ATTENTION_LAST, .left = 3, .spoilt = 3e38f,
         .at = 63},
        {"length", 1, 5, 100, 0, 8, 8, ATTENTION_LENGTHS, .valid = 33, .spoilt = 3e38f, .at = 70},
        {"causal, in a tile", 1, 5, 20, 0, 8, 8, ATTENTION_RIGHT, 0, .spoilt = 3e38f, .at = 10},
        {"beyond the bias", 2, 5, 20, 10, 8, 8, ATTENTION_BIAS | ATTENTION_PADDED, 0, .spoilt = 3e38f,
         .at = 19},
        {"a key that is NaN", 1, 12, 100, 0, 8, 8, ATTENTION_RIGHT, 0, .spoilt = NAN, .at = 99},
        {"an infinite value", 1, 21, 100, 0, 8, 40, ATTENTION_RIGHT, .spoilt = INFINITY, .value = true,
         .at = 64},
        {"no key is reached", 1, 12, 100, 0, 8, 8, ATTENTION_LENGTHS, .valid = -1},
        {"no key is reached, 0", 1, 12, 100, 0, 8, 8, ATTENTION_LENGTHS | ATTENTION_EMPTY, .valid = -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_attention(&cases[i]);
}
