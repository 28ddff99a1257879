/* What the families of elementwise operators share: which dtypes an operator takes, and computing wider than those. */
#ifndef OPS_ELEM_H
#define OPS_ELEM_H

#include "ops/lower.h"

/* A set of dtypes: bit d stands for sib_dtype d. */
typedef uint32_t elem_set;
#define ELEM(dtype)  (UINT32_C(1) << (dtype))
#define ELEM_FLOATS  (ELEM(SIB_F16) | ELEM(SIB_BF16) | ELEM(SIB_F32) | ELEM(SIB_F64))
#define ELEM_FLOATS8 (ELEM(SIB_F8E4M3FN) | ELEM(SIB_F8E4M3FNUZ) | ELEM(SIB_F8E5M2) | ELEM(SIB_F8E5M2FNUZ))
#define ELEM_UINTS   (ELEM(SIB_U8) | ELEM(SIB_U16) | ELEM(SIB_U32) | ELEM(SIB_U64))
#define ELEM_SINTS   (ELEM(SIB_I8) | ELEM(SIB_I16) | ELEM(SIB_I32) | ELEM(SIB_I64))
#define ELEM_INTS    (ELEM_UINTS | ELEM_SINTS)
#define ELEM_NUMBERS (ELEM_FLOATS | ELEM_INTS)
#define ELEM_COMPLEX (ELEM(SIB_C64) | ELEM(SIB_C128))
#define ELEM_SMALL   (ELEM(SIB_U4) | ELEM(SIB_I4) | ELEM(SIB_U2) | ELEM(SIB_I2))
#define ELEM_ALL     UINT32_MAX

/* True where dtype is one of set. */
static inline bool elem_in(elem_set set, sib_dtype dtype)
{
    return set >> dtype & 1;
}

/* False, and the lowering fails, where v is no tensor or its dtype not one of set; it stops where that is not
   known. what: "X", the input's name in the specification. */
bool elem_takes(lowering *l, mval v, const char *what, elem_set set);

/* v as float64 where it is a narrower float or an integer: what formulas of several steps are computed in, to be
   rounded once at their end. */
mval elem_wide(lowering *l, mval v);

/* A float64 scalar. */
mval elem_number(lowering *l, double x);

/* Says that output 0 has this dtype, before the lowering may stop for want of a rank. */
void elem_declare(lowering *l, sib_dtype dtype);

/* Output 0 is wide, rounded to the dtype of x. */
void elem_out(lowering *l, mval wide, mval x);

/* A value of one element as a scalar: rank 0. Fails where it has more, naming it. */
mval elem_scalar(lowering *l, mval v, const char *what);

/* The integer that v, of one element, holds as a dim: a count of something. Fails where it is known to be
   negative, naming it; stops where it is not known. */
dim elem_count(lowering *l, mval v, const char *what);

/* False where the dims of a and b are known to differ. True after a failure. */
bool elem_same_dims(lowering *l, mval a, mval b);

/* b as it stands beside a in opsets 1 to 6, where b does not broadcast by itself: with attribute broadcast 1 its dims
   are those of a from `axis` on, or the last ones, or it is of one element; without it they are the dims of a. */
mval elem_legacy_broadcast(lowering *l, const node *n, mval a, mval b);

#endif
