/* One window by itself, at one temperature: what openai-whisper's decode() does. */
#ifndef JOB_WHISPER_WINDOW_H
#define JOB_WHISPER_WINDOW_H

#include "job/whisper/detect.h"

/* It owns its memory: whisper_heard_free. */
typedef struct whisper_heard {
    whisper_language language;
    whisper_decoded decoded;
    byte_buffer text; /* trimmed UTF-8 */
} whisper_heard;
void whisper_heard_free(whisper_heard *h);

/* mel: (n_mels, 2 * n_audio_ctx). previous: (n_previous) tokens before the window, of which the last fit;
   o->initial_prompt and what concerns several windows counts for nothing. *out: all zero after a failure.
   Errors: those of whisper_transcribe. */
sib_code whisper_hear_window(const whisper_model *m, const sib_tokenizer *t, const float *mel,
                             const int32_t *previous, size_t n_previous, const whisper_options *o,
                             const job_watch *watch, whisper_heard *out, sib_error *err);

#endif
