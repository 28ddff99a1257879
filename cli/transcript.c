#include "transcript.h"

#include "job_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const transcript_formats[] = {"txt", "json", "srt", "vtt", "tsv", "all", NULL};

/* "01:02.345", with hours before it if they are requested or not 0. */
static void write_time(double seconds, bool hours, char point, FILE *out)
{
    long long ms = llround(fmax(seconds, 0) * 1000);
    if (hours || ms >= 3600000)
        fprintf(out, "%02lld:", ms / 3600000);
    fprintf(out, "%02lld:%02lld%c%03lld", ms / 60000 % 60, ms / 1000 % 60, point, ms % 1000);
}

/* The text without blanks around. arrow: "-->" inside, which ends a cue's times, becomes "->". */
static void write_text(const char *text, bool arrow, FILE *out)
{
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    while (n && strchr(" \t\r\n", *text)) {
        text++;
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (arrow && i + 2 < n && !strncmp(text + i, "-->", 3))
            continue;
        putc(text[i], out);
    }
}

/* Times of a segment for subtitles: those of its words if they are known. */
static double begin_of(const sib_segment *s)
{
    return s->n_words ? s->words[0].start : s->start;
}

static double end_of(const sib_segment *s)
{
    return s->n_words ? s->words[s->n_words - 1].end : s->end;
}

static void write_cue(const sib_segment *s, bool hours, char point, FILE *out)
{
    write_time(begin_of(s), hours, point, out);
    fputs(" --> ", out);
    write_time(end_of(s), hours, point, out);
    putc('\n', out);
    write_text(s->text, true, out);
    fputs("\n\n", out);
}

static void write_txt(const transcript *t, FILE *out)
{
    for (size_t i = 0; i < t->n; i++) {
        write_text(t->segments[i].text, false, out);
        putc('\n', out);
    }
}

static void write_json(const transcript *t, FILE *out)
{
    json_t *j = json_pack("{s:o, s:o, s:o}", "text", cli_json_text(t->text), "segments",
                          segments_json(t->segments, t->n), "language", cli_json_text(t->language));
    json_dumpf(j, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    putc('\n', out);
    json_decref(j);
}

static void write_srt(const transcript *t, FILE *out)
{
    for (size_t i = 0; i < t->n; i++) {
        fprintf(out, "%zu\n", i + 1);
        write_cue(&t->segments[i], true, ',', out);
    }
}

static void write_vtt(const transcript *t, FILE *out)
{
    fputs("WEBVTT\n\n", out);
    for (size_t i = 0; i < t->n; i++)
        write_cue(&t->segments[i], false, '.', out);
}

static void write_tsv(const transcript *t, FILE *out)
{
    fputs("start\tend\ttext\n", out);
    for (size_t i = 0; i < t->n; i++) {
        const sib_segment *s = &t->segments[i];
        fprintf(out, "%lld\t%lld\t", llround(1000 * s->start), llround(1000 * s->end));
        for (const char *c = s->text + strspn(s->text, " "); *c; c++)
            putc(*c == '\t' ? ' ' : *c, out);
        putc('\n', out);
    }
}

void transcript_write(const transcript *t, transcript_format format, FILE *out)
{
    static void (*const writers[])(const transcript *t, FILE *out) = {[TRANSCRIPT_TXT] = write_txt,
                                                                      [TRANSCRIPT_JSON] = write_json,
                                                                      [TRANSCRIPT_SRT] = write_srt,
                                                                      [TRANSCRIPT_VTT] = write_vtt,
                                                                      [TRANSCRIPT_TSV] = write_tsv};
    writers[format](t, out);
}

void transcript_line(const sib_segment *segment, FILE *out)
{
    putc('[', out);
    write_time(segment->start, false, '.', out);
    fputs(" --> ", out);
    write_time(segment->end, false, '.', out);
    fputs("] ", out);
    fputs(segment->text, out);
    putc('\n', out);
}
