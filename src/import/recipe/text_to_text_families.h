/* What the recipes of encoders with decoders share: their families' tables, dims, and the tokens that texts begin with. */
#ifndef IMPORT_RECIPE_TEXT_TO_TEXT_FAMILIES_H
#define IMPORT_RECIPE_TEXT_TO_TEXT_FAMILIES_H

#include "import/recipe/text_to_text.h"

/* Lists of families end with a row without a type. */
typedef struct text_to_text_family {
    const char *type;                       /* model_type of config.json */
    void (*set)(build *b, text_to_text *m); /* all but heads and layers */
    int64_t first; /* the token that texts begin with where no file says it; -1: bos_token_id, or 0 */
} text_to_text_family;

/* The family of c's model_type, or NULL. */
const text_to_text_family *text_to_text_family_of(const checkpoint *c, const text_to_text_family *families);
/* Finds the table of tokens under the first of its names that the checkpoint has, and that of scores: the same where they are
   tied or have none of their own. Sets n_source, n_vocab and d. m's encoder has its renames. */
void text_to_text_find_tables(build *b, text_to_text *m, bool tied);
/* The same where the encoder and the decoder have tables of their own, and, unless tied to the decoder's, the scores. */
void text_to_text_find_own_tables(build *b, text_to_text *m, bool tied);
/* Builds the model of one of the families. */
void text_to_text_import(build *b, const char *recipe, const text_to_text_family *families);

#endif
