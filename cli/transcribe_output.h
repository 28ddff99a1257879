/* What `sibyl transcribe` shows and writes of recordings. */
#ifndef CLI_TRANSCRIBE_OUTPUT_H
#define CLI_TRANSCRIBE_OUTPUT_H

#include "transcribe_settings.h"

/* Name of a recording's files, without an ending. Release with free. */
char *transcribe_stem(const char *recording);

/* Prints a segment as it is recognised: a line, or several with --max-len. */
sib_code transcribe_show(const transcribe_settings *s, const sib_segment *segment, FILE *out, sib_error *err);

/* Prints a line for each 5 %. percent: what was printed last, 0 at first. */
void transcribe_progress(int *percent, double part, const char *recording);

/* Prints the detected language; probability: a number, NaN where the model has only one. Returns true. */
bool transcribe_language(const char *recording, const char *language, const sib_port_value *probability,
                         FILE *out);

/* Writes the formats that are wanted, to files or to `out`. Returns false, with a line on stderr, on failure. */
bool transcribe_write(const transcribe_settings *s, FILE *out, const char *recording,
                      const sib_transcript *t);

/* Writes the picture of --png. samples (n); clips: of voice activity, "start,end,start,end", or NULL. Returns false, with
   a line on stderr, on failure. */
bool transcribe_picture(const transcribe_settings *s, const char *recording, const float *samples, size_t n,
                        const sib_transcript *t, const char *clips);

/* Writes the picture of --attention: means over layers and heads of the first window with text, each row scaled to its
   largest. audio [n]. Returns false, with a line on stderr, on failure. */
bool transcribe_attention(const transcribe_settings *s, const sib_job *job, const char *recording,
                          const sib_tensor *audio, const sib_transcript *t);

#endif
