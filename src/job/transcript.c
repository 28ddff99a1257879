/* Transcripts as text, as openai-whisper 20250625 writes them (whisper/utils.py). */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"
#include "job/subtitles.h"
#include "job/transcript_parts.h"

#include <jansson.h>
#include <math.h>
#include <sibyl/transcript.h>
#include <stdlib.h>
#include <string.h>

static void add_time(byte_buffer *b, double seconds, sib_error *err)
{
    char time[TRANSCRIPT_TIME];
    transcript_time(time, seconds, false, '.');
    buf_add_text(b, time, err);
}

/* ---- Formats ------------------------------------------------------------------------------------------- */

static void write_txt(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                      sib_error *err)
{
    (void)layout;
    for (size_t i = 0; i < t->n_segments; i++) {
        buf_add_str(b, transcript_trimmed(t->segments[i].text), err);
        buf_add_text(b, "\n", err);
    }
}

/* The text trimmed, with `from` replaced by `to`, which may be two bytes. */
static void add_replaced(byte_buffer *b, const char *text, char from, const char *to, sib_error *err)
{
    const sib_str trimmed = transcript_trimmed(text);
    for (size_t i = 0; i < trimmed.length; i++)
        if (trimmed.data[i] == from)
            buf_add_text(b, to, err);
        else
            buf_add(b, trimmed.data + i, 1, err);
}

static void write_tsv(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                      sib_error *err)
{
    (void)layout;
    buf_add_text(b, "start\tend\ttext\n", err);
    for (size_t i = 0; i < t->n_segments; i++) {
        const sib_segment *s = &t->segments[i];
        buf_printf(b, err, "%lld\t%lld\t", transcript_milliseconds(s->start),
                   transcript_milliseconds(s->end));
        add_replaced(b, s->text, '\t', " ", err);
        buf_add_text(b, "\n", err);
    }
}

static void write_csv(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                      sib_error *err)
{
    (void)layout;
    buf_add_text(b, "start,end,text\n", err);
    for (size_t i = 0; i < t->n_segments; i++) {
        const sib_segment *s = &t->segments[i];
        buf_printf(b, err, "%lld,%lld,\"", transcript_milliseconds(s->start),
                   transcript_milliseconds(s->end));
        add_replaced(b, s->text, '"', "\"\"", err);
        buf_add_text(b, "\"\n", err);
    }
}

static void write_lines(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                        sib_error *err)
{
    (void)layout;
    for (size_t i = 0; i < t->n_segments; i++) {
        const sib_segment *s = &t->segments[i];
        buf_add_text(b, "[", err);
        add_time(b, s->start, err);
        buf_add_text(b, " --> ", err);
        add_time(b, s->end, err);
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

static void write_json(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                       sib_error *err)
{
    (void)layout;
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

static void (*const writers[])(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                               sib_error *err) = {
    [SIB_TRANSCRIPT_TXT] = write_txt,     [SIB_TRANSCRIPT_JSON] = write_json,
    [SIB_TRANSCRIPT_SRT] = subtitles_srt, [SIB_TRANSCRIPT_VTT] = subtitles_vtt,
    [SIB_TRANSCRIPT_TSV] = write_tsv,     [SIB_TRANSCRIPT_CSV] = write_csv,
    [SIB_TRANSCRIPT_LINES] = write_lines};
_Static_assert(sizeof writers / sizeof *writers == SIB_TRANSCRIPT_FORMAT_COUNT, "a writer per format");

const char *sib_transcript_format_name(sib_transcript_format format)
{
#define FORMAT_NAME(constant, name, meaning) [constant] = (name),
    static const char *const names[] = {SIB_TRANSCRIPT_FORMATS(FORMAT_NAME)};
    return (unsigned)format < SIB_TRANSCRIPT_FORMAT_COUNT ? names[format] : NULL;
}

sib_code sib_transcript_text_as(const sib_transcript *t, sib_transcript_format format,
                                const sib_subtitle_layout *layout, char **text, size_t *size, sib_error *err)
{
    byte_buffer b = {0};
    *text = NULL;
    if ((unsigned)format >= SIB_TRANSCRIPT_FORMAT_COUNT)
        return err_set(err, SIB_ERR_ARGUMENT, "there is no format %d of transcripts", (int)format);
    buf_add(&b, "", 0, err); /* an empty text is a text */
    writers[format](t, layout ? layout : &(sib_subtitle_layout){0}, &b, err);
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

sib_code sib_transcript_text(const sib_transcript *t, sib_transcript_format format, char **text, size_t *size,
                             sib_error *err)
{
    return sib_transcript_text_as(t, format, NULL, text, size, err);
}
