/* Values of two runs side by side, as rows of JSON: of complete runs by tolerance, or node by node. */
#ifndef SIB_SERVER_COMPARE_VALUES_H
#define SIB_SERVER_COMPARE_VALUES_H

#include "server/runs/run.h"

/* Of a run that has ended, or of files. */
typedef struct value_list {
    size_t n;
    const run_value *items; /* (n) */
} value_list;

/* The number of each value by its name, of several the first, which has its node. NULL for want of memory. */
json_t *numbers_by_name(value_list list);
/* The value of that name; NULL: there is none. */
const run_value *value_named(value_list list, const json_t *numbers, const char *name);
/* A tensor of float64, as runs with "oracle" keep them, in the narrower float `dtype`; NULL: as it is. */
sib_value *rounded_value(const sib_value *value, sib_dtype dtype);
/* Members of a row, of which `like` has the dims. */
json_t *figures_json(const sib_comparison *c, const sib_tensor *like);

/* Rows of the values that the main graph of r's model makes and b, the reference, has: each node on b's values, by r's
   backends, and judged by what rounding explains, `factor` times. Inputs of the model that b lacks are those that r kept.
   Errors: SIB_ERR_ARGUMENT (nobody kept an input, no value is there), those of sib_diff_create. */
sib_code rows_by_node(const run *r, value_list b, double factor, const sib_cancel *cancel, json_t **rows,
                      sib_error *err);

#endif
