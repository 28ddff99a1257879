/* What the formats of transcripts have alike: times, and text without white space around. */
#ifndef JOB_TRANSCRIPT_PARTS_H
#define JOB_TRANSCRIPT_PARTS_H

#include "base/buffer.h"

#include <sibyl/transcript.h>

/* Bytes of a time with its NUL. */
#define TRANSCRIPT_TIME 40

/* Writes "01:02.345", with hours before it if they are requested or not 0. Halves of milliseconds round to even, as
   Python's do. seconds: below 0 is taken for 0. */
void transcript_time(char text[TRANSCRIPT_TIME], double seconds, bool hours, char point);

/* Milliseconds, rounded likewise. */
long long transcript_milliseconds(double seconds);

/* Bytes of the white-space character (Unicode's, as Python's str.isspace) that the text begins with, else 0. */
size_t transcript_blank(const char *text);

/* The text without white space around. Points into it. */
sib_str transcript_trimmed(const char *text);

/* Appends text in which "-->", which would end a cue's times, is "->". */
void transcript_add_cue_text(byte_buffer *b, sib_str text, sib_error *err);

#endif
