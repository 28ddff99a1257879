/* What can be proved of the masks that exporters add to attention scores. */
#ifndef RUN_PASSES_ATTENTION_MASK_H
#define RUN_PASSES_ATTENTION_MASK_H

#include "run/passes/match.h"

/* Whether every row (along the last axis) of a bool mask, made of a constant by slices, lets its first key
   be seen: then no row is hidden entirely. */
bool mask_sees_first(const matcher *m, value_id v);
/* Whether no row of v, a mask added to scores, can be all -inf: the softmax of such a row is NaN, while
   Attention gives it weights of 0. Integers that masks are made of count as 0 and 1. */
bool mask_leaves_keys(const matcher *m, value_id v);

#endif
