#include "features/recording/picture.h"

#include "base/alloc.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "base/size.h"
#include "drawing/drawing.h"
#include "drawing/ticks.h"
#include "features/mel_internal.h"

#include <math.h>
#include <sibyl/drawing.h>
#include <stdio.h>
#include <string.h>

#define ROW_COLUMNS   1200
#define WAVE_HEIGHT   61 /* odd: its middle is a pixel */
#define WANTED_HEIGHT 320
#define GAP           8
#define TICK          6
#define LEFT          96
#define RIGHT         150
#define TOP           (SIB_LINE_HEIGHT + 2 * GAP)
#define BAR_WIDTH     20
#define SPEECH_HEIGHT 8
#define TIME_SPACING  110
#define BAND_SPACING  40
#define MAX_LANES     4
#define MAX_LABELS    1000

#define WAVE_COLOUR   0x3B5B92u
#define SPEECH_COLOUR 0x3C9A5Fu
#define GUIDE_COLOUR  0xB8B8B8u

typedef struct picture {
    const sib_mel_spec *spec;
    const image_cells *cells;
    const waveform *wave;
    const sib_recording_marks *marks;
    sib_drawing *d;
    size_t rows, columns, x_scale, y_scale; /* columns of a row; pixels per column and band */
    size_t height;                          /* of the features */
    size_t lanes, row_height;
    double low, high, first_band;
    double first_at, per_pixel; /* seconds */
    double loudest;
} picture;

/* ---- The waveform -------------------------------------------------------------------------------------- */

sib_code waveform_make(waveform *w, const sib_mel *mel, const image_cells *cells, const float *samples,
                       size_t n, sib_error *err)
{
    const size_t step = (size_t)sib_mel_get_spec(mel)->hop_length * cells->group;
    double band, at;
    w->low = mem_calloc(2 * cells->columns, sizeof *w->low);
    if (!w->low)
        return err_memory(err, 2 * cells->columns * sizeof *w->low, "a waveform");
    w->high = w->low + cells->columns;
    image_cells_place(mel, cells, &band, &at);
    for (size_t c = 0; c < cells->columns; c++) {
        const size_t middle = (size_t)at + c * step, begin = middle - size_min(middle, step / 2);
        for (size_t i = begin; i < size_min(middle + step - step / 2, n); i++) {
            w->low[c] = fminf(w->low[c], samples[i]);
            w->high[c] = fmaxf(w->high[c], samples[i]);
        }
    }
    return SIB_OK;
}

void waveform_free(waveform *w)
{
    mem_free(w->low);
    *w = (waveform){0};
}

static void draw_wave(const picture *p, size_t first, size_t columns, size_t y)
{
    const double half = WAVE_HEIGHT / 2, scale = half / p->loudest;
    sib_drawing_rect(p->d, LEFT, y + (size_t)half, columns * p->x_scale, 1, GUIDE_COLOUR);
    for (size_t c = 0; c < columns; c++) {
        const size_t up = (size_t)lround(p->wave->high[first + c] * scale),
                     down = (size_t)lround(-p->wave->low[first + c] * scale);
        sib_drawing_rect(p->d, LEFT + c * p->x_scale, y + (size_t)half - up, p->x_scale, up + down + 1,
                         WAVE_COLOUR);
    }
}

/* ---- Axes ---------------------------------------------------------------------------------------------- */

static void time_axis(const picture *p, size_t first, size_t columns, size_t y)
{
    const double start = p->first_at + (double)(first * p->x_scale) * p->per_pixel;
    const double step = ticks_step(TIME_SPACING * p->per_pixel);
    const size_t width = columns * p->x_scale;
    sib_drawing_rect(p->d, LEFT, y, width, 1, SIB_INK);
    for (double k = ceil(start / step - 1e-9);; k++) {
        const double at = (k * step - start) / p->per_pixel + (double)p->x_scale / 2;
        char label[TICKS_LABEL + 2];
        if (!(at < (double)width))
            break;
        ticks_label(label, k, step);
        strcat(label, " s");
        sib_drawing_rect(p->d, LEFT + (size_t)at, y, 1, TICK, SIB_INK);
        sib_drawing_text(p->d, LEFT + (size_t)at, y + TICK + 3, SIB_ANCHOR_MIDDLE, label);
    }
}

