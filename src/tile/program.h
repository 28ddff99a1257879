/* The program of a plan: which tiles compute, and which DMA moves what. Host, tiles and the code for the chip
   all use it. */
#ifndef TILE_PROGRAM_H
#define TILE_PROGRAM_H

#include <sibyl/tile.h>

/* The machine: XDNA1. */
#define TILE_COLUMNS       4
#define TILE_ROWS          4      /* compute tiles per column, in array rows 2 .. 5 */
#define TILE_FIRST_ROW     2      /* row 0 holds shims, row 1 memory tiles */
#define TILE_SHIM_CHANNELS 2      /* per column, in each direction */
#define TILE_MEMORY_TILE   524288 /* bytes */

/* A DMA's walk over an array in host memory, in elements, outermost first. */
typedef struct tile_walk {
    uint64_t offset; /* from the beginning of the call's part of the array */
    uint32_t sizes[4], strides[4];
} tile_walk;

/* A compute tile. */
typedef struct tile_place {
    uint32_t column, row; /* of the array */
    uint32_t first;       /* first of its frames in a call */
    uint32_t channel;     /* the channel that feeds it */
} tile_place;

/* A shim channel in each direction, with its tiles: one, or those of a column through its memory tile. */
typedef struct tile_channel {
    uint32_t column;
    uint32_t first_tile, n_tiles;
    bool linked;
    tile_walk in;  /* over int16 samples */
    tile_walk out; /* over outputs */
} tile_channel;

typedef struct tile_program {
    uint32_t rows, depth, bands;
    uint32_t out_size; /* bytes of an output */
    uint32_t n_tiles, n_channels;
    uint32_t batch;      /* valid frames per call; n_tiles * rows are moved */
    uint64_t in_samples; /* samples that a call reads, from its first to its last */
    uint64_t out_values; /* values that a call writes */
    tile_place tiles[SIB_TILE_MAX];
    tile_channel channels[SIB_TILE_MAX];
} tile_program;

/* Makes the program of a plan. */
void tile_program_make(const sib_tile_plan *plan, tile_program *out);

/* Tiles in column c where n tiles are distributed. */
uint32_t tile_column_height(uint32_t n, uint32_t c);

#endif
