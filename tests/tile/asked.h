/* Options for tests of plans. */
#ifndef TESTS_TILE_ASKED_H
#define TESTS_TILE_ASKED_H

#include <sibyl/tile.h>

/* The defaults, except for these. */
static inline sib_tile_options asked(uint32_t batch, uint32_t depth, uint32_t tiles)
{
    sib_tile_options o;
    sib_tile_defaults(&o);
    o.batch = batch;
    o.depth = depth;
    o.tiles = tiles;
    return o;
}

#endif
