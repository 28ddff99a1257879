/* The milli-ops as a table made of milli.def, where each one's meaning stands. */
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
    int inputs, outputs; /* -1: any number from 1 on */
    const char *meaning;
} milli_def;

/* Row of a kind, which is in range. */
const milli_def *milli_row(milli_kind kind);

#endif
