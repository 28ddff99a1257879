/* When tokens are spoken: dynamic time warping over the decoder's attention to the audio. */
#ifndef JOB_WHISPER_ALIGN_H
#define JOB_WHISPER_ALIGN_H

#include "job/whisper/decode.h"

/* Aligns text (n tokens, n > 0) with the first n_audio positions (of 20 ms) of what the model hears.
   times: (n + 1) seconds in the window at which each token begins, and the last one ends. probabilities: (n), each among the
   text tokens. Errors: SIB_ERR_ARGUMENT (more tokens than the model's context takes), SIB_ERR_MEMORY, the model's. */
sib_code whisper_align(whisper_decoder *d, const int32_t *text, size_t n, size_t n_audio, double *times,
                       double *probabilities, sib_error *err);

/* The cheapest monotonic path through cost (rows, columns) from the first corner to the last, by steps of one row, one
   column or both (Sakoe and Chiba 1978); of equal ones that which stays in the row. first: (rows) column at which the path
   enters each row, -1 where there are no columns. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code whisper_warp(const double *cost, size_t rows, size_t columns, int64_t *first, sib_error *err);

/* Medians of 7 neighbours of x (n), mirrored at the ends without repeating them, into out (n), which does not overlap; NaN is
   above all numbers. With 3 or fewer there is nothing to mirror: out is x. */
void whisper_medians(const double *x, size_t n, double *out);

#endif
