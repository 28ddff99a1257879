/* The shapes of a drawing, for its writers. */
#ifndef DRAWING_H
#define DRAWING_H

#include "drawing/font.h"
#include "drawing/palette.h"

#include <sibyl/drawing.h>
#include <stdio.h>

#define DRAWING_ZOOM    2 /* of the typeface */
#define DRAWING_ADVANCE (FONT_ADVANCE * DRAWING_ZOOM)

typedef enum shape_kind { SHAPE_RECT, SHAPE_TEXT, SHAPE_MAP } shape_kind;

typedef struct shape {
    shape_kind kind;
    size_t x, y, width, height;
    uint32_t rgb;
    char *text;           /* of its left end x; owned */
    uint8_t *cells;       /* (rows, columns) of the palette, owned */
    size_t columns, rows; /* of a map, whose width and height are multiples of them */
} shape;

struct sib_drawing {
    size_t width, height;
    shape *shapes; /* (n) */
    size_t n, room;
    sib_code code; /* of what could not be added */
    palette_rgb colours[PALETTE_COLOURS];
};

/* Bytes of the UTF-8 character at the beginning, 1 where it is not UTF-8; text is not empty. */
size_t drawing_character(const char *text);

/* Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
sib_code drawing_svg(const sib_drawing *d, FILE *out, const char *name, sib_error *err);

#endif
