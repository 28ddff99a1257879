/* Checksums of the kernel's output, equal on every processor: of random frames, and of the recording
   audio.pcm (raw 16-bit samples) if the current folder has one. platform.h declares how to print and read. */
#include "platform.h"
#include "tile/tile_kernel.h"

typedef struct {
    uint32_t hash; /* FNV-1a over all outputs */
    uint32_t frames;
    tile_state wide, narrow;
} checksum;

static void add_bytes(checksum *c, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        c->hash = (c->hash ^ p[i]) * UINT32_C(16777619);
}

/* Hashes 16-bit values by arithmetic, so that the byte order of memory does not matter. */
static void add_frame(checksum *c, const int16_t *pcm)
{
    static int16_t wide[TILE_MAX_BANDS];
    static int8_t narrow[TILE_MAX_BANDS];
    platform_measure(1);
    tile_frames_int16(&c->wide, &tile_bank_80, pcm, 0, 1, wide);
    platform_measure(0);
    tile_frames_int8(&c->narrow, &tile_bank_128, pcm, 0, 1, narrow);
    tile_clamp_int16(&c->wide, wide, tile_bank_80.n_bands);
    tile_clamp_int8(&c->narrow, narrow, tile_bank_128.n_bands);
    for (int m = 0; m < tile_bank_80.n_bands; m++) {
        const unsigned char bytes[2] = {(unsigned char)(wide[m] & 255),
                                        (unsigned char)((uint16_t)wide[m] >> 8)};
        add_bytes(c, bytes, 2);
    }
    add_bytes(c, narrow, tile_bank_128.n_bands);
    c->frames++;
}

static checksum start(void)
{
    checksum c = {UINT32_C(2166136261), 0, {0}, {0}};
    tile_reset(&c.wide);
    tile_reset(&c.narrow);
    return c;
}

static void print_checksum(const char *name, const checksum *c)
{
    static const char digits[] = "0123456789abcdef";
    char line[64];
    int n = 0;
    while (name[n]) {
        line[n] = name[n];
        n++;
    }
    const uint32_t numbers[2] = {c->hash, c->frames};
    for (int i = 0; i < 2; i++) {
        line[n++] = ' ';
        for (int shift = 28; shift >= 0; shift -= 4)
            line[n++] = digits[numbers[i] >> shift & 15];
    }
    line[n++] = '\n';
    line[n] = 0;
    platform_print(line);
}

/* Levels from the lowest to full scale, and extremes. */
static void by_chance(void)
{
    static int16_t pcm[TILE_FRAME_SAMPLES];
    uint32_t state = 12345;
    checksum c = start();
    for (int f = 0; f < 200; f++) {
        for (int i = 0; i < TILE_FRAME_SAMPLES; i++) {
            state = state * UINT32_C(1664525) + UINT32_C(1013904223);
            const int16_t x = (int16_t)((int32_t)(state >> 16) - 32768);
            pcm[i] = f % 17 == 16 ? (x < 0 ? INT16_MIN : INT16_MAX) : (int16_t)(x / (1 << f % 17));
        }
        add_frame(&c, pcm);
    }
    print_checksum("chance", &c);
}

static void recording(void)
{
    static int16_t pcm[TILE_FRAME_SAMPLES];
    static unsigned char bytes[2 * TILE_FRAME_SAMPLES];
    size_t have = 0;
    checksum c = start();
    if (!platform_open("audio.pcm"))
        return;
    for (;;) {
        const size_t wanted = TILE_FRAME_SAMPLES - have;
        if (platform_read(bytes, 2 * wanted) != 2 * wanted)
            break;
        for (size_t i = 0; i < wanted; i++)
            pcm[have + i] = (int16_t)(uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
        add_frame(&c, pcm);
        have = TILE_FRAME_SAMPLES - TILE_HOP_SAMPLES;
        for (size_t i = 0; i < have; i++)
            pcm[i] = pcm[i + TILE_HOP_SAMPLES];
    }
    print_checksum("recording", &c);
}

int main(void)
{
    by_chance();
    recording();
    platform_finish();
    return 0;
}
