/* The board of examples/microcontroller.c: two seconds of noise that grows and fades, and a checksum of the frames. */
#include "checksum.h"
#include "tile/tile_kernel.h"

#define BLOCKS 200

int board_samples(int16_t *samples);
void board_frame(const int8_t *features);

static checksum sum = {CHECKSUM_BASIS, 0};

int board_samples(int16_t *samples)
{
    static uint32_t state = 54321, blocks;
    if (blocks++ == BLOCKS) {
        checksum_print("example", &sum);
        return 0;
    }
    for (int i = 0; i < TILE_HOP_SAMPLES; i++) {
        state = state * UINT32_C(1664525) + UINT32_C(1013904223);
        samples[i] = (int16_t)(((int32_t)(state >> 16) - 32768) / (1 << blocks % 15));
    }
    return 1;
}

void board_frame(const int8_t *features)
{
    checksum_add(&sum, features, 80);
    sum.frames++;
}
