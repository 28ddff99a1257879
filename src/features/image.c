/* A labelled image of features: title, plot, time axis below, frequency axis at the left, colour scale at the
   right. Everything is drawn on a canvas of palette indices, which is then written with libpng row by row. */
#include "features/image.h"

#include "base/alloc.h"
#include "base/c_locale.h"
#include "base/error.h"
#include "base/size.h"
#include "drawing/font.h"
#include "drawing/palette.h"
#include "drawing/png_file.h"
#include "drawing/ticks.h"
#include "features/mel_internal.h"

#include <math.h>
#include <string.h>

#define MAX_COLUMNS 4000
/* A plot of few frames or bands is enlarged, up to about this many pixels. */
#define WANTED_WIDTH  800
#define WANTED_HEIGHT 400

#define ZOOM         2 /* of the typeface */
#define LETTER_WIDTH (FONT_ADVANCE * ZOOM)
#define LINE_HEIGHT  (FONT_HEIGHT * ZOOM)
#define TICK         6
#define GAP          8
#define LEFT         (6 * LETTER_WIDTH + TICK + 2 * GAP)
#define TOP          (2 * LINE_HEIGHT + 3 * GAP)
#define BOTTOM       (2 * LINE_HEIGHT + TICK + 2 * GAP)
#define BAR_GAP      24
#define BAR_WIDTH    20
#define RIGHT        (BAR_GAP + BAR_WIDTH + TICK + 9 * LETTER_WIDTH)
#define TIME_SPACING 110 /* min pixels from one label to the next */
#define BAND_SPACING 44
#define MAX_LABELS   1000 /* multiples of a step that are tried */
#define BAR_SPACING  56

typedef struct {
    uint8_t *pixels; /* (height, width) palette indices */
    size_t width, height;
} canvas;

/* The plot: the cells and their positions. */
typedef struct {
    const sib_mel_spec *spec;
    const image_cells *cells;
    size_t x_scale, y_scale;     /* pixels per column and per band */
    size_t width, height;        /* of the plot */
    double low, high;            /* values at the ends of the colour scale */
    double first_band, first_at; /* band of row 0; samples from the start to the middle of frame 0 */
} image;

/* ---- Drawing ---- */

static void fill(canvas *c, size_t x, size_t y, size_t width, size_t height, uint8_t colour)
{
    for (size_t row = y; row < y + height && row < c->height; row++)
        for (size_t column = x; column < x + width && column < c->width; column++)
            c->pixels[row * c->width + column] = colour;
}

static void text(canvas *c, size_t x, size_t y, const char *words)
{
    for (; *words; words++, x += LETTER_WIDTH)
        for (int gy = 0; gy < FONT_HEIGHT; gy++)
            for (int gx = 0; gx < FONT_WIDTH; gx++)
                if (font_ink(*words, gx, gy))
                    fill(c, x + (size_t)gx * ZOOM, y + (size_t)gy * ZOOM, ZOOM, ZOOM, PALETTE_BLACK);
}

static size_t text_width(const char *words)
{
    return strlen(words) * LETTER_WIDTH;
}

/* Draws text that ends at x, or is centred there, but never begins left of the canvas. */
static void text_ending(canvas *c, size_t x, size_t y, const char *words)
{
    size_t width = text_width(words);
    text(c, x > width ? x - width : 0, y, words);
}

static void text_centred(canvas *c, size_t x, size_t y, const char *words)
{
    text_ending(c, x + text_width(words) / 2, y, words);
}

/* ---- Ticks ---- */

static void time_axis(canvas *c, const image *p)
{
    double rate = p->spec->sample_rate,
           per_column = (double)p->spec->hop_length * (double)p->cells->group / rate;
    double per_pixel = per_column / (double)p->x_scale, start = p->first_at / rate;
    double step = ticks_step(TIME_SPACING * per_pixel);
    size_t y = TOP + p->height;
    fill(c, LEFT, y, p->width, 1, PALETTE_BLACK);
    for (double k = ceil(start / step);; k++) {
        /* the time of a column is that of its first frame, shown at the column's middle */
        double at = (k * step - start) / per_pixel + (double)p->x_scale / 2;
        if (!(at < (double)p->width))
            break;
        size_t x = LEFT + (size_t)at;
        char label[TICKS_LABEL];
        ticks_label(label, k, step);
        fill(c, x, y, 1, TICK, PALETTE_BLACK);
        text_centred(c, x, y + TICK + GAP / 2, label);
    }
    text_centred(c, LEFT + p->width / 2, y + TICK + GAP + LINE_HEIGHT, "time (s)");
}

