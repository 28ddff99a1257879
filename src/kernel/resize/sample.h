/* Images sampled at fractional positions: GridSample and RoiAlign as tables of taps, which are computed once
   per point and used for every channel. */
#ifndef KERNEL_SAMPLE_H
#define KERNEL_SAMPLE_H

#include "base/cancel.h"
#include "base/pool.h"
#include "spec/enums.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples x [images, channels, size...] at the positions of a grid [images, points, 2], whose last axis is
   (column, row); -1 and 1 are the centres of the border pixels (align_corners) or their outer edges. y:
   [images, channels, points]. */
typedef struct sample_grid {
    const struct sib_cancel *cancel; /* may be NULL; where it is set y is left unfinished */
    sample_filter filter;
    sample_border border;
    bool align_corners;
    size_t images, channels, points, size[2]; /* rows, columns: each >= 1, product below 2^31 */
} sample_grid;

/* Bytes of scratch that a run with this many threads needs. */
size_t sample_grid_scratch(const sample_grid *g, size_t threads);
/* pool may be NULL. */
void sample_grid_run(const sample_grid *g, const float *x, const float *grid, float *y, void *scratch,
                     sib_pool *pool);

/* The means of ratio^2 samples (ratio 0: one per pixel of the bin) in each of out[0] x out[1] bins of regions
   of x [images, channels, size...]. y: [regions, channels, out...]. */
typedef struct sample_regions {
    const struct sib_cancel *cancel; /* may be NULL; where it is set y is left unfinished */
    bool half_pixel; /* regions are shifted by half a pixel, and may be smaller than one pixel */
    float scale;
    int64_t ratio;
    size_t regions, channels, size[2], out[2];
} sample_regions;

/* boxes: (regions, 4) column and row of two corners. Returns 0 where there are too many samples. */
size_t sample_regions_scratch(const sample_regions *s, const float *boxes, size_t threads);
/* images: (regions), each a valid image of x. scratch: sample_regions_scratch bytes. */
void sample_regions_run(const sample_regions *s, const float *x, const float *boxes, const int64_t *images,
                        float *y, void *scratch, size_t bytes, sib_pool *pool);

#endif
