/* Images of features that come in parts. */
#ifndef FEATURES_IMAGE_H
#define FEATURES_IMAGE_H

#include <sibyl/features.h>

/* Features reduced to at most 4,000 columns: the maximum of each group of frames. */
typedef struct image_cells {
    float *max; /* (bands, columns); NaN where all values of a group are */
    size_t bands, frames;
    size_t group, columns; /* frames per column */
} image_cells;

/* Makes cells of no values yet. Errors: SIB_ERR_MEMORY. */
sib_code image_cells_make(image_cells *c, size_t bands, size_t frames, sib_error *err);
void image_cells_free(image_cells *c);

/* Adds frames first .. first + count - 1: features (bands, count), row stride row_stride. */
void image_cells_add(image_cells *c, const float *features, size_t row_stride, size_t first, size_t count);

/* The values at the ends of a scale that has all finite ones; low < high. */
void image_cells_range(const image_cells *c, double *low, double *high);

/* The band of row 0, and samples from the start to the middle of frame 0. */
void image_cells_place(const sib_mel *mel, const image_cells *cells, double *first_band, double *first_at);

/* What the values are: "log10", "dB". */
const char *image_value_name(const sib_mel_spec *spec);

/* Writes the PNG of sib_mel_write_png. Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
sib_code image_write(const sib_mel *mel, const image_cells *cells, const char *title, const char *path,
                     sib_error *err);

#endif
