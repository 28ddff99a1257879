/* Plans of gathers and scatters, from a node's data and indices. */
#ifndef CPU_GATHER_H
#define CPU_GATHER_H

#include "backend/cpu/layout.h"
#include "kernel/layout/layout.h"

/* Each false where the node is something else than it is for, or ref has to say what is wrong with it. data, indices: the
   node's inputs 0 and 1; data of cpu_gather_coordinates with `batch` leading axes that indices have too. */
bool cpu_gather_coordinates(const node_view *n, int64_t batch, gather_plan *p);
bool cpu_gather_elements(const node_view *n, gather_plan *p);

/* The failure of a place with an index outside. */
sib_code cpu_gather_fail(const cpu_call *c, const gather_plan *p, size_t place);

#endif
