/* Questions about the graph of a decoder with a cache, and its positions as an input. */
#ifndef BATCH_DECODER_H
#define BATCH_DECODER_H

#include "graph/patch.h"

/* The inputs of Attention. */
enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_K, IN_PAST_V, IN_NONPAD };

typedef struct decoder {
    graph *g;
    size_t n;                /* values of the cache */
    const char *const *past; /* (n) their inputs, [B, heads, P, size] */
    dim before, total;       /* P and P + N, as the graph names them */
} decoder;

/* ---- Nodes and values ---- */

bool decoder_node_is(const node *n, const char *type); /* of ai.onnx; n may be NULL */
value_id decoder_input(const node *n, uint32_t i);     /* NO_VALUE where it is omitted */
const node *decoder_maker(const graph *g, value_id v); /* NULL: none */
/* The value of this name, or NO_VALUE. */
value_id decoder_value_named(const graph *g, const char *name);
bool decoder_is_named(const graph *g, value_id v, const char *name);

/* ---- What they mean ---- */

/* The number of a value of the cache by its input, or SIZE_MAX. */
size_t decoder_cache_of(const decoder *d, value_id v);
/* Whether v is true for keys less than *window before their query: Less(queries - keys, window). */
bool decoder_is_window(const decoder *d, value_id v, int64_t *window);

/* ---- Another form of it ---- */

/* Edits p so that `positions`, int64 [N], take the place of the numbers P to P + N, calls `put` for each Attention with a cache,
   which edits p too, and applies p. Errors: those of `put`; states that are no caches of Attention. */
sib_code decoder_rewrite(const decoder *d, patch *p, value_id positions,
                         sib_code (*put)(void *context, node_id at, sib_error *err), void *context,
                         sib_error *err);

#endif