/* Round numbers of Hz, the roundest first, where no label is near. y: top of the features. */
static void frequency_axis(const picture *p, size_t y)
{
    static const double steps[] = {10000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10};
    const double bands = (double)p->cells->bands, top = mel_band_hz(p->spec, p->first_band + bands - 1);
    size_t taken[32], n = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && top / steps[i] < MAX_LABELS; i++)
        for (int k = 1; k * steps[i] <= top && n < 32; k++) {
            const double row = mel_hz_band(p->spec, k * steps[i]) - p->first_band;
            if (!(row >= 0 && row <= bands - 1))
                continue;
            const size_t at = p->height - (size_t)(row * (double)p->y_scale) - (p->y_scale + 1) / 2;
            bool near = false;
            for (size_t m = 0; m < n; m++)
                near = near || (at > taken[m] ? at - taken[m] : taken[m] - at) < BAND_SPACING;
            if (near)
                continue;
            char label[TICKS_LABEL];
            taken[n++] = at;
            snprintf(label, sizeof label, "%d", (int)(k * steps[i]));
            sib_drawing_rect(p->d, LEFT - TICK, y + at, TICK, 1, SIB_INK);
            sib_drawing_text(p->d, LEFT - TICK - GAP / 2, y + at - size_min(y + at, SIB_CAPITAL_HEIGHT / 2),
                             SIB_ANCHOR_RIGHT, label);
        }
    sib_drawing_rect(p->d, LEFT - 1, y, 1, p->height, SIB_INK);
    sib_drawing_text(p->d, LEFT - TICK - GAP / 2, y - SIB_LINE_HEIGHT - GAP, SIB_ANCHOR_RIGHT, "Hz");
}

static void colour_bar(const picture *p, size_t x, size_t y)
{
    float *levels = mem_alloc(p->height, sizeof *levels);
    if (!levels) {
        p->d->code = SIB_ERR_MEMORY;
        return;
    }
    for (size_t i = 0; i < p->height; i++)
        levels[i] = 1 - (float)i / (float)size_max(1, p->height - 1);
    sib_drawing_map(p->d, x, y, 1, p->height, BAR_WIDTH, 1, levels);
    mem_free(levels);
    const double span = p->high - p->low, step = ticks_step(span / fmax(1, floor((double)p->height / 56)));
    for (double k = ceil(p->low / step); k * step <= p->high; k++) {
        char label[TICKS_LABEL];
        const size_t at = y + p->height - 1 - (size_t)((k * step - p->low) / span * (double)(p->height - 1));
        ticks_label(label, k, step);
        sib_drawing_rect(p->d, x + BAR_WIDTH, at, TICK, 1, SIB_INK);
        sib_drawing_text(p->d, x + BAR_WIDTH + TICK + GAP / 2, at - SIB_CAPITAL_HEIGHT / 2, SIB_ANCHOR_LEFT,
                         label);
    }
    sib_drawing_text(p->d, x, y - SIB_LINE_HEIGHT - GAP, SIB_ANCHOR_LEFT, image_value_name(p->spec));
}

/* ---- Rows ---------------------------------------------------------------------------------------------- */

/* Pixel of a time in the row that begins with column `first`; below 0 before it. */
static double pixel_of(const picture *p, size_t first, double seconds)
{
    return (seconds - p->first_at) / p->per_pixel - (double)(first * p->x_scale);
}

static void draw_features(const picture *p, size_t first, size_t columns, size_t y)
{
    float *levels = mem_alloc(p->cells->bands * columns, sizeof *levels);
    for (size_t b = 0; levels && b < p->cells->bands; b++)
        for (size_t c = 0; c < columns; c++)
            levels[(p->cells->bands - 1 - b) * columns + c] =
                (float)(((double)p->cells->max[b * p->cells->columns + first + c] - p->low) /
                        (p->high - p->low));
    if (!levels)
        p->d->code = SIB_ERR_MEMORY;
    else
        sib_drawing_map(p->d, LEFT, y, columns, p->cells->bands, p->x_scale, p->y_scale, levels);
    mem_free(levels);
}

static void draw_speech(const picture *p, size_t first, double width, size_t y)
{
    for (size_t i = 0; i < p->marks->n_speech; i++) {
        const double begin = fmax(pixel_of(p, first, p->marks->speech[i].start), 0),
                     end = fmin(pixel_of(p, first, p->marks->speech[i].end), width);
        if (end > begin)
            sib_drawing_rect(p->d, LEFT + (size_t)begin, y, size_max(1, (size_t)(end - begin)), SPEECH_HEIGHT,
                             SPEECH_COLOUR);
    }
}

/* Puts words in the first lane that is free at their start, from y on; those without one are left out. draw: else only
   the number of lanes is wanted, which is returned. */
static size_t put_words(const picture *p, size_t first, double width, size_t y, bool draw)
{
    double free_from[MAX_LANES] = {0};
    size_t lanes = 0;
    for (size_t i = 0; i < p->marks->n_words; i++) {
        const char *text = p->marks->words[i].text + strspn(p->marks->words[i].text, " ");
        const double at = pixel_of(p, first, p->marks->words[i].start);
        size_t lane = 0;
        while (lane < MAX_LANES && free_from[lane] > at)
            lane++;
        if (!(at >= 0 && at < width) || lane == MAX_LANES)
            continue;
        free_from[lane] = at + (double)sib_drawing_text_width(text) + GAP;
        lanes = size_max(lanes, lane + 1);
        if (!draw)
            continue;
        const size_t x = LEFT + (size_t)at, row = y + lane * SIB_LINE_HEIGHT;
        sib_drawing_rect(p->d, x, y, 1, row + SIB_CAPITAL_HEIGHT - y, GUIDE_COLOUR);
        sib_drawing_text(p->d, x + 4, row, SIB_ANCHOR_LEFT, text);
    }
    return lanes;
}

