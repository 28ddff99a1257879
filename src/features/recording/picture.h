/* Pictures of recordings: the waveform above the features, speech and words below them, in rows. */
#ifndef FEATURES_RECORDING_PICTURE_H
#define FEATURES_RECORDING_PICTURE_H

#include "features/image.h"

#include <sibyl/recording.h>

/* Lowest and highest sample of each column of cells. */
typedef struct waveform {
    float *low, *high; /* (columns), one block */
} waveform;

/* Errors: SIB_ERR_MEMORY. */
sib_code waveform_make(waveform *w, const sib_mel *mel, const image_cells *cells, const float *samples,
                       size_t n, sib_error *err);
void waveform_free(waveform *w);

/* Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
sib_code recording_picture_write(const sib_mel *mel, const image_cells *cells, const waveform *wave,
                                 const sib_recording_marks *marks, const char *title, const char *path,
                                 sib_error *err);

#endif
