/* Four floats in plain C. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL           float
#define REAL_IS_FLOAT  1
#define BITS           uint32_t
#define SIGNED_BITS    int32_t
#define LANES          4
#define MANTISSA_BITS  23
#define SQRT_HALF_BITS UINT32_C(0x3f3504f3)
#include "features/vec_c.inc.h"
