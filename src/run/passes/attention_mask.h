/* What can be known of the masks that exporters add to the scores of attention. */
#ifndef RUN_PASSES_ATTENTION_MASK_H
#define RUN_PASSES_ATTENTION_MASK_H

#include "run/passes/match.h"

/* True where every row (along the last axis) of a mask of truth values, made of a constant by slices, sees its first key:
   then none is hidden as a whole. */
bool mask_sees_first(const matcher *m, value_id v);
/* True where no row of the mask v, which is added to scores, can be -inf throughout: the softmax of such a row is NaN,
   while Attention gives it weights of 0. Integers that masks are made of count as 0 and 1. */
bool mask_leaves_keys(const matcher *m, value_id v);

#endif
