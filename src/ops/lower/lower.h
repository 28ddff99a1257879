/* What every family's file uses: access to the node being lowered, and the prototypes of all lowerings. */
#ifndef OPS_LOWER_H
#define OPS_LOWER_H

#include "base/error.h"
#include "ops/ops.h"

/* ---- The node being lowered ------------------------------------------------------------------ */

/* True where input i is present. */
bool l_has(const lowering *l, size_t i);
/* Input i. Fails where it is missing. */
mval l_in(lowering *l, size_t i);
/* Input i, or MVAL_NONE where it is omitted. */
mval l_in_or_none(lowering *l, size_t i);
/* True where the file names output i. */
bool l_wants(const lowering *l, size_t i);
/* Sets output i. */
void l_out(lowering *l, size_t i, mval v);
/* Declares the type of output i, before the lowering may stop for dims or content. dims: (rank), or NULL
   where the rank is not known; DIM_NONE for a dim that is not known. */
void l_declare(lowering *l, size_t i, sib_dtype dtype, int rank, const dim *dims);
/* The same for types other than tensors. */
void l_declare_type(lowering *l, size_t i, value_type type);
/* Lowers the nodes of a subgraph in place. in: (n_in) its inputs; out: (n_out) receives its outputs. */
void l_inline(lowering *l, graph *subgraph, size_t n_in, const mval *in, size_t n_out, mval *out);

/* ---- Every lowering ------------------------------------------------------------------------------------ */

#define SIB_OP(domain, name, family, since, in_min, in_max, out_min, out_max, attributes)                    \
    void lower_##domain##_##name(lowering *l, const node *n);
#define SIB_CONTROL(domain, name, family, since, in_min, in_max, out_min, out_max, control, attributes)      \
    void lower_##domain##_##name(lowering *l, const node *n);
#include "ops/ops.def"
#undef SIB_OP
#undef SIB_CONTROL

#endif
