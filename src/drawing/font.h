/* A small typeface for the labels of images. */
#ifndef DRAWING_FONT_H
#define DRAWING_FONT_H

#include <stdbool.h>

#define FONT_WIDTH   5 /* of a glyph */
#define FONT_ADVANCE 6 /* from one glyph to the next */
#define FONT_CAPITAL 7 /* height of capitals and digits */
#define FONT_HEIGHT  9 /* including descenders */

/* Whether pixel (x, y) of the glyph of c is ink, 0 <= x < FONT_WIDTH, 0 <= y < FONT_HEIGHT. Characters that
   are not printable ASCII are drawn as an empty box. */
bool font_ink(char c, int x, int y);

#endif
