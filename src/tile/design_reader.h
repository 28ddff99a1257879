/* A design as it is read: what its statements said so far, and the statements' readers. */
#ifndef TILE_DESIGN_READER_H
#define TILE_DESIGN_READER_H

#include "tile/design.h"

#define DESIGN_NAME  32
#define DESIGN_FIFOS (2 * (SIB_TILE_MAX + TILE_COLUMNS))

/* memref<AxBxiW>, or memref<AxiW> with B = 1. */
typedef struct design_shape {
    uint64_t rows, width, bits;
} design_shape;

typedef struct design_fifo {
    char name[DESIGN_NAME];
    uint32_t from_column, from_row, to_column, to_row, depth;
    design_shape element;
    uint64_t linked; /* elements of linked parts in it */
    uint32_t moves;  /* by the host, per call */
    bool part;       /* is part of a linked FIFO */
} design_fifo;

typedef struct design_core {
    uint32_t column, row, stack;
    uint64_t rows; /* rows that its loop counts */
    uint32_t acquires, releases, calls;
} design_core;

/* Forms that have a statement, as bits of sib_tile_dialect. */
enum {
    IN_2026 = 1 << SIB_TILE_DIALECT_2026,
    IN_2024 = 1 << SIB_TILE_DIALECT_2024,
    IN_BOTH = IN_2026 | IN_2024
};

typedef struct design_reader {
    uint32_t line;
    uint32_t regions; /* open ones */
    unsigned forms;   /* of which the design may be, by the statements so far */
    bool tiles[TILE_COLUMNS][TILE_ROWS + TILE_FIRST_ROW];
    design_fifo fifos[DESIGN_FIFOS];
    design_core cores[SIB_TILE_MAX];
    uint32_t n_fifos, n_cores;
    design_core *open; /* the one being read */
    design_shape samples, results;
    design_shape kernel[2]; /* of the kernel's arguments: samples, features */
    uint32_t waits;
    tile_design *out;
    sib_error *err;
} design_reader;

/* Writes the error, with the line, and returns false. */
bool design_wrong(design_reader *r, const char *what);

uint64_t design_elements(const design_shape *s);
uint64_t design_bytes(const design_shape *s);

/* Readers of statements: false after an error. s: the line without its indentation; it has the beginning that
   the table in design_read.c lists. */
bool design_read_kernel(design_reader *r, const char *s);
bool design_read_tile(design_reader *r, const char *s);
bool design_read_fifo(design_reader *r, const char *s);
bool design_read_link(design_reader *r, const char *s);
bool design_open_core(design_reader *r, const char *s);
bool design_close_core(design_reader *r, const char *s);
bool design_read_rows(design_reader *r, const char *s);
bool design_read_acquire(design_reader *r, const char *s);
bool design_read_access(design_reader *r, const char *s);
bool design_read_release(design_reader *r, const char *s);
bool design_read_call(design_reader *r, const char *s);
bool design_open_sequence(design_reader *r, const char *s);
bool design_read_move(design_reader *r, const char *s);
bool design_read_wait(design_reader *r, const char *s);

#endif
