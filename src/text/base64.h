/* base64 (RFC 4648, section 4), as files of tokenizers have it. */
#ifndef TEXT_BASE64_H
#define TEXT_BASE64_H

#include "base/str.h"

/* The bytes of s into out: (3 / 4 of its size). False where it is no base64. "=" stands for no bytes, as in Whisper's last rank, and
   so does nothing at all. */
bool base64_bytes(sib_str s, char *out, size_t *size);

#endif
