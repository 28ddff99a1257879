/* A model of the machine: memories with guard words, locks, FIFOs, DMA engines, cores. */
#ifndef TILE_MACHINE_H
#define TILE_MACHINE_H

#include "tile/program.h"

#include <pthread.h>

struct tile_bank;

#define TILE_MAX_DEPTH   2
#define TILE_MAX_ENGINES (2 * (TILE_COLUMNS + SIB_TILE_MAX))

/* ---- Memory ---- */

/* The bytes between guard words; all regions are in one block of a tile's memory. */
typedef struct tile_region {
    unsigned char *bytes;
    size_t size;
} tile_region;

enum {
    TILE_STATE = 0,
    TILE_IN = 1,
    TILE_OUT = TILE_IN + TILE_MAX_DEPTH,
    TILE_REGIONS = TILE_OUT + TILE_MAX_DEPTH
};

typedef struct tile_memory {
    unsigned char *block;
    tile_region regions[TILE_REGIONS]; /* unused ones are of size 0 */
} tile_memory;

/* Bytes of a block for regions of `sizes` (TILE_REGIONS). Divides `block` into them and writes the guards. */
size_t tile_memory_bytes(const size_t sizes[TILE_REGIONS]);
void tile_memory_lay_out(tile_memory *m, unsigned char *block, const size_t sizes[TILE_REGIONS]);
/* The first region whose guard words were overwritten, or TILE_REGIONS. */
int tile_memory_broken(const tile_memory *m);

/* ---- FIFOs ---- */

/* A counting semaphore; `released` counts how often it was raised since the start. Protected by the machine's
   mutex. */
typedef struct tile_lock {
    uint32_t value;
    uint64_t released;
} tile_lock;

/* One element: its bytes, and what was last written to it. */
typedef struct tile_element {
    unsigned char *bytes;
    uint64_t call;
    size_t filled;
} tile_element;

typedef struct tile_fifo {
    tile_element elements[TILE_MAX_DEPTH];
    size_t size;     /* bytes of an element */
    tile_lock empty; /* elements to be filled: initially depth */
    tile_lock full;  /* elements to be read: initially 0 */
    uint32_t tile;   /* the tile that owns it, or that the link serves */
} tile_fifo;

/* ---- Engines ---- */

typedef enum tile_engine_kind { TILE_ENGINE_IN, TILE_ENGINE_LINK, TILE_ENGINE_OUT } tile_engine_kind;

/* A DMA that moves one element per call: from host memory to the FIFOs of a channel, from one FIFO to
   another, or from the FIFOs of a channel to host memory. */
typedef struct tile_engine {
    tile_engine_kind kind;
    uint32_t channel;           /* of the program; IN and OUT follow its walk */
    tile_fifo *ends[TILE_ROWS]; /* IN: filled; OUT: emptied; LINK: from, to */
    uint32_t n_ends;
    uint64_t call; /* the next call */
    bool waiting;  /* was blocked when it was last stepped */
    bool late;     /* a fault: releases an element before it is moved */
} tile_engine;

/* ---- The machine ---- */

typedef struct tile_core {
    struct tile_machine *machine;
    uint32_t tile;
    pthread_t thread;
    pthread_cond_t wake;
    bool started, ended;
    const tile_lock *waits; /* the lock that it waits for, or NULL */
    uint64_t done;          /* elements finished */
    uint64_t stalls_input, stalls_output;
    double stall_seconds, kernel_seconds;
    tile_memory memory;
    tile_memory link_memory; /* its part of the memory tile; empty without link */
    tile_fifo in, out, link_in, link_out;
} tile_core;

typedef struct tile_machine {
    tile_program program; /* the tiles' program */
    tile_program host;    /* the host's program: the same, except for the fault of batches that disagree */
    const struct tile_bank *bank;
    sib_tile_simulation fault;
    uint64_t calls, frames;

    pthread_mutex_t mutex;
    pthread_cond_t wake; /* of the host and the engines, which share a thread */
    bool stop;
    sib_code code;
    sib_error *err;

    const int16_t *samples; /* (n_samples) the recording, mirrored and zero-padded */
    size_t n_samples;
    unsigned char *results;            /* (depth, out_values) outputs of the calls in progress */
    unsigned char *out;                /* (frames, bands) */
    uint64_t issued, collected;        /* calls */
    uint32_t finished[TILE_MAX_DEPTH]; /* channels whose outputs of call i % depth are complete */

    tile_core cores[SIB_TILE_MAX];
    tile_engine engines[TILE_MAX_ENGINES];
    uint32_t n_engines;
    uint64_t transfers, bytes_in, bytes_out, stalls_dma;
} tile_machine;

/* Stops the machine with an error. The mutex is held. */
void tile_machine_fail(tile_machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "(column, row)" of the array. buffer: 32 bytes; is returned. */
const char *tile_name(const tile_machine *m, uint32_t tile, char buffer[32]);

/* Takes one unit of a lock if there is one. Raises a lock, and wakes its waiters. The mutex is held. */
bool tile_lock_take(tile_lock *lock);
void tile_lock_raise(tile_machine *m, tile_lock *lock, uint32_t tile);

/* Connects engines with FIFOs according to the program. */
void tile_engines_connect(tile_machine *m);
/* Moves one element if the engine can; returns whether it did. The mutex is held, except while bytes move. */
bool tile_engine_step(tile_machine *m, tile_engine *e);

/* A core's thread; argument: its tile_core. */
void *tile_core_run(void *core);

#endif
