#include "chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP       8
#define TOP       (SIB_LINE_HEIGHT + 3 * GAP)
#define BAR_WIDTH 500
#define ROW       (SIB_LINE_HEIGHT + 6)
#define LABEL_MAX 48 /* characters */

#define BLUE  0x3B5B92u
#define RED   0xC0392Bu
#define GREY  0xCFCFCFu
#define GUIDE 0xE4E4E4u

void chart_add(chart *c, char *label, char *text, double value)
{
    if (c->n == c->room) {
        const size_t room = c->room ? 2 * c->room : 32;
        chart_row *rows = cli_alloc(room, sizeof *rows);
        if (c->n)
            memcpy(rows, c->rows, c->n * sizeof *rows);
        free(c->rows);
        c->rows = rows;
        c->room = room;
    }
    c->rows[c->n++] = (chart_row){label, text, value};
}

void chart_free(chart *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->rows[i].label);
        free(c->rows[i].text);
    }
    free(c->rows);
    *c = (chart){0};
}

/* Shortened in the middle where it is too long: names begin alike and end differently. Released with free. */
static char *short_label(const char *label)
{
    const size_t n = strlen(label), half = LABEL_MAX / 2 - 2;
    return n <= LABEL_MAX ? cli_format("%s", label)
                          : cli_format("%.*s...%s", (int)half, label, label + n - half);
}

static bool begin(size_t width, size_t height, const char *title, sib_drawing **d)
{
    sib_error err = SIB_ERROR_INIT;
    if (sib_drawing_create(width, height, d, &err) != SIB_OK)
        return !cli_fail("%s", err.message);
    sib_drawing_text(*d, width / 2, GAP, SIB_ANCHOR_MIDDLE, title);
    return true;
}

static bool end(sib_drawing *d, const char *path)
{
    sib_error err = SIB_ERROR_INIT;
    bool done = sib_drawing_write(d, path, &err) == SIB_OK;
    if (!done)
        cli_fail("%s", err.message);
    sib_drawing_free(&d);
    return done;
}

bool chart_write(const chart *c, const char *title, const char *path)
{
    size_t left = 0, right = sib_drawing_text_width(title), y = TOP;
    double most = 0;
    for (size_t i = 0; i < c->n; i++) {
        char *label = short_label(c->rows[i].label);
        const size_t width = sib_drawing_text_width(label),
                     text = c->rows[i].text ? sib_drawing_text_width(c->rows[i].text) : 0;
        left = c->rows[i].text && width > left ? width : left;
        right = text > right ? text : right;
        most = fmax(most, c->rows[i].value);
        free(label);
    }
    sib_drawing *d;
    if (!begin(left + BAR_WIDTH + right + 5 * GAP, TOP + (c->n + 1) * ROW, title, &d))
        return false;
    for (size_t i = 0; i < c->n; i++, y += ROW) {
        const chart_row *r = &c->rows[i];
        char *label = short_label(r->label);
        y += i && !r->text ? ROW / 2 : 0;
        sib_drawing_text(d, r->text ? GAP + left : GAP, y + 3, r->text ? SIB_ANCHOR_RIGHT : SIB_ANCHOR_LEFT,
                         label);
        free(label);
        if (!r->text)
            continue;
        const size_t bar = most > 0 ? (size_t)lround(r->value / most * BAR_WIDTH) : 0;
        sib_drawing_rect(d, left + 3 * GAP, y, bar ? bar : 1, SIB_LINE_HEIGHT, BLUE);
        sib_drawing_text(d, left + 4 * GAP + bar, y + 3, SIB_ANCHOR_LEFT, r->text);
    }
    return end(d, path);
}

/* ---- Errors -------------------------------------------------------------------------------------------- */

#define PLOT_LEFT   100
#define PLOT_HEIGHT 360
#define PLOT_WIDTH  1000

typedef struct scale {
    double low, high; /* powers of ten */
} scale;

/* Pixels above the bottom; all of them where x is not finite. */
static size_t height_of(const scale *s, double x)
{
    if (!isfinite(x))
        return PLOT_HEIGHT;
    return !isfinite(x) || x <= 0
               ? 0
               : (size_t)lround(fmax(log10(x) - s->low, 0) / (s->high - s->low) * PLOT_HEIGHT);
}

