#include "audio/containers.h"

#include <string.h>

/* First bytes of formats. A '.' stands for any byte. */
static const struct {
    uint8_t bytes[CONTAINER_BYTES + 1];
    uint8_t n;
} marks[] = {{"RIFF....WAVE", 12},
             {"RF64....WAVE", 12},
             {"BW64....WAVE", 12},
             {"RIFF....AVI ", 12},
             {"riff\x2E\x91\xCF\x11", 8}, /* Wave64 */
             {"FORM....AIF", 11},         /* AIFF, AIFC */
             {"caff", 4},
             {".snd\0\0", 6}, /* AU */
             {"fLaC", 4},
             {"OggS", 4},
             {"ID3", 3},
             {"....ftyp", 8}, /* MP4 */
             {"....moov", 8},
             {"....mdat", 8},
             {"....wide", 8},
             {"\x1A\x45\xDF\xA3", 4},                 /* Matroska, WebM */
             {"\x30\x26\xB2\x75\x8E\x66\xCF\x11", 8}, /* ASF: WMA */
             {"FLV\x01", 4},
             {"#!AMR", 5},
             {"wvpk", 4},
             {"MAC ", 4},
             {"TTA1", 4},
             {"DSD ", 4},
             {"ADIF", 4}};
#define N_MARKS (sizeof marks / sizeof *marks)

static bool has_mark(const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < N_MARKS; i++) {
        size_t k = 0;
        while (k < marks[i].n && k < n && (marks[i].bytes[k] == '.' || marks[i].bytes[k] == b[k]))
            k++;
        if (k == marks[i].n)
            return true;
    }
    return false;
}

/* Bytes of the frame of AAC whose ADTS header (7 bytes) is at b, 0 where none is. */
static size_t adts_bytes(const uint8_t *b)
{
    size_t bytes = (size_t)(b[3] & 3) << 11 | (size_t)b[4] << 3 | b[5] >> 5;
    bool header = b[0] == 0xFF && (b[1] & 0xF6) == 0xF0 && (b[2] >> 2 & 15) < 13;
    return header && bytes > 7 ? bytes : 0;
}

/* Bytes of the frame of MPEG audio, layer III, whose header (4 bytes) is at b, 0 where none is (ISO/IEC 11172-3, 13818-3). */
static size_t mp3_bytes(const uint8_t *b)
{
    static const uint16_t kbits[2][15] = {{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
                                          {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}};
    static const int rates[3] = {44100, 48000, 32000};
    const int version = b[1] >> 3 & 3, rate = b[2] >> 2 & 3, kbit = b[2] >> 4; /* version: 3 1, 2 2, 0 2.5 */
    if (b[0] != 0xFF || (b[1] & 0xE6) != 0xE2 || version == 1 || rate == 3 || kbit == 0 || kbit == 15)
        return 0;
    const bool first = version == 3;
    return (size_t)((first ? 144 : 72) * 1000 * kbits[first][kbit] /
                        (rates[rate] >> (first          ? 0
                                         : version == 2 ? 1
                                                        : 2)) +
                    (b[2] >> 1 & 1));
}

/* Whether three frames follow each other. */
static bool has_frames(const uint8_t *b, size_t n, size_t (*bytes_of)(const uint8_t *))
{
    size_t at = 0;
    for (int frame = 0; frame < 3; frame++) {
        size_t bytes = n - at >= 7 ? bytes_of(b + at) : 0;
        if (!bytes || bytes > n - at)
            return false;
        at += bytes;
    }
    return true;
}

bool container_may_be_frames(const uint8_t *b, size_t n)
{
    return n >= CONTAINER_BYTES && !has_mark(b, n) && (adts_bytes(b) || mp3_bytes(b));
}

bool container_begins(const uint8_t *b, size_t n)
{
    return has_mark(b, n) || has_frames(b, n, adts_bytes) || has_frames(b, n, mp3_bytes);
}