/* Marks a frequency where no label is near. taken: (height of the plot) rows of pixels that labels need. */
static void frequency_tick(canvas *c, const image *p, double hz, bool *taken)
{
    char label[TICKS_LABEL];
    const double row = mel_hz_band(p->spec, hz) - p->first_band;
    if (!(row >= 0 && row <= (double)p->cells->bands - 1))
        return;
    size_t up = (size_t)(row * (double)p->y_scale) + (p->y_scale + 1) / 2, y = TOP + p->height - up;
    for (size_t i = up - size_min(up, BAND_SPACING / 2); i < size_min(up + BAND_SPACING / 2, p->height); i++)
        if (taken[i])
            return;
    for (size_t i = up - size_min(up, BAND_SPACING / 2); i < size_min(up + BAND_SPACING / 2, p->height); i++)
        taken[i] = true;
    snprintf(label, sizeof label, "%.0f", hz);
    fill(c, LEFT - TICK, y, TICK, 1, PALETTE_BLACK);
    text_ending(c, LEFT - TICK - GAP / 2, y - size_min(y, FONT_CAPITAL * ZOOM / 2), label);
}

/* Round numbers of Hz, the roundest first, as many as have room. */
static sib_code frequency_axis(canvas *c, const image *p, sib_error *err)
{
    static const double steps[] = {10000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10};
    const double top = mel_band_hz(p->spec, p->first_band + (double)p->cells->bands - 1);
    bool *taken = mem_calloc(p->height, sizeof *taken);
    if (!taken)
        return err_memory(err, p->height, "an image");
    fill(c, LEFT - 1, TOP, 1, p->height, PALETTE_BLACK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && top / steps[i] < MAX_LABELS; i++)
        for (int n = 1; n * steps[i] <= top; n++)
            frequency_tick(c, p, n * steps[i], taken);
    text_ending(c, LEFT - TICK, TOP - LINE_HEIGHT - GAP, "Hz");
    mem_free(taken);
    return SIB_OK;
}

const char *image_value_name(const sib_mel_spec *spec)
{
    static const char *const names[] = {"energy", "ln", "log10", "dB"};
    return spec->offset != 0 || spec->gain != 1 ? "value" : names[spec->log];
}

static void colour_bar(canvas *c, const image *p)
{
    size_t x = LEFT + p->width + BAR_GAP;
    for (size_t y = 0; y < p->height; y++)
        fill(c, x, TOP + p->height - 1 - y, BAR_WIDTH, 1,
             (uint8_t)(y * (PALETTE_STEPS - 1) / size_max(1, p->height - 1)));
    double span = p->high - p->low;
    double step = ticks_step(span / fmax(1, floor((double)p->height / BAR_SPACING)));
    for (double k = ceil(p->low / step); k * step <= p->high; k++) {
        char label[TICKS_LABEL];
        size_t y = TOP + p->height - 1 - (size_t)((k * step - p->low) / span * (double)(p->height - 1));
        ticks_label(label, k, step);
        fill(c, x + BAR_WIDTH, y, TICK, 1, PALETTE_BLACK);
        text(c, x + BAR_WIDTH + TICK + GAP / 2, y - FONT_CAPITAL * ZOOM / 2, label);
    }
    text(c, x, TOP - LINE_HEIGHT - GAP, image_value_name(p->spec));
}

/* A title that is too long ends with dots. */
static void heading(canvas *c, const char *title)
{
    char shown[512];
    size_t fits = size_min((c->width - 2 * GAP) / LETTER_WIDTH, sizeof shown - 1);
    size_t length = strlen(title), kept = size_min(length, fits);
    memcpy(shown, title, kept);
    shown[kept] = '\0';
    if (length > fits && fits > 3)
        memcpy(shown + kept - 3, "...", 3);
    text_centred(c, c->width / 2, GAP, shown);
}

/* ---- Values ---- */

sib_code image_cells_make(image_cells *c, size_t bands, size_t frames, sib_error *err)
{
    *c = (image_cells){.bands = bands, .frames = frames, .group = size_ceil_div(frames, MAX_COLUMNS)};
    c->columns = size_ceil_div(frames, c->group);
    c->max = mem_alloc(bands * c->columns, sizeof *c->max);
    if (!c->max)
        return err_memory(err, bands * c->columns * sizeof *c->max, "an image");
    for (size_t i = 0; i < bands * c->columns; i++)
        c->max[i] = NAN;
    return SIB_OK;
}

void image_cells_free(image_cells *c)
{
    mem_free(c->max);
    *c = (image_cells){0};
}

void image_cells_add(image_cells *c, const float *features, size_t row_stride, size_t first, size_t count)
{
    for (size_t b = 0; b < c->bands; b++)
        for (size_t t = 0; t < count; t++) {
            float *max = c->max + b * c->columns + (first + t) / c->group;
            const float x = features[b * row_stride + t];
            if (x > *max || isnan(*max))
                *max = x;
        }
}

void image_cells_range(const image_cells *c, double *low_out, double *high_out)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->bands * c->columns; i++)
        if (isfinite(c->max[i])) {
            low = fmin(low, c->max[i]);
            high = fmax(high, c->max[i]);
        }
    if (low > high)
        low = 0, high = 1;
    double min = fmax(fabs(low), fabs(high)) * 1e-6;
    if (!(high - low > min)) { /* a constant is shown in the middle of the scale */
        double margin = fmax(0.5, 1e-3 * fabs(low));
        low -= margin;
        high += margin;
    }
    *low_out = low;
    *high_out = high;
}

