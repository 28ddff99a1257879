/* Values between the blocks of a decoder, found in its graph. */
#ifndef RUN_LENS_FIND_H
#define RUN_LENS_FIND_H

#include "graph/graph.h"

typedef struct between {
    value_id value;
    size_t block, part; /* as of sib_lens_value */
    bool whole;
} between;

/* What is between the blocks, in the order of the graph. */
typedef struct lens_values {
    size_t n;
    between *found; /* (n) mem_free it */
    /* The node that makes the last sum and normalizes it as well; NO_NODE where the last value alone leads to the
       logits, or where every sum is a value only once it is normalized. */
    node_id fused;
    bool last_is_normalized; /* the fused node's sum is no value: the last is what it makes of it */
} lens_values;

/* The values that sib_lens_create says; none: out->n is 0. Errors: SIB_ERR_MEMORY. */
sib_code lens_find(const graph *g, value_id tokens, value_id logits, lens_values *out, sib_error *err);

#endif
