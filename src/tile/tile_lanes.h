/* Many frames of a recording at once on the host, bit-identical to those of tile_kernel.h, frame by frame. */
#ifndef TILE_TILE_LANES_H
#define TILE_TILE_LANES_H

#include "base/cpu.h"
#include "tile/tile_kernel.h"

/* n_frames frames; frame t is x[160 t .. 160 t + 400).
   out:     (n_bands, n_frames) Q14 before the clamp, row m at out + m * stride
   maxima:  (n_frames) largest value of each frame
   scratch: tile_lanes.scratch_bytes bytes, aligned to 64 */
typedef void (*tile_block_fn)(const tile_bank *bank, const int16_t *x, size_t n_frames, int16_t *out,
                              size_t stride, int16_t *maxima, void *scratch);

/* One way to compute frames. */
typedef struct tile_lanes {
    tile_block_fn block;
    size_t scratch_bytes;
    size_t lanes; /* frames computed at once */
} tile_lanes;

/* The functions of `level`; portable C where it has none that are faster. */
const tile_lanes *tile_lanes_for(cpu_level level);

extern const tile_lanes tile_lanes_c;
#define TILE_LANES(with, constant, level) extern const tile_lanes tile_lanes_##level;
CPU_SIMD_LEVELS(TILE_LANES, )
#undef TILE_LANES

#endif
