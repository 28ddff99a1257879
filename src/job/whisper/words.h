/* Words of segments, with times. */
#ifndef JOB_WHISPER_WORDS_H
#define JOB_WHISPER_WORDS_H

#include "job/whisper/segments.h"

/* A word as it is made: its text, how many of the tokens are its own, and when it is spoken. */
typedef struct whisper_timed {
    byte_buffer text;
    size_t n_tokens;
    double start, end; /* seconds in the window */
    double probability;
} whisper_timed;

typedef struct whisper_timed_list {
    whisper_timed *data; /* (n) */
    size_t n, capacity;
} whisper_timed_list;

void whisper_timed_free(whisper_timed_list *l);

/* Adds the words of ids (n): split before blanks and punctuation, or, in languages that are written without blanks, at every
   whole character. Tokens behind bytes that never become a character again may be left out.
   Errors: SIB_ERR_MEMORY; what was added is the list's all the same. */
sib_code whisper_split(const whisper_tokens *w, const int32_t *ids, size_t n, whisper_timed_list *out,
                       sib_error *err);

/* Joins marks of `prepended` to the word behind them and marks of `appended` to the word in front; what was joined is left
   as a word of no text and no tokens. Errors: SIB_ERR_MEMORY. */
sib_code whisper_join_marks(whisper_timed_list *l, const char *prepended, const char *appended,
                            sib_error *err);

/* Gives the segments of a window, which the model hears, their words, and times by them. last_speech: seconds at which the
   last word before the window ended. Errors: those of whisper_align. */
sib_code whisper_add_words(whisper_decoder *d, const whisper_window *at, double last_speech,
                           whisper_segments *segments, sib_error *err);

/* The end of the last word, or of the last segment where none has words; false where there are no segments. */
bool whisper_last_end(const whisper_segments *segments, double *out);

#endif
