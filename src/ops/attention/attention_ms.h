/* What the attention operators of com.microsoft share: P past keys before the L new ones, T = P + L. */
#ifndef OPS_ATTENTION_MS_H
#define OPS_ATTENTION_MS_H

#include "ops/attention/attention.h"

/* How an operator computes its scores. */
typedef struct ms_scores {
    double scale;  /* factor of Q K^T; 0: 1 / sqrt(D) */
    double filter; /* added where the mask has 0 */
    bool causal;
    mval past; /* int64 scalar: position of the first query; MVAL_NONE: 0 */
    /* int: [B, 1, M, M], [B, S, T], [B, T], or lengths [B], [2 * B] or [3 * B + 2]; or MVAL_NONE */
    mval mask;
    mval bias; /* [B or 1, N or 1, S, T] added to the scores, or MVAL_NONE */
} ms_scores;

/* From scale, mask_filter_value and unidirectional of a node. */
ms_scores ms_scores_of(const node *n);

/* softmax(scale Q K^T + masks) V: [B, N, S, Dv] in the dtype of q. Sets *qk to the scores before softmax. */
mval ms_attend(lowering *l, mval q, mval k, mval v, const ms_scores *s, mval *qk);

/* Elements [start, start + count) of the last axis of a bias; MVAL_NONE where bias is. */
mval ms_bias_part(lowering *l, mval bias, dim start, dim count);

#endif
