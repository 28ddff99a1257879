#include "audio/rawpcm.h"

#include "audio/containers.h"
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

/* Reads until there are `wanted` bytes or the input ends. */
static sib_code fill(audio_rawpcm *p, size_t wanted, sib_error *err)
{
    size_t left = p->filled - p->begin;
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
    return SIB_OK;
}

sib_code audio_rawpcm_begin(audio_rawpcm *p, bool *container, sib_error *err)
{
    sib_code code = fill(p, CONTAINER_BYTES, err);
    if (code == SIB_OK && container_may_be_frames(p->buffer, p->filled))
        code = fill(p, CONTAINER_FRAMES, err);
    *container = code == SIB_OK && container_begins(p->buffer, p->filled);
    return code;
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
        sib_code code = fill(p, each, err);
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
