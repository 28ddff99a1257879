/* Many frames of a recording at once on the host, bit-identical to those of tile_kernel.h, frame by frame. */
#ifndef TILE_TILE_LANES_H
#define TILE_TILE_LANES_H

#include "base/cpu.h"
#include "tile/tile_kernel.h"

#include <stdbool.h>

/* n_frames frames; frame t is x[160 t .. 160 t + 400).
   out:     (n_bands, n_frames) Q14 before the clamp, row m at out + m * stride
   maxima:  (n_frames) largest value of each frame
   scratch: tile_lanes.scratch_bytes bytes, aligned to 64 */
typedef void (*tile_block_fn)(const tile_bank *bank, const int16_t *x, size_t n_frames, int16_t *out,
                              size_t stride, int16_t *maxima, void *scratch);

/* The 3 x 3 average of a block of at most FIXED_AVERAGE_COLUMNS columns x (rows, n) of int16 or int8 features,
   as sib_fixed_smooth_int16 defines it. left: (rows) the column before the block, NULL where there is none.
   right: whether the column after the block exists, and is at x[n]. next: (rows) receives the last column of
   the block. valid: no averages are made of the first and last row. out: of the average around x[0], row
   stride `stride`; may be x, or x - stride - 1. */
#define FIXED_AVERAGE_COLUMNS 256
#define FIXED_AVERAGE(type, level)                                                                           \
    void fixed_average_##type##_##level(type##_t *x, size_t rows, size_t n, size_t stride,                   \
                                        const int16_t *left, bool right, int16_t *next, bool valid,          \
                                        type##_t *out);
typedef void (*fixed_average_int16_fn)(int16_t *x, size_t rows, size_t n, size_t stride, const int16_t *left,
                                       bool right, int16_t *next, bool valid, int16_t *out);
typedef void (*fixed_average_int8_fn)(int8_t *x, size_t rows, size_t n, size_t stride, const int16_t *left,
                                      bool right, int16_t *next, bool valid, int8_t *out);

/* Both averages of a level. */
typedef struct fixed_averages {
    fixed_average_int16_fn wide;
    fixed_average_int8_fn narrow;
} fixed_averages;
const fixed_averages *fixed_averages_for(cpu_level level);

/* One way to compute frames. */
typedef struct tile_lanes {
    tile_block_fn block;
    size_t scratch_bytes;
    size_t lanes; /* frames computed at once */
} tile_lanes;

/* The functions of `level`; portable C where it has none that are faster. */
const tile_lanes *tile_lanes_for(cpu_level level);

extern const tile_lanes tile_lanes_c;
#define TILE_LANES(with, constant, level)                                                                    \
    extern const tile_lanes tile_lanes_##level;                                                              \
    FIXED_AVERAGE(int16, level)                                                                              \
    FIXED_AVERAGE(int8, level)
FIXED_AVERAGE(int16, c)
FIXED_AVERAGE(int8, c)
CPU_ALL_SIMD_LEVELS(TILE_LANES, )
#undef TILE_LANES

#endif
