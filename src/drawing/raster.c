/* Drawings as files: PNG here, SVG in svg.c. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/size.h"
#include "drawing/drawing.h"
#include "drawing/png_file.h"

#include <string.h>
#include <strings.h>

typedef struct raster {
    const sib_drawing *d;
    uint8_t *pixels; /* (height, width, 3) */
} raster;

static void fill(const raster *r, size_t x, size_t y, size_t width, size_t height, const uint8_t rgb[3])
{
    const size_t right = size_min(r->d->width, x + width), bottom = size_min(r->d->height, y + height);
    for (size_t row = y; row < bottom; row++)
        for (size_t column = x; column < right; column++)
            memcpy(r->pixels + 3 * (row * r->d->width + column), rgb, 3);
}

static void draw_text(const raster *r, const shape *s, const uint8_t rgb[3])
{
    size_t x = s->x;
    for (const char *c = s->text; *c; c += drawing_character(c), x += DRAWING_ADVANCE)
        for (int gy = 0; gy < FONT_HEIGHT; gy++)
            for (int gx = 0; gx < FONT_WIDTH; gx++)
                if (font_ink(*c, gx, gy))
                    fill(r, x + (size_t)gx * DRAWING_ZOOM, s->y + (size_t)gy * DRAWING_ZOOM, DRAWING_ZOOM,
                         DRAWING_ZOOM, rgb);
}

static void draw(const raster *r, const shape *s)
{
    const uint8_t rgb[3] = {(uint8_t)(s->rgb >> 16), (uint8_t)(s->rgb >> 8), (uint8_t)s->rgb};
    if (s->kind == SHAPE_RECT)
        fill(r, s->x, s->y, s->width, s->height, rgb);
    else if (s->kind == SHAPE_TEXT)
        draw_text(r, s, rgb);
    else
        for (size_t i = 0; i < s->rows * s->columns; i++) {
            const palette_rgb c = r->d->colours[s->cells[i]];
            const size_t width = s->width / s->columns, height = s->height / s->rows;
            fill(r, s->x + i % s->columns * width, s->y + i / s->columns * height, width, height,
                 (uint8_t[]){c.r, c.g, c.b});
        }
}

static void copy_row(const void *context, size_t y, uint8_t *rgb)
{
    const raster *r = context;
    memcpy(rgb, r->pixels + 3 * r->d->width * y, 3 * r->d->width);
}

static sib_code write_png(const sib_drawing *d, FILE *out, const char *name, sib_error *err)
{
    const size_t bytes = 3 * d->width * d->height;
    raster r = {d, mem_alloc(bytes, 1)};
    if (!r.pixels)
        return err_memory(err, bytes, "a drawing");
    memset(r.pixels, 255, bytes);
    for (size_t i = 0; i < d->n; i++)
        draw(&r, &d->shapes[i]);
    sib_code code = png_write_stream(&(png_rows){d->width, d->height, copy_row, &r}, out, name, err);
    mem_free(r.pixels);
    return code;
}

sib_code sib_drawing_write(const sib_drawing *d, const char *path, sib_error *err)
{
    const size_t n = strlen(path);
    const bool svg = n >= 4 && strcasecmp(path + n - 4, ".svg") == 0;
    outfile file;
    if (d->code != SIB_OK)
        return err_memory(err, d->n * sizeof *d->shapes, "a drawing");
    sib_code code = outfile_begin(&file, path, err);
    if (code != SIB_OK)
        return code;
    code = (svg ? drawing_svg : write_png)(d, file.stream, path, err);
    if (code == SIB_OK)
        return outfile_commit(&file, err);
    outfile_abort(&file);
    return code;
}
