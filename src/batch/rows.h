/* The form of a decoder in which tokens of several sequences stand in one row, one sequence after the other: all that
   treats each token alone, the products with weights above all, runs once over the row, and attention runs for each
   sequence over its own cache. */
#ifndef BATCH_ROWS_H
#define BATCH_ROWS_H

#include <sibyl/extend.h>
#include <sibyl/model.h>

/* The operator that takes the place of Attention, of one input each for queries, keys and values [1, R, heads * size],
   and its attribute: the number of a layer. */
#define ROWS_DOMAIN   "sibyl.batch"
#define ROWS_OPERATOR "Attend"
#define ROWS_LAYER    "layer"
/* The input of the positions of the tokens [R], int64. */
#define ROWS_POSITIONS "sibyl.positions"

/* A decoder as the file has it. tokens [B, N] and at [M] integers; logits [B, M, n_vocab]. */
typedef struct rows_source {
    const sib_model *model;
    const char *tokens, *at, *logits;
    size_t n; /* values of the cache: inputs [B, heads, P, size], each with the output that continues it */
    const char *const *past, *const *present;
} rows_source;

/* Attention of one layer. */
typedef struct rows_layer {
    size_t heads, kv_heads, d,
        dv; /* heads of queries, and of keys and values; elements of a key and a value */
    float scale, softcap;
    int64_t window; /* keys that a query sees, itself among them; 0: all */
} rows_layer;

/* Makes that form. registry: has the operator. layers: (source->n / 2) filled. *out shares the weights of source->model.
   Errors: SIB_ERR_UNSUPPORTED (what the graph does that this form cannot, with the node), SIB_ERR_MEMORY. */
sib_code rows_make(const rows_source *source, sib_registry *registry, rows_layer *layers, sib_model **out,
                   sib_error *err);

#endif
