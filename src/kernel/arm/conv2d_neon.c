#include "simd/f32_neon.h"

/* up to 24 sums beside the vectors of the image and two of weights */
#define CONV2D_MR       8
#define CONV2D_TILES(T) T(1, 8) T(2, 8) T(3, 6) T(4, 5) T(5, 4) T(6, 4) T(7, 3) T(8, 3)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8)
#define SPOT_VECTORS    3
#define CONV2D_INIT     conv2d_init_neon

#include "kernel/conv/conv2d.inc.h"
