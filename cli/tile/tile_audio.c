/* A recording as a DMA reads it: mono int16 at 16 kHz, resampled and mixed where the file is otherwise. */
#include "tile/tile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE  16000
#define BLOCK 16000

static bool take_block(const char *name, const float *block, size_t got, tile_recording *r)
{
    int16_t *grown = realloc(r->samples, (r->n + got) * sizeof *grown);
    if (!grown) {
        cli_fail("%s: out of memory for the recording", name);
        return false;
    }
    r->samples = grown;
    for (size_t i = 0; i < got; i++)
        grown[r->n + i] = (int16_t)lrintf(block[i] * 32768); /* exact: samples are rounded to 16 bits */
    r->n += got;
    return true;
}

bool tile_recording_read(const char *path, tile_recording *out)
{
    const sib_audio_options options = {.sample_rate = RATE};
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    sib_error err = SIB_ERROR_INIT;
    sib_audio_reader *reader;
    *out = (tile_recording){0};
    if (sib_audio_open(path, &options, &reader, &err) != SIB_OK)
        return cli_fail("%s", err.message), false;
    float *block = cli_alloc(BLOCK, sizeof *block);
    bool done = true;
    for (size_t got = 1; done && got > 0;) {
        if (sib_audio_read(reader, block, BLOCK, &got, &err) != SIB_OK) {
            cli_fail("%s", err.message);
            done = false;
        } else if (got)
            done = take_block(name, block, got, out);
    }
    sib_audio_close(&reader);
    free(block);
    if (!done) {
        free(out->samples);
        *out = (tile_recording){0};
    }
    return done;
}
