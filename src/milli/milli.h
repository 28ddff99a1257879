/* The milli-ops as a table; milli.def defines them. */
#ifndef MILLI_MILLI_H
#define MILLI_MILLI_H

#include "graph/graph.h"

typedef enum milli_kind {
#define SIB_MILLI(name, inputs, outputs, meaning) MILLI_##name,
#include "milli/milli.def"
#undef SIB_MILLI
    MILLI_COUNT
} milli_kind;

typedef struct milli_def {
    milli_kind kind;
    const char *name;
    int inputs, outputs; /* -1: any number >= 1 */
    const char *meaning;
} milli_def;

/* Returns the row of a kind, which must be in range. */
const milli_def *milli_row(milli_kind kind);

#endif
