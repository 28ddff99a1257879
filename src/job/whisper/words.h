/* Words of segments, with times. */
#ifndef JOB_WHISPER_WORDS_H
#define JOB_WHISPER_WORDS_H

#include "job/whisper/segments.h"

/* A word: its text, how many of the tokens belong to it, and when it is spoken. */
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

/* Adds the words of ids (n): split before blanks and punctuation, or, in languages that are written without
   blanks, after every complete character. Tokens after bytes that never complete a character may be left out.
   Errors: SIB_ERR_MEMORY; the list then owns what was added. */
sib_code whisper_split(const whisper_tokens *w, const int32_t *ids, size_t n, whisper_timed_list *out,
                       sib_error *err);

/* Joins marks of `prepended` to the following word and marks of `appended` to the preceding word; a joined
   mark stays as a word without text and tokens. Errors: SIB_ERR_MEMORY. */
sib_code whisper_join_marks(whisper_timed_list *l, const char *prepended, const char *appended,
                            sib_error *err);

/* Sets the words of the segments of the encoded window, and their times. last_speech: seconds at which the
   last word before the window ended. Errors: those of whisper_align. */
sib_code whisper_add_words(whisper_decoder *d, const whisper_window *at, double last_speech,
                           whisper_segments *segments, sib_error *err);

/* The end of the last word, or of the last segment where no segment has words; returns false where there are
   no segments. */
bool whisper_last_end(const whisper_segments *segments, double *out);

#endif
