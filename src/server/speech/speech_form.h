/* The form of a transcription: the fields of OpenAI's API, and the options of Whisper's procedure by their names. */
#ifndef SIB_SERVER_SPEECH_FORM_H
#define SIB_SERVER_SPEECH_FORM_H

#include "server/speech/recording.h"

typedef enum speech_format {
    SPEECH_JSON,
    SPEECH_TEXT,
    SPEECH_SRT,
    SPEECH_VTT,
    SPEECH_VERBOSE_JSON,
    N_SPEECH_FORMATS
} speech_format;

#define MAX_SPEECH_INPUTS 16

/* Strings are those of the exchange. */
typedef struct speech_form {
    const part *file;
    recording *held;   /* NULL: the file came with the form */
    const char *model; /* NULL: not given */
    speech_format format;
    bool stream, words, segments; /* words, segments: what verbose_json holds */
    bool logprobs;                /* of tokens, in json */
    double temperature;
    buffer hotwords;                         /* all of them, in one text; speech_form_clear */
    sib_job_value inputs[MAX_SPEECH_INPUTS]; /* (n_inputs) of the job, but for the audio */
    size_t n_inputs, n_given;                /* those from n_given on are for jobs that have such inputs */
} speech_form;

/* Reads x's form. task: "transcribe" or "translate". Answers 400 and returns false where a field is missing, unknown,
   out of range or not supported. *out must not be moved: an input points into it. speech_form_clear(out) in both cases. */
bool speech_form_read(exchange *x, const char *task, speech_form *out);
void speech_form_clear(speech_form *f);

#endif
