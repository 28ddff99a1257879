/* A recording as a DMA reads it. */
#include "tile/tile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE  16000
#define BLOCK 16000

/* Codecs whose samples are 16 bits, or may be: then each sample is checked. */
static bool is_16_bit(const char *codec)
{
    static const char *const codecs[] = {"pcm_s16le", "pcm_s16be", "flac", "alac", "wavpack"};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codec, codecs[i]) == 0)
            return true;
    return false;
}

static bool takes(const char *name, const sib_audio_info *info)
{
    static const char wanted[] = "a tile reads mono samples of 16 bits at 16000 Hz";
    if (info->channels != 1)
        cli_fail("%s: has %d channels, %s", name, (int)info->channels, wanted);
    else if (info->source_rate != RATE)
        cli_fail("%s: has a rate of %d Hz, %s", name, (int)info->source_rate, wanted);
    else if (!is_16_bit(info->codec))
        cli_fail("%s: has samples of %s, %s", name, info->codec, wanted);
    else
        return true;
    return false;
}

static bool take_block(const char *name, const float *block, size_t got, tile_recording *r)
{
    int16_t *grown = realloc(r->samples, (r->n + got) * sizeof *grown);
    if (!grown) {
        cli_fail("%s: out of memory for the recording", name);
        return false;
    }
    r->samples = grown;
    for (size_t i = 0; i < got; i++) {
        const float x = block[i] * 32768;
        if (x != rintf(x) || x < -32768 || x > 32767) {
            cli_fail("%s: sample %zu has more than 16 bits, a tile reads mono samples of 16 bits", name,
                     r->n + i);
            return false;
        }
        grown[r->n + i] = (int16_t)x;
    }
    r->n += got;
    return true;
}

bool tile_recording_read(const char *path, tile_recording *out)
{
    const sib_audio_options options = {.sample_rate = RATE, .keep_float = true};
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    sib_error err = SIB_ERROR_INIT;
    sib_audio_reader *reader;
    *out = (tile_recording){0};
    if (sib_audio_open(path, &options, &reader, &err) != SIB_OK)
        return cli_fail("%s", err.message), false;
    float *block = cli_alloc(BLOCK, sizeof *block);
    bool done = takes(name, sib_audio_get_info(reader));
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
