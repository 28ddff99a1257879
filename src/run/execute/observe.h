/* Observers of a run: taps on values, the profile, and the cancel flag. */
#ifndef RUN_EXECUTE_OBSERVE_H
#define RUN_EXECUTE_OBSERVE_H

#include "base/cancel.h"
#include "graph/graph.h"
#include <sibyl/session.h>

/* SIB_OK, or SIB_ERR_CANCELLED once c is set. c may be NULL. */
sib_code observe_cancel(const sib_cancel *c, sib_error *err);

/* Whether a tap wants values called `name`; marks the matching taps in o->tap_matched. */
bool observe_wants(const sib_run_options *o, const char *name);

/* Adds a step of node n of g to a profile. milli: its milli-op, NULL for an entire operator. begins: it is
   the first step of the node's run on that backend. Thread-safe. */
void profile_add(sib_profile *p, const graph *g, const node *n, const char *milli, bool begins,
                 const char *backend, double seconds);

#endif
