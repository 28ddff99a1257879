#include "simd/bytes_vnni512.h"

#define BYTES_MR 12
#define BYTES_TILES(T)                                                                                       \
    T(1, 8) T(2, 8) T(3, 4) T(4, 4) T(5, 4) T(6, 4) T(7, 2) T(8, 2) T(9, 2) T(10, 2) T(11, 2) T(12, 2)
#define BYTES_FILL bytes_fill_vnni512

#include "kernel/conv/bytes.inc.h"
