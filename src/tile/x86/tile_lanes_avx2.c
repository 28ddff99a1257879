#include "tile/x86/vec_avx2.h"

#include "tile/lanes.inc.h"

const tile_lanes tile_lanes_avx2 = LANES_KERNEL;
