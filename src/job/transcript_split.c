/* Segments divided between words. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <sibyl/transcript.h>
#include <string.h>

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += (*text & 0xC0) != 0x80;
    return n;
}

/* Index behind the words from `first` on that fit, one at least. */
static size_t words_that_fit(const sib_segment *s, size_t first, size_t max_length)
{
    size_t i = first, used = 0;
    while (i < s->n_words && (i == first || used + characters(s->words[i].text) <= max_length))
        used += characters(s->words[i++].text);
    return i;
}

/* Segment k of the result: words first to end of s. text: where its text goes; returns the place behind it. */
static char *put_piece(sib_segment *piece, const sib_segment *s, size_t first, size_t end, char *text)
{
    *piece = *s;
    piece->text = text;
    piece->words = s->words + first;
    piece->n_words = end - first;
    piece->start = s->words[first].start;
    piece->end = s->words[end - 1].end;
    piece->n_tokens = 0;
    piece->tokens = NULL;
    piece->logprobs = NULL;
    for (size_t i = first; i < end; i++) {
        const size_t n = strlen(s->words[i].text);
        memcpy(text, s->words[i].text, n);
        text += n;
    }
    *text = '\0';
    return text + 1;
}

static bool is_long(const sib_segment *s, size_t max_length)
{
    return s->n_words > 1 && words_that_fit(s, 0, max_length) < s->n_words;
}

sib_code sib_transcript_split(const sib_segment *segments, size_t n, size_t max_length, sib_segment **out,
                              size_t *n_out, sib_error *err)
{
    size_t pieces = 0, bytes = 0, total;
    *out = NULL;
    *n_out = 0;
    for (size_t k = 0; k < n; k++) { /* a piece has a word and a NUL at least */
        pieces += is_long(&segments[k], max_length) ? segments[k].n_words : 1;
        for (size_t i = 0; is_long(&segments[k], max_length) && i < segments[k].n_words; i++)
            bytes += strlen(segments[k].words[i].text) + 1;
    }
    if (!size_mul(pieces + 1, sizeof **out, &total) || !size_add(total, bytes, &total) ||
        !(*out = mem_calloc(total, 1)))
        return err_memory(err, bytes, "a divided transcript");
    char *text = (char *)(*out + pieces + 1);
    for (size_t k = 0; k < n; k++) {
        if (!is_long(&segments[k], max_length))
            (*out)[(*n_out)++] = segments[k];
        else
            for (size_t first = 0, end; first < segments[k].n_words; first = end) {
                end = words_that_fit(&segments[k], first, max_length);
                text = put_piece(&(*out)[(*n_out)++], &segments[k], first, end, text);
            }
    }
    for (size_t k = 0; k < *n_out; k++)
        (*out)[k].id = k;
    return SIB_OK;
}
