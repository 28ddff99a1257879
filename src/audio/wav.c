#include <sibyl/audio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

#define HEADER 44

static uint8_t *put_number(uint8_t *at, uint32_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *at++ = (uint8_t)(number >> 8 * i);
    return at;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    memcpy(at, text, 4);
    return at + 4;
}

/* RIFF's header, for `bytes` bytes of samples of `width` bytes. */
static uint8_t *put_header(uint8_t *at, uint32_t bytes, uint32_t rate, uint32_t width)
{
    const struct {
        uint32_t number, bytes;
    } fields[] = {{16, 4},    {width == 4 ? 3 : 1, 2}, {1, 2}, {rate, 4}, {rate * width, 4},
                  {width, 2}, {8 * width, 2}};
    at = put_number(put_text(at, "RIFF"), bytes + HEADER - 8, 4);
    at = put_text(put_text(at, "WAVE"), "fmt ");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        at = put_number(at, fields[i].number, fields[i].bytes);
    return put_number(put_text(at, "data"), bytes, 4);
}

/* 16 bits of a sample; NaN is 0. */
static uint32_t rounded(float x)
{
    const double scaled = 32768 * (double)x, limited = fmin(fmax(scaled, -32768), 32767);
    return isnan(x) ? 0 : (uint32_t)(int32_t)rint(limited);
}

sib_code sib_audio_wav(const float *samples, size_t n, int32_t sample_rate, sib_pcm pcm, uint8_t **out,
                       size_t *size, sib_error *err)
{
    const size_t width = pcm == SIB_PCM_F32LE ? 4 : 2;
    *out = NULL;
    if (sample_rate < 1 || sample_rate > 1000000 || (pcm != SIB_PCM_F32LE && pcm != SIB_PCM_S16LE))
        return err_set(
            err, SIB_ERR_ARGUMENT,
            "a WAV file cannot have %d samples per second in the format %d: rates are up to 1000000",
            (int)sample_rate, (int)pcm);
    if (n > (UINT32_MAX - HEADER) / width)
        return err_set(err, SIB_ERR_SIZE, "%zu samples are too many for a WAV file", n);
    *size = HEADER + n * width;
    if (!(*out = mem_alloc(*size, 1)))
        return err_memory(err, *size, "a WAV file");
    uint8_t *at = put_header(*out, (uint32_t)(n * width), (uint32_t)sample_rate, (uint32_t)width);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &samples[i], sizeof bits);
        at = put_number(at, width == 4 ? bits : rounded(samples[i]), width);
    }
    return SIB_OK;
}
