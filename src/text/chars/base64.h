/* base64 (RFC 4648, section 4) in files of tokenizers. */
#ifndef TEXT_BASE64_H
#define TEXT_BASE64_H

#include "base/str.h"

/* Decodes s into out (3/4 of its length). Returns false where it is not base64. "=" alone, as in Whisper's
   last rank, and the empty string decode to no bytes. */
bool base64_bytes(sib_str s, char *out, size_t *size);

#endif
