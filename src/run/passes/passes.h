/* The passes that run over a model before a session plans it: those of graph/pass.h and those that know operators. */
#ifndef RUN_PASSES_PASSES_H
#define RUN_PASSES_PASSES_H

#include "graph/pass.h"

/* In the order in which they run: (*n). Names may stand several times. */
const pass *passes_table(size_t *n);

#endif
