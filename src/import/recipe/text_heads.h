/* What stands on encoders of text: scores of classes, of tokens' classes, of masked tokens, of answers. */
#ifndef IMPORT_RECIPE_TEXT_HEADS_H
#define IMPORT_RECIPE_TEXT_HEADS_H

#include "import/recipe/text_encoder.h"

/* Patterns of weights that no head needs: duplicates, and what only training needs. */
const char *const *text_heads_ignored(const build *b);

/* Adds the outputs of the head that `architectures` of config.json names: logits [B, labels] of texts, [B, N, labels] of tokens,
   [B, N, n_vocab] of masked tokens; start_logits and end_logits [B, N] of answers; and pooler_output [B, d] where the checkpoint has
   a pooler. A model without a head has none. */
void text_heads_add(build *b, const text_encoder *m, const encoder_graph *g);

#endif
