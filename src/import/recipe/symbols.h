/* How models that speak read text: each character, or each sign of a phoneme, is a token. Files next to the checkpoint become
   metadata, which are inputs of the node `spell`. */
#ifndef IMPORT_RECIPE_SYMBOLS_H
#define IMPORT_RECIPE_SYMBOLS_H

#include "import/model/build.h"

/* Adds a number to the metadata, in JSON. */
void symbols_add_number(build *b, const char *key, double number);
/* Adds what vocab.json and tokenizer_config.json of transformers' VitsTokenizer say: "vocabulary", a list in JSON of the texts of n_vocab
   tokens, and "blank", "bare", "lower_case", "skip_unknown", "ascii", "replaced", "phonemizer". Fails where there is no
   vocabulary, or that of another tokenizer. */
void symbols_add(build *b, int64_t n_vocab);

#endif
