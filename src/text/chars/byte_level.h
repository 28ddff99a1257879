/* Bytes written as visible characters, as in text files of byte-level vocabularies. */
#ifndef TEXT_BYTE_LEVEL_H
#define TEXT_BYTE_LEVEL_H

#include "base/buffer.h"

/* Appends the bytes that the characters of `text` encode. Returns false, with nothing appended, where a
   character encodes none. */
bool byte_level_bytes(sib_str text, byte_buffer *out, sib_error *err);

#endif
