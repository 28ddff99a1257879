/* Values of images at fractional positions, for GridSample, DeformConv and RoiAlign. */
#ifndef OPS_SAMPLING_H
#define OPS_SAMPLING_H

#include "ops/lower/lower.h"

typedef struct sampling {
    sample_filter filter;
    sample_border border;
    bool align_corners;         /* SAMPLE_REFLECT reflects at the centre of the last pixel, not at its edge */
    int n;                      /* axes of the image */
    int64_t size[SIB_MAX_RANK]; /* (n) */
} sampling;

/* The pixels around each position, multiplied by their weights: [L..., P, taps, C], float64 unless the table
   is complex. table: [images * pixels, C], the pixels of all images row-major. image: int64, the index of the
   image, broadcasts to [L..., P]. at: (n) float64 [L..., P], the position along each axis. */
mval sample_taps(lowering *l, const sampling *s, mval table, mval image, const mval *at);
/* The sum of sample_taps, [L..., P, C]; with SAMPLE_NEAREST the pixel itself, of any dtype. */
mval sample_points(lowering *l, const sampling *s, mval table, mval image, const mval *at);

/* x [N, groups * C, d...] as a table [N * groups * d..., C]. */
mval sample_table(lowering *l, mval x, int64_t groups);

mval sample_number(lowering *l, double number);

#endif
