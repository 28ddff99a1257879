/* Taps: values of a run that the caller wants to see as soon as they are made. */
#ifndef RUN_EXECUTE_TAPS_H
#define RUN_EXECUTE_TAPS_H

#include "run/execute/frame.h"

/* Shows input v of the frame's graph. */
sib_code tap_input(const frame *f, value_id v, sib_error *err);
/* Shows the outputs of step i, a milli-op of node `origin` of the source graph. */
sib_code tap_step(const frame *f, const segment *s, const instance *in, size_t i, node_id origin,
                  sib_error *err);
/* Shows the outputs of node `origin` of the source graph, all of whose steps have run. */
sib_code tap_outputs(const frame *f, const segment *s, const instance *in, node_id origin, sib_error *err);
/* Shows the outputs of a node that ran in a separate segment: control flow, or steps in chunks. */
sib_code tap_control(const frame *f, const node *n, sib_error *err);

#endif
