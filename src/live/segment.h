/* Samples of a stream cut into segments: from speech to the silence behind it. Memory is that of one segment. */
#ifndef LIVE_SEGMENT_H
#define LIVE_SEGMENT_H

#include "live/voice.h"
#include "live/voice_model.h"

#include <sibyl/base.h>

/* In samples, all of them multiples of `frame` but for max_samples, which is at least as many. */
typedef struct segment_rules {
    size_t frame, padding, silence, max;
    double threshold;
    bool manual;        /* silence neither begins nor ends a segment */
    voice_model *model; /* tells speech, where frames are its windows; NULL: the level does. Not owned */
    const sib_cancel *cancel; /* of the model; may be NULL */
} segment_rules;

typedef struct segmenter {
    segment_rules rules;
    voice voice;
    float *
        samples; /* (n) of (capacity); the open segment begins with the first; else what may come before one */
    size_t n, capacity;
    float *levels; /* dB of each frame judged */
    size_t judged; /* samples of frames that were judged */
    size_t spoken; /* where the last frame of speech ends */
    unsigned run;  /* frames of speech in a row */
    bool open;
    uint64_t at; /* position of samples[0] in the stream */
} segmenter;

typedef enum segment_event { SEGMENT_NONE, SEGMENT_STARTED, SEGMENT_ENDED, SEGMENT_CUT } segment_event;

sib_code segmenter_open(segmenter *s, const segment_rules *rules, sib_error *err);
void segmenter_close(segmenter *s);

/* Takes *used of samples (n), up to the next event. SEGMENT_ENDED, SEGMENT_CUT: the segment is the first *length samples;
   segmenter_drop must follow, with these. Errors: those of the model; the frame counts as silence. */
sib_code segmenter_take(segmenter *s, const float *samples, size_t n, size_t *used, segment_event *event,
                        size_t *length, sib_error *err);
/* Forgets the first samples; length is one that segmenter_take gave, or all. open: what is left is an open segment. */
void segmenter_drop(segmenter *s, size_t length, bool open);

#endif