static void draw_row(const picture *p, size_t row)
{
    const size_t first = row * p->columns, columns = size_min(p->columns, p->cells->columns - first);
    const size_t wave = TOP + row * p->row_height, features = wave + WAVE_HEIGHT + GAP;
    size_t below = features + p->height;
    draw_wave(p, first, columns, wave);
    draw_features(p, first, columns, features);
    frequency_axis(p, features);
    if (p->marks->n_speech) {
        draw_speech(p, first, (double)(columns * p->x_scale), below + 2);
        below += SPEECH_HEIGHT + 4;
    }
    put_words(p, first, (double)(columns * p->x_scale), below + TICK + SIB_LINE_HEIGHT + GAP, true);
    time_axis(p, first, columns, below);
    if (!row)
        colour_bar(p, LEFT + columns * p->x_scale + 2 * GAP, features);
}

static sib_code lay_out(picture *p, sib_error *err)
{
    const image_cells *c = p->cells;
    p->rows = size_ceil_div(c->columns, ROW_COLUMNS);
    p->columns = size_ceil_div(c->columns, p->rows);
    p->x_scale = size_max(1, ROW_COLUMNS / p->columns);
    p->y_scale = size_max(1, WANTED_HEIGHT / c->bands);
    p->height = c->bands * p->y_scale;
    p->per_pixel = (double)p->spec->hop_length * (double)c->group / p->spec->sample_rate / (double)p->x_scale;
    for (size_t row = 0; row < p->rows; row++)
        p->lanes =
            size_max(p->lanes, put_words(p, row * p->columns, (double)(p->columns * p->x_scale), 0, false));
    p->row_height = WAVE_HEIGHT + GAP + p->height + TICK + SIB_LINE_HEIGHT + 3 * GAP +
                    p->lanes * SIB_LINE_HEIGHT + (p->marks->n_speech ? SPEECH_HEIGHT + 4 : 0);
    p->loudest = 1e-9;
    for (size_t i = 0; i < c->columns; i++) { /* GCC 12 for arm64 fails on fmax of all of them */
        const double here = fmax(p->wave->high[i], -p->wave->low[i]);
        if (here > p->loudest)
            p->loudest = here;
    }
    return sib_drawing_create(LEFT + p->columns * p->x_scale + RIGHT, TOP + p->rows * p->row_height, &p->d,
                              err);
}

sib_code recording_picture_write(const sib_mel *mel, const image_cells *cells, const waveform *wave,
                                 const sib_recording_marks *marks, const char *title, const char *path,
                                 sib_error *err)
{
    static const sib_recording_marks none;
    picture p = {.spec = sib_mel_get_spec(mel), .cells = cells, .wave = wave, .marks = marks ? marks : &none};
    c_locale locale; /* of the labels */
    image_cells_place(mel, cells, &p.first_band, &p.first_at);
    p.first_at /= p.spec->sample_rate;
    sib_code code = lay_out(&p, err);
    if (code != SIB_OK)
        return code;
    code = c_locale_enter(&locale, err);
    if (code == SIB_OK) {
        image_cells_range(cells, &p.low, &p.high);
        sib_drawing_text(p.d, LEFT + p.columns * p.x_scale / 2, GAP, SIB_ANCHOR_MIDDLE, title ? title : "");
        for (size_t row = 0; row < p.rows; row++)
            draw_row(&p, row);
        code = sib_drawing_write(p.d, path, err);
        c_locale_leave(&locale);
    }
    sib_drawing_free(&p.d);
    return code;
}

sib_code sib_recording_picture_write(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n,
                                     const sib_recording_marks *marks, const char *title, const char *path,
                                     sib_error *err)
{
    uint64_t bands, frames;
    image_cells cells = {0};
    waveform wave = {0};
    sib_code code = sib_mel_shape(mel, n, &bands, &frames, err);
    float *features = NULL;
    if (code == SIB_OK && !(features = mem_alloc((size_t)(bands * frames), sizeof *features)))
        code = err_memory(err, (size_t)(bands * frames) * sizeof *features, "features");
    if (code == SIB_OK)
        code = sib_mel_compute(mel, pool, samples, n, 0, features, (size_t)frames, err);
    if (code == SIB_OK)
        code = image_cells_make(&cells, (size_t)bands, (size_t)frames, err);
    if (code == SIB_OK) {
        image_cells_add(&cells, features, (size_t)frames, 0, (size_t)frames);
        code = waveform_make(&wave, mel, &cells, samples, n, err);
    }
    if (code == SIB_OK)
        code = recording_picture_write(mel, &cells, &wave, marks, title, path, err);
    waveform_free(&wave);
    image_cells_free(&cells);
    mem_free(features);
    return code;
}
