/* Writing a program as MLIR-AIE, and reading it back. */
#ifndef TILE_DESIGN_H
#define TILE_DESIGN_H

#include "base/buffer.h"
#include "tile/program.h"

/* The dialects' own syntax, which aiecc.py accepts; or MLIR's generic form, which any MLIR parses. */
typedef enum tile_form { TILE_PRETTY, TILE_GENERIC } tile_form;

/* Max size of the two inner dimensions of a shim's DMA, the innermost in words of 4 bytes. */
#define TILE_MAX_SIZE 1023

/* Writes the design. p: made for `plan`. */
void tile_design_write(const tile_program *p, const sib_tile_plan *plan, tile_form form, byte_buffer *out);

/* Facts that a design states. */
typedef struct tile_design {
    sib_tile_dialect dialect;
    uint32_t tiles;               /* cores */
    uint32_t rows;                /* frames per element, as each core counts them */
    uint32_t stack;               /* bytes */
    uint64_t fifo_in, fifo_out;   /* bytes in a compute tile */
    uint64_t memory_tile;         /* bytes in the fullest one */
    uint32_t linked;              /* memory tiles with links */
    uint32_t transfers;           /* per call */
    uint64_t bytes_in, bytes_out; /* per call */
} tile_design;

/* Reads a design in the dialects' own syntax, in either of its forms; independent of the writer. Checks that
   all of it is of one form, that elements have the types of their FIFOs and of the kernel's arguments, and
   that the design is consistent: FIFOs end at existing tiles; each shim end is moved once per call, by the number of bytes of
   its element, within its array and the DMA's limits; links are as large as the FIFOs that they join; cores
   loop over the rows of their elements. Errors: SIB_ERR_FORMAT, which names the line. */
sib_code tile_design_read(const char *text, tile_design *out, sib_error *err);

#endif
