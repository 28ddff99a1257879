/* SentencePiece's map of characters, of its own files and of the normalizer Precompiled of a tokenizer.json: byte strings and
   their replacements. Its bytes are the size of a trie, the trie, and NUL-terminated texts. The trie is a
   double array (Yata's darts-clone) of 32-bit units; the child of a unit for a byte is at index (unit's
   index xor its offset xor byte). */
#ifndef TEXT_STEPS_CHARSMAP_H
#define TEXT_STEPS_CHARSMAP_H

#include "text/steps/json_part.h"

typedef struct charsmap {
    uint32_t *units; /* (n_units) */
    size_t n_units;
    char *texts; /* (n_texts) UTF-8 */
    size_t n_texts;
} charsmap;

/* Reads the base64 under `key`. Checks every index that a text can lead to. Errors: SIB_ERR_FORMAT,
   SIB_ERR_MEMORY. */
sib_code charsmap_open(charsmap *m, const json_part *p, const char *key, sib_error *err);
/* The same from the map's bytes. *words: what is wrong with them, or NULL. Error: SIB_ERR_MEMORY. */
sib_code charsmap_take(charsmap *m, sib_str map, const char **words, sib_error *err);
void charsmap_free(charsmap *m);

/* Finds the longest string in the map that s begins with: sets *length to its bytes and *text to its replacement. This is
   SentencePiece's own rule. Returns false where there is none. */
bool charsmap_longest(const charsmap *m, sib_str s, size_t *length, sib_str *text);

/* Appends the replacement of a text. Each grapheme cluster (UAX 29) of less than six bytes is replaced by
   that of its shortest prefix in the map, and the rest of it is dropped, as Hugging Face's `tokenizers`
   does. In longer clusters, and where no prefix is found, each character is replaced in this way. Bytes
   that are not UTF-8 stay, and end a cluster. */
sib_code charsmap_run(const charsmap *m, sib_str text, byte_buffer *out, sib_error *err);

#endif
