/* The operations used by mel_*.inc.h, for double: those of the level's vectors, where it has some, or of
   arrays of a few numbers in plain C. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL           double
#define REAL_IS_FLOAT  0
#define MEL_NAME(name) name##_f64

#ifdef VD_LANES
#define vec              vd
#define LANES            VD_LANES
#define v_load           vd_load
#define v_store          vd_store
#define v_set1           vd_set1
#define v_add            vd_add
#define v_sub            vd_sub
#define v_mul            vd_mul
#define v_fma            vd_fma
#define v_fms            vd_fms
#define v_fnma           vd_fnma
#define v_max            vd_max
#define v_min            vd_min
#define v_sqrt           vd_sqrt
#define v_exponent       vd_exponent
#define v_transpose_rows vd_transpose_rows
#define v_store_f32      vd_store_f32
#else
#define BITS           uint64_t
#define SIGNED_BITS    int64_t
#define LANES          2
#define MANTISSA_BITS  52
#define SQRT_HALF_BITS UINT64_C(0x3fe6a09e667f3bcd)
#include "simd/lanes_c.inc.h"
#endif
