/* Plans of gathers and scatters, from a node's data and indices. */
#ifndef CPU_GATHER_H
#define CPU_GATHER_H

#include "backend/cpu/layout/layout.h"
#include "kernel/layout/layout.h"

/* Each returns false where the node is not of its kind, or where ref has to report the error. data, indices:
   inputs 0 and 1 of the node; for cpu_gather_coordinates both have `batch` leading axes in common. */
bool cpu_gather_coordinates(const node_view *n, int64_t batch, gather_plan *p);
bool cpu_gather_elements(const node_view *n, gather_plan *p);

/* Fails for the index at `place`, which is out of range. */
sib_code cpu_gather_fail(const cpu_call *c, const gather_plan *p, size_t place);

#endif
