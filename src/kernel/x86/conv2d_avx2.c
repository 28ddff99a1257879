#include "simd/f32_avx2.h"

/* up to 12 sums beside the vectors of the image and one weight */
#define CONV2D_MR       4
#define CONV2D_TILES(T) T(1, 8) T(2, 5) T(3, 3) T(4, 3)
#define CONV2D_SPOTS(T) T(1) T(2) T(3) T(4) T(5) T(6)
#define SPOT_VECTORS    2
#define CONV2D_INIT     conv2d_init_avx2

#include "kernel/conv/conv2d.inc.h"
