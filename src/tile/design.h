/* A program as MLIR-AIE, written and read back. */
#ifndef TILE_DESIGN_H
#define TILE_DESIGN_H

#include "base/buffer.h"
#include "tile/program.h"

/* The dialects' own syntax, which aiecc.py takes; or MLIR's generic form, which any MLIR parses. */
typedef enum tile_form { TILE_PRETTY, TILE_GENERIC } tile_form;

/* Limits of a shim's DMA: elements of the two inner dimensions but a contiguous one, in words of 4 bytes. */
#define TILE_MAX_SIZE 1023

/* Writes the design. p: made for `plan`. */
void tile_design_write(const tile_program *p, const sib_tile_plan *plan, tile_form form, byte_buffer *out);

/* What a design says of itself. */
typedef struct tile_design {
    uint32_t tiles;               /* cores */
    uint32_t rows;                /* frames of an element, as each core counts them */
    uint32_t stack;               /* bytes */
    uint64_t fifo_in, fifo_out;   /* bytes in a compute tile */
    uint64_t memory_tile;         /* bytes in the fullest */
    uint32_t linked;              /* memory tiles with links */
    uint32_t transfers;           /* a call */
    uint64_t bytes_in, bytes_out; /* a call */
} tile_design;

/* Reads a design in the dialects' own syntax; independent of what wrote it. Checks that what it says fits
   together: FIFOs end at tiles that are there, each shim end is moved once a call and by as many bytes as
   its element has, inside its array and inside the DMA's limits; links hold what they join; cores loop
   over the rows of their elements. Errors: SIB_ERR_FORMAT names the line. */
sib_code tile_design_read(const char *text, tile_design *out, sib_error *err);

#endif
