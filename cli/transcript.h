/* Transcripts in the formats of openai-whisper's command. */
#ifndef CLI_TRANSCRIPT_H
#define CLI_TRANSCRIPT_H

#include "messages.h"

typedef enum transcript_format {
    TRANSCRIPT_TXT,
    TRANSCRIPT_JSON,
    TRANSCRIPT_SRT,
    TRANSCRIPT_VTT,
    TRANSCRIPT_TSV,
    TRANSCRIPT_ALL /* each of them */
} transcript_format;

/* Words of --format, ends with NULL. */
extern const char *const transcript_formats[];

typedef struct transcript {
    const char *text, *language;
    const sib_segment *segments; /* (n) */
    size_t n;
} transcript;

/* One format, not all. */
void transcript_write(const transcript *t, transcript_format format, FILE *out);

/* "[00:01.000 --> 00:02.500]  text" */
void transcript_line(const sib_segment *segment, FILE *out);

#endif
