#include "job/whisper/words.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "job/whisper/align.h"
#include "job/whisper/letters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rounds to hundredths of a second, the resolution of word times. */
static double hundredths(double seconds)
{
    return rint(seconds * 100) / 100;
}

bool whisper_last_end(const whisper_segments *segments, double *out)
{
    for (size_t i = segments->n; i-- > 0;)
        if (segments->data[i].n_words > 0) {
            *out = segments->data[i].words[segments->data[i].n_words - 1].end;
            return true;
        }
    if (segments->n > 0)
        *out = segments->data[segments->n - 1].end;
    return segments->n > 0;
}

/* ---- Words of a window -------------------------------------------------------------------------------- */

/* Times and probabilities of words from those of their tokens. times: (n_tokens + 1). */
static void time_words(whisper_timed_list *l, const double *times, const double *probabilities)
{
    size_t at = 0;
    for (size_t i = 0; i < l->n; i++) {
        whisper_timed *w = &l->data[i];
        double sum = 0;
        for (size_t k = 0; k < w->n_tokens; k++)
            sum += probabilities[at + k];
        w->start = times[at];
        at += w->n_tokens;
        w->end = times[at];
        w->probability = sum / (double)w->n_tokens;
    }
}

/* The timed words of text (n tokens). None where there are no tokens. */
static sib_code find_words(whisper_decoder *d, const whisper_window *at, const token_ids *text,
                           whisper_timed_list *out, sib_error *err)
{
    if (text->n == 0)
        return SIB_OK;
    token_ids ended = {0};
    double *times = mem_alloc(text->n + 1, sizeof *times);
    double *probabilities = mem_alloc(text->n, sizeof *probabilities);
    sib_code code = SIB_OK;
    if (!times || !probabilities)
        code = err_memory(err, text->n * sizeof *times, "times of words");
    if (code == SIB_OK)
        code =
            whisper_align(d, text->ids, text->n, at->size / WHISPER_TOKEN_FRAMES, times, probabilities, err);
    if (code == SIB_OK)
        code = ids_append(&ended, text->ids, text->n, err);
    if (code == SIB_OK)
        code = ids_add(&ended, d->tokens->eot, err);
    if (code == SIB_OK)
        code = whisper_split(d->tokens, ended.ids, ended.n, out, err);
    if (code == SIB_OK && out->n > 0) { /* the last word is the end token */
        buf_free(&out->data[--out->n].text);
        time_words(out, times, probabilities);
    }
    mem_free(times);
    mem_free(probabilities);
    ids_free(&ended);
    return code;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median duration of words of positive duration, at most 0.7 s; 0 where there is none. */
static sib_code median_duration(const whisper_timed_list *l, double *out, sib_error *err)
{
    double *durations = mem_alloc(l->n, sizeof *durations);
    if (!durations)
        return err_memory(err, l->n * sizeof *durations, "durations of words");
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->data[i].end - l->data[i].start != 0)
            durations[n++] = l->data[i].end - l->data[i].start;
    qsort(durations, n, sizeof *durations, by_size);
    *out = n == 0 ? 0 : fmin(0.7, (durations[(n - 1) / 2] + durations[n / 2]) / 2);
    mem_free(durations);
    return SIB_OK;
}

/* Limits the duration of marks that end a sentence, and of the word after them, to `max`. */
static void shorten_at_sentences(whisper_timed_list *l, double max)
{
    static const char marks[] = ".。!！?？";
    const sib_str all = {marks, sizeof marks - 1};
    for (size_t i = 1; i < l->n; i++) {
        whisper_timed *w = &l->data[i];
        if (!(w->end - w->start > max))
            continue;
        if (whisper_within(buf_str(&w->text), all))
            w->end = w->start + max;
        else if (whisper_within(buf_str(&l->data[i - 1].text), all))
            w->start = w->end - max;
    }
}

/* ---- Words of a segment ------------------------------------------------------------------------------- */

