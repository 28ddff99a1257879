/* Values between the blocks of a decoder, found in its graph. */
#ifndef RUN_LENS_FIND_H
#define RUN_LENS_FIND_H

#include "graph/graph.h"

typedef struct between {
    value_id value;
    size_t block, part; /* as of sib_lens_value */
    bool whole;
} between;

/* The values that sib_lens_create says, in the order of the graph. *out: (*n), mem_free it; none: *n is 0. Errors:
   SIB_ERR_MEMORY. */
sib_code lens_find(const graph *g, value_id tokens, value_id logits, between **out, size_t *n,
                   sib_error *err);

#endif
