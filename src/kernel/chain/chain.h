/* Chains: elementwise functions applied one after another to the elements of a result, in blocks that stay in
   the L1 cache. A chain is built once, and runs over any stretch of the result, in several threads at once.

   Values of a chain are numbered from 0 in the order they are added: operands, which are read from memory and
   broadcast, and results of functions. A function computes as milli.def defines, in the dtype of its
   operands; 16-bit floats are computed in float32 and rounded after each function. Functions that are joined
   to one (GELU) are rounded less often. Supports all dtypes of at least a byte but strings and complex
   numbers; 8-bit floats are only cast. */
#ifndef KERNEL_CHAIN_H
#define KERNEL_CHAIN_H

#include "kernel/chain/chain_entries.h"

#include <sibyl/tensor.h>
#include <stdbool.h>

typedef struct chain chain;

#define CHAIN_NONE       SIZE_MAX
#define CHAIN_VALUES_MAX 256 /* of a chain */

/* The type in which values of a dtype are computed; CHAIN_TYPE_COUNT where the dtype is not supported. */
chain_type chain_type_of(sib_dtype dtype);
/* Whether op works on values of this dtype. */
bool chain_takes(chain_op op, sib_dtype dtype);
bool chain_takes_cast(sib_dtype from, sib_dtype to);
/* Whether a value can be reinterpreted as another dtype of the same width. */
bool chain_takes_bitcast(sib_dtype from, sib_dtype to);
bool chain_takes_where(sib_dtype dtype);

/* ---- Building ------------------------------------------------------------------------------------------ */

/* A chain whose results have these dims. NULL where memory runs out. Owned by the caller: chain_free. */
chain *chain_create(size_t rank, const int64_t *dims);
void chain_free(chain *c); /* NULL is allowed */

/* Each adds a value and returns its number, CHAIN_NONE where memory runs out, or an operand is CHAIN_NONE.

   An operand: dense memory of dims that broadcast to the chain's, given to each run. elements: its constant
   contents, or NULL where they vary; not read after chain_finish. */
size_t chain_operand(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements);
/* An operand whose elements are converted to another dtype now; it is not given to runs. */
size_t chain_converted(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements,
                       sib_dtype to);
/* Requires chain_takes for op and the operands' dtype; b is ignored where op has one operand. */
size_t chain_apply(chain *c, chain_op op, size_t a, size_t b);
size_t chain_cast(chain *c, size_t a, sib_dtype to, bool saturate);
size_t chain_bitcast(chain *c, size_t a, sib_dtype to);
size_t chain_where(chain *c, size_t condition, size_t a, size_t b);

/* Makes a value a result: results are numbered from 0 in this order. Returns false where memory runs out. */
bool chain_result(chain *c, size_t value);
/* Declares that result 0 has the memory of operand `value`, whose elements have the same size. */
void chain_in_place(chain *c, size_t value);
/* Returns whether the chain's only result is the in-place operand clamped between two numbers, y = min(high,
   max(low, x)), NaN staying NaN. To be called before chain_finish. */
bool chain_clamp(const chain *c, float *low, float *high);
/* Ends building. Returns false where memory runs out or there are more than CHAIN_VALUES_MAX values. */
bool chain_finish(chain *c);

/* ---- Running ------------------------------------------------------------------------------------------- */

/* Bytes of scratch for a run of `count` elements. */
size_t chain_scratch(const chain *c, size_t count);
/* Estimated nanoseconds per element. */
double chain_cost(const chain *c);
/* Elements [first, first + count) of the results, in row-major order. operands: memory of each chain_operand
   in the order they were added; results: the entire memory of each result. scratch: chain_scratch bytes,
   aligned to MEM_ALIGN. Returns SIZE_MAX, or the first element found whose integer divisor is 0. */
size_t chain_run(const chain *c, const void *const *operands, void *const *results, size_t first,
                 size_t count, void *scratch);

#endif
