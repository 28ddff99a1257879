/* Words that were hardly said: made up by the model where nobody speaks, told by how they last and how probable they are. */
#ifndef JOB_WHISPER_HALLUCINATE_H
#define JOB_WHISPER_HALLUCINATE_H

#include "job/whisper/segments.h"

/* True where a segment's first eight words, marks left out, are too short, too long or too improbable to have been said. */
bool whisper_is_anomaly(const sib_segment *s);

/* What is known when a window has its words. */
typedef struct whisper_hearing {
    const whisper_window *at;
    size_t content;     /* frames of the recording */
    double threshold;   /* seconds: hallucination_silence_threshold */
    double last_speech; /* seconds at which the last word before the window ended */
    bool complete;      /* as from whisper_slice */
} whisper_hearing;

/* Looks for segments that may be made up with silence around them; such and all behind are cut. *seek: in: where to go on; out:
   the same, or behind the silence. Returns false where the window is to be heard again from *seek, nothing of it kept. */
bool whisper_skip_silence(const whisper_hearing *h, whisper_segments *segments, size_t *seek);

#endif
