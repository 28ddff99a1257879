/* Features as a picture of characters, with words under the time at which they are said. */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include <sibyl/sibyl.h>
#include <stdio.h>

/* Whisper's features of samples (n) at 16 kHz: time to the right, low bands below, and the words of the
   segments (n_segments) under it, each where it begins. colour: shades in colours of a terminal, else of
   characters. columns: its width. False, with a line on stderr, where that fails. */
bool picture_show(const float *samples, size_t n, const sib_segment *segments, size_t n_segments,
                  size_t columns, bool colour, FILE *out);

/* Columns of the terminal that `out` is, at most 160; 100 where it is none. */
size_t picture_columns(FILE *out);

#endif
