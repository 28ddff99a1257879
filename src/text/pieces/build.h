/* Pieces on their way into a tokenizer. */
#ifndef TEXT_PIECES_BUILD_H
#define TEXT_PIECES_BUILD_H

#include "text/pieces/pieces.h"
#include "text/tokenizer.h"

/* Fills a tokenizer of kind "pieces" from lists, and from a document with lists (pieces_json.c). */
sib_code pieces_open(sib_tokenizer *t, const pieces_source *source, sib_error *err);
sib_code pieces_open_json(sib_tokenizer *t, const text_source *source, sib_error *err);

#endif
