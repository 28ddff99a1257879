/* Whisper's log-mel features of one frame at a time in fixed point, for processors with a few KB of memory
   and no floating point.

   Freestanding: needs <stddef.h>, <stdint.h> and <stdbool.h> alone, no memory but its stack, no library,
   no recursion, no division. Right shifts of negative numbers must be arithmetic, as every compiler of
   these processors has them.

   The steps, with the Q format after each (Qn: the number is the integer / 2^n; 1.0 is full scale):
       x       int16 samples                                                  Q15
       y       x times a periodic Hann window in Q16                          Q26, |y| <= 2^26
       z       25 transforms of 16 points                                     Q26, |z| <= 2^29
       s, d    sums and differences of transforms b and 25 - b in 16 bits     Q(26 - r(k1))
       X       9 transforms of 25 points, |re|, |im| < 1.05 2^20              Q(27 - r)
       P       re^2 + im^2                                                    Q(54 - 2 r)
       E       sums of P times integer weights, at most 2^53, exact
       out     (log10(energy) + 4) / 4, log2 by a table of parabolas          Q14 or Q6
   Block floating point: r(k1) is the smallest exponent for which all s and d of frequency k1 of the 16-point
   transforms fit, r the largest r(k1), the one exponent of the frame's power. Both are 0 if no shift is
   needed. 16 and 25 have no common factor, so with sample (25 a + 16 b) mod 400 and bin (225 k1 + 176 k2)
   mod 400 a transform of 400 points becomes transforms of 16 and of 25 points without twiddle factors
   between them (Good 1958, Thomas 1963). */
#ifndef TILE_TILE_KERNEL_H
#define TILE_TILE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define TILE_FRAME_SAMPLES 400
#define TILE_HOP_SAMPLES   160
#define TILE_BINS          201
#define TILE_MAX_BANDS     128

/* Scales of the results: 16-bit values are features * 2^14 (-1.5 is -24576, the floor of Whisper's
   logarithm; no int16 recording reaches 2), 8-bit values features * 2^6, rounded half up from the 16-bit
   ones. */
#define TILE_Q_INT16   14
#define TILE_Q_INT8    6
#define TILE_FLOOR     (-24576)            /* -1.5 in Q14: an energy of 1e-10 or less */
#define TILE_RANGE     (2 << TILE_Q_INT16) /* 2.0: the range that Whisper keeps below the maximum, 80 dB */
#define TILE_COS25_ONE 16384               /* 1.0 in the tables of the 25-point transform */

/* The bands of a front end, as tile_bank_80 and tile_bank_128. Bands are triangles over neighbouring
   edges, so each bin lies on the falling side of one band and the rising side of the next; segment s holds
   the bins between edges s and s + 1. */
typedef struct tile_bank {
    uint16_t n_bands;
    uint16_t first_bin;      /* of segment 0; the segments follow one another without a gap */
    const uint8_t *counts;   /* (n_bands + 1) bins of each segment */
    const uint16_t *weights; /* (sum of counts, 2): of each bin in band s - 1 (falling) and s (rising) */
    const int32_t *offsets;  /* (n_bands) Q24: what the logarithm of E, as a feature, is off by where r = 0 */
} tile_bank;

extern const tile_bank tile_bank_80, tile_bank_128;

/* State from frame to frame. */
typedef struct tile_state {
    int32_t maximum; /* Q14: largest value of all frames so far */
} tile_state;

/* Before the first frame of a recording. */
void tile_reset(tile_state *state);

/* Features of one frame before the clamp to the recording's maximum.
   pcm: (400) samples; out: (n_bands) Q14. Returns the largest of them. */
int32_t tile_frame(const tile_bank *bank, const int16_t *pcm, int16_t *out);

/* Features of n_frames frames before the clamp; the state's maximum is brought up to date.
   pcm:  frame i is pcm[i step .. i step + 400): step 400 for separate frames, 160 for a recording. Whisper
         centres its frames: frame i of a recording begins at sample 160 i - 200, with reflection at the
         ends, which the caller provides.
   out:  (n_frames, n_bands) in Q14, or in Q6 for int8. */
void tile_frames_int16(tile_state *state, const tile_bank *bank, const int16_t *pcm, size_t step,
                       size_t n_frames, int16_t *out);
void tile_frames_int8(tile_state *state, const tile_bank *bank, const int16_t *pcm, size_t step,
                      size_t n_frames, int8_t *out);

/* Raises n values to the state's maximum - 2.0, in place. With the maximum of the entire recording, after
   its last frame, the result is Whisper's; after each frame it is the causal form with a running maximum. */
void tile_clamp_int16(const tile_state *state, int16_t *values, size_t n);
void tile_clamp_int8(const tile_state *state, int8_t *values, size_t n);

#endif
