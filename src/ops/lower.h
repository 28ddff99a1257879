/* Prototypes of every lowering, made of ops.def: what a family's file starts from. */
#ifndef OPS_LOWER_H
#define OPS_LOWER_H

#include "base/error.h"
#include "ops/ops.h"

#define SIB_OP(domain, name, family, since, in_min, in_max, out_min, out_max)                                \
    void lower_##domain##_##name(lowering *l, const node *n);
#define SIB_CONTROL(domain, name, family, since, in_min, in_max, out_min, out_max, control)                  \
    void lower_##domain##_##name(lowering *l, const node *n);
#include "ops/ops.def"
#undef SIB_OP
#undef SIB_CONTROL

#endif
