/* What the procedure needs of Unicode: blanks, broken UTF-8, parts of strings. */
#ifndef JOB_WHISPER_LETTERS_H
#define JOB_WHISPER_LETTERS_H

#include "text/token_ids.h"

#include "base/buffer.h"

/* s without the blanks at both ends: the characters that Unicode gives the property White_Space or one of the
   bidirectional classes B, S and WS, which is what str.strip() of Python takes off. s: UTF-8. */
sib_str whisper_trim(sib_str s);

/* True where `part` stands in `whole`, which an empty one does. */
bool whisper_within(sib_str part, sib_str whole);

/* Characters of s, which is UTF-8 without fault. */
size_t whisper_letters(sib_str s);
/* The bytes of character k of s from 0; of length 0 where s has fewer. */
sib_str whisper_letter(sib_str s, size_t k);

/* Adds bytes to `out` as UTF-8: each longest piece that begins a character and does not finish it, and each byte that begins
   none, becomes U+FFFD (The Unicode Standard, "Substitution of Maximal Subparts"). at_end: no more bytes come; else a
   character that may still be finished is left. *taken: bytes that are done, may be NULL. Errors: SIB_ERR_MEMORY. */
sib_code whisper_repair(sib_str bytes, bool at_end, byte_buffer *out, size_t *taken, sib_error *err);

#endif
