/* softmax(scale Q K^T) V without storing all scores.

   Queries are in the lanes of vectors: a panel of nr queries is multiplied with blocks of keys. The scores of
   a block are a matrix [keys, nr], so softmax needs no sums over lanes, and the block is directly the
   right-hand side of the second product. Kept per query: the largest score so far, the sum of the
   exponentials, and their sum weighted by V. */
#ifndef KERNEL_ATTENTION_H
#define KERNEL_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sibyl/base.h>

/* Max queries in a panel, and max keys in a block. */
#define ATTENTION_MAX_NR 64
#define ATTENTION_KEYS   128

/* Biases and limits of the queries, by lane, for the keys of a block. */
typedef struct attention_mask {
    const float *bias[ATTENTION_MAX_NR]; /* by lane: (n keys) added to the scores; NULL in [0]: none */
    size_t bias_step;                    /* floats from one key's bias to the next key's: 0 or 1 */
    bool bias_shared;                    /* bias[0] applies to all lanes */
    bool limited;                        /* keys not in first .. last of a lane are hidden */
    float first[ATTENTION_MAX_NR], last[ATTENTION_MAX_NR]; /* counted from the first key of the block */
    float hidden;  /* replaces the score of a hidden key, or, where it is -inf, is added to that score */
    bool replaced; /* -inf too: scores of hidden keys may be NaN */
    float softcap; /* scores become cap tanh(score / cap) before bias and limits; 0: no cap */
} attention_mask;

/* One query and n <= ATTENTION_KEYS keys. */
typedef struct attention_row {
    const float *q;     /* (d), scaled */
    const float *k, *v; /* (n, d) and (n, dv), rows k_row and v_row apart */
    size_t k_row, v_row, n, d, dv;
    const attention_mask *mask; /* of lane 0; NULL: none */
    float *largest, *sum;       /* of the keys so far */
    float *y;                   /* (dv): the sum of exponentials times v of the keys so far */
} attention_row;

/* At most `lanes` queries and all their keys, unpacked. */
typedef struct attention_small {
    const float *const *q; /* n rows (d) */
    float *const *y;       /* n rows (dv) */
    size_t n;              /* >= 1 */
    const float *k, *v;    /* (keys, d) and (keys, dv), rows k_row and v_row apart */
    size_t k_row, v_row, keys, d, dv;
    float scale;
    const attention_mask *mask; /* of `lanes` lanes, those from n on valid copies; NULL: none */
    float *work;                /* (keys + d + dv, lanes) */
} attention_small;

/* `vectors` counts the vectors of a panel that hold queries; the others are not touched. Rows of panels are
   nr apart. */
