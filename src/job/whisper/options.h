/* Options, checked once before anything is computed. */
#ifndef JOB_WHISPER_OPTIONS_H
#define JOB_WHISPER_OPTIONS_H

#include "job/whisper/whisper.h"

/* Frames of 10 ms; a position of the model's audio context is two frames. */
#define WHISPER_SAMPLE_RATE   16000
#define WHISPER_HOP           160
#define WHISPER_FRAME_RATE    100
#define WHISPER_TOKEN_FRAMES  2
#define WHISPER_TOKEN_SECONDS 0.02

/* Max hypotheses at once; more are of no use. */
#define WHISPER_MAX_WIDTH 1024

/* Start of frame f, in seconds. */
static inline double whisper_frame_time(size_t f)
{
    return (double)(f * WHISPER_HOP) / WHISPER_SAMPLE_RATE;
}

/* Frames of a window. */
static inline size_t whisper_window_frames(const whisper_model *m)
{
    return m->n_audio_ctx * WHISPER_TOKEN_FRAMES;
}

/* Errors: SIB_ERR_ARGUMENT names the option and its allowed values. */
sib_code whisper_options_check(const whisper_options *o, const whisper_model *m, sib_error *err);

#endif
