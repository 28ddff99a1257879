/* What Whisper's decoder looks at in the audio for the tokens of a text. */
#ifndef JOB_WHISPER_ATTEND_H
#define JOB_WHISPER_ATTEND_H

#include "job/whisper/align.h"

#include <sibyl/attention.h>

/* sib_job_attention of a model that has `align`. samples: (n_samples). out: zero; what it
   has afterwards, also after a failure, is the caller's. Errors: as there. */
sib_code whisper_attend(const whisper_model *m, const sib_tokenizer *t, sib_pool *pool, const float *samples,
                        size_t n_samples, const sib_attention_request *request, sib_attention *out,
                        sib_error *err);

#endif
