/* A text that is generated token by token and is one of a grammar: which tokens may come next. */
#ifndef TEXT_CONSTRAIN_CONSTRAINT_H
#define TEXT_CONSTRAIN_CONSTRAINT_H

#include "base/str.h"

#include <sibyl/text.h>

typedef struct constraint constraint;

typedef enum constraint_rules { CONSTRAINT_SCHEMA, CONSTRAINT_GBNF } constraint_rules;

/* Begins a text of what `rules` allow. t must outlive it; constraint_free(c). Errors: those of schema_grammar
   or gbnf_grammar, and token_order_of. */
sib_code constraint_open(const sib_tokenizer *t, constraint_rules kind, sib_str rules, constraint **out,
                         sib_error *err);
void constraint_free(constraint **c);

/* The tokens that may come next: a bit per id below *n_vocab, valid until the next call. Errors:
   SIB_ERR_SIZE (too many states), SIB_ERR_MEMORY. */
sib_code constraint_allowed(constraint *c, const uint64_t **tokens, size_t *n_vocab, sib_error *err);
/* Takes a token, one of those. Errors: the same, SIB_ERR_ARGUMENT (one that may not come). */
sib_code constraint_take(constraint *c, int32_t id, sib_error *err);

/* The text so far is complete. */
bool constraint_complete(const constraint *c);
/* It is, and nothing may follow. */
bool constraint_closed(const constraint *c);

#endif
