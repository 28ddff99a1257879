/* Checksums of the kernel's output, equal on every processor: of random frames, and of the recording
   audio.pcm (raw 16-bit samples) if the current folder has one. platform.h declares how to print and read. */
#include "checksum.h"
#include "tile/tile_kernel.h"

typedef struct {
    checksum sum;
    tile_state wide, narrow;
} outputs;

/* Hashes 16-bit values by arithmetic, so that the byte order of memory does not matter. */
static void add_frame(outputs *c, const int16_t *pcm)
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
        checksum_add(&c->sum, bytes, 2);
    }
    checksum_add(&c->sum, narrow, tile_bank_128.n_bands);
    c->sum.frames++;
}

static outputs start(void)
{
    outputs c = {{CHECKSUM_BASIS, 0}, {0}, {0}};
    tile_reset(&c.wide);
    tile_reset(&c.narrow);
    return c;
}

/* Levels from the lowest to full scale, and extremes. */
static void random_frames(void)
{
    static int16_t pcm[TILE_FRAME_SAMPLES];
    uint32_t state = 12345;
    outputs c = start();
    for (int f = 0; f < 200; f++) {
        for (int i = 0; i < TILE_FRAME_SAMPLES; i++) {
            state = state * UINT32_C(1664525) + UINT32_C(1013904223);
            const int16_t x = (int16_t)((int32_t)(state >> 16) - 32768);
            pcm[i] = f % 17 == 16 ? (x < 0 ? INT16_MIN : INT16_MAX) : (int16_t)(x / (1 << f % 17));
        }
        add_frame(&c, pcm);
    }
    checksum_print("random", &c.sum);
}

static void recording(void)
{
    static int16_t pcm[TILE_FRAME_SAMPLES];
    static unsigned char bytes[2 * TILE_FRAME_SAMPLES];
    size_t have = 0;
    outputs c = start();
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
    checksum_print("recording", &c.sum);
}

int main(void)
{
    random_frames();
    recording();
    platform_finish();
    return 0;
}
