/* Bytes written as characters that can be seen, as byte-level vocabularies of text files do. */
#ifndef TEXT_BYTE_LEVEL_H
#define TEXT_BYTE_LEVEL_H

#include "base/buffer.h"

/* Adds the bytes that the characters of `text` stand for. False, with nothing added, where one stands for none. */
bool byte_level_bytes(sib_str text, byte_buffer *out, sib_error *err);

#endif
