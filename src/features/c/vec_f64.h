/* Two doubles in plain C. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define REAL           double
#define REAL_IS_FLOAT  0
#define BITS           uint64_t
#define SIGNED_BITS    int64_t
#define LANES          2
#define MANTISSA_BITS  52
#define SQRT_HALF_BITS UINT64_C(0x3fe6a09e667f3bcd)
#include "features/vec_c.inc.h"
