/* String and bytes literals as Python writes them. */
#ifndef TEXT_LITERAL_H
#define TEXT_LITERAL_H

#include "base/buffer.h"

/* Adds the bytes of a literal such as 'a\n', "it's" or b'\xff' that the text begins with; a string's characters as UTF-8.
   Returns its length with the quotes, 0 where there is none (Python 3's reference, 2.4.1; names and triple quotes are not
   known). */
size_t literal_read(sib_str text, byte_buffer *out, sib_error *err);

#endif
