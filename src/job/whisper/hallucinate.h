/* Words that were probably not spoken: invented by the model in silence, recognised by duration and
   probability. */
#ifndef JOB_WHISPER_HALLUCINATE_H
#define JOB_WHISPER_HALLUCINATE_H

#include "job/whisper/segments.h"

/* True where a segment's first eight words, punctuation left out, are too short, too long or too improbable
   to have been spoken. */
bool whisper_is_anomaly(const sib_segment *s);

/* State when a window has its words. */
typedef struct whisper_hearing {
    const whisper_window *at;
    size_t content;     /* frames of the recording */
    double threshold;   /* seconds: hallucination_silence_threshold */
    double last_speech; /* seconds at which the last word before the window ended */
    bool complete;      /* as from whisper_slice */
} whisper_hearing;

/* Finds segments that may be invented, with silence around them; removes such a segment and all after it.
   *seek: in: frame of the next window; out: the same, or after the silence. Returns false where the window is
   to be decoded again from *seek and nothing of it is kept. */
bool whisper_skip_silence(const whisper_hearing *h, whisper_segments *segments, size_t *seek);

#endif
