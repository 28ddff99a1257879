#include "tile/facts.h"

#include "tile/tile_memory.h"

#include <stddef.h>

const tile_facts *tile_facts_of(uint32_t bands, sib_tile_out out)
{
    static const tile_facts facts[] = {{80, SIB_TILE_INT8, TILE_STACK_BYTES_INT8 + TILE_CORE_STACK,
                                        TILE_CONSTANT_BYTES_80, TILE_STATE_BYTES},
                                       {80, SIB_TILE_INT16, TILE_STACK_BYTES_INT16 + TILE_CORE_STACK,
                                        TILE_CONSTANT_BYTES_80, TILE_STATE_BYTES},
                                       {128, SIB_TILE_INT8, TILE_STACK_BYTES_INT8 + TILE_CORE_STACK,
                                        TILE_CONSTANT_BYTES_128, TILE_STATE_BYTES},
                                       {128, SIB_TILE_INT16, TILE_STACK_BYTES_INT16 + TILE_CORE_STACK,
                                        TILE_CONSTANT_BYTES_128, TILE_STATE_BYTES}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].bands == bands && facts[i].out == out)
            return &facts[i];
    return NULL;
}
