/* sibyl transcribe --live: text while somebody speaks. */
#ifndef CLI_TRANSCRIBE_LIVE_H
#define CLI_TRANSCRIBE_LIVE_H

#include "job_values.h"

typedef enum live_form { LIVE_LINES, LIVE_TEXT, LIVE_JSON } live_form;

typedef struct live_hearing {
    const sib_job *job, *voice; /* speech to text; voice activity, or NULL */
    const job_inputs *inputs;   /* of the job, but for its audio */
    double max_seconds;         /* as in sib_audio_options */
    live_form form;
} live_hearing;

/* Transcribes from a microphone ("alsa:NAME", "pulse:NAME", NULL: the default), standard input ("-"), a pipe, or a file at the
   pace at which it would be played, until it ends or a signal comes; what was said by then is written. Returns false,
   with a line on stderr, on failure. */
bool live_transcribe(const live_hearing *h, const char *source);

#endif
