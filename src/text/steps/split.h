/* Pre-tokenizers of a tokenizer.json: split a text into words. */
#ifndef TEXT_STEPS_SPLIT_H
#define TEXT_STEPS_SPLIT_H

#include "text/steps/pattern.h"
#include "text/steps/words.h"

typedef struct splitter splitter;

/* Builds the steps of a part; none for a NULL value. Errors: SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED (an
   unknown step, by name), SIB_ERR_MEMORY. */
sib_code splitter_open(const json_part *p, splitter **out, sib_error *err);
void splitter_free(splitter **s);

/* True where words are to be encoded as bytes: the last step is ByteLevel. */
bool splitter_byte_level(const splitter *s);

/* Splits l->text, which l->words has as one word. s may be NULL. Errors: SIB_ERR_UNSUPPORTED (as
   pattern_next), SIB_ERR_MEMORY. */
sib_code splitter_run(const splitter *s, word_list *l, sib_error *err);

#endif
