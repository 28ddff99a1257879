#include "tile/x86/vec_avx512.h"

#include "tile/lanes.inc.h"

const tile_lanes tile_lanes_avx512 = LANES_KERNEL;
