/* Attributes as text. */
#ifndef RUN_ATTRIBUTE_TEXT_H
#define RUN_ATTRIBUTE_TEXT_H

#include "graph/graph.h"

#define ATTRIBUTE_TEXT 2000

/* "[1, 2]", "same_upper", "float32 [3]", with numbers as in the C locale; lists are cut after 16 items. g:
   where the attribute's node is. Returns text, "" where memory fails. */
const char *attribute_text(const graph *g, const attribute *a, char text[ATTRIBUTE_TEXT]);

#endif
