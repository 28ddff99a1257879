#include "milli/milli.h"

static const milli_def rows[MILLI_COUNT] = {
#define SIB_MILLI(name, inputs, outputs, meaning) {MILLI_##name, #name, inputs, outputs, meaning},
#include "milli/milli.def"
#undef SIB_MILLI
};

const milli_def *milli_row(milli_kind kind)
{
    return &rows[kind];
}
