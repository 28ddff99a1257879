/* What the files of ai.onnx.ml share. */
#ifndef OPS_ML_H
#define OPS_ML_H

#include "ops/lower/lower.h"

/* Input 0 as float64 [N, F]; [F] is taken as one row. */
mval ml_rows(lowering *l);

/* Applies a post_transform to scores, float64 [N, E]. */
mval ml_transform(lowering *l, mval scores, post_transform f);

/* The scores of two classes from the one score s, float64 [N, 1]: [sigma(-s), sigma(s)] for LOGISTIC,
   otherwise [1 - s, s] if s is a probability, else [-s, s]; PROBIT is then applied to these. */
mval ml_two_classes(lowering *l, mval score, bool probability, post_transform f);

/* The labels of a classifier, [*count]: the strings if there are any, else the integers. Fails, naming
   `what`, where both are missing. */
mval ml_labels(lowering *l, spec_strings strings, spec_ints ints, const char *what, size_t *count);

/* The label of each row, [N], of a classifier with one score: of two labels the second where flag [N] is
   true, else the first. With any other number of labels 1 and 0, or "1" and "0". */
mval ml_binary_label(lowering *l, mval labels, size_t count, mval flag);

mval ml_doubles(lowering *l, size_t n, const float *values);

#endif
