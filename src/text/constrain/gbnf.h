/* Grammars of llama.cpp, GBNF, as a grammar over bytes. */
#ifndef TEXT_CONSTRAIN_GBNF_H
#define TEXT_CONSTRAIN_GBNF_H

#include "base/str.h"
#include "text/constrain/grammar.h"

#define GBNF_MAX_BYTES ((size_t)256 << 10)
#define GBNF_MAX_RULES 4096
/* Max groups inside each other, and max count of a repetition. */
#define GBNF_MAX_DEPTH  64
#define GBNF_MAX_REPEAT 2000

/* Fills g (grammar_free in both cases) with the texts of rule "root". Errors: SIB_ERR_FORMAT with the line;
   SIB_ERR_UNSUPPORTED (left recursion, tokens by number); SIB_ERR_VALUE (no text fits), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code gbnf_grammar(sib_str text, grammar *g, sib_error *err);

#endif
