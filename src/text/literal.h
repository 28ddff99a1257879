/* Python string and bytes literals. */
#ifndef TEXT_LITERAL_H
#define TEXT_LITERAL_H

#include "base/buffer.h"

/* Appends the bytes of a literal at the start of text, such as 'a\n', "it's" or b'\xff'; characters of
   strings as UTF-8. Returns its length with the quotes, 0 where there is none (Python 3's reference,
   2.4.1; \N{...} and triple quotes are not supported). */
size_t literal_read(sib_str text, byte_buffer *out, sib_error *err);

#endif
