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

/* Writes the PNG of sib_mel_write_png. Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
sib_code image_write(const sib_mel *mel, const image_cells *cells, const char *title, const char *path,
                     sib_error *err);

#endif
