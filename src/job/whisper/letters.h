/* What the procedure needs of Unicode: blanks, invalid UTF-8, parts of strings. */
#ifndef JOB_WHISPER_LETTERS_H
#define JOB_WHISPER_LETTERS_H

#include "text/vocab/token_ids.h"

#include "base/buffer.h"

/* s without the blanks at both ends, which are the characters that Unicode gives the property White_Space or
   one of the bidirectional classes B, S and WS, as Python's str.strip() removes. s: UTF-8. */
sib_str whisper_trim(sib_str s);

/* True where `whole` contains `part`; every string contains the empty one. */
bool whisper_within(sib_str part, sib_str whole);

/* Number of characters of s, which is valid UTF-8. */
size_t whisper_letters(sib_str s);
/* The bytes of character k of s, from 0; empty where s has fewer. */
sib_str whisper_letter(sib_str s, size_t k);

/* Adds bytes to `out` as UTF-8: each longest sequence that begins a character and does not finish it, and
   each byte that begins none, becomes U+FFFD (The Unicode Standard, "Substitution of Maximal Subparts").
   at_end: no more bytes follow; otherwise a character that may still be completed is left. *taken: bytes
   consumed; taken may be NULL. Errors: SIB_ERR_MEMORY. */
sib_code whisper_repair(sib_str bytes, bool at_end, byte_buffer *out, size_t *taken, sib_error *err);

#endif
