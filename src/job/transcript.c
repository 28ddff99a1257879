/* Transcripts as text, as openai-whisper 20250625 writes them (whisper/utils.py). */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"

#include <jansson.h>
#include <math.h>
#include <sibyl/transcript.h>
#include <stdlib.h>
#include <string.h>

/* ---- Parts --------------------------------------------------------------------------------------------- */

/* "01:02.345", with hours before it if they are requested or not 0. */
static void add_time(byte_buffer *b, double seconds, bool hours, char point, sib_error *err)
{
    long long ms = llround(fmin(fmax(seconds, 0), 1e12) * 1000);
    if (hours || ms >= 3600000)
        buf_printf(b, err, "%02lld:", ms / 3600000);
    buf_printf(b, err, "%02lld:%02lld%c%03lld", ms / 60000 % 60, ms / 1000 % 60, point, ms % 1000);
}

/* "01:02.345 --> 01:03.456" */
static void add_times(byte_buffer *b, double start, double end, bool hours, char point, sib_error *err)
{
    add_time(b, start, hours, point, err);
    buf_add_text(b, " --> ", err);
    add_time(b, end, hours, point, err);
}

/* The text without blanks around. arrow: "-->" inside, which ends a cue's times, becomes "->". */
static void add_trimmed(byte_buffer *b, const char *text, bool arrow, sib_error *err)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n && strchr(blanks, text[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if (!(arrow && i + 2 < n && !strncmp(text + i, "-->", 3)))
            buf_add(b, text + i, 1, err);
}

/* Times are those of the segment's words if they are known. */
static void add_cue(byte_buffer *b, const sib_segment *s, bool hours, char point, sib_error *err)
{
    add_times(b, s->n_words ? s->words[0].start : s->start,
              s->n_words ? s->words[s->n_words - 1].end : s->end, hours, point, err);
    buf_add_text(b, "\n", err);
    add_trimmed(b, s->text, true, err);
    buf_add_text(b, "\n\n", err);
}

/* ---- Formats ------------------------------------------------------------------------------------------- */

static void write_txt(const sib_transcript *t, byte_buffer *b, sib_error *err)
{
    for (size_t i = 0; i < t->n_segments; i++) {
        add_trimmed(b, t->segments[i].text, false, err);
        buf_add_text(b, "\n", err);
    }
}

static void write_srt(const sib_transcript *t, byte_buffer *b, sib_error *err)
{
    for (size_t i = 0; i < t->n_segments; i++) {
        buf_printf(b, err, "%zu\n", i + 1);
        add_cue(b, &t->segments[i], true, ',', err);
    }
}

static void write_vtt(const sib_transcript *t, byte_buffer *b, sib_error *err)
{
    buf_add_text(b, "WEBVTT\n\n", err);
    for (size_t i = 0; i < t->n_segments; i++)
        add_cue(b, &t->segments[i], false, '.', err);
}

static void write_tsv(const sib_transcript *t, byte_buffer *b, sib_error *err)
{
    buf_add_text(b, "start\tend\ttext\n", err);
    for (size_t i = 0; i < t->n_segments; i++) {
        const sib_segment *s = &t->segments[i];
        buf_printf(b, err, "%lld\t%lld\t", llround(1000 * s->start), llround(1000 * s->end));
        for (const char *c = s->text + strspn(s->text, " "); *c; c++)
            buf_add(b, *c == '\t' ? " " : c, 1, err);
        buf_add_text(b, "\n", err);
    }
}

static void write_lines(const sib_transcript *t, byte_buffer *b, sib_error *err)
{
    for (size_t i = 0; i < t->n_segments; i++) {
        const sib_segment *s = &t->segments[i];
        buf_add_text(b, "[", err);
        add_times(b, s->start, s->end, false, '.', err);
        buf_add_text(b, "] ", err);
        buf_add_text(b, s->text, err);
        buf_add_text(b, "\n", err);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

/* NULL where memory fails, as all below. */
static json_t *json_of_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = mem_strdup(text); /* no UTF-8 */
    for (char *c = copy; copy && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = copy ? json_string(copy) : NULL;
    mem_free(copy);
    return string;
}

static json_t *json_of_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* Adds an item to a list; both are released where that fails. */
static json_t *append(json_t *list, json_t *item)
{
    if (list && !json_array_append_new(list, item))
        return list;
    json_decref(list);
    return NULL;
}

static json_t *json_of_tokens(const sib_segment *s)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < s->n_tokens; i++)
        list = append(list, json_integer(s->tokens[i]));
    return list;
}

static json_t *json_of_words(const sib_segment *s)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < s->n_words; i++) {
        const sib_word *w = &s->words[i];
        list = append(list, json_pack("{s:o, s:o, s:o, s:o}", "word", json_of_text(w->text), "start",
                                      json_of_number(w->start), "end", json_of_number(w->end), "probability",
                                      json_of_number(w->probability)));
    }
    return list;
}

