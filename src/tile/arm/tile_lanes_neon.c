#include "tile/arm/vec_neon.h"

#include "tile/lanes.inc.h"

const tile_lanes tile_lanes_neon = LANES_KERNEL;
