#include "run/passes/passes.h"

/* Those that only tidy up stand first, so that the others find the plainest form, and last, for what those leave. */
static const pass table[] = {
    {"identity", "the input of an Identity is used in the place of its output", pass_identity},
    {"dead", "nodes whose outputs nobody uses are dropped", pass_dead},
};

const pass *passes_table(size_t *n)
{
    *n = sizeof table / sizeof *table;
    return table;
}
