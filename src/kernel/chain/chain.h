/* Chains: elementwise functions one after the other over the elements of a result, in blocks that stay in
   the first cache. A chain is built once, and runs over any stretch of the result, in several threads at
   once.

   Values of a chain have numbers, from 0 on in the order they are added: operands, which are read from
   memory and broadcast, and what functions make of values. A function computes as milli.def says, in the
   dtype of its operands: 16-bit floats in float32, rounded at each result; and what is joined to one
   function (GELU) is rounded less often. All dtypes of at least a byte but strings and complex numbers;
   8-bit floats are only cast. */
#ifndef KERNEL_CHAIN_H
#define KERNEL_CHAIN_H

#include "kernel/chain/chain_entries.h"

#include <sibyl/tensor.h>
#include <stdbool.h>

typedef struct chain chain;

#define CHAIN_NONE       SIZE_MAX
#define CHAIN_VALUES_MAX 256 /* of a chain */

/* The type that values of a dtype are computed in; CHAIN_TYPE_COUNT where they are not. */
chain_type chain_type_of(sib_dtype dtype);
/* True where op works on values of this dtype. */
bool chain_takes(chain_op op, sib_dtype dtype);
bool chain_takes_cast(sib_dtype from, sib_dtype to);
/* A function that reads bits as another dtype of the same width. */
bool chain_takes_bitcast(sib_dtype from, sib_dtype to);
bool chain_takes_where(sib_dtype dtype);

/* ---- Building ------------------------------------------------------------------------------------------ */

/* A chain whose results have these dims. NULL where there is no memory. Owned by the caller: chain_free. */
chain *chain_create(size_t rank, const int64_t *dims);
void chain_free(chain *c); /* NULL is nothing */

/* Each adds a value and gives its number, CHAIN_NONE where there is no memory, or an operand is
   CHAIN_NONE.

   An operand: dense memory of dims that broadcast to the chain's, which comes with each run. elements:
   what it always holds, or NULL where that is not known; not read after chain_finish. */
size_t chain_operand(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements);
/* An operand whose elements are converted to another dtype now; it does not come with runs. */
size_t chain_converted(chain *c, sib_dtype dtype, size_t rank, const int64_t *dims, const void *elements,
                       sib_dtype to);
/* op of values that chain_takes; b is not looked at where it has one operand. */
size_t chain_apply(chain *c, chain_op op, size_t a, size_t b);
size_t chain_cast(chain *c, size_t a, sib_dtype to, bool saturate);
size_t chain_bitcast(chain *c, size_t a, sib_dtype to);
size_t chain_where(chain *c, size_t condition, size_t a, size_t b);

/* Makes a value a result: results are numbered from 0 in this order. False where there is no memory. */
bool chain_result(chain *c, size_t value);
/* Says that the memory of result 0 is that of operand `value`, whose elements have its size. */
void chain_in_place(chain *c, size_t value);
/* True where the chain has one result, which is the value that it works on in place kept between two
   numbers, as y = min(high, max(low, x)), NaN staying NaN. Asked before chain_finish. */
bool chain_clamp(const chain *c, float *low, float *high);
/* Ends building. False where there is no memory, or there are more than CHAIN_VALUES_MAX values. */
bool chain_finish(chain *c);

/* ---- Running ------------------------------------------------------------------------------------------- */

/* Bytes of scratch that a run of `count` elements takes. */
size_t chain_scratch(const chain *c, size_t count);
/* A guess at nanoseconds for one element. */
double chain_cost(const chain *c);
/* Elements [begin, begin + count) of the results, in row-major order. operands: memory of each
   chain_operand in the order they were added; results: memory of each result, all of it. scratch:
   chain_scratch bytes, aligned to MEM_ALIGN. Gives SIZE_MAX, or the first element met whose integer
   divisor is 0. */
size_t chain_run(const chain *c, const void *const *operands, void *const *results, size_t begin,
                 size_t count, void *scratch);

#endif
