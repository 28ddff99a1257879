/* Whether somebody speaks, by the level above the background. */
#ifndef LIVE_VOICE_H
#define LIVE_VOICE_H

#include <stdbool.h>
#include <stddef.h>

#define VOICE_FRAMES 50 /* per second */

typedef struct voice {
    double margin; /* dB of speech above the background */
    double floor;  /* dB of the background, followed */
    double level;  /* dB of the last frame */
} voice;

/* threshold: above 0 to 1. */
voice voice_begin(double threshold);
/* Whether a frame (n samples, 1/VOICE_FRAMES s) is speech; n > 0. */
bool voice_frame(voice *v, const float *samples, size_t n);

#endif
