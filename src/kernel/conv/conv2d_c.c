#include "simd/f32_c.h"

#define CONV2D_MR       4
#define CONV2D_TILES(T) T(1, 4) T(2, 4) T(3, 4) T(4, 4)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4)
#define SPOT_VECTORS    3
#define CONV2D_INIT     conv2d_init_c

#include "kernel/conv/conv2d.inc.h"