static scale scale_of(const chart_error *errors, size_t n)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            const double x = k ? errors[i].noise : errors[i].error;
            if (!isfinite(x) || x <= 0)
                continue;
            low = fmin(low, floor(log10(x) - 0.1));
            high = fmax(high, ceil(log10(x) + 0.1));
        }
    return low < high ? (scale){low, high} : (scale){-8, 0};
}

static void draw_scale(sib_drawing *d, const scale *s, size_t width)
{
    const int step = s->high - s->low > 12 ? 2 : 1;
    for (int k = (int)s->low; k <= (int)s->high; k += step) {
        char label[16];
        const size_t y = TOP + PLOT_HEIGHT - (size_t)lround((k - s->low) / (s->high - s->low) * PLOT_HEIGHT);
        snprintf(label, sizeof label, "1e%d", k);
        sib_drawing_rect(d, PLOT_LEFT, y, width, 1, GUIDE);
        sib_drawing_text(d, PLOT_LEFT - GAP, y - SIB_CAPITAL_HEIGHT / 2, SIB_ANCHOR_RIGHT, label);
    }
}

/* Numbers of values under the plot, and what the colours mean. */
static void draw_legend(sib_drawing *d, size_t n, size_t step_x, bool noise, const char *first)
{
    static const struct {
        uint32_t rgb;
        const char *text;
    } rows[] = {{GREY, "explained by rounding"}, {BLUE, "error"}, {RED, "error that differs"}};
    size_t step = 1, x = PLOT_LEFT, y = TOP + PLOT_HEIGHT + GAP;
    for (size_t k = 0; step * step_x < 80; k++) /* 1, 2, 5, 10, ... */
        step = k % 3 == 1 ? step / 2 * 5 : step * 2;
    for (size_t i = 0; i < n; i += step) {
        char label[24];
        snprintf(label, sizeof label, "%zu", i);
        sib_drawing_text(d, PLOT_LEFT + i * step_x + step_x / 2, y, SIB_ANCHOR_MIDDLE, label);
    }
    y += ROW;
    for (size_t i = !noise; i < sizeof rows / sizeof *rows; i++) {
        sib_drawing_rect(d, x, y, SIB_CAPITAL_HEIGHT, SIB_CAPITAL_HEIGHT, rows[i].rgb);
        sib_drawing_text(d, x + SIB_CAPITAL_HEIGHT + GAP, y, SIB_ANCHOR_LEFT, rows[i].text);
        x += SIB_CAPITAL_HEIGHT + 4 * GAP + sib_drawing_text_width(rows[i].text);
    }
    char *label = first ? short_label(first) : NULL,
         *text = label ? cli_format("first that differs: %s", label) : cli_format("none differs");
    sib_drawing_text(d, PLOT_LEFT, y + ROW, SIB_ANCHOR_LEFT, text);
    free(text);
    free(label);
}

bool chart_errors_write(const chart_error *errors, size_t n, const char *title, const char *path)
{
    const size_t step = n > PLOT_WIDTH ? 1 : n && PLOT_WIDTH / n < 40 ? PLOT_WIDTH / n : 40;
    const size_t plot = n * step > 700 ? n * step : 700;
    const scale s = scale_of(errors, n);
    const char *first = NULL;
    bool noisy = false;
    sib_drawing *d;
    if (!begin(PLOT_LEFT + plot + 4 * GAP, TOP + PLOT_HEIGHT + 3 * ROW + 2 * GAP, title, &d))
        return false;
    draw_scale(d, &s, plot);
    for (size_t i = 0; i < n; i++) {
        const size_t x = PLOT_LEFT + i * step, wide = step > 4 ? step - 2 : step, bottom = TOP + PLOT_HEIGHT;
        const size_t noise = height_of(&s, errors[i].noise), error = height_of(&s, errors[i].error);
        sib_drawing_rect(d, x, bottom - noise, wide, noise, GREY);
        if (error)
            sib_drawing_rect(d, x, bottom - error, wide, errors[i].differs ? error : 3,
                             errors[i].differs ? RED : BLUE);
        noisy = noisy || noise;
        if (errors[i].differs && !first)
            first = errors[i].name;
    }
    sib_drawing_rect(d, PLOT_LEFT, TOP + PLOT_HEIGHT, plot, 1, SIB_INK);
    draw_legend(d, n, step, noisy, first);
    return end(d, path);
}
