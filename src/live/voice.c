#include "live/voice.h"

#include <math.h>

/* All in dB, where 0 is a square wave of full scale. */
#define QUIETEST      (-75.0) /* background of a recording without noise */
#define LOUDEST       (-20.0)
#define FIRST         (-60.0) /* until it is known: who speaks at once is heard */
#define MIN_SPEECH    (-55.0)
#define MAX_MARGIN    18.0
#define FALL          0.3  /* part of the way to a lower level, per frame */
#define RISE          0.06 /* 3 dB a second */
#define RISE_SPEAKING 0.02 /* 1 dB a second: noise that never ends becomes background */

voice voice_begin(double threshold)
{
    return (voice){.margin = MAX_MARGIN * threshold, .floor = FIRST, .level = QUIETEST};
}

/* Of the samples less their mean, since a microphone's offset is no sound. */
static double level_of(const float *samples, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += samples[i];
        squares += (double)samples[i] * samples[i];
    }
    double mean = sum / (double)n;
    return 10 * log10(fmax(squares / (double)n - mean * mean, 1e-12));
}

bool voice_frame(voice *v, const float *samples, size_t n)
{
    v->level = level_of(samples, n);
    bool speech = v->level > fmax(v->floor + v->margin, MIN_SPEECH);
    if (v->level < v->floor)
        v->floor += FALL * (v->level - v->floor);
    else
        v->floor = fmin(v->level, v->floor + (speech ? RISE_SPEAKING : RISE));
    v->floor = fmin(fmax(v->floor, QUIETEST), LOUDEST);
    return speech;
}
