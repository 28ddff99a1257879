#include "picture.h"

#include "messages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROWS 20 /* a row shows the levels of two bands in colour, of one without */

/* Levels 0 to 1, row 0 the highest bands: (rows, columns). */
typedef struct picture {
    float *levels;
    size_t rows, columns;
    double seconds; /* of the recording */
} picture;

size_t picture_columns(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 100;
    return size.ws_col > 160 ? 160 : size.ws_col;
}

/* Means of features (bands, frames) over the cells of the picture, scaled to 0 .. 1. */
static void shrink(picture *p, const float *features, size_t bands, size_t frames)
{
    float low = INFINITY, high = -INFINITY;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t c = 0; c < p->columns; c++) {
            size_t band = bands * (p->rows - 1 - r) / p->rows, band_end = bands * (p->rows - r) / p->rows;
            size_t begin = frames * c / p->columns, end = frames * (c + 1) / p->columns;
            end = end > begin ? end : begin + 1;
            double sum = 0;
            for (size_t b = band; b < band_end; b++)
                for (size_t t = begin; t < end; t++)
                    sum += features[b * frames + t];
            float mean = (float)(sum / (double)((band_end - band) * (end - begin)));
            p->levels[r * p->columns + c] = mean;
            low = fminf(low, mean);
            high = fmaxf(high, mean);
        }
    for (size_t i = 0; i < p->rows * p->columns; i++)
        p->levels[i] = high > low ? (p->levels[i] - low) / (high - low) : 0;
}

static bool measure(picture *p, const float *samples, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    uint64_t bands = 0, frames = 0;
    bool done = sib_mel_spec_preset("whisper", 0, &spec, &err) == SIB_OK &&
                sib_mel_create(&spec, NULL, &mel, &err) == SIB_OK &&
                sib_mel_shape(mel, n, &bands, &frames, &err) == SIB_OK;
    float *features =
        done ? cli_alloc((size_t)(bands * frames), sizeof *features) : NULL; /* (bands, frames) */
    done = done && sib_mel_compute(mel, NULL, samples, n, 0, features, (size_t)frames, &err) == SIB_OK;
    p->seconds = (double)n / 16000;
    if (done)
        shrink(p, features, (size_t)bands, (size_t)frames);
    else
        cli_fail("%s", err.message);
    free(features);
    sib_mel_free(&mel);
    return done;
}

/* Dark blue over red to yellow, for a level of 0 to 1. */
static void colour_of(float level, int rgb[3])
{
    static const float stops[][3] = {
        {8, 6, 32}, {84, 16, 110}, {190, 50, 82}, {247, 137, 22}, {252, 250, 164}};
    float at = level * 4;
    int i = at >= 4 ? 3 : (int)at;
    for (int k = 0; k < 3; k++)
        rgb[k] = (int)lroundf(stops[i][k] + (at - (float)i) * (stops[i + 1][k] - stops[i][k]));
}

/* Two levels per character: the upper half block in one colour, the background in the other. */
static void show_colours(const picture *p, FILE *out)
{
    for (size_t r = 0; r + 1 < p->rows; r += 2) {
        for (size_t c = 0; c < p->columns; c++) {
            int upper[3], lower[3];
            colour_of(p->levels[r * p->columns + c], upper);
            colour_of(p->levels[(r + 1) * p->columns + c], lower);
            fprintf(out, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\u2580", upper[0], upper[1], upper[2], lower[0],
                    lower[1], lower[2]);
        }
        fputs("\033[0m\n", out);
    }
}

static void show_shades(const picture *p, FILE *out)
{
    static const char shades[] = " .:-=+*#%@";
    for (size_t r = 0; r < p->rows; r++) {
        for (size_t c = 0; c < p->columns; c++)
            putc(shades[(size_t)(p->levels[r * p->columns + c] * 9.999f)], out);
        putc('\n', out);
    }
}

/* Marks of full seconds. */
static void show_time(const picture *p, FILE *out)
{
    size_t step = 1, at = 0;
    while (p->seconds > 0 && (double)step * (double)p->columns / p->seconds < 8)
        step = step < 5 ? 5 : 2 * step;
    for (size_t s = 0; (double)s <= p->seconds; s += step) {
        char text[24];
        size_t column = (size_t)((double)s / p->seconds * (double)p->columns);
        int length = snprintf(text, sizeof text, "|%zus", s);
        if (column < at || column + (size_t)length > p->columns)
            continue;
        fprintf(out, "%*s%s", (int)(column - at), "", text);
        at = column + (size_t)length;
    }
    putc('\n', out);
}

/* Prints a line of those words that begin after the end of the previous one; the others are left for the next
   line. words: (n). */
static bool show_line(const picture *p, const sib_word **words, size_t n, FILE *out)
{
    size_t at = 0;
    bool left = false;
    for (size_t i = 0; i < n; i++) {
        if (!words[i])
            continue;
        const char *text = words[i]->text + strspn(words[i]->text, " ");
        size_t column = (size_t)(fmax(words[i]->start, 0) / p->seconds * (double)p->columns), width = 0;
        for (const char *c = text; *c; c++) /* characters of UTF-8 */
            width += (*c & 0xC0) != 0x80;
        if (column + width > p->columns) /* the last words move to the left */
            column = p->columns > width ? p->columns - width : 0;
        if (column < at) {
            left = true;
            continue;
        }
        fprintf(out, "%*s%s ", (int)(column - at), "", text);
        at = column + width + 1;
        words[i] = NULL;
    }
    putc('\n', out);
    return left;
}

static void show_words(const picture *p, const sib_segment *segments, size_t n_segments, FILE *out)
{
    size_t n = 0, lines = 0;
    for (size_t i = 0; i < n_segments; i++)
        n += segments[i].n_words;
    const sib_word **words = cli_alloc(n + 1, sizeof *words);
    n = 0;
    for (size_t i = 0; i < n_segments; i++)
        for (size_t k = 0; k < segments[i].n_words; k++)
            words[n++] = &segments[i].words[k];
    while (n && show_line(p, words, n, out) && ++lines < 8)
        ;
    free(words);
}

bool picture_show(const float *samples, size_t n, const sib_segment *segments, size_t n_segments,
                  size_t columns, bool colour, FILE *out)
{
    picture p = {.rows = colour ? 2 * ROWS : ROWS, .columns = columns};
    p.levels = cli_alloc(p.rows * p.columns, sizeof *p.levels);
    bool done = measure(&p, samples, n);
    if (done) {
        if (colour)
            show_colours(&p, out);
        else
            show_shades(&p, out);
        show_time(&p, out);
        show_words(&p, segments, n_segments, out);
    }
    free(p.levels);
    return done;
}
