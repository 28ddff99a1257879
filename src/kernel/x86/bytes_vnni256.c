#include "simd/bytes_vnni256.h"

#define BYTES_MR       6
#define BYTES_TILES(T) T(1, 4) T(2, 4) T(3, 2) T(4, 2) T(5, 2) T(6, 2)
#define BYTES_FILL     bytes_fill_vnni256

#include "kernel/conv/bytes.inc.h"
