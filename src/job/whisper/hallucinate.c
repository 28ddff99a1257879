#include "job/whisper/hallucinate.h"

#include "job/whisper/letters.h"
#include "job/whisper/words.h"

#include <math.h>
#include <string.h>

/* How unlike spoken words a word is. */
static double anomaly(const sib_word *w)
{
    const double duration = w->end - w->start;
    double score = w->probability < 0.15 ? 1 : 0;
    if (duration < 0.133)
        score += (0.133 - duration) * 15;
    if (duration > 2)
        score += duration - 2;
    return score;
}

bool whisper_is_anomaly(const sib_segment *s)
{
    static const char marks[] = "\"'“¿([{-\"'.。,，!！?？:：”)]}、";
    double score = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->n_words && n < 8; i++) {
        sib_str word = {s->words[i].text, strlen(s->words[i].text)};
        if (whisper_within(word, (sib_str){marks, sizeof marks - 1}))
            continue;
        score += anomaly(&s->words[i]);
        n++;
    }
    return s->n_words > 0 && (score >= 3 || score + 0.01 >= (double)n);
}

/* The first segment from index `from` on that has words, or NULL. */
static const sib_segment *with_words(const whisper_segments *s, size_t from)
{
    for (size_t i = from; i < s->n; i++)
        if (s->data[i].n_words > 0)
            return &s->data[i];
    return NULL;
}

static size_t to_frames(double seconds)
{
    return (size_t)rint(fmax(0, seconds) * WHISPER_FRAME_RATE);
}

/* True where segment i, an anomaly, has silence or other anomalies on both sides. */
static bool is_isolated(const whisper_hearing *h, const whisper_segments *segments, size_t i, double before)
{
    const sib_segment *s = &segments->data[i], *next = with_words(segments, i + 1);
    const double after = next ? next->words[0].start : h->at->offset + h->at->duration;
    bool silence_before =
        s->start - before > h->threshold || s->start < h->threshold || s->start - h->at->offset < 2;
    bool silence_after =
        after - s->end > h->threshold || (next && whisper_is_anomaly(next)) || h->at->end - s->end < 2;
    return silence_before && silence_after;
}

bool whisper_skip_silence(const whisper_hearing *h, whisper_segments *segments, size_t *seek)
{
    const whisper_window *at = h->at;
    double last;
    if (!h->complete && whisper_last_end(segments, &last) && last > at->offset)
        *seek = at->end - last > h->threshold ? to_frames(last) : at->seek + at->size;
    const sib_segment *first = with_words(segments, 0);
    if (first && whisper_is_anomaly(first) && first->start - at->offset > h->threshold) {
        *seek = at->seek + to_frames(first->start - at->offset);
        return false;
    }
    double before = h->last_speech;
    for (size_t i = 0; i < segments->n; i++) {
        const sib_segment *s = &segments->data[i];
        if (s->n_words == 0)
            continue;
        if (whisper_is_anomaly(s) && is_isolated(h, segments, i, before)) {
            *seek = to_frames(fmax(at->offset + 1, s->start));
            if (whisper_frame_time(h->content) - s->end < h->threshold)
                *seek = h->content;
            whisper_segments_cut(segments, i);
            break;
        }
        before = s->end;
    }
    return true;
}
