/* Bytes of a tile's memory that the kernel needs besides the FIFOs. */
#ifndef TILE_FACTS_H
#define TILE_FACTS_H

#include <sibyl/tile.h>

/* Stack of a core above the kernel's entry: its endless loop, and the call that finds a frame's row. */
#define TILE_CORE_STACK 128

typedef struct tile_facts {
    uint32_t bands;
    sib_tile_out out;
    uint32_t stack, constants, state;
} tile_facts;

/* The facts of a kernel, by number of bands and type of its outputs; NULL where there is no such kernel. */
const tile_facts *tile_facts_of(uint32_t bands, sib_tile_out out);

#endif
