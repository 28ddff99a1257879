/* The text of a recogniser with a CTC head (Graves et al. 2006), from the likeliest output of each frame: equal ones in
   a row are one token, blanks are none, tokens between delimiters are words, and words without long pauses segments. Or that
   of tokens which come one by one with their frames.
   Texts and times are those of transformers' Wav2Vec2CTCTokenizer. */
#ifndef JOB_NODES_CTC_TEXT_H
#define JOB_NODES_CTC_TEXT_H

#include "base/buffer.h"
#include "job/watch.h"
#include "job/whisper/segments.h"
#include "text/vocab/token_ids.h"

typedef struct ctc_rules {
    const char *const *texts; /* (n_texts) of the outputs */
    size_t n_texts;
    const char *blank;     /* the text that stands for no token */
    const char *delimiter; /* the text between words */
    const char *separator; /* what is written for it */
    const char *prefix;   /* what the text of a token that begins a word begins with; "": tokens do not say */
    bool lower_case;      /* the text is written so */
    bool clean_up;        /* blanks before punctuation and English endings are left out */
    bool words;           /* segments have their words */
    double frame_seconds; /* from one frame to the next */
    double pause_seconds; /* a pause so long ends a segment */
    double max_seconds;   /* what begins later after the start of its word or segment begins a new one */
} ctc_rules;

/* All zero but rules and watch at first; ctc_text_free. */
typedef struct ctc_text {
    const ctc_rules *rules;
    const job_watch *watch; /* may be NULL */
    double offset;          /* seconds at which frame 0 is */
    uint64_t seek;          /* of segments that end */
    bool apart;             /* what is written between clips stands before the next token */
    whisper_segments segments;
    byte_buffer text; /* of all segments */
    struct {          /* frames in a row with one output */
        bool any;
        size_t id;
        uint64_t start, end, n; /* n: frames */
        double sum;             /* of the output's probability */
    } run;
    struct {              /* the word that is open */
        bool any, joined; /* joined: no blank stands before it */
        double start, end, sum;
        size_t n; /* tokens */
        byte_buffer text;
    } word;
    struct {                      /* the segment that is open */
        byte_buffer text, blanks; /* blanks: behind the text, written with the next word */
        sib_word *words;          /* (n) */
        size_t n, capacity;
        double start, end, sum; /* sum: of log probabilities */
        token_ids tokens;
        double *logprobs; /* (tokens.n) */
        size_t n_logprobs, logprobs_capacity;
    } open;
} ctc_text;

/* Takes a frame, after those before it: its likeliest output and the probability of that. */
sib_code ctc_text_frame(ctc_text *t, uint64_t frame, size_t id, double probability, sib_error *err);
/* Takes a token of its own, of frames from (inclusive) to `to`, which may be none: those of transducers. */
sib_code ctc_text_token(ctc_text *t, uint64_t from, uint64_t to, size_t id, double probability,
                        sib_error *err);
/* Begins a clip: its text stands apart from that before it. */
sib_code ctc_text_clip(ctc_text *t, sib_error *err);
/* Ends what is open: a recording or a clip ends. */
sib_code ctc_text_end(ctc_text *t, sib_error *err);
void ctc_text_free(ctc_text *t);

#endif
