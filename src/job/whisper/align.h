/* The times at which tokens are spoken, by dynamic time warping over the decoder's attention to the audio. */
#ifndef JOB_WHISPER_ALIGN_H
#define JOB_WHISPER_ALIGN_H

#include "job/whisper/decode.h"

/* Aligns text (n tokens, n > 0) with the first n_audio positions (of 20 ms) of the encoded window. times: (n
   + 1) seconds in the window at which each token begins and the last one ends. probabilities: (n), of each
   token among the text tokens. Errors: SIB_ERR_ARGUMENT (more tokens than the model's context holds),
   SIB_ERR_MEMORY, those of the model. */
sib_code whisper_align(whisper_decoder *d, const int32_t *text, size_t n, size_t n_audio, double *times,
                       double *probabilities, sib_error *err);

/* Adds all tokens to feed for that: the start without timestamps, the text (n), the end. Errors: SIB_ERR_ARGUMENT (more than
   the context holds), SIB_ERR_MEMORY. */
sib_code whisper_align_tokens(const whisper_tokens *w, size_t n_text_ctx, const int32_t *text, size_t n,
                              token_ids *out, sib_error *err);

/* The cheapest monotonic path through cost (rows, columns) from the first corner to the last, in steps of one
   row, one column or both (Sakoe and Chiba 1978); among equals the one that stays in the row. first: (rows)
   column at which the path enters each row, -1 where there are no columns. Errors: SIB_ERR_MEMORY,
   SIB_ERR_SIZE. */
sib_code whisper_warp(const double *cost, size_t rows, size_t columns, int64_t *first, sib_error *err);

/* Medians of 7 neighbours of x (n), mirrored at the ends without repeating them, into out (n), which must not
   overlap; NaN sorts above all numbers. With n of 3 or fewer nothing can be mirrored: out is x. */
void whisper_medians(const double *x, size_t n, double *out);

#endif