typedef struct attention_kernels {
    size_t mr, nr, lanes; /* rows of a strip, queries of a panel, queries of a vector */

    /* Whether all of the (n, d) floats are finite. Rows `stride` apart. */
    bool (*finite)(const float *x, size_t stride, size_t n, size_t d);
    /* Keys (n, d), rows `stride` apart, in strips of mr: dst[(j / mr * d + p) * mr + j % mr] = k[j *
       stride + p]; 0 for keys from n on in the last strip. */
    void (*pack_keys)(const float *k, size_t stride, size_t n, size_t d, float *dst);
    /* Values (n, d), rows `stride` apart, in strips of mr columns: dst[(c / mr * n + j) * mr + c % mr] =
       v[j * stride + c]; 0 for columns from d on in the last strip. */
    void (*pack_values)(const float *v, size_t stride, size_t n, size_t d, float *dst);
    /* Queries: dst[p * nr + i] = scale * rows[i][p] for i < n; 0 for the other lanes of their vectors.
       rows: (n, d). */
    void (*pack_queries)(const float *const *rows, size_t n, size_t d, float scale, float *dst);

    /* s[j * nr + i] = sum over p < d of key j times query i, for n keys and the rest of the last strip;
       largest[i] is raised to the largest of the n. k: from pack_keys; q: (d, nr); s: (n rounded up to
       strips, nr). */
    void (*scores)(const float *k, const float *q, size_t d, size_t n, size_t vectors, float *s,
                   float *largest);
    /* Applies softcap, bias and limits to these scores and raises largest[i]. s: (n, nr). */
    void (*mask)(float *s, size_t n, size_t vectors, const attention_mask *m, float *largest);
    /* s[j * nr + i] = e^(s - largest[i]); factor[i] = e^(before[i] - largest[i]); sum[i] = sum[i] factor[i] +
       the sum of the n. before, largest: at least the lowest finite float. */
    void (*exponentials)(float *s, size_t n, size_t vectors, const float *before, const float *largest,
                         float *sum, float *factor);
    /* y[c * nr + i] = y factor[i] + sum over j < n of v[c, j] s[j * nr + i], c < d rounded up to strips;
       without the first term where factor is NULL. v: from pack_values; y: (d rounded up to strips, nr). */
    void (*weigh)(const float *v, const float *s, size_t n, size_t d, size_t vectors, const float *factor,
                  float *y);
    /* rows[i][c] = y[c * nr + i] / sum[i] for i < n, c < d. */
    void (*give)(const float *y, const float *sum, size_t n, size_t d, float *const *rows);

    /* One query and a block of unpacked keys: for so few queries that packing is not worth it. */
    void (*row)(const attention_row *r);
    /* The entire computation for a few queries and keys, where packing and blocks cost more than the
       products. sums (lanes) receives the sums of exponentials. */
    void (*small)(const attention_small *a, float *sums);
} attention_kernels;

/* ---- The driver -------------------------------------------------------------------------------------- */

/* Rows of floats by batch, head and position: element (b, h, i, p) is at b * batch + h * head + i * row +
   p. */
typedef struct attention_rows {
    const float *at;
    size_t batch, head, row;
} attention_rows;

/* y[b, h, i] = sum over j of p[b, h, i, j] v[b, h', j] with h' = h / (Hq / Hkv) and p the softmax over j of
   cap(scale q[b, h, i] k[b, h', j]) + bias[b, h, i, j], where keys out of the query's reach are hidden. Query
   i is at position i + offset[b] and reaches keys from `left` before to `right` after it. */
typedef struct attention_call {
    size_t batch, heads, kv_heads, queries; /* B, Hq, Hkv > 0 and a divisor of Hq, S */
    size_t keys, d, dv;                     /* T, D, Dv; all >= 1 */
    attention_rows q, k, v;                 /* [B, Hq, S, D], [B, Hkv, T, D], [B, Hkv, T, Dv] */
    float *y;                               /* [B, Hq, S, Dv] */
    size_t y_batch, y_head, y_row;
    float scale, softcap; /* softcap 0: none */

    attention_rows bias;    /* at: [B, Hq, S, T] or NULL for none; steps of 0 where it is broadcast */
    size_t bias_step;       /* floats to the next key's bias: 0 or 1 */
    const int64_t *offset;  /* [B], or NULL: 0 */
    const int64_t *lengths; /* [B] valid keys, the others are hidden; NULL: all */
    int64_t left, right;    /* ATTENTION_FAR: no limit */
    float hidden;           /* added to the scores of hidden keys: -inf or the lowest float */
    bool replaced;          /* their scores are `hidden`, also where they are NaN */
    bool empty_is_zero;     /* a row whose bias is -inf throughout has weights of 0, not NaN */
    bool small;             /* attention_is_small */
} attention_call;

#define ATTENTION_FAR (INT64_MAX / 4)

struct sib_cancel;

/* Returns whether a call of these dims is best done by attention_kernels.small; `keys` may be smaller when it
   is run. */
bool attention_is_small(const attention_call *c);
/* Floats of scratch that each thread needs; 0 where that exceeds memory. */
size_t attention_scratch(const attention_call *c);
/* scratch: (threads of the pool, attention_scratch); none where the call is small. If cancelled, the rest of
   y is not written. */
void attention_run(const attention_call *c, sib_pool *pool, float *scratch, const struct sib_cancel *cancel);

#endif
