/* Pre-tokenizers of a tokenizer.json: how a text is cut into words. */
#ifndef TEXT_STEPS_SPLIT_H
#define TEXT_STEPS_SPLIT_H

#include "text/steps/pattern.h"
#include "text/steps/words.h"

typedef struct splitter splitter;

/* Builds the steps of a part; NULL value: none. Errors: SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED (a step that is not known, by
   name), SIB_ERR_MEMORY. */
sib_code splitter_open(const json_part *p, splitter **out, sib_error *err);
void splitter_free(splitter **s);

/* True where words are to be encoded as bytes: a ByteLevel is the last step. */
bool splitter_byte_level(const splitter *s);

/* Cuts l->text, which l->words hold as one word, further. s may be NULL. Errors: SIB_ERR_UNSUPPORTED (as pattern_next),
   SIB_ERR_MEMORY. */
sib_code splitter_run(const splitter *s, word_list *l, sib_error *err);

#endif
