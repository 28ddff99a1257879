/* Options of `sibyl transcribe`, and the inputs of a job that they are. */
#ifndef CLI_TRANSCRIBE_SETTINGS_H
#define CLI_TRANSCRIBE_SETTINGS_H

#include "command.h"
#include "job_values.h"
#include "set/set.h"
#include "shared_options.h"

typedef struct transcribe_settings {
    const char *model, *tokenizer, *language, *folder, *vad, *initial_prompt, *hotwords, *backend, *trace;
    const char *image;       /* of --png, or NULL */
    const char *attention;   /* likewise */
    const char *output_file; /* path of the files without their endings, or NULL */
    extension_settings ext;
    set_settings set;
    cli_list inputs;
    long beam, best_of, threads,
        batch; /* beam 0: 5, or greedy where text is wanted while somebody speaks; best_of 0: 5 */
    int task, format, features, verbose;
    bool outputs[SIB_TRANSCRIPT_FORMAT_COUNT]; /* written beside each recording */
    bool word_timestamps, picture, quiet, live, detect;
    bool print_progress, print_colours, no_times, no_summary;
    double max_seconds;                 /* 0: the default */
    double temperature, increment;      /* below 0: the job's own */
    double from, duration;              /* milliseconds of what is transcribed; 0: all */
    long max_length;                    /* characters of a segment; 0: any */
    long width, lines, words, offset_n; /* of subtitles */
    bool highlight;
} transcribe_settings;

/* A value of --format: all files that openai-whisper's command writes. */
#define TRANSCRIBE_ALL 5

extern const cli_option transcribe_options[];
extern const cli_option transcribe_names[]; /* of openai-whisper and whisper.cpp */

/* Sets the defaults. */
void transcribe_settings_begin(transcribe_settings *s);
/* Returns CLI_DONE, or CLI_USAGE with a line on stderr where options do not go together. n: recordings. */
int transcribe_settings_check(const cli_command *self, const transcribe_settings *s, int n);
void transcribe_settings_free(transcribe_settings *s);

/* Whether words need times. */
bool transcribe_wants_words(const transcribe_settings *s);
/* Whether a file of this format is written, or the text where there are no files. */
bool transcribe_writes(const transcribe_settings *s, sib_transcript_format format);

/* The options as inputs of the job. clips: of voice activity, which `in` has already. Returns false, with a line on
   stderr, on failure. */
bool transcribe_inputs(job_inputs *in, const transcribe_settings *s, const sib_job *job, bool clips);

#endif
