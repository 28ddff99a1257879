/* Segments in the making, and what timestamps say of them. */
#ifndef JOB_WHISPER_SEGMENTS_H
#define JOB_WHISPER_SEGMENTS_H

#include "job/whisper/decode.h"

/* Segments whose texts, tokens and words belong to the list. */
typedef struct whisper_segments {
    sib_segment *data; /* (n) */
    size_t n, capacity;
} whisper_segments;

/* Frees the segments from `from` on, and the list's memory where that is 0. */
void whisper_segments_cut(whisper_segments *s, size_t from);
/* Moves all segments of `from` to the end of `to`. Errors: SIB_ERR_MEMORY, both as they were. */
sib_code whisper_segments_move(whisper_segments *to, whisper_segments *from, sib_error *err);
/* Takes text, tokens and words away. Errors: SIB_ERR_MEMORY. */
sib_code whisper_segment_empty(sib_segment *s, sib_error *err);

/* What is heard at once. */
typedef struct whisper_window {
    size_t seek, size; /* frames; size at most that of the model's window */
    double offset;     /* seconds at which it begins, */
    double duration;   /* that are in it, */
    double end;        /* and at which a whole window ends */
} whisper_window;

/* Segments of a window, by its timestamps. *advance: frames to go on by. *complete: a single timestamp ends the text, so
   nothing is said behind it. Errors: those of the tokenizer; *out is then cut to what it was. */
sib_code whisper_slice(const whisper_tokens *w, const whisper_decoded *r, const whisper_window *at,
                       whisper_segments *out, size_t *advance, bool *complete, sib_error *err);

/* Words of a segment, to be changed: they are the list's. */
static inline sib_word *whisper_words(const sib_segment *s)
{
    return (sib_word *)s->words;
}

#endif
