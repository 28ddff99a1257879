/* Whisper's features of a microphone on a microcontroller: 80 numbers of 8 bits for each 10 ms, held to 80 dB below the loudest
   so far. The board's two functions are yours. With src/tile/tile_kernel.c, tile_tables.c and tile_bank_80.c of Sibyl's sources:
       arm-none-eabi-gcc -Os -mcpu=cortex-m4 -mthumb -ffreestanding -I src examples/microcontroller.c src/tile/tile_kernel.c
           src/tile/tile_tables.c src/tile/tile_bank_80.c board.c ... */
#include "tile/tile_kernel.h"

/* Waits for the next samples, (160) at 16 kHz; returns 0 where no more come. */
int board_samples(int16_t *samples);
/* Takes a frame, (80): features * 64. */
void board_frame(const int8_t *features);

int main(void)
{
    enum { KEPT = TILE_FRAME_SAMPLES - TILE_HOP_SAMPLES };
    static int16_t samples[TILE_FRAME_SAMPLES]; /* of the frame that ends now */
    static int8_t features[80];
    tile_state state;

    tile_reset(&state);
    while (board_samples(samples + KEPT)) {
        tile_frames_int8(&state, &tile_bank_80, samples, TILE_FRAME_SAMPLES, 1, features);
        tile_clamp_int8(&state, features, 80);
        board_frame(features);
        for (int i = 0; i < KEPT; i++)
            samples[i] = samples[i + TILE_HOP_SAMPLES];
    }
    return 0;
}
