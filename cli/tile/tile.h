/* sibyl tile plan|simulate|emit: shared by the three. */
#ifndef CLI_TILE_H
#define CLI_TILE_H

#include "command.h"
#include "messages.h"

typedef struct tile_settings {
    const cli_command *self;
    char **operands; /* (n_operands) what follows the verb */
    int n_operands;
    long batch, depth, tiles, bands, frames;
    int out;     /* a sib_tile_out */
    int dialect; /* a sib_tile_dialect */
    const char *memory, *audio, *output, *fault;
    double call_cost, byte_cost, frame_cost; /* us, ns, us */
    bool best, table, json;
} tile_settings;

/* Converts the settings to the library's options. Returns false, with a line on stderr, on failure. */
bool tile_options_of(const tile_settings *s, sib_tile_options *out);

/* Makes the plan, or with --best the fastest, for a recording. Returns false, with a line on stderr, on
   failure. */
bool tile_plan_of(const tile_settings *s, uint64_t frames, sib_tile_plan *out);

/* Prints to stderr that a plan does not fit, with the arithmetic. Returns CLI_FAILED. */
int tile_fails_to_fit(const sib_tile_plan *p);

/* A recording as a tile's DMA reads it: mono int16 at 16 kHz, to which any file is mixed, resampled and
   rounded. */
typedef struct tile_recording {
    int16_t *samples; /* (n); released with free */
    size_t n;
} tile_recording;

bool tile_recording_read(const char *path, tile_recording *out);

/* "1,234,567". buffer: 32 bytes, which is returned. */
const char *tile_grouped(uint64_t n, char buffer[32]);

/* A plan as JSON: all of it, and the members for its memory and its recording. */
json_t *tile_plan_json(const sib_tile_plan *p);

/* The verbs; settings: a tile_settings. */
int tile_plan(const void *settings);
int tile_simulate(const void *settings);
int tile_emit(const void *settings);

#endif
