/* Values of images at fractional positions, for GridSample, DeformConv and RoiAlign. */
#ifndef OPS_SAMPLING_H
#define OPS_SAMPLING_H

#include "ops/lower.h"

typedef struct sampling {
    sample_filter filter;
    sample_border border;
    bool align_corners; /* the wall of SAMPLE_REFLECT: at the centre of the last pixel, or at its edge */
    int n;              /* axes of the image */
    int64_t size[SIB_MAX_RANK]; /* (n) */
} sampling;

/* The pixels around each position with their weights applied. table: [images * pixels, C], the pixels of all
   images row-major. image: int64, which image, broadcasts to [L..., P]. at: (n) float64 [L..., P], the
   position along each axis. Gives [L..., P, taps, C], float64 unless the table is complex. */
mval sample_taps(lowering *l, const sampling *s, mval table, mval image, const mval *at);
/* Their sum, [L..., P, C]; with SAMPLE_NEAREST the pixel itself, of any dtype. */
mval sample_points(lowering *l, const sampling *s, mval table, mval image, const mval *at);

/* x [N, groups * C, d...] as table [N * groups * d..., C]. */
mval sample_table(lowering *l, mval x, int64_t groups);

/* A float64 number. */
mval sample_number(lowering *l, double number);

#endif
