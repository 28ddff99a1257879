/* The numbers of the fixed-point kernel that do not depend on the bands. tools/tile_tables.c computes them
   in double and writes tile_tables.c; a test writes them again and compares. */
#ifndef TILE_TILE_TABLES_H
#define TILE_TILE_TABLES_H

#include <stdint.h>

/* 0.5 - 0.5 cos(2 pi n / 400) in Q16, at most 65535, for n = 0 .. 200; sample 400 - n has the weight of
   sample n. */
extern const uint16_t tile_window[201];

/* cos and sin of 2 pi j / 25 in Q14. */
extern const int16_t tile_cos25[25], tile_sin25[25];

/* cos(pi / 8), cos(pi / 4), cos(3 pi / 8) in Q31. */
extern const int32_t tile_cos16[3];

/* log10(m) / 4 for m = 1 + (i + t / 2^15) / 16, t = 0 .. 2^15 - 1, in Q24:
       value + ((slope + ((bend * t) >> 15)) * t >> 13)
   with the three numbers of row i. */
typedef struct tile_log_row {
    int32_t value;       /* Q24 */
    int16_t slope, bend; /* Q22 a step of t = 2^15 */
} tile_log_row;
extern const tile_log_row tile_log_rows[16];

/* log10(2) / 4 in Q24. */
#define TILE_LOG_OCTAVE 1262612

#endif
