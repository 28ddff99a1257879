/* What sib_mel_compute gives, window by window, for recordings whose features exceed memory. A clamp needs a
   pass over all windows that finds the maximum, then a second one that computes the features. */
#ifndef FEATURES_WINDOWS_H
#define FEATURES_WINDOWS_H

#include <sibyl/features.h>

typedef struct mel_windows mel_windows;

/* Begins the features of samples (n_samples), followed by `padding` zeros, in windows of at most `width`
   columns. The samples must stay; only those of the window are read.
   out: owned by the caller, mel_windows_close(&windows). Errors: those of sib_mel_shape, SIB_ERR_MEMORY. */
sib_code mel_windows_open(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                          size_t padding, size_t width, mel_windows **out, sib_error *err);
void mel_windows_close(mel_windows **windows);

/* Finds the maximum of columns first .. first + count - 1. scratch: (n_mels, count), row stride `stride`. */
void mel_windows_measure(mel_windows *w, size_t first, size_t count, float *scratch, size_t stride);

/* Between the passes: takes the maximum for the clamp. After either pass: errors as sib_mel_compute says. */
sib_code mel_windows_check(mel_windows *w, sib_error *err);

/* Computes columns first .. first + count - 1 to out, row stride `stride`. */
void mel_windows_compute(mel_windows *w, size_t first, size_t count, float *out, size_t stride);

#endif
