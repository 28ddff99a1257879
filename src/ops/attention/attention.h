/* Parts that the attention operators of all domains share. B batches, Hq query heads, Hkv key and value
   heads, S queries, T keys, D elements per query or key head, Dv per value head. */
#ifndef OPS_ATTENTION_H
#define OPS_ATTENTION_H

#include "ops/lower/lower.h"

/* The dtype that attention computes in, rounding once at the end: float32 for 16-bit floats, else dtype. */
sib_dtype attention_wide(sib_dtype dtype);

/* [B, S, H*D] as [B, H, S, D]. Fails where heads < 1. */
mval attention_split_heads(lowering *l, mval x, int64_t heads);
/* [B, H, S, D] as [B, S, H*D]. */
mval attention_merge_heads(lowering *l, mval x);

/* a [B, Hq, S, X] times b [B, Hkv, X, Y]: [B, Hq, S, Y]. Hq / Hkv consecutive heads of a share one of b. */
mval attention_matmul(lowering *l, mval a, mval b);

/* The sum of two biases, either of which may be MVAL_NONE. */
mval attention_add_bias(lowering *l, mval a, mval b);
/* What a bool mask `hidden` [...] adds to scores: `amount` where true, else 0. */
mval attention_hide(lowering *l, mval hidden, sib_dtype dtype, double amount);
/* out[..., i, j] = i + offset - j, int64: the distance from key j to query i, negative for later keys.
   `offset`, a scalar or [B, 1, 1, 1], is the position of the first query. */
mval attention_distance(lowering *l, dim n_queries, dim n_keys, mval offset);

/* The scalar factor of the scores: `scale`, or 1 / sqrt(width) where scale is NaN. With `root` its square
   root, to be applied to both operands of the product. */
mval attention_scale(lowering *l, double scale, sib_dtype dtype, dim width, bool root);

/* cap * tanh(x / cap); x where cap is 0. */
mval attention_softcap(lowering *l, mval x, double cap);
/* e^(x - m) / (e^(sink - m) + sum of e^(x - m) over the last axis), m the max of x and sink. sink: broadcasts
   to [..., 1]; MVAL_NONE for the plain m_softmax. */
mval attention_softmax(lowering *l, mval x, mval sink);

/* Rotary position embedding of the first `rotary` elements of x [..., D]: pairs (x1, x2) become (cos * x1 -
   sin * x2, sin * x1 + cos * x2). cosine, sine: broadcast to [..., rotary / 2]. A pair is two neighbours if
   `interleaved`, else elements i and i + rotary / 2. Computes in attention_wide, rounds to the dtype of x. */
mval attention_rotate(lowering *l, mval x, mval cosine, mval sine, dim rotary, bool interleaved);

#endif
