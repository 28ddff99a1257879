/* Lists of segments, and segments from timestamps. */
#ifndef JOB_WHISPER_SEGMENTS_H
#define JOB_WHISPER_SEGMENTS_H

#include "job/whisper/decode.h"

/* A list of segments that owns their texts, tokens and words. */
typedef struct whisper_segments {
    sib_segment *data; /* (n) */
    size_t n, capacity;
} whisper_segments;

/* Frees the segments from index `from` on, and the list's memory where that is 0. */
void whisper_segments_cut(whisper_segments *s, size_t from);
/* Moves all segments of `from` to the end of `to`. Errors: SIB_ERR_MEMORY, both unchanged. */
sib_code whisper_segments_move(whisper_segments *to, whisper_segments *from, sib_error *err);
/* Removes text, tokens and words. Errors: SIB_ERR_MEMORY. */
sib_code whisper_segment_empty(sib_segment *s, sib_error *err);

/* The frames that are decoded at once. */
typedef struct whisper_window {
    size_t seek, size; /* in frames; size is at most that of the model's window */
    double offset;     /* start, in seconds */
    double duration;   /* length, in seconds */
    double end;        /* end of a full window from the same start, in seconds */
} whisper_window;

/* Makes the segments of a window from its timestamps. *advance: frames to the next window. *complete: a
   single timestamp ends the text, so nothing is spoken after it. Errors: those of the tokenizer; *out is then
   cut to its former length. */
sib_code whisper_slice(const whisper_tokens *w, const whisper_decoded *r, const whisper_window *at,
                       whisper_segments *out, size_t *advance, bool *complete, sib_error *err);

/* Words of a segment, writable: the list owns them. */
static inline sib_word *whisper_words(const sib_segment *s)
{
    return (sib_word *)s->words;
}

#endif
