/* The attention operators of com.microsoft: P past keys before the L new ones, T = P + L. */
#ifndef OPS_ATTENTION_MS_H
#define OPS_ATTENTION_MS_H

#include "ops/attention.h"

/* What the scores of an operator are made with. */
typedef struct ms_scores {
    double scale;  /* of Q K^T; 0: 1 / sqrt(D) */
    double filter; /* added where the mask has 0 */
    bool causal;
    mval past; /* int64 scalar: where the first query stands; MVAL_NONE: at 0 */
    mval
        mask; /* int: [B, 1, M, M], [B, S, T], [B, T], or lengths [B], [2 * B] or [3 * B + 2]; MVAL_NONE: none */
    mval bias; /* [B or 1, N or 1, S, T] added to the scores, or MVAL_NONE */
} ms_scores;

/* scale, mask_filter_value and unidirectional of a node. */
ms_scores ms_scores_of(const node *n);

/* softmax(scale Q K^T + masks) V: [B, N, S, Dv] in the dtype of q. qk receives the scores before softmax. */
mval ms_attend(lowering *l, mval q, mval k, mval v, const ms_scores *s, mval *qk);

/* A part of a bias [..., total], or MVAL_NONE where there is none. */
mval ms_bias_part(lowering *l, mval bias, dim start, dim count);

#endif
