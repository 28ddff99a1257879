/* Shared by the files of public lowerings. */
#ifndef EXTEND_LOWERING_H
#define EXTEND_LOWERING_H

#include "extend/extend.h"
#include "milli/build.h"

/* The value or dim of a handle; none, with a failure, for one that is not of this lowering. */
mval handle_value(sib_lowering *b, sib_mval v);
dim handle_dim(sib_lowering *b, sib_mdim d);
/* False, with a failure, in a shape function, which may not build. */
bool lowering_builds(sib_lowering *b);

#endif
