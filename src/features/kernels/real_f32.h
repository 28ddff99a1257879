/* The operations used by mel_*.inc.h, for float: those of the level's vectors, where it has some, or of
   arrays of a few numbers in plain C. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL           float
#define REAL_IS_FLOAT  1
#define MEL_NAME(name) name##_f32

#ifdef VF_LANES
#define vec              vf
#define LANES            VF_LANES
#define v_load           vf_load
#define v_store          vf_store
#define v_set1           vf_set1
#define v_add            vf_add
#define v_sub            vf_sub
#define v_mul            vf_mul
#define v_fma            vf_fma
#define v_fms            vf_fms
#define v_fnma           vf_fnma
#define v_max            vf_max
#define v_min            vf_min
#define v_sqrt           vf_sqrt
#define v_exponent       vf_exponent
#define v_transpose_rows vf_transpose_rows
#define v_store_f32      vf_store
#else
#define BITS           uint32_t
#define SIGNED_BITS    int32_t
#define LANES          4
#define MANTISSA_BITS  23
#define SQRT_HALF_BITS UINT32_C(0x3f3504f3)
#include "simd/lanes_c.inc.h"
#endif
