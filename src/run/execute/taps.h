/* Values of a run shown to taps and watches as soon as they are made. */
#ifndef RUN_EXECUTE_TAPS_H
#define RUN_EXECUTE_TAPS_H

#include "run/execute/frame.h"

/* Shows the inputs of the frame's graph. */
sib_code tap_inputs(const frame *f, sib_error *err);
/* Shows what can be shown once i steps of s have run: outputs of step i - 1, a milli-op, and of nodes of the
   source graph. */
sib_code tap_steps(const frame *f, segment *s, const instance *in, size_t i, sib_error *err);
/* Shows the outputs of a node that ran in a separate segment: control flow, or steps in chunks. */
sib_code tap_control(const frame *f, const node *n, sib_error *err);

#endif
