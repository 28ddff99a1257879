/* Features as a picture of characters, with words under the time at which they are spoken. */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include <sibyl/sibyl.h>
#include <stdio.h>

/* Prints Whisper's features of samples (n) at 16 kHz: time to the right, low bands below, and the words of
   the segments (n_segments) below them, each where it begins. colour: shades in terminal colours, else
   characters. columns: the width. Returns false, with a line on stderr, on failure. */
bool picture_show(const float *samples, size_t n, const sib_segment *segments, size_t n_segments,
                  size_t columns, bool colour, FILE *out);

/* Returns the columns of the terminal `out`, at most 160; 100 if it is not a terminal. */
size_t picture_columns(FILE *out);

#endif
