#include "job/whisper/segments.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* ---- The list --------------------------------------------------------------------------------------- */

static void free_words(sib_segment *s)
{
    for (size_t i = 0; i < s->n_words; i++)
        mem_free((char *)s->words[i].text);
    mem_free((sib_word *)s->words);
    s->words = NULL;
    s->n_words = 0;
}

static void free_segment(sib_segment *s)
{
    free_words(s);
    mem_free((char *)s->text);
    mem_free((int32_t *)s->tokens);
    mem_free((double *)s->logprobs);
}

void whisper_segments_cut(whisper_segments *s, size_t from)
{
    for (size_t i = from; i < s->n; i++)
        free_segment(&s->data[i]);
    if (from < s->n)
        s->n = from;
    if (from == 0) {
        mem_free(s->data);
        *s = (whisper_segments){0};
    }
}

static sib_code make_room(whisper_segments *s, size_t more, sib_error *err)
{
    return ARRAY_RESERVE(s->data, s->capacity, s->n + more, "segments", err);
}

sib_code whisper_segments_move(whisper_segments *to, whisper_segments *from, sib_error *err)
{
    sib_code code = make_room(to, from->n, err);
    if (code != SIB_OK || from->n == 0)
        return code;
    memcpy(to->data + to->n, from->data, from->n * sizeof *from->data);
    to->n += from->n;
    from->n = 0;
    return SIB_OK;
}

sib_code whisper_segment_empty(sib_segment *s, sib_error *err)
{
    char *text = mem_strdup("");
    sib_word *words = mem_calloc(1, sizeof *words); /* an empty list, as in openai-whisper */
    if (!text || !words) {
        mem_free(text);
        mem_free(words);
        return err_memory(err, sizeof *words, "a text");
    }
    free_segment(s);
    s->text = text;
    s->words = words;
    s->tokens = NULL;
    s->logprobs = NULL;
    s->n_tokens = 0;
    return SIB_OK;
}

/* ---- Slices ------------------------------------------------------------------------------------------ */

/* Adds a segment with n tokens of r, the first of which is `first`, from `start` to `end`, in seconds. */
static sib_code add(const whisper_tokens *w, const whisper_decoded *r, const whisper_window *at, double start,
                    double end, size_t first, size_t n, whisper_segments *out, sib_error *err)
{
    const int32_t *tokens = r->tokens.ids + first;
    token_ids copy = {0};
    byte_buffer text = {0};
    double *logprobs = n && r->logprobs ? mem_alloc(n, sizeof *logprobs) : NULL;
    sib_code code = n && r->logprobs && !logprobs ? err_memory(err, n * sizeof *logprobs, "log probabilities")
                                                  : make_room(out, 1, err);
    if (logprobs)
        memcpy(logprobs, r->logprobs + first, n * sizeof *logprobs);
    if (code == SIB_OK)
        code = ids_append(&copy, tokens, n, err);
    if (code == SIB_OK)
        code = whisper_tokens_decode(w, tokens, n, w->eot, &text, err);
    if (code != SIB_OK) {
        ids_free(&copy);
        buf_free(&text);
        mem_free(logprobs);
        return code;
    }
    out->data[out->n++] = (sib_segment){.seek = at->seek,
                                        .start = start,
                                        .end = end,
                                        .text = text.data,
                                        .n_tokens = n,
                                        .tokens = copy.ids,
                                        .logprobs = logprobs,
                                        .temperature = r->temperature,
                                        .avg_logprob = r->avg_logprob,
                                        .compression_ratio = r->compression_ratio,
                                        .no_speech_prob = r->no_speech_prob};
    return SIB_OK;
}

/* Positions from the first timestamp to this one; negative for a token that is not a timestamp. */
static double position(const whisper_tokens *w, int32_t token)
{
    return (double)token - (double)w->timestamp_begin;
}

/* Adds the segments between timestamps. A segment ends where two timestamps are adjacent, and at the end of a
   complete text. *last: end of the last segment. */
static sib_code add_slices(const whisper_tokens *w, const whisper_decoded *r, const whisper_window *at,
                           bool complete, whisper_segments *out, size_t *last, sib_error *err)
{
    const int32_t *t = r->tokens.ids;
    const size_t n = r->tokens.n;
    *last = 0;
    for (size_t end = 1; end <= n; end++) {
        bool meet = end < n && t[end - 1] >= w->timestamp_begin && t[end] >= w->timestamp_begin;
        if (!meet && !(end == n && complete))
            continue;
        double from = at->offset + position(w, t[*last]) * WHISPER_TOKEN_SECONDS;
        double to = at->offset + position(w, t[end - 1]) * WHISPER_TOKEN_SECONDS;
        sib_code code = add(w, r, at, from, to, *last, end - *last, out, err);
        if (code != SIB_OK)
            return code;
        *last = end;
    }
    return SIB_OK;
}

/* Adds the entire text as one segment, which ends at its last timestamp. */
static sib_code add_one_segment(const whisper_tokens *w, const whisper_decoded *r, const whisper_window *at,
                                whisper_segments *out, sib_error *err)
{
    double duration = at->duration;
    for (size_t i = r->tokens.n; i-- > 0;)
        if (r->tokens.ids[i] >= w->timestamp_begin) {
            if (r->tokens.ids[i] != w->timestamp_begin)
                duration = position(w, r->tokens.ids[i]) * WHISPER_TOKEN_SECONDS;
            break;
        }
    return add(w, r, at, at->offset, at->offset + duration, 0, r->tokens.n, out, err);
}

sib_code whisper_slice(const whisper_tokens *w, const whisper_decoded *r, const whisper_window *at,
                       whisper_segments *out, size_t *advance, bool *complete, sib_error *err)
{
    const int32_t *t = r->tokens.ids;
    const size_t n = r->tokens.n, before = out->n;
    *complete = n >= 2 && t[n - 2] < w->timestamp_begin && t[n - 1] >= w->timestamp_begin;
    *advance = at->size;
    bool meet = false;
    for (size_t i = 1; i < n; i++)
        meet = meet || (t[i - 1] >= w->timestamp_begin && t[i] >= w->timestamp_begin);
    size_t last = 0;
    sib_code code =
        meet ? add_slices(w, r, at, *complete, out, &last, err) : add_one_segment(w, r, at, out, err);
    if (code != SIB_OK)
        whisper_segments_cut(out, before);
    else if (meet && !*complete) /* an unfinished segment is decoded again */
        *advance = (size_t)(t[last - 1] - w->timestamp_begin) * WHISPER_TOKEN_FRAMES;
    return code;
}
