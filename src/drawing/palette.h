/* The colours of images of features. */
#ifndef DRAWING_PALETTE_H
#define DRAWING_PALETTE_H

#include <stdint.h>

#define PALETTE_STEPS 240 /* colours of the scale, from dark to light */

/* Colours besides the scale. */
enum {
    PALETTE_WHITE = PALETTE_STEPS,
    PALETTE_BLACK,
    PALETTE_NAN, /* a NaN value */
    PALETTE_COLOURS
};

typedef struct palette_rgb {
    uint8_t r, g, b;
} palette_rgb;

/* Fills a table of PALETTE_COLOURS; steps of the scale are perceptually equal. */
void palette_make(palette_rgb colours[PALETTE_COLOURS]);

#endif
