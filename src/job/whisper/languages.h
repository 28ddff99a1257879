/* Languages by name. */
#ifndef JOB_WHISPER_LANGUAGES_H
#define JOB_WHISPER_LANGUAGES_H

#include <stdbool.h>

/* The code of the language with that code, name or alternative name, in any case; NULL where Whisper has
   none. Static storage. */
const char *whisper_language_code(const char *name);

/* True for languages that are written without blanks between words. */
bool whisper_language_unspaced(const char *code);

#endif
