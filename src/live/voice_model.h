/* Whether somebody speaks, by a model of Silero's: a window at a time, with its state in between. */
#ifndef LIVE_VOICE_MODEL_H
#define LIVE_VOICE_MODEL_H

#include <sibyl/job.h>

#define VOICE_WINDOW 512 /* samples at 16 kHz */

typedef struct voice_model voice_model;

/* job: outlives it. threshold: probability at which speech begins. out: owned by the caller, voice_model_free. Errors:
   SIB_ERR_ARGUMENT (a job without such a model, by name), SIB_ERR_MEMORY. */
sib_code voice_model_create(const sib_job *job, double threshold, voice_model **out, sib_error *err);
void voice_model_free(voice_model **v);
/* Whether the next window (VOICE_WINDOW samples) is speech. Errors: those of the model. */
sib_code voice_model_window(voice_model *v, const float *samples, const sib_cancel *cancel, bool *speech,
                            sib_error *err);

#endif
