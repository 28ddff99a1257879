#include "audio/rawpcm.h"

#include "base/error.h"
#include "base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

size_t audio_rawpcm_sample_bytes(sib_pcm pcm)
{
    return pcm == SIB_PCM_F32LE ? 4 : 2;
}

/* Beginnings of files that are not raw samples. "...." stands for any four bytes. */
static const struct {
    const char *bytes, *name;
} containers[] = {{"RIFF....WAVE", "a WAV file"},   {"RF64....WAVE", "a WAV file"},
                  {"FORM....AIFF", "an AIFF file"}, {"fLaC", "a FLAC file"},
                  {"OggS", "an Ogg file"},          {"ID3", "an MP3 file"},
                  {"....ftyp", "an MP4 file"},      {"\x1A\x45\xDF\xA3", "a Matroska or WebM file"},
                  {"caff", "a Core Audio file"},    {".snd", "an AU file"},
                  {"#!AMR", "an AMR file"}};
#define CONTAINER_BYTES 12 /* of the longest */

/* The container that begins with the bytes b (n), or NULL. */
static const char *container_of(const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        const char *at = containers[i].bytes;
        size_t k = 0, length = strlen(at);
        while (n >= length && k < length &&
               (b[k] == (uint8_t)at[k] || !strncmp(at + (k & ~(size_t)3), "....", 4)))
            k++;
        if (k == length)
            return containers[i].name;
    }
    return NULL;
}

/* Reads until there is a sample or the input ends; at first, until a container can be recognised. */
static sib_code fill(audio_rawpcm *p, sib_error *err)
{
    size_t left = p->filled - p->begin;
    const bool first = p->bytes == 0;
    const size_t wanted = first ? CONTAINER_BYTES : audio_rawpcm_sample_bytes(p->pcm);
    memmove(p->buffer, p->buffer + p->begin, left);
    p->begin = 0;
    p->filled = left;
    while (p->filled < wanted && !p->at_end) {
        ssize_t got = read(STDIN_FILENO, p->buffer + p->filled, sizeof p->buffer - p->filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, SIB_ERR_IO, "-: standard input cannot be read: %s", strerror(errno));
        p->at_end = got == 0;
        p->filled += (size_t)got;
        p->bytes += (uint64_t)got;
    }
    const char *container = first ? container_of(p->buffer, p->filled) : NULL;
    if (container)
        return err_set(
            err, SIB_ERR_FORMAT,
            "-: standard input holds %s, expected raw samples: name it /dev/stdin to have it decoded",
            container);
    return SIB_OK;
}

static float sample_at(const uint8_t *b, sib_pcm pcm)
{
    if (pcm == SIB_PCM_S16LE)
        return (int16_t)(uint16_t)(b[0] | b[1] << 8) / 32768.0f;
    uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

sib_code audio_rawpcm_take(audio_rawpcm *p, bool lenient, float *samples, size_t max_samples, size_t *got,
                           sib_error *err)
{
    size_t each = audio_rawpcm_sample_bytes(p->pcm);
    *got = 0;
    if (p->filled - p->begin < each) {
        sib_code code = fill(p, err);
        if (code)
            return code;
    }
    size_t left = p->filled - p->begin, n = size_min(left / each, max_samples);
    if (left > 0 && left < each && !lenient)
        return err_set_at(err, SIB_ERR_FORMAT, p->bytes - left,
                          "-: standard input ends inside a sample: %" PRIu64
                          " bytes, expected a multiple of %zu",
                          p->bytes, each);
    for (size_t i = 0; i < n; i++)
        samples[i] = sample_at(p->buffer + p->begin + i * each, p->pcm);
    p->begin += n * each;
    *got = n;
    return SIB_OK;
}
