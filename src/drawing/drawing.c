#include "drawing/drawing.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

#define MAX_PIXELS ((size_t)64000000)

sib_code sib_drawing_create(size_t width, size_t height, sib_drawing **out, sib_error *err)
{
    *out = NULL;
    if (!width || !height || width > MAX_PIXELS / height)
        return err_set(err, SIB_ERR_SIZE, "a drawing of %zu x %zu pixels, expected 1 to %zu of them", width,
                       height, MAX_PIXELS);
    sib_drawing *d = *out = mem_calloc(1, sizeof *d);
    if (!d)
        return err_memory(err, sizeof *d, "a drawing");
    d->width = width;
    d->height = height;
    palette_make(d->colours);
    return SIB_OK;
}

void sib_drawing_free(sib_drawing **drawing)
{
    if (!drawing || !*drawing)
        return;
    for (size_t i = 0; i < (*drawing)->n; i++) {
        mem_free((*drawing)->shapes[i].text);
        mem_free((*drawing)->shapes[i].cells);
    }
    mem_free((*drawing)->shapes);
    mem_free(*drawing);
    *drawing = NULL;
}

/* Takes over what the shape owns. */
static void add(sib_drawing *d, shape s)
{
    if (d->code == SIB_OK)
        d->code = ARRAY_PUSH(d->shapes, d->n, d->room, "a drawing", NULL, s);
    if (d->code != SIB_OK) {
        mem_free(s.text);
        mem_free(s.cells);
    }
}

void sib_drawing_rect(sib_drawing *d, size_t x, size_t y, size_t width, size_t height, uint32_t rgb)
{
    add(d, (shape){.kind = SHAPE_RECT, .x = x, .y = y, .width = width, .height = height, .rgb = rgb});
}

size_t drawing_character(const char *text)
{
    const unsigned char c = (unsigned char)*text;
    const size_t n = c < 0x80 ? 1 : c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 1;
    for (size_t i = 1; i < n; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 1;
    return c < 0xF5 ? n : 1;
}

size_t sib_drawing_text_width(const char *text)
{
    size_t n = 0;
    for (; *text; text += drawing_character(text))
        n++;
    return n * DRAWING_ADVANCE;
}

void sib_drawing_text(sib_drawing *d, size_t x, size_t y, sib_anchor anchor, const char *text)
{
    const size_t width = sib_drawing_text_width(text), before = anchor == SIB_ANCHOR_RIGHT    ? width
                                                                : anchor == SIB_ANCHOR_MIDDLE ? width / 2
                                                                                              : 0;
    char *copy = mem_strdup(text);
    if (!copy)
        d->code = SIB_ERR_MEMORY;
    else
        add(d, (shape){.kind = SHAPE_TEXT,
                       .x = x > before ? x - before : 0,
                       .y = y,
                       .width = width,
                       .height = SIB_CAPITAL_HEIGHT,
                       .rgb = SIB_INK,
                       .text = copy});
}

void sib_drawing_map(sib_drawing *d, size_t x, size_t y, size_t columns, size_t rows, size_t x_scale,
                     size_t y_scale, const float *levels)
{
    uint8_t *cells = mem_alloc(columns, rows);
    if (!cells) {
        d->code = SIB_ERR_MEMORY;
        return;
    }
    for (size_t i = 0; i < columns * rows; i++)
        cells[i] = isnan(levels[i])
                       ? PALETTE_NAN
                       : (uint8_t)lround(fmin(fmax((double)levels[i], 0), 1) * (PALETTE_STEPS - 1));
    add(d, (shape){.kind = SHAPE_MAP,
                   .x = x,
                   .y = y,
                   .width = columns * x_scale,
                   .height = rows * y_scale,
                   .cells = cells,
                   .columns = columns,
                   .rows = rows});
}