static uint8_t colour_of(const image *p, float v)
{
    if (isnan(v))
        return PALETTE_NAN;
    double t = fmin(fmax(((double)v - p->low) / (p->high - p->low), 0), 1);
    return (uint8_t)lround(t * (PALETTE_STEPS - 1));
}

static void plot(canvas *c, const image *p)
{
    for (size_t b = 0; b < p->cells->bands; b++)
        for (size_t column = 0; column < p->cells->columns; column++)
            fill(c, LEFT + column * p->x_scale, TOP + p->height - (b + 1) * p->y_scale, p->x_scale,
                 p->y_scale, colour_of(p, p->cells->max[b * p->cells->columns + column]));
}

/* ---- The file ---- */

typedef struct painted {
    const canvas *c;
    palette_rgb colours[PALETTE_COLOURS];
} painted;

static void paint_row(const void *context, size_t y, uint8_t *rgb)
{
    const painted *p = context;
    for (size_t x = 0; x < p->c->width; x++) {
        const palette_rgb colour = p->colours[p->c->pixels[y * p->c->width + x]];
        memcpy(rgb + 3 * x, (uint8_t[]){colour.r, colour.g, colour.b}, 3);
    }
}

static sib_code write_png(const canvas *c, const char *path, sib_error *err)
{
    painted p = {.c = c};
    palette_make(p.colours);
    return png_write_file(&(png_rows){c->width, c->height, paint_row, &p}, path, err);
}

static sib_code lay_out(image *p, canvas *c, sib_error *err)
{
    p->x_scale = size_max(1, WANTED_WIDTH / p->cells->columns);
    p->y_scale = size_max(1, WANTED_HEIGHT / p->cells->bands);
    p->width = p->cells->columns * p->x_scale;
    p->height = p->cells->bands * p->y_scale;
    c->width = LEFT + p->width + RIGHT;
    c->height = TOP + p->height + BOTTOM;
    c->pixels = mem_alloc(c->width, c->height);
    return c->pixels ? SIB_OK : err_memory(err, c->width * c->height, "an image");
}

void image_cells_place(const sib_mel *mel, const image_cells *cells, double *first_band, double *first_at)
{
    const sib_mel_spec *spec = sib_mel_get_spec(mel);
    /* A VALID 3 x 3 average drops one band and one frame at each side. */
    *first_band = (double)((size_t)spec->n_mels - cells->bands) / 2;
    *first_at =
        *first_band * spec->hop_length + (spec->framing == SIB_FRAMING_WHOLE ? spec->win_length / 2.0 : 0);
}

sib_code image_write(const sib_mel *mel, const image_cells *cells, const char *title, const char *path,
                     sib_error *err)
{
    const sib_mel_spec *spec = sib_mel_get_spec(mel);
    image p = {.spec = spec, .cells = cells};
    image_cells_place(mel, cells, &p.first_band, &p.first_at);
    canvas c;
    c_locale locale; /* of the labels */
    sib_code code = lay_out(&p, &c, err);
    if (code != SIB_OK)
        return code;
    code = c_locale_enter(&locale, err);
    if (code != SIB_OK) {
        mem_free(c.pixels);
        return code;
    }
    image_cells_range(cells, &p.low, &p.high);
    memset(c.pixels, PALETTE_WHITE, c.width * c.height);
    plot(&c, &p);
    time_axis(&c, &p);
    code = frequency_axis(&c, &p, err);
    colour_bar(&c, &p);
    heading(&c, title ? title : "");
    c_locale_leave(&locale);
    if (code == SIB_OK)
        code = write_png(&c, path, err);
    mem_free(c.pixels);
    return code;
}

sib_code sib_mel_write_png(const sib_mel *mel, const float *features, size_t bands, size_t frames,
                           size_t row_stride, const char *title, const char *path, sib_error *err)
{
    const sib_mel_spec *spec = sib_mel_get_spec(mel);
    if (bands == 0 || frames == 0)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: no image can be drawn of %zu bands and %zu frames, expected at least 1 of each",
                       path, bands, frames);
    if (bands > (size_t)spec->n_mels || row_stride < frames)
        return err_set(
            err, SIB_ERR_ARGUMENT,
            "%s: features of %zu bands and %zu frames with rows %zu apart, expected at most %d bands "
            "and rows at least %zu apart",
            path, bands, frames, row_stride, (int)spec->n_mels, frames);
    image_cells cells;
    sib_code code = image_cells_make(&cells, bands, frames, err);
    if (code != SIB_OK)
        return code;
    image_cells_add(&cells, features, row_stride, 0, frames);
    code = image_write(mel, &cells, title, path, err);
    image_cells_free(&cells);
    return code;
}
