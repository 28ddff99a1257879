/* Quantized numbers: q = saturate(round(x / scale) + zero point). */
#ifndef OPS_QUANT_H
#define OPS_QUANT_H

#include "ops/lower/elem.h"

/* Dtypes of quantized values: integers of 8 and 16 bits, smaller ones, floats of 8 and 4 bits. */
#define QUANT_BYTES  (ELEM(SIB_U8) | ELEM(SIB_I8))
#define QUANT_INTS   (QUANT_BYTES | ELEM(SIB_U16) | ELEM(SIB_I16) | ELEM_SMALL)
#define QUANT_DTYPES (QUANT_INTS | ELEM_FLOATS8 | ELEM(SIB_F4E2M1))

/* (q - zero) * scale in float64. zero: in the dtype of q, or MVAL_NONE for 0. All broadcast together;
   parameters of one element count as scalars. */
mval quant_from(lowering *l, mval q, mval scale, mval zero);

/* saturate(round(x / scale) + zero) as dtype, ties to even; x and scale in float64. Floats of 8 bits round
   once, in the cast, without round(). zero: in the wanted dtype, or MVAL_NONE for 0. Parameters as in
   quant_from. */
mval quant_to(lowering *l, mval x, mval scale, mval zero, sib_dtype dtype);

/* dequantized(quantized(a)) ((b - b_zero) * b_scale) in float64, a quantized over its range as by ONNX
   DynamicQuantizeLinear. b: bytes [K, N]; its parameters: one element or one per column. */
mval quant_dynamic_product(lowering *l, mval a, mval b, mval b_scale, mval b_zero);

#endif
