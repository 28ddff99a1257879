/* What the files of the ai.onnx.ml domain share. */
#ifndef OPS_ML_H
#define OPS_ML_H

#include "ops/lower.h"

/* Input 0 as [N, F] of float64: [F] is one row. */
mval ml_rows(lowering *l);

/* Scores [N, E] of float64 under a post_transform. */
mval ml_transform(lowering *l, mval scores, post_transform f);

/* One score s [N, 1] of float64 as scores of two classes: [sigma(-s), sigma(s)] for LOGISTIC, else [1 - s, s] or, where
   the score is not a probability, [-s, s]; PROBIT is applied to these. */
mval ml_two_classes(lowering *l, mval score, bool probability, post_transform f);

/* The labels of a classifier, [count]: strings where there are any, else integers. Fails where both are missing; what: what
   the attributes are called. */
mval ml_labels(lowering *l, spec_strings strings, spec_ints ints, const char *what, size_t *count);

/* Labels [n] of one score: where flag [N] holds the second of two, else the first; of other numbers of labels 1 and 0,
   or "1" and "0". */
mval ml_binary_label(lowering *l, mval labels, size_t count, mval flag);

/* A list of floats as float64 [n]. */
mval ml_doubles(lowering *l, size_t n, const float *values);

#endif
