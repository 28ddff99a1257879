/* Speech to text while somebody speaks: samples go in piece by piece, text comes out with its times. */
#ifndef SIBYL_LIVE_H
#define SIBYL_LIVE_H

#include <sibyl/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stream of speech. It is cut into segments, at silence or where one becomes too long, and each segment is transcribed
   by a job of kind "speech-to-text". One thread at a time per stream; several streams may share a job. */
typedef struct sib_live sib_live;

typedef enum sib_live_kind {
    SIB_LIVE_STARTED, /* speech began: a segment is open */
    SIB_LIVE_STOPPED, /* silence followed, or sib_live_commit: its final text comes next */
    SIB_LIVE_PARTIAL, /* what the open segment seems to say so far */
    SIB_LIVE_FINAL    /* what a segment says; this never changes */
} sib_live_kind;

/* Pointers live until the callback returns. Times in seconds from the beginning of the stream. */
typedef struct sib_live_event {
    sib_live_kind kind;
    uint64_t segment; /* its number, from 0 */
    /* of the segment's audio; end is the present one where it is open, and that of speech where that stopped */
    double start, end;
    const char *text;            /* PARTIAL and FINAL: without blanks in front; "" otherwise */
    size_t n_stable;             /* PARTIAL: bytes of text whose words were in the partial text before, too */
    const char *language;        /* FINAL: "en"; "" otherwise */
    const sib_segment *segments; /* (n_segments) FINAL: as the job gives them, with times of the stream */
    size_t n_segments;
} sib_live_event;

/* All zero: the defaults in brackets. */
typedef struct sib_live_options {
    /* Called from the thread that calls the stream. A code other than SIB_OK ends that call with it. */
    sib_code (*on_event)(void *context, const sib_live_event *event, sib_error *err);
    void *context;
    const sib_job_value *inputs; /* (n_inputs) of the job but for its audio; they outlive the stream */
    size_t n_inputs;
    int32_t sample_rate; /* of the samples pushed, Hz, 4,000 to 768,000 [16,000] */
    bool manual;         /* silence ends no segment: sib_live_commit does, and max_seconds */
    /* A job of kind "voice-activity" with a model of Silero's: tells speech from other sound, in windows of 32 ms. NULL:
       the level does. Outlives the stream; several streams may share it. */
    const sib_job *voice;
    /* above 0 to 1: speech stands this times 18 dB above the background; with `voice`, its probability [0.5] */
    double threshold;
    double silence_seconds;   /* silence that ends a segment, 0.1 to 10 [0.5] */
    double padding_seconds;   /* audio of a segment before and after its speech, 0 to 2 [0.3]; negative: 0 */
    double max_seconds;       /* of a segment, 2 to 30 [28]; longer speech is cut where it is quietest */
    double partial_seconds;   /* new audio between two partial texts [0.5]; negative: there are none */
    double begin;             /* time of the first sample in seconds */
    const sib_cancel *cancel; /* ends calls with SIB_ERR_CANCELLED; may be NULL; outlives the stream */
} sib_live_options;

/* job outlives the stream. out: owned by the caller, sib_live_free(&l). Errors: SIB_ERR_ARGUMENT (an option out of
   range, no on_event, an input that the job does not have, a job without the ports of speech to text), SIB_ERR_MEMORY. */
SIB_API sib_code sib_live_create(const sib_job *job, const sib_live_options *options, sib_live **out,
                                 sib_error *err);
SIB_API void sib_live_free(sib_live **l);

/* Takes samples (n), as many as there are: what they complete is transcribed and passed to on_event before it
   returns, and memory stays that of one segment. Samples beyond -1 and 1 are clipped. After an error the segment that could not be
   transcribed is left out; the stream may go on with new samples.
   Errors: SIB_ERR_VALUE (a sample that is not finite; nothing is taken), those of the job and of on_event. */
SIB_API sib_code sib_live_push(sib_live *l, const float *samples, size_t n, sib_error *err);
/* The same from signed 16 bits, divided by 32,768. */
SIB_API sib_code sib_live_push_s16(sib_live *l, const int16_t *samples, size_t n, sib_error *err);

/* Tells a partial text where a segment is open and partial_seconds of it are new. For when all samples that have come
   are pushed: one that lags behind leaves partial texts out. Errors: those of the job and of on_event. */
SIB_API sib_code sib_live_refresh(sib_live *l, sib_error *err);

/* Seconds of the open segment; 0: none is open. */
SIB_API double sib_live_pending(const sib_live *l);
/* Ends the open segment now and tells its final text; nothing where none is open. Errors: as sib_live_push. */
SIB_API sib_code sib_live_commit(sib_live *l, sib_error *err);
/* The same at the end of the stream, with what the change of rate holds back; samples pushed afterwards go on from
   there. */
SIB_API sib_code sib_live_finish(sib_live *l, sib_error *err);
/* Forgets the open segment. */
SIB_API void sib_live_clear(sib_live *l);

#ifdef __cplusplus
}
#endif
#endif
