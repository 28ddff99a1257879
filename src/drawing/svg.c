/* Drawings as SVG: text stays text, and a map of values is an image of a pixel per cell, in base64. */
#include "base/error.h"
#include "drawing/drawing.h"
#include "drawing/png_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_text(const char *text, FILE *out)
{
    for (size_t n; *text; text += n) {
        n = drawing_character(text);
        const unsigned char c = (unsigned char)*text;
        if (c == '&' || c == '<')
            fputs(c == '&' ? "&amp;" : "&lt;", out);
        else if (n == 1 && (c < ' ' || c >= 0x7F))
            putc('?', out);
        else
            fwrite(text, 1, n, out);
    }
}

static void put_base64(const unsigned char *data, size_t n, FILE *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const unsigned bits = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                              (left > 2 ? (unsigned)data[i + 2] : 0);
        const char text[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '='};
        fwrite(text, 1, 4, out);
    }
}

typedef struct map_rows {
    const sib_drawing *d;
    const shape *s;
} map_rows;

static void map_row(const void *context, size_t y, uint8_t *rgb)
{
    const map_rows *m = context;
    for (size_t x = 0; x < m->s->columns; x++) {
        const palette_rgb c = m->d->colours[m->s->cells[y * m->s->columns + x]];
        memcpy(rgb + 3 * x, (uint8_t[]){c.r, c.g, c.b}, 3);
    }
}

static sib_code put_map(const sib_drawing *d, const shape *s, FILE *out, const char *name, sib_error *err)
{
    char *data = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&data, &size);
    if (!memory)
        return err_memory(err, s->rows * s->columns, "an image");
    const map_rows m = {d, s};
    sib_code code = png_write_stream(&(png_rows){s->columns, s->rows, map_row, &m}, memory, name, err);
    if (fclose(memory) != 0 && code == SIB_OK)
        code = err_memory(err, s->rows * s->columns, "an image");
    if (code == SIB_OK) {
        fprintf(out,
                "<image x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" preserveAspectRatio=\"none\" "
                "style=\"image-rendering:pixelated\" href=\"data:image/png;base64,",
                s->x, s->y, s->width, s->height);
        put_base64((const unsigned char *)data, size, out);
        fputs("\"/>\n", out);
    }
    free(data);
    return code;
}

sib_code drawing_svg(const sib_drawing *d, FILE *out, const char *name, sib_error *err)
{
    sib_code code = SIB_OK;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" "
            "font-family=\"monospace\" font-size=\"%d\">\n<rect width=\"100%%\" height=\"100%%\" "
            "fill=\"#fff\"/>\n",
            d->width, d->height, d->width, d->height, DRAWING_ADVANCE * 5 / 3);
    for (size_t i = 0; i < d->n && code == SIB_OK; i++) {
        const shape *s = &d->shapes[i];
        if (s->kind == SHAPE_RECT)
            fprintf(out, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" fill=\"#%06x\"/>\n", s->x,
                    s->y, s->width, s->height, (unsigned)s->rgb);
        else if (s->kind == SHAPE_TEXT && s->width) {
            fprintf(out, "<text x=\"%zu\" y=\"%zu\" textLength=\"%zu\" fill=\"#%06x\">", s->x,
                    s->y + SIB_CAPITAL_HEIGHT, s->width, (unsigned)s->rgb);
            put_text(s->text, out);
            fputs("</text>\n", out);
        } else if (s->kind == SHAPE_MAP)
            code = put_map(d, s, out, name, err);
    }
    fputs("</svg>\n", out);
    if (code == SIB_OK && ferror(out))
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", name, strerror(errno));
    return code;
}
