#include "transcribe_output.h"

#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *transcribe_stem(const char *recording)
{
    return strcmp(recording, "-") == 0 ? cli_format("stdin") : file_stem(recording);
}

/* ---- Lines ---- */

/* Segments with at most --max-len characters. Released with sib_free. */
static sib_code divide(const transcribe_settings *s, const sib_segment *segments, size_t n, sib_segment **out,
                       size_t *n_out, sib_error *err)
{
    return sib_transcript_split(segments, n, s->max_length ? (size_t)s->max_length : SIZE_MAX, out, n_out,
                                err);
}

/* The words of a segment in colours from red (unlikely) over yellow to green, of the 256 that terminals have. */
static void show_colours(const sib_segment *s, FILE *out)
{
    static const int colours[] = {196, 202, 208, 214, 220, 226, 190, 154, 118, 82};
    for (size_t i = 0; i < s->n_words; i++) {
        const double p = fmin(fmax(s->words[i].probability, 0), 0.999);
        fprintf(out, "\033[38;5;%dm%s\033[0m", colours[(int)(p * 10)], s->words[i].text);
    }
    putc('\n', out);
}

/* A line as of the format "lines": its times end with "] ". */
static sib_code show_line(const transcribe_settings *s, const sib_segment *segment, FILE *out, sib_error *err)
{
    const bool colours = s->print_colours && segment->n_words && cli_has_colours(STDOUT_FILENO);
    const sib_transcript t = {"", "", segment, 1};
    char *line = NULL;
    sib_code code =
        sib_transcript_text(&t, s->no_times ? SIB_TRANSCRIPT_TXT : SIB_TRANSCRIPT_LINES, &line, NULL, err);
    if (code == SIB_OK && colours) {
        const char *end = s->no_times ? line : strstr(line, "] ") + 2;
        fprintf(out, "%.*s", (int)(end - line), line);
        show_colours(segment, out);
    } else if (code == SIB_OK)
        fputs(line, out);
    sib_free(line);
    return code;
}

sib_code transcribe_show(const transcribe_settings *s, const sib_segment *segment, FILE *out, sib_error *err)
{
    sib_segment *pieces = NULL;
    size_t n = 0;
    sib_code code = divide(s, segment, 1, &pieces, &n, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = show_line(s, &pieces[i], out, err);
    fflush(out);
    sib_free(pieces);
    return code;
}

void transcribe_progress(int *percent, double part, const char *recording)
{
    const int now = (int)(fmin(fmax(part, 0), 1) * 20 + 1e-9) * 5;
    if (now > *percent)
        fprintf(stderr, "%s: %d%%\n", recording, *percent = now);
}

bool transcribe_language(const char *recording, const char *language, const sib_port_value *probability,
                         FILE *out)
{
    if (isnan(probability->number))
        fprintf(out, "%s: %s\n", recording, language);
    else
        fprintf(out, "%s: %s (p = %.3f)\n", recording, language, probability->number);
    return true;
}

/* ---- Files ---- */

/* Path of a file without its ending: of --output-file, in --out, or beside the recording. Released with free. */
static char *path_of(const transcribe_settings *s, const char *recording)
{
    if (s->output_file)
        return cli_format("%s", s->output_file);
    if (!s->folder)
        return cli_format("%s", strcmp(recording, "-") == 0 ? "stdin" : recording);
    char *stem = transcribe_stem(recording), *path = file_join(s->folder, stem);
    free(stem);
    return path;
}

static bool write_one(const transcribe_settings *s, FILE *out, const char *recording, const sib_transcript *t,
                      sib_transcript_format format)
{
    const sib_subtitle_layout layout = {(size_t)s->width, (size_t)s->lines, (size_t)s->words, s->highlight,
                                        (size_t)s->offset_n};
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    size_t size = 0;
    if (sib_transcript_text_as(t, format, &layout, &text, &size, &err) != SIB_OK)
        return !cli_fail("%s: %s", recording, err.message);
    bool done = true;
    if (s->folder || s->output_file || s->outputs[format]) {
        char *path = path_of(s, recording),
             *name = cli_format("%s.%s", path, sib_transcript_format_name(format));
        done = file_put(name, text, size);
        free(name);
        free(path);
    } else
        fwrite(text, 1, size, out);
    sib_free(text);
    return done;
}

bool transcribe_write(const transcribe_settings *s, FILE *out, const char *recording, const sib_transcript *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_segment *pieces = NULL;
    sib_transcript divided = *t;
    if (divide(s, t->segments, t->n_segments, &pieces, &divided.n_segments, &err) != SIB_OK)
        return !cli_fail("%s: %s", recording, err.message);
    divided.segments = pieces;
    bool done = true;
    for (int f = 0; f < SIB_TRANSCRIPT_LINES && done; f++)
        if (transcribe_writes(s, (sib_transcript_format)f))
            done = write_one(s, out, recording, &divided, (sib_transcript_format)f);
    sib_free(pieces);
    return done;
}

/* ---- Pictures ---- */

/* "start,end,start,end" as marks. *n: how many. Released with free. */
static sib_recording_mark *marks_of_clips(const char *clips, size_t *n)
{
    sib_recording_mark *marks = cli_alloc(strlen(clips) / 2 + 1, sizeof *marks);
    char *end = (char *)(uintptr_t)clips;
    for (*n = 0; *end; ++*n) {
        marks[*n].start = strtod(end, &end);
        marks[*n].end = strtod(end + (*end == ','), &end);
        end += *end == ',';
    }
    return marks;
}

static sib_recording_mark *marks_of_words(const sib_transcript *t, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < t->n_segments; i++)
        *n += t->segments[i].n_words;
    sib_recording_mark *marks = cli_alloc(*n, sizeof *marks);
    *n = 0;
    for (size_t i = 0; i < t->n_segments; i++)
        for (size_t k = 0; k < t->segments[i].n_words; k++) {
            const sib_word *w = &t->segments[i].words[k];
            marks[(*n)++] = (sib_recording_mark){w->start, w->end, w->text};
        }
    return marks;
}

bool transcribe_picture(const transcribe_settings *s, const char *recording, const float *samples, size_t n,
                        const sib_transcript *t, const char *clips)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    sib_recording_marks marks = {0};
    sib_recording_mark *words = marks_of_words(t, &marks.n_words),
                       *speech = clips ? marks_of_clips(clips, &marks.n_speech) : NULL;
    marks.words = words;
    marks.speech = speech;
    char *title = file_name(recording);
    sib_code code = sib_mel_spec_preset("whisper", 0, &spec, &err);
    if (code == SIB_OK)
        code = sib_mel_create(&spec, NULL, &mel, &err);
    if (code == SIB_OK)
        code = sib_recording_picture_write(mel, NULL, samples, n, &marks, title, s->image, &err);
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    sib_mel_free(&mel);
    free(title);
    free(words);
    free(speech);
    return code == SIB_OK;
}
