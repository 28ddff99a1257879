/* The colours of images of features. */
#ifndef FEATURES_PALETTE_H
#define FEATURES_PALETTE_H

#include <stdint.h>

#define PALETTE_STEPS 240 /* colours of the scale, from dark to light */

/* Colours beside the scale. */
enum {
    PALETTE_WHITE = PALETTE_STEPS,
    PALETTE_BLACK,
    PALETTE_NAN, /* a value that is not a number */
    PALETTE_COLOURS
};

typedef struct palette_rgb {
    uint8_t r, g, b;
} palette_rgb;

/* Fills a table of PALETTE_COLOURS: equal steps of the scale look equally far apart. */
void palette_make(palette_rgb colours[PALETTE_COLOURS]);

#endif
