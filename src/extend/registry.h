/* The registry behind the public handle. */
#ifndef EXTEND_REGISTRY_H
#define EXTEND_REGISTRY_H

#include "extend/extend.h"

/* Another reference; NULL for NULL. */
sib_registry *registry_keep(sib_registry *r);
/* For ops_resolve. */
op_finder registry_finder(const sib_registry *r);

#endif
