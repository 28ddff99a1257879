/* Drawings of rectangles, text and maps of values, written as PNG or SVG. */
#ifndef SIBYL_DRAWING_H
#define SIBYL_DRAWING_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lengths are pixels from the upper left corner. What is added is kept in order, later over earlier; a failure to add is
   that of sib_drawing_write. Not thread-safe. */
typedef struct sib_drawing sib_drawing;

typedef enum sib_anchor { SIB_ANCHOR_LEFT, SIB_ANCHOR_MIDDLE, SIB_ANCHOR_RIGHT } sib_anchor;

/* 0xRRGGBB */
#define SIB_INK   0x141414u
#define SIB_PAPER 0xFFFFFFu

/* Height of capitals and of a line of text. */
#define SIB_CAPITAL_HEIGHT 14
#define SIB_LINE_HEIGHT    18

/* A drawing on white. out: owned by the caller, sib_drawing_free(&drawing). Errors: SIB_ERR_SIZE (nothing, or more than
   64 million pixels), SIB_ERR_MEMORY. */
SIB_API sib_code sib_drawing_create(size_t width, size_t height, sib_drawing **out, sib_error *err);
SIB_API void sib_drawing_free(sib_drawing **drawing);

/* A rectangle; what of it lies beside the drawing is not shown. */
SIB_API void sib_drawing_rect(sib_drawing *d, size_t x, size_t y, size_t width, size_t height, uint32_t rgb);

/* UTF-8 in letters of one width, whose capitals begin at y. PNG has printable ASCII, and a box for each other
   character. */
SIB_API void sib_drawing_text(sib_drawing *d, size_t x, size_t y, sib_anchor anchor, const char *text);
SIB_API size_t sib_drawing_text_width(const char *text);

/* Cells in the colours of a scale from dark (0) to light (1), NaN in grey: levels (rows, columns), row 0 at the top, each
   x_scale by y_scale pixels; copied. */
SIB_API void sib_drawing_map(sib_drawing *d, size_t x, size_t y, size_t columns, size_t rows, size_t x_scale,
                             size_t y_scale, const float *levels);

/* Writes SVG where the path ends with .svg, else PNG: to another file, which is renamed. Errors: SIB_ERR_IO names the
   path, SIB_ERR_MEMORY. */
SIB_API sib_code sib_drawing_write(const sib_drawing *d, const char *path, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
