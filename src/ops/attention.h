/* What the attention operators of all domains are made of. B batches, Hq and Hkv heads of queries and of keys and
   values, S queries, T keys, D numbers a head, Dv of a value. */
#ifndef OPS_ATTENTION_H
#define OPS_ATTENTION_H

#include "ops/lower.h"

/* float32 for the half floats, in which they are computed and rounded once at the end; others as they are. */
sib_dtype attention_wide(sib_dtype dtype);

/* [B, S, H*D] as [B, H, S, D]. Fails where heads < 1. */
mval attention_split_heads(lowering *l, mval x, int64_t heads);
/* [B, H, S, D] as [B, S, H*D]. */
mval attention_merge_heads(lowering *l, mval x);

/* a [B, Hq, S, X] times b [B, Hkv, X, Y], a head of b shared by Hq / Hkv heads of a in line: [B, Hq, S, Y]. */
mval attention_matmul(lowering *l, mval a, mval b);

/* The sum of two biases, either of which may be MVAL_NONE. */
mval attention_add_bias(lowering *l, mval a, mval b);
/* hidden [...] bool as what is added to scores: -inf (or `value`) where hidden, else 0. */
mval attention_hide(lowering *l, mval hidden, sib_dtype dtype, double amount);
/* Distance from each of n_keys keys back to each of n_queries queries, whose first stands at `offset`:
   out[..., i, j] = i + offset - j, int64. offset: scalar or [B, 1, 1, 1]. Negative for keys that lie ahead. */
mval attention_distance(lowering *l, dim n_queries, dim n_keys, mval offset);

/* The scalar that scores are multiplied with: `scale`, or 1 / sqrt(width) where that is NaN; with root its square root,
   for either side of the product. */
mval attention_scale(lowering *l, double scale, sib_dtype dtype, dim width, bool root);

/* cap * tanh(x / cap); x itself for a cap of 0. */
mval attention_softcap(lowering *l, mval x, double cap);
/* e^(x - m) / (e^(sink - m) + sum over the last axis), m the largest of both. sink: broadcast to [..., 1] or
   MVAL_NONE, which is m_softmax. */
mval attention_softmax(lowering *l, mval x, mval sink);

/* Rotary position embedding of x [..., D] in its first `rotary` numbers: pairs (x1, x2) become
   (cos * x1 - sin * x2, sin * x1 + cos * x2). cos, sin: broadcast to [..., rotary / 2]. Pairs are neighbours where
   interleaved, else one of either half. In attention_wide, rounded to the dtype of x. */
mval attention_rotate(lowering *l, mval x, mval cosine, mval sine, dim rotary, bool interleaved);

#endif
