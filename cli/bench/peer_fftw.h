/* FFTW's share of a front end: window, 400-point real transform and power, a batch of frames at a time. The
   library is opened at run time, where it is installed. */
#ifndef CLI_PEER_FFTW_H
#define CLI_PEER_FFTW_H

#include <stdbool.h>
#include <stddef.h>

#define FFTW_N_FFT 400
#define FFTW_HOP   160
#define FFTW_BINS  201

typedef struct peer_fftw peer_fftw;

/* Returns NULL, with the reason in why (bytes), if FFTW is not available. */
peer_fftw *peer_fftw_open(char *why, size_t bytes);
void peer_fftw_close(peer_fftw *peer);

/* Frames per batch, the fastest of a few that were tried. */
size_t peer_fftw_batch(const peer_fftw *peer);

/* Power of n_frames frames, frame t being samples[160 t .. 160 t + 400). The peer owns the result, which is
   valid until the next batch. Returns a sum of some of it, so that the compiler cannot remove the work. */
double peer_fftw_run(peer_fftw *peer, const float *samples, size_t n_frames);

/* Power of one frame, (FFTW_BINS), to check that both compute the same. */
void peer_fftw_frame(peer_fftw *peer, const float *samples, float *power);

#endif
