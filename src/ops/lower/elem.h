/* What the elementwise operators share: sets of allowed dtypes, and computing in a wider dtype. */
#ifndef OPS_ELEM_H
#define OPS_ELEM_H

#include "ops/lower/lower.h"

/* A set of dtypes: bit d is sib_dtype d. */
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

static inline bool elem_in(elem_set set, sib_dtype dtype)
{
    return set >> dtype & 1;
}

/* Returns true where v is a tensor whose dtype is in `set`. Otherwise fails the lowering, or stops it where
   the dtype is not known yet. what: the input's name in the specification ("X"). */
bool elem_takes(lowering *l, mval v, const char *what, elem_set set);

/* v as float64 where it is an integer or a narrower float. Formulas of several steps are computed in it and
   rounded once at their end. */
mval elem_wide(lowering *l, mval v);

mval elem_number(lowering *l, double x);

/* Declares the dtype of output 0, before the lowering may stop because a rank is not known. */
void elem_declare(lowering *l, sib_dtype dtype);

/* Sets output 0 to `wide`, rounded to the dtype of x. */
void elem_out(lowering *l, mval wide, mval x);

/* A tensor of one element as a scalar (rank 0). Fails, naming `what`, where it has more. */
mval elem_scalar(lowering *l, mval v, const char *what);

/* The count in v, an integer tensor of one element, as a dim. Fails, naming `what`, where it is known to be
   negative; stops the lowering where the dim cannot be formed yet. */
dim elem_count(lowering *l, mval v, const char *what);

/* Returns false where the dims of a and b are known to differ. True after a failure. */
bool elem_same_dims(lowering *l, mval a, mval b);

/* b broadcast to a by the rules of opsets 1 to 6. With attribute broadcast 1 the dims of b match those of a
   from `axis` on (default: the last ones), or b has one element; without it both have the same dims. */
mval elem_legacy_broadcast(lowering *l, const node *n, mval a, mval b);

/* Fails, saying `what`, where a bool of one element is false: of conditions on the elements of inputs. */
void elem_demand(lowering *l, mval flag, const char *what);

/* 0, or "" for strings: a scalar of the dtype of x. */
mval elem_zero(lowering *l, mval x);

/* A tensor of one element, of any rank, as a scalar. */
mval elem_to_scalar(lowering *l, mval x);

/* Declares output 0 with the dtype of x and these dims, before the lowering may stop for content. */
void elem_declare_like(lowering *l, mval x, const dim *dims);

/* float64 averages as dtype: floats are rounded, integers rounded half to even and saturated. */
mval elem_round(lowering *l, mval wide, sib_dtype dtype);

/* x / 2 * (1 + erf(x / sqrt 2)), or with by_tanh x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))).
   Hendrycks & Gimpel 2016. */
mval elem_gelu(lowering *l, mval x, bool by_tanh);

#endif
