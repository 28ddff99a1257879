#include "live/segment.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <string.h>

#define START_FRAMES 3 /* of speech in a row begin a segment: a click does not */

sib_code segmenter_open(segmenter *s, const segment_rules *rules, sib_error *err)
{
    *s = (segmenter){.rules = *rules, .voice = voice_begin(rules->threshold)};
    s->capacity = rules->max + rules->padding + (START_FRAMES + 1) * rules->frame;
    size_t n_levels = s->capacity / rules->frame + 1;
    s->samples = mem_alloc(s->capacity, sizeof *s->samples);
    s->levels = mem_alloc(n_levels, sizeof *s->levels);
    if (s->samples && s->levels)
        return SIB_OK;
    segmenter_close(s);
    return err_memory(err, s->capacity * sizeof *s->samples, "a segment of speech");
}

void segmenter_close(segmenter *s)
{
    mem_free(s->samples);
    mem_free(s->levels);
    s->samples = s->levels = NULL;
}

/* Forgets the first samples, full frames or all. */
static void forget(segmenter *s, size_t length)
{
    size_t frame = s->rules.frame, judged = s->judged > length ? s->judged - length : 0;
    memmove(s->samples, s->samples + length, (s->n - length) * sizeof *s->samples);
    if (judged)
        memmove(s->levels, s->levels + length / frame, judged / frame * sizeof *s->levels);
    s->n -= length;
    s->at += length;
    s->judged = judged;
    s->spoken = s->spoken > length ? s->spoken - length : 0;
}

void segmenter_drop(segmenter *s, size_t length, bool open)
{
    forget(s, length);
    s->open = open;
    s->run = 0;
    if (!open && s->judged > s->rules.padding)
        forget(s, s->judged - s->rules.padding);
}

/* The beginning of the quietest frame in the last third. */
static size_t quietest(const segmenter *s)
{
    size_t n = s->judged / s->rules.frame, best = n * 2 / 3;
    for (size_t i = best; i < n; i++)
        if (s->levels[i] <= s->levels[best])
            best = i;
    return best * s->rules.frame;
}

/* Before speech: keeps as much as a segment has in front. */
static segment_event wait_for_speech(segmenter *s, bool speech)
{
    size_t keep = s->rules.padding + START_FRAMES * s->rules.frame;
    s->run = speech ? s->run + 1 : 0;
    if (s->judged > keep)
        forget(s, s->judged - keep);
    if (s->run < START_FRAMES)
        return SEGMENT_NONE;
    s->open = true;
    s->spoken = s->judged;
    return SEGMENT_STARTED;
}

/* What a frame changes. */
static segment_event place_frame(segmenter *s, bool speech, size_t *length)
{
    const segment_rules *r = &s->rules;
    s->judged += r->frame;
    if (!s->open && !r->manual)
        return wait_for_speech(s, speech);
    s->open = true;
    if (speech)
        s->spoken = s->judged;
    if (!r->manual && s->judged - s->spoken >= r->silence) {
        *length = size_min(s->judged, s->spoken + r->padding);
        return SEGMENT_ENDED;
    }
    if (s->judged + r->frame <= r->max)
        return SEGMENT_NONE;
    *length = quietest(s);
    return SEGMENT_CUT;
}

static sib_code judge(segmenter *s, segment_event *event, size_t *length, sib_error *err)
{
    const segment_rules *r = &s->rules;
    const float *frame = s->samples + s->judged;
    bool speech = voice_frame(&s->voice, frame, r->frame);
    s->levels[s->judged / r->frame] = (float)s->voice.level;
    sib_code code = r->model ? voice_model_window(r->model, frame, r->cancel, &speech, err) : SIB_OK;
    *event = place_frame(s, speech && code == SIB_OK, length);
    return code;
}

sib_code segmenter_take(segmenter *s, const float *samples, size_t n, size_t *used, segment_event *event,
                        size_t *length, sib_error *err)
{
    sib_code code = SIB_OK;
    *event = SEGMENT_NONE;
    for (*used = 0; *used < n && *event == SEGMENT_NONE && code == SIB_OK;) {
        size_t more = size_min(s->judged + s->rules.frame - s->n, n - *used);
        memcpy(s->samples + s->n, samples + *used, more * sizeof *samples);
        s->n += more;
        *used += more;
        s->open = s->open || s->rules.manual;
        if (s->n == s->judged + s->rules.frame)
            code = judge(s, event, length, err);
    }
    return code;
}