static json_t *json_of_segment(const sib_segment *s)
{
    json_t *o = json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)s->id, "seek",
        (json_int_t)s->seek, "start", json_of_number(s->start), "end", json_of_number(s->end), "text",
        json_of_text(s->text), "tokens", json_of_tokens(s), "temperature", json_of_number(s->temperature),
        "avg_logprob", json_of_number(s->avg_logprob), "compression_ratio",
        json_of_number(s->compression_ratio), "no_speech_prob", json_of_number(s->no_speech_prob));
    if (o && s->words && json_object_set_new(o, "words", json_of_words(s))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static void write_json(const sib_transcript *t, byte_buffer *b, sib_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < t->n_segments; i++)
        list = append(list, json_of_segment(&t->segments[i]));
    json_t *all = json_pack("{s:o, s:o, s:o}", "text", json_of_text(t->text), "segments", list, "language",
                            json_of_text(t->language));
    char *text = all ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
    if (text) {
        buf_add_text(b, text, err);
        buf_add_text(b, "\n", err);
    } else
        b->code = err_memory(err, t->n_segments, "a transcript in JSON");
    free(text);
    json_decref(all);
}

/* ---- The calls ----------------------------------------------------------------------------------------- */

static void (*const writers[])(const sib_transcript *t, byte_buffer *b, sib_error *err) = {
    [SIB_TRANSCRIPT_TXT] = write_txt, [SIB_TRANSCRIPT_JSON] = write_json,
    [SIB_TRANSCRIPT_SRT] = write_srt, [SIB_TRANSCRIPT_VTT] = write_vtt,
    [SIB_TRANSCRIPT_TSV] = write_tsv, [SIB_TRANSCRIPT_LINES] = write_lines};
_Static_assert(sizeof writers / sizeof *writers == SIB_TRANSCRIPT_FORMAT_COUNT, "a writer per format");

const char *sib_transcript_format_name(sib_transcript_format format)
{
#define FORMAT_NAME(constant, name, meaning) [constant] = (name),
    static const char *const names[] = {SIB_TRANSCRIPT_FORMATS(FORMAT_NAME)};
    return (unsigned)format < SIB_TRANSCRIPT_FORMAT_COUNT ? names[format] : NULL;
}

sib_code sib_transcript_text(const sib_transcript *t, sib_transcript_format format, char **text, size_t *size,
                             sib_error *err)
{
    byte_buffer b = {0};
    *text = NULL;
    if ((unsigned)format >= SIB_TRANSCRIPT_FORMAT_COUNT)
        return err_set(err, SIB_ERR_ARGUMENT, "there is no format %d of transcripts", (int)format);
    buf_add(&b, "", 0, err); /* an empty text is a text */
    writers[format](t, &b, err);
    if (b.code != SIB_OK) {
        sib_code code = b.code;
        buf_free(&b);
        return code;
    }
    size_t n;
    *text = buf_take(&b, &n);
    if (size)
        *size = n;
    return SIB_OK;
}
