/* Whoever watches a run: taps on values, the profile, and the flag that cancels it. */
#ifndef RUN_EXECUTE_OBSERVE_H
#define RUN_EXECUTE_OBSERVE_H

#include "base/cancel.h"
#include "graph/graph.h"
#include <sibyl/session.h>

/* SIB_OK, or SIB_ERR_CANCELLED once c is set. c may be NULL. */
sib_code observe_cancel(const sib_cancel *c, sib_error *err);

/* True where somebody wants values called `name`; notes the taps that do in o->tap_matched. */
bool observe_wants(const sib_run_options *o, const char *name);

/* Adds a step of node n of g, and of its milli-op (NULL for a whole operator), to a profile. begins: it is the first
   step of the node's run on that backend. Thread-safe. */
void profile_add(sib_profile *p, const graph *g, const node *n, const char *milli, bool begins,
                 const char *backend, double seconds);

#endif
