#include "tile/program.h"

#include <string.h>

uint32_t tile_column_height(uint32_t n, uint32_t c)
{
    return n / TILE_COLUMNS + (c < n % TILE_COLUMNS);
}

static void add_channel(tile_program *p, uint32_t column, uint32_t first_tile, uint32_t n_tiles)
{
    tile_channel *c = &p->channels[p->n_channels];
    const uint32_t first = first_tile * p->rows, rows = n_tiles * p->rows;
    *c =
        (tile_channel){.column = column, .first_tile = first_tile, .n_tiles = n_tiles, .linked = n_tiles > 1};
    c->in = (tile_walk){.offset = (uint64_t)first * SIB_TILE_HOP,
                        .sizes = {1, 1, rows, SIB_TILE_WINDOW},
                        .strides = {0, 0, SIB_TILE_HOP, 1}};
    c->out = (tile_walk){.offset = (uint64_t)first * p->bands,
                         .sizes = {1, 1, rows, p->bands},
                         .strides = {0, 0, p->bands, 1}};
    for (uint32_t i = 0; i < n_tiles; i++)
        p->tiles[first_tile + i].channel = p->n_channels;
    p->n_channels++;
}

void tile_program_make(const sib_tile_plan *plan, tile_program *out)
{
    tile_program *p = out;
    memset(p, 0, sizeof *p);
    p->rows = plan->rows;
    p->depth = plan->options.depth;
    p->bands = plan->options.bands;
    p->out_size = plan->options.out == SIB_TILE_INT8 ? 1 : 2;
    p->batch = plan->options.batch;
    p->n_tiles = plan->tiles_used;
    for (uint32_t column = 0, t = 0; column < TILE_COLUMNS; column++) {
        const uint32_t first = t, n = tile_column_height(p->n_tiles, column);
        for (uint32_t i = 0; i < n; i++, t++)
            p->tiles[t] = (tile_place){.column = column, .row = TILE_FIRST_ROW + i, .first = t * p->rows};
        const uint32_t step = n > TILE_SHIM_CHANNELS ? n : 1;
        for (uint32_t i = 0; i < n; i += step)
            add_channel(p, column, first + i, step);
    }
    const uint64_t moved = (uint64_t)p->n_tiles * p->rows;
    p->in_samples = (moved - 1) * SIB_TILE_HOP + SIB_TILE_WINDOW;
    p->out_values = moved * p->bands;
}
