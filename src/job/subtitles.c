/* Subtitles with the lines of openai-whisper 20250625 (whisper/utils.py), byte for byte. */
#include "job/subtitles.h"

#include "base/alloc.h"
#include "base/array.h"
#include "job/transcript_parts.h"

#include <string.h>

#define PAUSE     3.0  /* seconds between beginnings of words, above which a cue ends */
#define ANY_WIDTH 1000 /* characters of a line, and words, where there is no limit */

/* A word as it is shown: its text, and whether a line begins with it. */
typedef struct shown_word {
    sib_str text;
    bool breaks;
    double start, end;
} shown_word;

typedef struct subtitles {
    byte_buffer *b;
    sib_error *err;
    bool numbered, hours; /* cues have numbers; times always have hours */
    char point;
    size_t n_cues;
    bool highlight;
    shown_word *words; /* (n) of the cue so far */
    size_t n, capacity;
    size_t used, lines; /* characters of its last line, and its lines */
} subtitles;

static void put_times(subtitles *s, const char *from, const char *to)
{
    s->n_cues++;
    if (s->numbered)
        buf_printf(s->b, s->err, "%zu\n", s->n_cues);
    buf_printf(s->b, s->err, "%s --> %s\n", from, to);
}

/* The word underlined but for white space before it. One with a line break inside stays as it is: the mark would not
   end on its line. */
static void put_marked(subtitles *s, sib_str text)
{
    size_t lead = 0, n;
    while (lead < text.length && (n = transcript_blank(text.data + lead)))
        lead += n;
    const char *rest = text.data + lead, *end = memchr(rest, '\n', text.length - lead);
    const size_t length = end ? (size_t)(end - rest) : text.length - lead;
    if (end && end + 1 < text.data + text.length) {
        buf_add_str(s->b, text, s->err);
        return;
    }
    buf_add(s->b, text.data, lead, s->err);
    buf_add_text(s->b, "<u>", s->err);
    buf_add(s->b, rest, length, s->err);
    buf_add_text(s->b, end ? "</u>\n" : "</u>", s->err);
}

/* marked: index of the word that is underlined, SIZE_MAX for none. */
static void put_words(subtitles *s, size_t marked)
{
    for (size_t i = 0; i < s->n; i++) {
        buf_add(s->b, "\n", s->words[i].breaks, s->err);
        if (i == marked)
            put_marked(s, s->words[i].text);
        else
            buf_add_str(s->b, s->words[i].text, s->err);
    }
    buf_add_text(s->b, "\n\n", s->err);
}

/* Writes the words so far as a cue, or as one for each word that is underlined and each pause between them. */
static void end_cue(subtitles *s)
{
    char from[TRANSCRIPT_TIME], to[TRANSCRIPT_TIME], last[TRANSCRIPT_TIME];
    if (!s->n)
        return;
    transcript_time(from, s->words[0].start, s->hours, s->point);
    transcript_time(to, s->words[s->n - 1].end, s->hours, s->point);
    if (!s->highlight) {
        put_times(s, from, to);
        put_words(s, SIZE_MAX);
    }
    memcpy(last, from, sizeof last);
    for (size_t i = 0; s->highlight && i < s->n; i++) {
        transcript_time(from, s->words[i].start, s->hours, s->point);
        transcript_time(to, s->words[i].end, s->hours, s->point);
        if (strcmp(last, from) != 0) {
            put_times(s, last, from);
            put_words(s, SIZE_MAX);
        }
        put_times(s, from, to);
        put_words(s, i);
        memcpy(last, to, sizeof last);
    }
    s->n = 0;
    s->lines = 1;
}

static size_t characters(sib_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.length; i++)
        n += (text.data[i] & 0xC0) != 0x80;
    return n;
}

/* Adds a word, on a line of its own where it does not fit. max_lines: SIZE_MAX for any. apart: the word begins a cue
   where there is one already. pause: it may. */
static void add_word(subtitles *s, const sib_word *w, size_t width, size_t max_lines, bool apart, bool pause)
{
    shown_word word = {{w->text, strlen(w->text)}, false, w->start, w->end};
    const size_t length = characters(word.text);
    if (s->used > 0 && s->used + length <= width && !pause && !apart)
        s->used += length;
    else {
        word.text = transcript_trimmed(w->text);
        if (apart || (s->n && max_lines != SIZE_MAX && (pause || s->lines >= max_lines)))
            end_cue(s);
        else if (s->used > 0) {
            s->lines++;
            word.breaks = true;
        }
        s->used = characters(word.text);
    }
    if (s->b->code == SIB_OK)
        s->b->code = ARRAY_PUSH(s->words, s->n, s->capacity, "words of subtitles", s->err, word);
}

/* Lines of words. A cue is a segment, or a part of it of so many words; where both a width and a number of lines are
   given, cues are filled whatever segment the words are of, and end at pauses. */
static void add_words(subtitles *s, const sib_transcript *t, const sib_subtitle_layout *l)
{
    const bool of_segments = !l->max_line_width || !l->max_line_count;
    const size_t width = l->max_line_width ? l->max_line_width : ANY_WIDTH;
    const size_t lines = l->max_line_count ? l->max_line_count : SIZE_MAX;
    const size_t per_line = l->max_words_per_line ? l->max_words_per_line : ANY_WIDTH;
    double last = -1; /* beginning of the previous word; below 0 for none */
    s->lines = 1;
    for (size_t k = 0; k < t->n_segments && s->b->code == SIB_OK; k++)
        for (size_t i = 0; i < t->segments[k].n_words; i++) {
            const sib_word *w = &t->segments[k].words[i];
            const bool pause = !of_segments && last >= 0 && w->start - last > PAUSE;
            add_word(s, w, width, lines, of_segments && s->n && i % per_line == 0, pause);
            last = w->start;
        }
    end_cue(s);
    mem_free(s->words);
}

static void add_segments(subtitles *s, const sib_transcript *t)
{
    char from[TRANSCRIPT_TIME], to[TRANSCRIPT_TIME];
    for (size_t i = 0; i < t->n_segments; i++) {
        transcript_time(from, t->segments[i].start, s->hours, s->point);
        transcript_time(to, t->segments[i].end, s->hours, s->point);
        put_times(s, from, to);
        transcript_add_cue_text(s->b, transcript_trimmed(t->segments[i].text), s->err);
        buf_add_text(s->b, "\n\n", s->err);
    }
}

static void add_cues(subtitles *s, const sib_transcript *t, const sib_subtitle_layout *l)
{
    bool words = t->n_segments > 0; /* a segment without text has an empty list, whatever was requested */
    for (size_t i = 0; i < t->n_segments && words; i++)
        words = t->segments[i].words != NULL;
    s->n_cues = l->offset_n;
    s->highlight = l->highlight_words;
    if (words)
        add_words(s, t, l);
    else
        add_segments(s, t);
}

void subtitles_srt(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b, sib_error *err)
{
    add_cues(&(subtitles){.b = b, .err = err, .numbered = true, .hours = true, .point = ','}, t, layout);
}

void subtitles_vtt(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b, sib_error *err)
{
    buf_add_text(b, "WEBVTT\n\n", err);
    add_cues(&(subtitles){.b = b, .err = err, .point = '.'}, t, layout);
}
