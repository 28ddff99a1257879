/* Quantized numbers: q = saturate(round(x / scale) + zero point). */
#ifndef OPS_QUANT_H
#define OPS_QUANT_H

#include "ops/elem.h"

/* Dtypes that quantized values have: 8 and 16 bit integers, smaller ones, and floats of 8 and 4 bits. */
#define QUANT_BYTES  (ELEM(SIB_U8) | ELEM(SIB_I8))
#define QUANT_INTS   (QUANT_BYTES | ELEM(SIB_U16) | ELEM(SIB_I16) | ELEM_SMALL)
#define QUANT_DTYPES (QUANT_INTS | ELEM_FLOATS8 | ELEM(SIB_F4E2M1))

/* (q - zero) * scale in float64. zero: in the dtype of q, or MVAL_NONE for 0. All are broadcast together; parameters
   of one element become scalars first. */
mval quant_from(lowering *l, mval q, mval scale, mval zero);

/* saturate(round(x / scale) + zero), ties to even, as dtype: x and scale in float64. Floats of 8 bits are rounded
   once, without round(). zero: in the dtype wanted, or MVAL_NONE for 0. Parameters as in quant_from. */
mval quant_to(lowering *l, mval x, mval scale, mval zero, sib_dtype dtype);

#endif
