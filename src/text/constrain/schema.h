/* JSON Schema as a grammar of the values that it allows. */
#ifndef TEXT_CONSTRAIN_SCHEMA_H
#define TEXT_CONSTRAIN_SCHEMA_H

#include "base/str.h"
#include "text/constrain/grammar.h"

#define SCHEMA_MAX_BYTES ((size_t)256 << 10)
/* Max schemas inside each other. */
#define SCHEMA_MAX_DEPTH 128
/* Max schemas that references name. */
#define SCHEMA_MAX_TARGETS 1024
/* Max bytes of a member's name, and max minLength, maxLength, minItems, maxItems. */
#define SCHEMA_MAX_NAME  1024
#define SCHEMA_MAX_COUNT 1000000

/* Fills g (grammar_free in both cases). Members of objects stand in the schema's order, those that it does
   not name behind them. Errors: SIB_ERR_FORMAT (no JSON), SIB_ERR_VALUE (a keyword's value, or no value
   fits), SIB_ERR_UNSUPPORTED (a keyword, by name), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code schema_grammar(sib_str schema, grammar *g, sib_error *err);

#endif