/* Moves to s the words from *at on that its n text tokens make. */
static sib_code give_words(const whisper_timed_list *l, size_t *at, size_t n, double offset, sib_segment *s,
                           sib_error *err)
{
    sib_word *words = NULL;
    size_t capacity = 0;
    sib_code code = ARRAY_RESERVE(words, capacity, 1, "words", err); /* allocated, also where it is empty */
    s->words = words;
    if (code != SIB_OK)
        return code;
    for (size_t saved = 0; *at < l->n && saved < n; (*at)++) {
        const whisper_timed *w = &l->data[*at];
        saved += w->n_tokens;
        if (w->text.n == 0)
            continue;
        code = ARRAY_RESERVE(words, capacity, s->n_words + 1, "words", err);
        s->words = words;
        char *text = code == SIB_OK ? mem_strdup(w->text.data) : NULL;
        if (!text)
            return err_memory(err, w->text.n + 1, "a word");
        whisper_words(s)[s->n_words++] =
            (sib_word){text, hundredths(offset + w->start), hundredths(offset + w->end), w->probability};
    }
    return SIB_OK;
}

/* Limits the first two words after a pause to twice the median. */
static void shorten_after_pause(sib_segment *s, double last_speech, double median)
{
    sib_word *w = whisper_words(s);
    const double max = median * 2;
    if (!(w[0].end - last_speech > median * 4) ||
        !(w[0].end - w[0].start > max || (s->n_words > 1 && w[1].end - w[0].start > max * 2)))
        return;
    if (s->n_words > 1 && w[1].end - w[1].start > max)
        w[0].end = w[1].start = fmax(w[1].end / 2, w[1].end - max);
    w[0].start = fmax(0, w[0].end - max);
}

/* The segment begins and ends with its words; but where its own times cut a word that is too long, the word
   is cut. */
static void fit(sib_segment *s, double median)
{
    sib_word *first = whisper_words(s), *last = first + s->n_words - 1;
    if (s->start < first->end && s->start - 0.5 > first->start)
        first->start = fmax(0, fmin(first->end - median, s->start));
    else
        s->start = first->start;
    if (s->end > last->start && s->end + 0.5 < last->end)
        last->end = fmax(last->start + median, s->end);
    else
        s->end = last->end;
}

static size_t count_text(const whisper_tokens *w, const sib_segment *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_tokens; i++)
        n += s->tokens[i] < w->eot;
    return n;
}

/* The text tokens of all segments. */
static sib_code gather_text(const whisper_tokens *w, const whisper_segments *segments, token_ids *out,
                            sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < segments->n; i++)
        for (size_t k = 0; k < segments->data[i].n_tokens && code == SIB_OK; k++)
            if (segments->data[i].tokens[k] < w->eot)
                code = ids_add(out, segments->data[i].tokens[k], err);
    return code;
}

sib_code whisper_add_words(whisper_decoder *d, const whisper_window *at, double last_speech,
                           whisper_segments *segments, sib_error *err)
{
    const whisper_options *o = d->options;
    whisper_timed_list words = {0};
    token_ids text = {0};
    double median = 0;
    size_t next = 0;
    sib_code code = gather_text(d->tokens, segments, &text, err);
    if (code == SIB_OK)
        code = find_words(d, at, &text, &words, err);
    if (code == SIB_OK)
        code = median_duration(&words, &median, err);
    if (code == SIB_OK && median != 0)
        shorten_at_sentences(&words, median * 2);
    if (code == SIB_OK)
        code = whisper_join_marks(&words, o->prepend_punctuations, o->append_punctuations, err);
    for (size_t i = 0; i < segments->n && code == SIB_OK; i++) {
        sib_segment *s = &segments->data[i];
        code = give_words(&words, &next, count_text(d->tokens, s), at->offset, s, err);
        if (code != SIB_OK || s->n_words == 0)
            continue;
        shorten_after_pause(s, last_speech, median);
        fit(s, median);
        last_speech = s->end;
    }
    whisper_timed_free(&words);
    ids_free(&text);
    return code;
}
