/* The map of characters of SentencePiece, as a tokenizer.json's normalizer Precompiled has it: byte strings and what each becomes.
   In bytes: the size of a trie, the trie, and texts that end with a zero byte each. The trie is a double array (Yata's
   darts-clone): units of 32 bits, of which one stands where another one's place xor its offset xor the next byte says. */
#ifndef TEXT_STEPS_CHARSMAP_H
#define TEXT_STEPS_CHARSMAP_H

#include "text/json_part.h"

typedef struct charsmap {
    uint32_t *units; /* (n_units) */
    size_t n_units;
    char *texts; /* (n_texts) UTF-8 */
    size_t n_texts;
} charsmap;

/* Reads the base64 under `key`. Every place that a text can lead to is checked. Errors: SIB_ERR_FORMAT, SIB_ERR_MEMORY. */
sib_code charsmap_open(charsmap *m, const json_part *p, const char *key, sib_error *err);
void charsmap_free(charsmap *m);

/* Adds what a text becomes. Each grapheme cluster (UAX 29) of less than six bytes becomes what its shortest beginning in the map
   does, the rest of it being dropped, as Hugging Face's `tokenizers` has it; in longer ones, and where nothing is found, each
   character does so. Bytes that are not UTF-8 stay, and end a cluster. */
sib_code charsmap_run(const charsmap *m, sib_str text, byte_buffer *out, sib_error *err);

#endif
