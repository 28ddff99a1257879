/* Rules that begin with themselves, which a machine that reads from the left never gets through. */
#ifndef TEXT_CONSTRAIN_GBNF_LEFT_H
#define TEXT_CONSTRAIN_GBNF_LEFT_H

#include "text/constrain/grammar.h"

typedef struct gbnf_left {
    bool *empty;       /* (nodes) the way to RETURN may read nothing */
    uint32_t *met;     /* (nodes) the last search that met it */
    uint32_t *waiting; /* (nodes) */
    uint32_t search;
} gbnf_left;

/* gbnf_left_end in both cases. Errors: SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code gbnf_left_begin(gbnf_left *l, const grammar *g, sib_error *err);
void gbnf_left_end(gbnf_left *l);

/* Whether a rule's node can be called from itself before anything is read. */
bool gbnf_left_recurs(gbnf_left *l, const grammar *g, uint32_t rule);

#endif
