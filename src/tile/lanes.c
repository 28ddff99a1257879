/* The frames of a recording by the portable kernel, and the choice of a faster one. */
#include "tile/tile_lanes.h"

static void block_c(const tile_bank *bank, const int16_t *x, size_t n_frames, int16_t *out, size_t stride,
                    int16_t *maxima, void *scratch)
{
    int16_t *frame = scratch; /* (n_bands) */
    for (size_t t = 0; t < n_frames; t++) {
        maxima[t] = (int16_t)tile_frame(bank, x + t * TILE_HOP_SAMPLES, frame);
        for (size_t m = 0; m < bank->n_bands; m++)
            out[m * stride + t] = frame[m];
    }
}

const tile_lanes tile_lanes_c = {block_c, TILE_MAX_BANDS * sizeof(int16_t), 1};

#define ROW(with, constant, level) [CPU_##constant] = &tile_lanes_##level,

/* The functions of each level; NULL where that is portable C. */
static const tile_lanes *const by_level[CPU_LEVELS] = {CPU_SIMD_LEVELS(ROW, )};

const tile_lanes *tile_lanes_for(cpu_level level)
{
    return by_level[level] ? by_level[level] : &tile_lanes_c;
}

#define AVERAGES(with, constant, level)                                                                      \
    [CPU_##constant] = {fixed_average_int16_##level, fixed_average_int8_##level},

const fixed_averages *fixed_averages_for(cpu_level level)
{
    static const fixed_averages averages[CPU_LEVELS] = {AVERAGES(, C, c) CPU_SIMD_LEVELS(AVERAGES, )};
    return &averages[level];
}
