/* Pre-tokenizers: find the ends of the pieces of a text that are encoded one by one. Hand-written scanners
   for the regular expressions that most models use. */
#ifndef TEXT_SCAN_H
#define TEXT_SCAN_H

#include "text/chars/classes.h"

/* Returns the end of the piece that begins at `at` < n. Every byte belongs to a piece; a byte that is not
   UTF-8 counts as a character that is neither letter, number nor space, as U+FFFD would. table:
   classes_table(). */
typedef size_t scan_pretoken(const uint8_t *table, const char *text, size_t n, size_t at);

/* GPT-2's: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
scan_pretoken scan_gpt2;

/* Llama 3's, and cl100k_base's of tiktoken, in two lines:
   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
    ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
scan_pretoken scan_cl100k;

/* Qwen 2's: the same with \p{N} instead of \p{N}{1,3}. */
scan_pretoken scan_qwen2;

#endif
