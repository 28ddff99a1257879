/* What sentence-transformers does with the vectors of tokens. */
#ifndef IMPORT_RECIPE_TEXT_SENTENCE_H
#define IMPORT_RECIPE_TEXT_SENTENCE_H

#include "import/model/build.h"

/* Where a modules.json lies next to the checkpoint: adds the output sentence_embedding [B, D] of hidden [B, N, d] and mask
   [B, N], as the folder's modules say, and what its job needs to the metadata (max_tokens, prompts, default_prompt_name, normalize).
   Modules and settings that are not known are refused by name. */
void text_sentence_add(build *b, int64_t d, value_id hidden, value_id mask);

#endif
